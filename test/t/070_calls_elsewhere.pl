# 500 calls are under way, and the database is another: a standby that is promoted, and the courier follows;
# or a copy, which sends nothing until it is told that it is not one.
use strict;
use warnings;
use Couriers;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no python3' if system('python3 -c "import asyncio, ssl"') != 0;

my $calls = 500;
my $primary = new_calls_server('primary', 'pg_intake.poll_interval' => "'1 s'");
my $seen = 'SELECT count(*), count(DISTINCT job_id), count(*) FILTER (WHERE status = 200) FROM seen';
sub start { my ($name, $dsn) = @_; return start_courier("$dsn user=courier", $name, '--max-transfers', 2000) }

# ---- a standby is promoted ----

$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'\n");
$primary->reload;
wait_for_sql($primary, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");

my $port = start_hostile();
my $both = sprintf 'dbname=postgres host=%s,%s port=%s,%s target_session_attrs=read-write', $primary->host, $standby->host, $primary->port, $standby->port;
my $courier = start('follows', $both);
$primary->safe_psql('postgres', "SELECT ask_for('http://127.0.0.1:$port/hold', $calls, '{\"timeout\": \"60 s\"}')");
wait_for(sub { counts($port)->{running} == $calls }, 'the calls are under way');
$primary->stop('immediate');
$standby->promote;
fetch($port, '/release');
wait_for(sub { $standby->safe_psql('postgres', 'SELECT count(*) FROM seen') == $calls }, 'all jobs have their answers');
is($standby->safe_psql('postgres', $seen), "$calls|$calls|$calls", 'promoted: each job has its answer once');
my %keys = keys_of($port, '/hold');
is(scalar(keys %keys), $calls, 'promoted: each call has one key');
is_deeply([ grep { $_ != 1 } values %keys ], [], 'promoted: ... and was made once');
is($standby->safe_psql('postgres', 'SELECT count(*), max(attempt) FROM intake.attempts WHERE call_id IS NOT NULL'), "$calls|1", 'promoted: ... and charged once');
is($standby->safe_psql('postgres', 'SELECT (SELECT count(*) FROM intake.calling) + (SELECT count(*) FROM intake.call_queue) + (SELECT count(*) FROM intake.call_held)'), 0, 'promoted: no room has any left');
is(stop_courier($courier), 0, 'the courier has found its way');

# ---- copies: what was under way, and what waited, when they were made ----

my $origin = start_hostile();
$courier = start('origin', $standby->connstr('postgres'));
$standby->safe_psql('postgres', "SELECT ask_for('http://127.0.0.1:$origin/hold', $calls, '{\"timeout\": \"60 s\"}')");
wait_for(sub { counts($origin)->{running} == $calls }, 'the calls are under way');
my $dump = scratch() . '/dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, $standby->connstr('postgres') ], 'pg_dump');
$standby->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $standby->connstr('restored'), $dump ], 'pg_restore');
stop_courier($courier, 'KILL');
$standby->stop;

# Nothing is sent, though a courier is there and has asked; then everything is.
sub sends_when_told
{
	my ($node, $database, $what) = @_;
	my $sql = sub { return $node->safe_psql($database, $_[0]) };
	$sql->('UPDATE intake.courier SET until = now()');
	my $before = scalar requests_of($origin, '/hold');
	my $mine = start($database, $node->connstr($database));
	$sql->("SELECT ask_for('http://127.0.0.1:$origin/hold', 1)");
	wait_for(sub { $sql->("SELECT count(*) FROM intake.couriers WHERE name = '$database' AND seen_at > entered_at + interval '4 s'") == 1 }, 'a courier has asked several times');
	is($sql->('SELECT DISTINCT state FROM intake.workflows'), 'restored', "$what: it is one");
	is(scalar(requests_of($origin, '/hold')), $before, "$what: nothing is sent");
	is($sql->('SELECT count(*), count(*) FILTER (WHERE courier <> 0) FROM intake.call_held'), "$calls|$calls", "$what: what was under way is left as it was");
	fetch($origin, '/release');
	$sql->('SELECT intake.resume_workflows()');
	wait_for(sub { $sql->('SELECT count(*) FROM seen') == 2 * $calls + 1 }, 'all jobs have their answers');
	is(scalar(requests_of($origin, '/hold')), $before + $calls + 1, "$what: what is sent then is sent once");
	is($sql->('SELECT count(*) FROM seen WHERE status = 200'), 2 * $calls + 1, "$what: and all are answered");
	is($sql->('SELECT count(*) FROM (SELECT job_id FROM seen GROUP BY 1 HAVING count(*) > 1) x'), 0, "$what: and no job has two answers");
	stop_courier($mine);
	return;
}

my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init(extra => [ '-U', Intake::SUPERUSER ]);
$copy->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_intake'\nmax_worker_processes = 16\npg_intake.poll_interval = '1 s'\n");
my $bindir = $copy->config_data('--bindir');
chdir $copy->basedir;
command_ok([ 'pg_upgrade', '--no-sync', '-U', Intake::SUPERUSER, '-d', $standby->data_dir, '-D', $copy->data_dir, '-b', $bindir, '-B', $bindir,
		'-p', $standby->port, '-P', $copy->port, '-s', $copy->host ], 'pg_upgrade');
$copy->start;
sends_when_told($copy, 'restored', 'a dump that was restored');
sends_when_told($copy, 'postgres', 'files of another server');
unlike(slurp_file($_->logfile), qr/PANIC|ERROR:(?!  this courier has ended)/, 'the database is well') for $standby, $copy;
done_testing();
