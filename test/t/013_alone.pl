# A suspect runs alone, and the jobs of others go on while it waits for that.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('alone', 'pg_intake.poll_interval' => '1s', 'pg_intake.executors' => 1);

sub query { return $node->safe_psql('postgres', $_[0]); }

# Three owners, each with a workflow. A handler waits for the gate of its workflow, and notes when
# it begins and ends.
query(q{
	CREATE TABLE gate (workflow text, is_open bool);
	INSERT INTO gate VALUES ('long', false), ('doubtful', false), ('quick', true);
	CREATE TABLE note (n serial, workflow text, what text);
	GRANT ALL ON gate, note, note_n_seq TO PUBLIC;
	CREATE FUNCTION notes(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock_shared(1, length(job.workflow));
		WHILE NOT (SELECT is_open FROM public.gate g WHERE g.workflow = job.workflow) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		INSERT INTO public.note (workflow, what) VALUES (job.workflow, 'ran');
		IF job.payload ? 'fails' THEN
			RAISE EXCEPTION 'no luck';
		END IF;
	END $$;});
for my $workflow (qw(long doubtful quick))
{
	query("CREATE ROLE owner_$workflow LOGIN; SELECT intake.grant_access('owner_$workflow', 'admin')");
	$node->safe_psql('postgres', "SELECT intake.create_workflow('$workflow', 'notes(intake.job)', type => '$workflow', timeout => '10 minutes', max_attempts => 2, backoff => '10 ms')",
		extra_params => [ '-U', "owner_$workflow" ]);
}

sub open_gate { query("UPDATE gate SET is_open = true WHERE workflow = '$_[0]'"); }
sub close_gate { query("UPDATE gate SET is_open = false WHERE workflow = '$_[0]'"); }

sub emit
{
	my ($workflow, $payload) = @_;
	query(sprintf "SELECT intake.emit('%s', '%s')", $workflow, $payload // '{}');
}

sub wait_until_runs
{
	my ($workflow) = @_;
	wait_for_sql($node, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = length('$workflow')");
}

# A job of the workflow "doubtful" as after a crash.
sub make_suspect
{
	my ($payload) = @_;
	query("SELECT intake.pause_workflow('doubtful')");
	emit('doubtful', $payload);
	query(q{WITH gone AS (DELETE FROM intake.queue q USING intake.workflow w WHERE w.id = q.lane AND w.name = 'doubtful' RETURNING q.job_id, q.event_id, q.lane, q.attempts)
		INSERT INTO intake.suspect (job_id, event_id, lane, attempts, crashes) SELECT job_id, event_id, lane, attempts, 0 FROM gone});
	query("SELECT intake.resume_workflow('doubtful')");
}

my $is_closed = "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_extension'::regclass AND mode = 'ExclusiveLock' AND granted";

# While a long job runs, the suspect does not, and new jobs do.
emit('long');
wait_until_runs('long');
make_suspect();
my $runs = 0;
wait_for_sql($node, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_extension'::regclass AND mode = 'ExclusiveLock' AND NOT granted");
pass('the suspect waits for its turn');
for (1 .. 5)
{
	emit('quick');
	$runs++;
	wait_for_sql($node, "SELECT count(*) = $runs FROM note WHERE workflow = 'quick'");
}
pass('jobs of another owner go on');
is(query("SELECT state FROM intake.jobs WHERE workflow = 'doubtful'"), 'suspect', 'the suspect still waits');
is(query('SELECT count(*) FROM intake.suspect WHERE started_at IS NOT NULL'), '0', 'and has not begun');

# When the long job has ended, it runs, and nobody else does.
open_gate('long');
wait_until_runs('doubtful');
is(query($is_closed), 't', 'the gate is closed');
emit('quick');
emit('long');
wait_for_sql($node, "SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'pg_intake executor' AND wait_event_type = 'Lock' AND wait_event = 'object'");
is(query("SELECT count(*) FROM note WHERE workflow = 'quick'"), $runs, 'a job of another owner waits');
open_gate('doubtful');
wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE state NOT IN ('done', 'dead')");
is(query('SELECT workflow FROM note ORDER BY n DESC OFFSET 2 LIMIT 1'), 'doubtful', 'and runs after it');

# One that fails is alone until that is recorded.
make_suspect('{"fails": 1}');
wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE state NOT IN ('done', 'dead')");
is(query("SELECT attempts, sqlstate FROM intake.dead_letters WHERE workflow = 'doubtful'"), '2|P0001', 'a suspect that fails is tried again as usual');
my $locker = $node->background_psql('postgres', on_error_die => 1);
close_gate('doubtful');
make_suspect('{"fails": 2}');
wait_until_runs('doubtful');
$locker->query_safe('BEGIN; LOCK TABLE intake.attempt IN SHARE MODE');
open_gate('doubtful');
wait_for_sql($node, "SELECT count(*) = 1 FROM pg_locks WHERE relation = 'intake.attempt'::regclass AND NOT granted");
is(query($is_closed), 't', 'the gate is closed while a failure is recorded');
$locker->query_safe('COMMIT');
wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE state NOT IN ('done', 'dead')");
is(query("SELECT count(*) FROM intake.dead_letters WHERE workflow = 'doubtful'"), '2', 'and open afterwards');
is(query($is_closed), 'f', 'for everybody');

$locker->quit;
unlike(slurp_file($node->logfile), qr/don't own a lock|ERROR|PANIC/, 'the log has no surprise');
$node->stop;
done_testing();
