# Locks that others hold: who waits for one can be ended, and what it held is found.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('locks', 'pg_intake.poll_interval' => '1s', 'pg_intake.executors' => 2);

sub query { return $node->safe_psql('postgres', $_[0]); }

# A handler that waits for an open gate.
query(q{
	CREATE TABLE effect (job_id bigint);
	CREATE TABLE gate (is_open bool);
	INSERT INTO gate VALUES (false);
	CREATE FUNCTION waits(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock_shared(1);
		WHILE NOT (SELECT is_open FROM public.gate) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		INSERT INTO public.effect VALUES (job.id);
	END $$;
	SELECT intake.create_workflow('waits', 'waits(intake.job)', type => 'w', backoff => '10 ms', timeout => '10 minutes');
	SELECT intake.create_workflow('other', 'waits(intake.job)', type => 'o', timeout => '10 minutes')});

sub open_gate { query('UPDATE gate SET is_open = true'); }

# Emits a batch of jobs for one executor, and waits until it runs the first one.
sub claim
{
	my ($count) = @_;
	query('TRUNCATE effect; UPDATE gate SET is_open = false');
	query("SELECT intake.alter_workflow('waits', max_attempts => 8)");
	query("SELECT count(intake.emit('w', '{}')) FROM generate_series(1, $count)");
	wait_for_sql($node, "SELECT count(*) = $count FROM intake.running");
	wait_for_sql($node, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted");
}

sub check
{
	my ($count, $name) = @_;
	wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE workflow = 'waits' AND state NOT IN ('done', 'dead')");
	is(query('SELECT count(*), count(DISTINCT job_id) FROM effect'), "$count|$count", "$name: every job ended exactly once");
}

my $locker = $node->background_psql('postgres', on_error_die => 1);

# Two executors have more to do than what they hold, and come to the lanes while the table is locked.
query("SELECT count(intake.emit(type, '{}')) FROM unnest('{w,o}'::text[]) AS type, generate_series(1, 20)");
wait_for_sql($node, 'SELECT count(*) = 2 FROM intake.workers WHERE job_id IS NOT NULL');
$locker->query_safe('BEGIN; LOCK TABLE intake.queue IN ACCESS EXCLUSIVE MODE');
open_gate();
my $waiting = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_intake executor' AND wait_event_type = 'Lock'";
wait_for_sql($node, "SELECT count(*) = 2 FROM ($waiting) w");
my @pids = split /\n/, query("SELECT pg_terminate_backend(pid), pid FROM ($waiting) w");
s/.*\|// for @pids;
wait_for_sql($node, 'SELECT count(*) = 0 FROM pg_stat_activity WHERE pid IN (' . join(',', @pids) . ')');
pass('executors that wait for the table can be terminated');
$locker->query_safe('ROLLBACK');
wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE state NOT IN ('done', 'dead')");
is(query('SELECT count(*), count(DISTINCT job_id) FROM effect'), '40|40', 'others do their jobs, each once');

# An executor that ends while the table is locked leaves its jobs, and the supervisor finds them.
claim(8);
my ($busy) = query('SELECT pid FROM intake.workers WHERE job_id IS NOT NULL');
$locker->query_safe('BEGIN; LOCK TABLE intake.queue IN ACCESS EXCLUSIVE MODE');
query("SELECT pg_terminate_backend($busy)");
wait_for_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $busy");
pass('an executor that cannot give back its jobs ends at once');
$locker->query_safe('ROLLBACK');
wait_for_sql($node, 'SELECT count(*) = 0 FROM intake.running');
open_gate();
check(8, 'not given back');
is(query('SELECT count(*) FROM intake.attempts'), '0', 'nobody was charged');

# Rows under a lease that nobody holds are found, though no executor has ended.
claim(4);
query('UPDATE intake.running SET lease = -1 WHERE job_id <> (SELECT job_id FROM intake.workers WHERE job_id IS NOT NULL)');
wait_for_sql($node, 'SELECT count(*) = 3 FROM intake.suspect');
is(query('SELECT count(*) FROM intake.running'), '1', 'the job that a living executor holds is left to it');
open_gate();
check(4, 'without a holder');
is(query("SELECT string_agg(DISTINCT sqlstate, ' ') FROM intake.attempts"), 'WH005', 'the leases that were lost are shown');

# A suspect that is marked as started under such a lease is found as well. Its crash counts.
query(q{UPDATE gate SET is_open = true});
query(q{SELECT intake.pause_workflow('waits'); SELECT intake.emit('w', '{}', key => 'alone')});
query(q{WITH gone AS (DELETE FROM intake.queue RETURNING job_id, event_id, lane, attempts)
	INSERT INTO intake.suspect (job_id, event_id, lease, started_at, lane, attempts, crashes)
		SELECT job_id, event_id, -1, now(), lane, attempts, 0 FROM gone});
wait_for_sql($node, 'SELECT count(*) = 1 FROM intake.suspect WHERE started_at IS NULL AND lease IS NULL AND crashes = 1');
pass('a started suspect without a holder is found');
query("SELECT intake.resume_workflow('waits')");
wait_for_sql($node, "SELECT state = 'done' FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE e.key = 'alone'");

# Nor does a process that ends wait for what it reads.
claim(1);
query("SELECT intake.alter_workflow('waits', max_attempts => 1)");
($busy) = query('SELECT pid FROM intake.workers WHERE job_id IS NOT NULL');
$locker->query_safe('BEGIN; LOCK TABLE intake.workflow IN ACCESS EXCLUSIVE MODE');
query("SELECT pg_terminate_backend($busy)");
wait_for_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $busy");
pass('an executor ends at once, though the workflows are locked');
$locker->query_safe('ROLLBACK');
open_gate();
wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE workflow = 'waits' AND state NOT IN ('done', 'dead')");

# A role's lock_timeout is for its handlers. What is ours waits, whoever holds the lock, at no charge.
query(q{UPDATE gate SET is_open = false; TRUNCATE effect;
	CREATE TABLE busy (setting text);
	CREATE ROLE hasty LOGIN;
	SELECT intake.grant_access('hasty', 'admin');
	GRANT ALL ON effect, gate, busy TO hasty;
	ALTER ROLE hasty SET lock_timeout = '1ms';
	CREATE FUNCTION hurries(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.busy VALUES (current_setting('lock_timeout'));
		PERFORM public.waits(job);
	END $$});
$node->safe_psql('postgres', "SELECT intake.create_workflow(name, 'hurries(intake.job)', type => 'h', backoff => '10 ms', max_attempts => 1000, timeout => '10 minutes') FROM unnest('{hasty,hastier}'::text[]) AS name",
	extra_params => [ '-U', 'hasty' ]);
my $hasty = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_intake executor' AND usename = 'hasty'";
query('TRUNCATE intake.attempt');
query("SELECT intake.emit('h', '{}')");
wait_for_sql($node, "SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND granted");
my $before = query("SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM ($hasty) h");
$locker->query_safe('BEGIN; LOCK TABLE intake.running, intake.queue, intake.done, intake.attempt IN ACCESS EXCLUSIVE MODE');
open_gate();
wait_for_sql($node, "SELECT count(*) = 2 FROM ($hasty AND wait_event_type = 'Lock') w");
$locker->query_safe('ROLLBACK');
wait_for_sql($node, 'SELECT count(*) = 2 FROM effect');
$locker->query_safe('BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE');
query("SELECT intake.emit('h', '{}')");
wait_for_sql($node, "SELECT count(*) > 0 FROM intake.attempts WHERE sqlstate = '55P03'");
pass('a handler waits as long as its role says');
$locker->query_safe('ROLLBACK');
wait_for_sql($node, 'SELECT count(*) = 4 FROM effect');
is(query("SELECT count(*) FROM intake.attempts WHERE sqlstate <> '55P03' OR error !~ 'hurries'"), '0', 'what is ours waits, and charges nobody');
is(query("SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM ($hasty) h"), $before, 'and ends no executor');
query("ALTER SYSTEM SET lock_timeout = '7s'; ALTER ROLE hasty RESET lock_timeout; SELECT pg_reload_conf()");
query("SELECT pg_terminate_backend(pid) FROM ($hasty) h");
query("TRUNCATE busy; SELECT intake.emit('h', '{}')");
wait_for_sql($node, "SELECT count(*) = 2 FROM busy WHERE setting = '7s'");
query("ALTER SYSTEM SET lock_timeout = '8s'; SELECT pg_reload_conf()");
wait_for_sql($node, "SELECT intake.emit('h', '{}') > 0 AND EXISTS (SELECT FROM busy WHERE setting = '8s')");
pass('also when the setting changes');

$locker->quit;
unlike(slurp_file($node->logfile), qr/PANIC|you don't own a lock/, 'the log has no surprise');
$node->stop;
done_testing();
