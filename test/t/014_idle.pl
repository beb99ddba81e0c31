# An idle server starts nothing: what found nothing to do is not started again until something
# has changed, and what cannot work is started later and later.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

# The postmaster says at debug1 which background worker it starts.
my $node = new_server('idle', log_min_messages => 'debug1', max_worker_processes => 64, 'pg_intake.max_workers' => 64,
	'pg_intake.executors' => 1, fsync => 'off', autovacuum => 'off');

my $starts = sub { return () = slurp_file($node->logfile) =~ /starting background worker process "pg_intake/g };
# The starts of an interval, once nothing starts for a second.
my $settle = sub {
	my $last = -1;
	wait_for(sub { my $now = $starts->(); my $quiet = $now == $last; $last = $now; sleep 1; $quiet }, 'nothing starts');
	return $last;
};
my $stays_quiet = sub {
	my ($name, $seconds) = @_;
	my $before = $settle->();
	sleep($seconds // 3);
	is($starts->() - $before, 0, $name);
};
my $workflow = q{
	CREATE TABLE effect (key text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'n')};
my $runs = sub {
	my ($database, $key) = @_;
	$node->safe_psql($database, "SELECT intake.emit('n', '{}', key => '$key')");
	return wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key'", $database);
};
my $workers_of = sub { return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = '$_[0]' AND backend_type LIKE 'pg_intake%'") };

$node->safe_psql('postgres', $workflow);
ok($runs->('postgres', 'a'), 'jobs run');
# More of them than letters fit into the launcher's mailbox.
$node->safe_psql('postgres', "CREATE DATABASE none_$_ TEMPLATE template0 STRATEGY file_copy") for 1 .. 20;
$stays_quiet->('databases without the extension are looked at once');
$node->restart;
ok($runs->('postgres', 'b'), 'jobs run after a restart');
$stays_quiet->('nothing starts after a restart');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_intake%'"), '==', 3, 'launcher, supervisor and executor are there');

# A launcher that starts anew looks once at each.
my $before = $settle->();
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_intake launcher'");
wait_for(sub { $starts->() > $before }, 'the launcher is back');
cmp_ok($settle->() - $before, '<=', 30, 'a new launcher looks once at each database');

# What creates the extension calls the launcher.
$node->safe_psql('none_1', 'CREATE EXTENSION pg_intake CASCADE');
$node->safe_psql('none_1', $workflow);
ok($runs->('none_1', 'c'), 'jobs run in a database that gets the extension');
$node->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE none_1 STRATEGY file_copy');
wait_for(sub { $workers_of->('copied') > 0 }, 'a copy of a database with the extension has its supervisor');
pass('a copy of a database with the extension has its supervisor');
$node->safe_psql('copied', "SELECT intake.resume_workflow('note')");
ok($runs->('copied', 'd'), 'and runs jobs');
$node->safe_psql('none_2', 'BEGIN; CREATE EXTENSION pg_intake CASCADE; ROLLBACK');
is($workers_of->('none_2'), 0, 'CREATE EXTENSION that was rolled back leaves nothing');
$node->safe_psql('postgres', 'ALTER DATABASE copied RENAME TO renamed');
ok($runs->('renamed', 'e'), 'a renamed database goes on');
$node->safe_psql('postgres', 'ALTER DATABASE none_3 ALLOW_CONNECTIONS false; ALTER DATABASE none_3 ALLOW_CONNECTIONS true');
$node->safe_psql('renamed', 'DROP EXTENSION pg_intake CASCADE');
wait_for(sub { $workers_of->('renamed') == 0 }, 'the workers are gone');
$stays_quiet->('nothing starts where the extension was dropped');
$node->safe_psql('renamed', 'DROP FUNCTION IF EXISTS note; DROP TABLE effect; CREATE EXTENSION pg_intake CASCADE');
$node->safe_psql('renamed', $workflow);
ok($runs->('renamed', 'f'), 'jobs run where it was created again');
$node->safe_psql('postgres', 'DROP DATABASE renamed');

# More commits than letters fit into the mailbox, while the launcher reads none.
my $launcher = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_intake launcher'");
kill 'STOP', $launcher;
$node->safe_psql("none_$_", 'CREATE EXTENSION pg_intake CASCADE') for 2 .. 20;
kill 'CONT', $launcher;
wait_for(sub { $workers_of->("none_$_") > 0 or return for 2 .. 20; 1 }, 'the launcher finds more databases than its mailbox holds');
pass('the launcher finds more databases than its mailbox holds');
$node->safe_psql('postgres', "DROP DATABASE none_$_") for 2 .. 20;

# Executors that end at once are started later and later; a pause and a change do not add to that.
$node->safe_psql('postgres', q{
	CREATE ROLE walker LOGIN;
	GRANT ALL ON SCHEMA public TO walker;
	SELECT intake.grant_access('walker', 'admin')});
$node->safe_psql('postgres', q{
	CREATE FUNCTION walks(job intake.job) RETURNS void LANGUAGE sql AS '';
	SELECT intake.create_workflow('walks', 'walks(intake.job)', type => 'w')}, extra_params => [ '-U', 'walker' ]);
wait_for_sql($node, "SELECT count(*) = 2 FROM intake.workers WHERE kind = 'executor'");
$node->safe_psql('postgres', "ALTER ROLE walker NOLOGIN");
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'walker'");
$before = $starts->();
sleep 6;
cmp_ok($starts->() - $before, '<=', 8, 'an executor whose owner cannot connect is started later and later');
$node->safe_psql('postgres', "ALTER ROLE walker LOGIN");

# More workers than places.
$node->safe_psql('postgres', 'DROP DATABASE none_1');
$node->safe_psql('postgres', "SELECT intake.drop_workflow('walks')");
$node->append_conf('postgresql.conf', "pg_intake.max_workers = 3\npg_intake.executors = 3\n");
$node->restart;
ok($runs->('postgres', 'g'), 'jobs run where there are fewer places than workers');
$stays_quiet->('what finds no place is not started', 5);
$node->stop;
done_testing();
