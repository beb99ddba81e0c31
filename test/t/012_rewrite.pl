# Tables that are rewritten, or rows that are locked or gone, while jobs are in the hands of their
# holders: every job ends exactly once, and what is lost is told.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('rewrite', 'pg_intake.poll_interval' => '1s', 'pg_intake.executors' => 1);

# A handler that waits for an open gate: a row, which a crash does not open. While it waits it holds
# an advisory lock, for the test to see.
$node->safe_psql('postgres', q{
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
	SELECT intake.create_workflow('waits', 'waits(intake.job)', type => 'w', backoff => '10 ms', timeout => '10 minutes')});

my $offset = 0; # of the part of the log that was not looked at

sub close_gate { query('UPDATE gate SET is_open = false'); }
sub open_gate { query('UPDATE gate SET is_open = true'); }

sub query { return $node->safe_psql('postgres', $_[0]); }

# Emits jobs, and waits until the executor has claimed them all and the first one waits.
sub claim
{
	my ($count) = @_;
	close_gate();
	# A change of the workflow lets the executor forget how long jobs take: its batch is eight again.
	query("SELECT intake.alter_workflow('waits', max_attempts => 8)");
	query("BEGIN; TRUNCATE effect; SELECT count(intake.emit('w', '{}')) FROM generate_series(1, $count); COMMIT");
	wait_for_sql($node, "SELECT count(*) = $count FROM intake.running");
	wait_until_one_waits();
}

sub wait_until_one_waits
{
	wait_for_sql($node, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted");
}

# Rewrites the rooms, in all the ways there are.
sub rewrite
{
	for my $table (qw(running suspect queue))
	{
		query("VACUUM FULL intake.$table");
		query("CLUSTER intake.$table USING ${table}_pkey");
	}
	# As tools do that copy rows: they are new ones, which snapshots taken before do not see.
	query('ALTER TABLE intake.running ALTER lease TYPE bigint USING lease + 0');
	query('ALTER TABLE intake.suspect ALTER lease TYPE bigint USING lease + 0');
	query('ALTER TABLE intake.queue ALTER position TYPE bigint USING position + 0');
}

# All of the jobs have ended, each once.
sub check
{
	my ($count, $name) = @_;
	wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE workflow = 'waits' AND state NOT IN ('done', 'dead')");
	is(query('SELECT count(*), count(DISTINCT job_id) FROM effect'), "$count|$count", "$name: every job ended exactly once");
	is(query("SELECT count(*) FROM effect LEFT JOIN intake.jobs ON id = job_id WHERE state IS DISTINCT FROM 'done'"), '0', "$name: and is done");
}

# What the log says since the last look.
sub logged
{
	my $log = substr slurp_file($node->logfile), $offset;
	$offset += length $log;
	return $log;
}

# Dead rows: what is claimed next stands in pages that a rewrite takes away.
open_gate();
query("SELECT count(intake.emit('w', '{}')) FROM generate_series(1, 1500)");
check(1500, 'before');

claim(8);
logged();
rewrite();
open_gate();
check(8, 'rewritten while claimed');
is(query('SELECT count(*) FROM intake.attempts'), '0', 'no attempt was charged');
unlike(logged(), qr/(ERROR|FATAL|PANIC|WARNING): /, 'the log is silent');

# The executor ends: what did not run goes back, what ran is charged.
claim(8);
rewrite();
query("SELECT pg_terminate_backend(pid) FROM intake.workers WHERE kind = 'executor'");
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.attempts WHERE sqlstate = '57P01'");
open_gate();
check(8, 'given back after a rewrite');
is(query('SELECT count(*) FROM intake.attempts'), '1', 'one attempt was charged');
unlike(logged(), qr/(ERROR|PANIC|WARNING): /, 'the log has no error');

# The server crashes: all of the batch run alone. Meanwhile suspects are rewritten.
claim(8);
rewrite();
kill 'KILL', query("SELECT pid FROM intake.workers WHERE kind = 'executor'");
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.suspect WHERE lease IS NOT NULL AND started_at IS NOT NULL");
wait_until_one_waits();
is(query('SELECT count(*) FROM intake.suspect'), '8', 'all of the batch are suspects');
rewrite();
open_gate();
check(8, 'crashed after a rewrite');
is(query('SELECT count(*) FROM intake.attempts'), '1', 'nobody was charged');

# A row that somebody has locked is waited for.
claim(2);
my $locker = $node->background_psql('postgres', on_error_die => 1);
$locker->query_safe('BEGIN; SELECT count(*) FROM (SELECT FROM intake.running FOR UPDATE) r');
logged();
open_gate();
wait_for_sql($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_intake executor' AND wait_event_type = 'Lock' AND wait_event = 'transactionid'");
$locker->query_safe('COMMIT');
check(2, 'locked by a session');
unlike(logged(), qr/(ERROR|FATAL|PANIC|WARNING): /, 'the log is silent');

# A job whose row is taken away: its holder notices, and undoes what it did.
claim(2);
query(q{WITH gone AS (DELETE FROM intake.running RETURNING job_id, event_id, lane, attempts)
	INSERT INTO intake.queue (position, job_id, event_id, lane, attempts)
		SELECT nextval('intake.job_id_seq'), job_id, event_id, lane, attempts FROM gone});
logged();
open_gate();
check(2, 'taken away');
is(query("SELECT count(*), count(DISTINCT job_id) FROM intake.attempts WHERE sqlstate = 'WH005'"), '2|2', 'each lost lease is shown');
is(() = logged() =~ /WARNING: .*the lease of job \d+ was lost/g, 2, 'and logged');

$locker->quit;
$node->stop;
done_testing();
