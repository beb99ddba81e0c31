# An idle server starts nothing, and has the launcher only: what found nothing to do leaves, and is
# not started again until something has changed. What cannot work is started later and later.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

# The postmaster says at debug1 which background worker it starts.
my $node = new_server('idle', log_min_messages => 'debug1', max_worker_processes => 64, 'pg_intake.max_workers' => 64,
	'pg_intake.executors' => 1, 'pg_intake.idle_time' => "'1s'", fsync => 'off', autovacuum => 'off');

my $starts = sub { return () = slurp_file($node->logfile) =~ /starting background worker process "pg_intake/g };
my $workers = sub { return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_intake%'" . ($_[0] // '')) };
# How many have started, once only the launcher is there, and nothing starts for a while.
my $settle = sub {
	my ($quiet) = @_;
	my ($last, $since) = (-1, time);
	wait_for(
		sub {
			my $now = $starts->();
			($last, $since) = ($now, time) if $now != $last || $workers->() != 1;
			return time - $since >= ($quiet // 1);
		},
		'only the launcher is there');
	return $last;
};
# A change of a workflow has a second look five seconds later, while others may still use the old one.
my $stays_quiet = sub {
	my ($name) = @_;
	my $before = $settle->(6);
	sleep 3;
	return is($starts->() - $before, 0, $name);
};
my $set = sub { $node->append_conf('postgresql.conf', "$_[0]\n"); $node->reload };
my $workflow = q{
	CREATE TABLE effect (key text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'n')};
my $runs = sub {
	my ($database, $key) = @_;
	$node->safe_psql($database, "SELECT intake.emit('n', '{}', key => '$key')");
	return wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key'", $database);
};
my $workers_of = sub { return $workers->(" AND datname = '$_[0]'") };

$node->safe_psql('postgres', $workflow);
ok($runs->('postgres', 'a'), 'jobs run');
# More of them than letters fit into the launcher's mailbox.
$node->safe_psql('postgres', "CREATE DATABASE none_$_ TEMPLATE template0 STRATEGY file_copy") for 1 .. 20;
$stays_quiet->('databases without the extension are looked at once');
$node->restart;
ok($runs->('postgres', 'b'), 'jobs run after a restart');
$stays_quiet->('nothing starts after a restart');
is($workers->(" AND backend_type = 'pg_intake launcher'"), 1, 'the launcher is there');
is($workers->(), 1, 'and nobody else');

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

# More commits than letters fit into the mailbox, while the launcher reads none. Who is called stays.
$set->("pg_intake.idle_time = '1h'");
my $launcher = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_intake launcher'");
kill 'STOP', $launcher;
$node->safe_psql("none_$_", 'CREATE EXTENSION pg_intake CASCADE') for 2 .. 20;
kill 'CONT', $launcher;
wait_for(sub { $workers_of->("none_$_") > 0 or return for 2 .. 20; 1 }, 'the launcher finds more databases than its mailbox holds');
pass('the launcher finds more databases than its mailbox holds');
$set->("pg_intake.idle_time = '1s'");
$node->safe_psql('postgres', "DROP DATABASE none_$_") for 2 .. 20;

# Executors that end at once are started later and later: of a handler that ends its process, or of a
# role that cannot log in any more. The jobs run when that is over.
$node->safe_psql('postgres', q{
	CREATE ROLE walker LOGIN;
	GRANT ALL ON SCHEMA public TO walker;
	SELECT intake.grant_access('walker', 'admin')});
my $walks = sub { $node->safe_psql('postgres', "CREATE OR REPLACE FUNCTION walks(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT $_[0]'", extra_params => [ '-U', 'walker' ]) };
$walks->('pg_terminate_backend(pg_backend_pid()), pg_sleep(10)');
$node->safe_psql('postgres', "SELECT intake.create_workflow('walks', 'walks(intake.job)', type => 'w', backoff => '10 ms', max_attempts => 1000)", extra_params => [ '-U', 'walker' ]);
my $walk = sub { $node->safe_psql('postgres', "SELECT count(intake.emit('w', '{}')) FROM generate_series(1, 20)") };
my $starts_few = sub {
	my ($name, $ended) = @_;
	my $before = $starts->();
	sleep 6;
	cmp_ok($starts->() - $before, '<=', 9, $name);
	return is($node->safe_psql('postgres', "SELECT count(*) FROM intake.jobs WHERE workflow = 'walks' AND state IN ('done', 'dead')"), $ended, 'its jobs wait');
};
my $walks_on = sub { wait_for_sql($node, "SELECT bool_and(state = 'done') FROM intake.jobs WHERE workflow = 'walks'"); pass($_[0]) };
$walk->();
$starts_few->('an executor that ends at once is started later and later', 0);
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM intake.attempts WHERE sqlstate = '57P01'"), '>', 2, 'but is started');
$walks->('pg_sleep(0)');
$walks_on->('when its handler is mended, it works');
my $gate = $node->background_psql('postgres', on_error_die => 1);
$gate->query_safe('SELECT pg_advisory_lock(1)');
$walks->('pg_advisory_xact_lock(1)');
$walk->();
wait_for_sql($node, 'SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL');
$node->safe_psql('postgres', 'ALTER ROLE walker NOLOGIN');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'walker'");
$gate->query_safe('SELECT pg_advisory_unlock(1)');
$gate->quit;
$starts_few->('an executor whose owner cannot connect is started later and later', 20);
$node->safe_psql('postgres', 'ALTER ROLE walker LOGIN');
$walks_on->('when he can, it goes on');
$stays_quiet->('and then nothing starts');

# More workers than places: they take turns, also where each of them would stay for long.
$node->safe_psql('postgres', 'DROP DATABASE none_1');
$node->safe_psql('postgres', "SELECT intake.drop_workflow('walks')");
$node->append_conf('postgresql.conf', "pg_intake.max_workers = 2\npg_intake.executors = 3\npg_intake.idle_time = '1h'\n");
$node->restart;
ok($runs->('postgres', 'g'), 'jobs run where there are fewer places than workers');
$node->safe_psql('postgres', q{
	CREATE TABLE step (n serial, who text DEFAULT session_user, started_at timestamptz DEFAULT clock_timestamp(), ended_at timestamptz);
	GRANT ALL ON step, step_n_seq TO PUBLIC});
for my $name (map { "owner_$_" } 1 .. 5)
{
	$node->safe_psql('postgres', "CREATE ROLE $name LOGIN; GRANT ALL ON SCHEMA public TO $name; SELECT intake.grant_access('$name', 'admin')");
	$node->safe_psql('postgres', qq{
		CREATE FUNCTION $name(job intake.job) RETURNS void LANGUAGE plpgsql AS \$\$
			BEGIN PERFORM pg_sleep(0.1); INSERT INTO public.step (started_at, ended_at) VALUES (clock_timestamp() - interval '0.1 s', clock_timestamp()); END \$\$;
		SELECT intake.create_workflow('$name', '$name(intake.job)', type => 'turn')}, extra_params => [ '-U', $name ]);
}
$node->safe_psql('postgres', "SELECT count(intake.emit('turn', '{}')) FROM generate_series(1, 12)");
wait_for_sql($node, "SELECT count(*) = 60 FROM step");
is($node->safe_psql('postgres', 'SELECT max(first) < min(last) FROM (SELECT min(started_at) AS first, max(ended_at) AS last FROM step GROUP BY who) s'), 't', 'each owner has had a turn before one is through');
ok($runs->('postgres', 'h'), 'so has who comes next');
$set->("pg_intake.idle_time = '1s'");
$stays_quiet->('in the end nobody is there');
cmp_ok(scalar(() = slurp_file($node->logfile) =~ /FATAL: .*database \d+ does not exist/g), '<=', 1, 'a database that was dropped is not asked for');
$node->stop;
done_testing();
