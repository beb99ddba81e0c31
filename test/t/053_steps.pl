# Steps through crashes: one that has committed is never repeated, and what a job keeps is never lost.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('steps', 'pg_intake.poll_interval' => '1s');
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };
# The processes that a killed postmaster leaves notice its end in their own time.
my $crash = sub {
	my @processes = split /\n/, $sql->('SELECT pid FROM pg_stat_activity');
	$node->kill9;
	wait_for(sub { !grep { kill 0, $_ } @processes }, 'the processes end');
	$node->start;
};

# Each job takes five steps, and keeps what it has seen.
$sql->(q{
	CREATE TABLE effect (job_id bigint, step text);
	CREATE FUNCTION walk(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	DECLARE
		seen jsonb := coalesce(job.state, '[]') || to_jsonb(job.step);
	BEGIN
		INSERT INTO public.effect VALUES (job.id, job.step);
		RETURN CASE job.step
			WHEN 'start' THEN intake.sleep('0', 'two', seen)
			WHEN 'two' THEN intake.sleep('1 ms', 'three', seen)
			WHEN 'three' THEN intake.sleep('0', 'four', seen)
			WHEN 'four' THEN intake.sleep_until(now(), 'five', seen)
			ELSE intake.done(seen) END;
	END $$;
	SELECT intake.create_workflow('walk', 'walk(intake.job)', type => 'walk');
	SELECT intake.create_workflow('together', 'walk(intake.job)', type => 'walk', jobs_per_transaction => 10)});
my $steps = 2 * 5 * 1500;
$sql->(q{SELECT count(intake.emit('walk', '{}')) FROM generate_series(1, 1500)});
for my $part (0.2, 0.5, 0.8)
{
	wait_for_sql($node, "SELECT count(*) > $part * $steps FROM effect");
	$crash->();
}
wait_for_sql($node, "SELECT count(*) = 3000 FROM intake.jobs WHERE workflow IN ('walk', 'together') AND state = 'done'");
is($sql->('SELECT count(*), count(DISTINCT (job_id, step)) FROM effect'), "$steps|$steps", 'the effects of each step are there once');
is($sql->('SELECT DISTINCT result FROM intake.jobs'), '["start", "two", "three", "four", "five"]', 'each job has kept what it saw');
is($sql->('SELECT DISTINCT steps, step FROM intake.jobs'), '4|five', 'and counted');
is($sql->('SELECT count(*) FROM intake.attempts'), '0', 'no attempt was charged');

# The handler is another one by the second step, after a crash, and takes what the first has left.
$sql->(q{
	CREATE FUNCTION lives(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	BEGIN
		RETURN intake.sleep('1 day', 'second', jsonb_build_object('by', 'the old one'));
	END $$;
	SELECT intake.create_workflow('lives', 'lives(intake.job)', type => 'lives');
	SELECT intake.emit('lives', '{}')});
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'lives' AND state = 'delayed'");
$sql->('CHECKPOINT'); # jobs commit without waiting for the disk
$crash->();
$sql->(q{
	CREATE OR REPLACE FUNCTION lives(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	BEGIN
		RETURN intake.done(job.state || jsonb_build_object('and', 'the new one', 'at', job.step));
	END $$;
	UPDATE intake.delayed SET run_at = now()});
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'lives' AND state = 'done'");
is($sql->("SELECT result FROM intake.jobs WHERE workflow = 'lives'"), '{"at": "second", "by": "the old one", "and": "the new one"}', 'a new handler goes on');

# A step that crashes the server is found, and its neighbours, at whatever step, are not blamed.
$sql->(q{
	CREATE FUNCTION poison(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	BEGIN
		IF job.step = 'start' THEN
			RETURN intake.sleep('0', 'second', job.payload);
		ELSIF (job.state ->> 'n')::int = 7 THEN
			-- The process that runs this ends as if by a bug.
			EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'kill -9 ' || pg_backend_pid());
			PERFORM pg_sleep(10);
		END IF;
		INSERT INTO public.effect VALUES (job.id, 'poison');
		RETURN intake.done(job.state -> 'n');
	END $$;
	SELECT intake.create_workflow('poison', 'poison(intake.job)', type => 'p')});
$node->psql('postgres', q{SELECT count(intake.emit('p', jsonb_build_object('n', n))) FROM generate_series(1, 20) n});
wait_for_sql($node, "SELECT count(*) = 20 FROM intake.jobs WHERE workflow = 'poison' AND state IN ('done', 'dead')");
is($sql->("SELECT count(*), count(DISTINCT job_id) FROM effect WHERE step = 'poison'"), '19|19', 'the others ran their last step once');
is($sql->("SELECT d.step, d.attempts, d.sqlstate, e.payload ->> 'n' FROM intake.dead_letters d JOIN intake.events e ON e.id = d.event_id WHERE workflow = 'poison'"),
	'second|1|57P02|7', 'the culprit is dead at its second step');
is($sql->("SELECT count(*) FROM intake.attempts WHERE workflow = 'poison'"), '1', 'nobody else was charged');

# It is replayed from there, by a handler that does no harm, and still has what it kept.
$sql->(q{
	CREATE OR REPLACE FUNCTION poison(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	BEGIN
		RETURN intake.done(jsonb_build_array(job.step, job.state, job.attempt));
	END $$;
	SELECT intake.replay(job_id, options => '{"from_step": "second"}') FROM intake.dead_letters WHERE workflow = 'poison'});
wait_for_sql($node, "SELECT count(*) = 20 FROM intake.jobs WHERE workflow = 'poison' AND state = 'done'");
is($sql->("SELECT result FROM intake.jobs WHERE workflow = 'poison' AND result::text LIKE '[%'"), '["second", {"n": 7}, 1]', 'a replay goes on from the step');

# An executor that is ended is an attempt of the step that ran.
$sql->(q{
	CREATE FUNCTION quit(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	BEGIN
		IF job.step = 'start' THEN
			RETURN intake.sleep('0', 'second');
		ELSIF job.attempt = 1 THEN
			PERFORM pg_terminate_backend(pg_backend_pid());
			PERFORM pg_sleep(10);
		END IF;
		RETURN intake.done(to_jsonb(job.last_error));
	END $$;
	SELECT intake.create_workflow('quit', 'quit(intake.job)', type => 'q', backoff => '10 ms');
	SELECT intake.emit('q', '{}')});
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'quit' AND state = 'done'");
is($sql->("SELECT a.step, a.attempt, a.sqlstate, j.attempts, j.result FROM intake.attempts a JOIN intake.jobs j ON j.id = a.job_id WHERE a.workflow = 'quit'"),
	'second|1|57P01|2|"the executor was terminated while the job ran"', 'the end of an executor is charged to the step');

# Jobs that go on come before those that have not begun.
$sql->(q{
	CREATE TABLE turn (id bigserial, step text);
	CREATE FUNCTION takes_turns(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.turn (step) VALUES (job.step);
		RETURN CASE job.step WHEN 'start' THEN intake.sleep('0', 'second') ELSE intake.done() END;
	END $$;
	SELECT intake.create_workflow('turns', 'takes_turns(intake.job)', type => 'turn');
	SELECT intake.pause_workflow('turns')});
$sql->(q{SELECT count(intake.emit('turn', '{}')) FROM generate_series(1, 5000)});
$sql->(q{SELECT intake.resume_workflow('turns')});
wait_for_sql($node, "SELECT count(*) = 5000 FROM intake.jobs WHERE workflow = 'turns' AND state = 'done'");
my $open = $sql->(q{SELECT max(open) FROM (SELECT sum(CASE step WHEN 'start' THEN 1 ELSE -1 END) OVER (ORDER BY id) AS open FROM turn) o});
cmp_ok($open, '<', 2500, "at most $open of 5000 jobs were between their steps");

# In a restored copy jobs wait between their steps until somebody lets them run.
$sql->(q{
	CREATE OR REPLACE FUNCTION lives(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
	BEGIN
		IF job.step = 'start' THEN RETURN intake.sleep('1 day', 'second', '{"kept": 1}'); END IF;
		RETURN intake.done(jsonb_build_array(job.step, job.state));
	END $$;
	SELECT intake.emit('lives', '{}', 'to copy')});
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.jobs WHERE workflow = 'lives' AND state = 'delayed'");
my $dump = $node->basedir . '/copy';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$sql->('CREATE DATABASE copy');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('copy'), $dump ], 'pg_restore');
my $copy = sub { return $node->safe_psql('copy', $_[0]) };
my $copied = "FROM intake.jobs WHERE event_id = intake.find_event('intake', 'to copy')";
$copy->('UPDATE intake.delayed SET run_at = now()');
wait_for(sub { return $copy->("SELECT state $copied") eq 'ready' }, 'it waits');
$copy->('SELECT intake.resume_workflows()');
wait_for(sub { return $copy->("SELECT state $copied") eq 'done' }, 'it goes on');
is($copy->("SELECT result, steps $copied"), '["second", {"kept": 1}]|1', 'with what it kept');

$node->stop('immediate');
done_testing();
