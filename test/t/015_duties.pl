# The supervisor's duties, each apart from the others; workers that are told something while they
# are busy.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('duties', 'pg_intake.executors' => 1, 'pg_intake.poll_interval' => '500ms');
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };
my $count_in_log = sub { return () = slurp_file($node->logfile) =~ /$_[0]/g };

$sql->(q{
	CREATE TABLE effect (key text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'n')});
my $runs_delayed = sub {
	my ($key, $name) = @_;
	$sql->("SELECT intake.emit('n', '{}', key => '$key', delay => '100 ms')");
	wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key'");
	return pass($name);
};
$runs_delayed->('a', 'delayed jobs run');

# A CREATE TABLE that is refused.
$sql->(q{
	CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no tables here'; END $$;
	CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse();
	SELECT setval('intake.event_id_seq', 700000), setval('intake.job_id_seq', 700000)});
wait_for(sub { $count_in_log->('could not make partitions of jobs: no tables here') }, 'the refusal is logged');
$runs_delayed->('b', 'delayed jobs run where partitions cannot be made');
$sql->("SELECT pg_terminate_backend(pid) FROM intake.workers WHERE kind = 'executor'");
$runs_delayed->('c', 'and an executor that ended is replaced');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'supervisor'");
is($count_in_log->('could not make partitions of jobs'), 1, 'a failure that repeats is logged once');
$sql->('DROP EVENT TRIGGER refuse');
wait_for_sql($node, q{SELECT to_regclass('intake.event_1000000') IS NOT NULL AND to_regclass('intake.done_1000000') IS NOT NULL});
pass('when it is allowed again, the partitions are made');
wait_for(sub { $count_in_log->('can make partitions of jobs again') }, 'that is logged');

# A lock that somebody holds.
my $holder = $node->background_psql('postgres', on_error_die => 1);
$sql->(q{SELECT setval('intake.event_id_seq', 1700000)});
$holder->query_safe('BEGIN; LOCK TABLE intake.event IN SHARE UPDATE EXCLUSIVE MODE');
wait_for(sub { $count_in_log->('could not make partitions of events: canceling statement due to lock timeout') }, 'the lock timeout is logged');
$runs_delayed->('d', 'delayed jobs run while somebody holds a lock that partitions need');
$holder->query_safe('COMMIT; BEGIN; LOCK TABLE intake.delayed');
wait_for(sub { $count_in_log->('could not move delayed jobs: canceling statement due to lock timeout') }, 'the lock timeout is logged');
$sql->(q{SELECT setval('intake.job_id_seq', 1700000)});
wait_for_sql($node, q{SELECT to_regclass('intake.done_2000000') IS NOT NULL});
pass('partitions are made while delayed jobs cannot be moved');
my $supervisor = $sql->("SELECT pid FROM intake.workers WHERE kind = 'supervisor'");
wait_for_sql($node, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $supervisor");
$sql->("SELECT pg_terminate_backend($supervisor)");
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'supervisor' AND pid <> $supervisor");
pass('a supervisor that waits for a lock can be terminated, and comes back');
$holder->query_safe('COMMIT');
$holder->quit;
$runs_delayed->('e', 'when the lock is gone, delayed jobs run');

# What a database is set to does not reach the supervisor.
$sql->('ALTER DATABASE postgres SET default_transaction_read_only = on');
$supervisor = $sql->("SELECT pid FROM intake.workers WHERE kind = 'supervisor'");
$sql->("SELECT pg_terminate_backend($supervisor)");
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'supervisor' AND pid <> $supervisor");
$sql->("SET default_transaction_read_only = off; SELECT intake.emit('n', '{}', key => 'f', delay => '100 ms')");
wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'f'");
pass('delayed jobs run in a database that is read-only by default');
$sql->('SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only');

# An executor that is never idle hears of a reload.
$sql->(q{
	CREATE TABLE seen (setting text);
	CREATE FUNCTION slow(job intake.job) RETURNS void LANGUAGE sql AS $$
		INSERT INTO public.seen VALUES (current_setting('synchronous_commit')); SELECT pg_sleep(0.05) $$;
	SELECT intake.create_workflow('slow', 'slow(intake.job)', type => 'slow');
	SELECT count(intake.emit('slow', '{}')) FROM generate_series(1, 400)});
wait_for_sql($node, "SELECT count(*) > 0 FROM seen");
$node->append_conf('postgresql.conf', 'pg_intake.job_synchronous_commit = on');
$node->reload;
wait_for_sql($node, "SELECT count(*) > 0 FROM seen WHERE setting = 'on'");
cmp_ok($sql->("SELECT count(*) FROM intake.queue"), '>', 0, 'a busy executor reads the configuration again');
$node->stop;
done_testing();
