# Locks that anybody can take, and what fails while it is due: neither holds up what does not need
# it. And what nobody announces when it commits, which no poll is to find here.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = new_server('strangers', 'pg_intake.executors' => 2, 'pg_intake.poll_interval' => '1h', max_prepared_transactions => 2,
	autovacuum => 'off', fsync => 'off');
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };
$sql->(q{
	CREATE ROLE stranger LOGIN;
	CREATE TABLE effect (key text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	CREATE FUNCTION waits(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(1000)';
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'n'),
		intake.create_workflow('waits', 'waits(intake.job)', type => 'w', timeout => '1 hour')});
my $runs = sub {
	my ($key, $name) = @_;
	$sql->("SELECT intake.emit('n', '{}', key => '$key')");
	wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key'");
	return pass($name);
};
$runs->('a', 'jobs run');

# The server asks for no right on the extension here, and for its right too late in DROP EXTENSION.
$sql->("SELECT intake.emit('w', '{}')");
wait_for_sql($node, 'SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL');
my $stranger = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'stranger' ]);
$stranger->query(q{BEGIN; CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION pg_temp.f() DEPENDS ON EXTENSION pg_intake});
is($sql->("SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_extension'::regclass AND mode = 'AccessExclusiveLock' AND granted"),
	'1', 'a stranger locks the extension');
$runs->('b', 'jobs run all the same');
$stranger->query('ROLLBACK');
my ($code) = $node->psql('postgres', 'DROP EXTENSION pg_intake CASCADE', extra_params => [ '-U', 'stranger' ], timeout => 20);
isnt($code, 0, 'a stranger may not drop the extension, and is told so while a long job runs');
$stranger->quit;
$runs->('c', 'jobs run');

# Something is due, and cannot be done.
$sql->("SELECT intake.emit('n', '{}', key => 'd', delay => '1 s')");
$sql->('ALTER TABLE intake.queue ADD COLUMN g int GENERATED ALWAYS AS (1) STORED');
wait_for(sub { slurp_file($node->logfile) =~ /could not move delayed jobs/ }, 'delayed jobs cannot be moved');
my $transactions = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'postgres'";
my $before = $sql->($transactions);
sleep 3;
cmp_ok($sql->($transactions) - $before, '<', 200, 'the supervisor tries it later and later');
$sql->('ALTER TABLE intake.queue DROP COLUMN g');
wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'd'");
pass('when it can be done, it is');

# An event whose partition its own transaction has made is stored, however soon its job begins.
for my $round (1 .. 20)
{
	$sql->("SELECT setval('intake.event_id_seq', ${round}999999)");
	$sql->("BEGIN; LOCK TABLE intake.event IN SHARE MODE; SELECT intake.emit('n', '{}', key => 'made-$round'); COMMIT");
	wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE workflow = 'note' AND state IN ('ready', 'running')");
}
is($sql->("SELECT count(*) FROM effect WHERE key LIKE 'made-%'"), '20', 'events are found in partitions that their transactions made');

# Prepared transactions.
$sql->(q{BEGIN; SELECT intake.emit('n', '{}', key => 'p'), intake.emit('n', '{}', key => 'q', delay => '100 ms'); PREPARE TRANSACTION 'emit'});
$sql->(q{COMMIT PREPARED 'emit'});
wait_for_sql($node, "SELECT count(*) = 2 FROM effect WHERE key IN ('p', 'q')");
pass('jobs of a prepared transaction begin when it commits');
$sql->(q{BEGIN; SELECT intake.create_workflow('late', 'note(intake.job)', type => 'late'); PREPARE TRANSACTION 'workflow'});
$sql->(q{COMMIT PREPARED 'workflow'});
$sql->("SELECT intake.emit('late', '{}', key => 'late')");
wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'late'");
pass('and a workflow of one works');

# A pause holds for what an executor comes to later in the round that it is in. One executor stays.
$node->append_conf('postgresql.conf', 'pg_intake.executors = 1');
$node->reload;
$sql->("SELECT intake.pause_workflow('waits')");
$sql->("SELECT pg_terminate_backend(pid) FROM intake.workers WHERE kind = 'executor'");
$sql->(q{
	CREATE FUNCTION holds(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_xact_lock(1)';
	SELECT intake.create_workflow('holds', 'holds(intake.job)', type => 'h'), intake.create_workflow('after', 'note(intake.job)', type => 'after')});
$sql->("SELECT intake.emit('h', '{}', key => 'warm'), intake.emit('after', '{}', key => 'warm too')");
wait_for_sql($node, "SELECT count(*) = 2 FROM intake.jobs WHERE workflow IN ('holds', 'after') AND state = 'done'");
my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe('SELECT pg_advisory_lock(1)');
$sql->("SELECT intake.emit('h', '{}'), intake.emit('after', '{}', key => 'after')");
wait_for_sql($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_intake executor' AND wait_event = 'advisory'");
$sql->("SELECT intake.pause_workflow('after')");
# What was claimed behind a job that turns out slow, longer than a batch should take, is given back.
$holder->query_safe('SELECT pg_sleep(0.1)');
$holder->query_safe('SELECT pg_advisory_unlock(1)');
$holder->quit;
$runs->('round', 'the executor is in another round');
is($sql->("SELECT count(*) FROM effect WHERE key = 'after'"), '0', 'what was paused before its turn does not begin');

# What a crash would empty holds no jobs.
$sql->('ALTER TABLE intake.queue SET UNLOGGED');
my (undef, undef, $error) = $node->psql('postgres', "SELECT intake.emit('n', '{}')");
like($error, qr/"intake.queue" cannot be used: it is unlogged/, 'an unlogged table is refused');
$sql->('ALTER TABLE intake.queue SET LOGGED');
$runs->('e', 'and taken when it is logged');

# What is dropped with the schema of an extension that ours requires.
$sql->('CREATE DATABASE other TEMPLATE template0 STRATEGY file_copy');
$node->safe_psql('other', q{
	CREATE EXTENSION pg_intake CASCADE;
	CREATE SCHEMA mine;
	CREATE FUNCTION mine.waits(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(1000)';
	SELECT intake.create_workflow('waits', 'mine.waits(intake.job)', type => 'w', timeout => '1 hour'), intake.emit('w', '{}')});
wait_for_sql($node, 'SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL', 'other');
my $start = time;
$node->safe_psql('other', 'DROP SCHEMA public CASCADE');
cmp_ok(time - $start, '<', 60, 'DROP SCHEMA of where pgcrypto lies does not wait for a long job');
wait_for_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'other' AND backend_type LIKE 'pg_intake%'");
$node->stop;
done_testing();
