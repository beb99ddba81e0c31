# What versions of PostgreSQL have brought with them, and what workers must bear.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('versions');
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');
plan skip_all => 'transaction_timeout came with PostgreSQL 17' if $version < 170000;

# ---- transaction_timeout: no worker ends by it ----

# Our own sessions are not what is looked at.
$ENV{PGOPTIONS} = '-c transaction_timeout=0';

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE effect (key text PRIMARY KEY, timeout text);
CREATE FUNCTION slow(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(0.5);
	INSERT INTO effect VALUES (job.key, current_setting('transaction_timeout'));
END $$;
SELECT intake.create_workflow('slow', 'slow(intake.job)');
SQL
my $job_runs = sub {
	my ($key) = @_;
	$node->safe_psql('postgres', "SELECT intake.emit('t', '{}', key => '$key')");
	wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key'");
	is($node->safe_psql('postgres', "SELECT timeout FROM effect WHERE key = '$key'"), '0', "$key: the job has its workflow's timeout alone");
};
my $workers = sub {
	return $node->safe_psql('postgres', "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE backend_type LIKE 'pg_intake%'");
};
$job_runs->('before');
my $before = $workers->();

$node->safe_psql('postgres', "ALTER SYSTEM SET transaction_timeout = '200ms'");
$node->safe_psql('postgres', "SELECT pg_reload_conf()");
wait_for(sub { slurp_file($node->logfile) =~ /"transaction_timeout" changed/ }, 'the server has read it');
$job_runs->('while they run');
my %now = map { $_ => 1 } split ' ', $workers->();
is(join(' ', grep { !$now{$_} } split ' ', $before), '', 'no worker has ended');

$node->restart;
$job_runs->('from the start');
my $log = slurp_file($node->logfile);
unlike($log, qr/transaction timeout/, 'nothing ends by it');

$node->stop;
done_testing();
