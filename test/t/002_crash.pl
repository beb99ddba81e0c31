# Jobs through crashes: exactly once, culprits found, neighbours not blamed.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('crash', 'pg_intake.poll_interval' => '1s');

$node->safe_psql('postgres', q{
	CREATE TABLE effect (job_id bigint, n int);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO public.effect SELECT job.id, (job.payload ->> 'n')::int FROM pg_sleep(0.0002) $$;
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'n')});

# SIGKILL in the middle of 10,000 jobs, three times.
$node->safe_psql('postgres', q{SELECT count(intake.emit('n', jsonb_build_object('n', n))) FROM generate_series(1, 10000) n});
for my $part (1000, 4000, 7000)
{
	wait_for_sql($node, "SELECT count(*) > $part FROM effect");
	my @processes = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');
	$node->kill9;
	# The processes that are left notice the end of the postmaster in their own time.
	wait_for(sub { !grep { kill 0, $_ } @processes }, 'the processes end');
	$node->start;
}
wait_for_sql($node, "SELECT count(*) = 10000 FROM intake.jobs WHERE workflow = 'note' AND state = 'done'");
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT n), count(DISTINCT job_id) FROM effect'),
	'10000|10000|10000', 'each effect is there exactly once');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.attempts"), '0', 'no attempt was charged');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.jobs WHERE workflow = 'note' AND state <> 'done'"), '0', 'nothing is left over');

# A handler that crashes the server, among innocent jobs.
$node->safe_psql('postgres', q{
	CREATE TABLE poison_effect (n int);
	CREATE FUNCTION poison(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.poison_effect VALUES ((job.payload ->> 'n')::int);
		IF (job.payload ->> 'n')::int = 10 THEN
			-- The process that runs this ends as if by a bug.
			EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'kill -9 ' || pg_backend_pid());
			PERFORM pg_sleep(10);
		END IF;
	END $$;
	SELECT intake.create_workflow('poison', 'poison(intake.job)', type => 'p')});
$node->psql('postgres', q{SELECT count(intake.emit('p', jsonb_build_object('n', n))) FROM generate_series(1, 40) n});
wait_for_sql($node, "SELECT count(*) = 40 FROM intake.jobs WHERE workflow = 'poison' AND state IN ('done', 'dead')");
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT n) FROM poison_effect'), '39|39', 'the others ran exactly once');
is($node->safe_psql('postgres', "SELECT d.attempts, d.sqlstate, e.payload ->> 'n' FROM intake.dead_letters d JOIN intake.events e ON e.id = d.event_id"),
	'1|57P02|10', 'the culprit is dead');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.attempts"), '1', 'nobody else was charged');
my $crashes = () = slurp_file($node->logfile) =~ /terminated by signal 9/g;
cmp_ok($crashes, '<=', 3, 'three crashes at most');

# A handler that ends its own process in an orderly way.
$node->safe_psql('postgres', q{
	CREATE TABLE quit_effect (n int);
	CREATE FUNCTION quit(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.quit_effect VALUES ((job.payload ->> 'n')::int);
		IF (job.payload ->> 'n')::int = 5 THEN
			PERFORM pg_terminate_backend(pg_backend_pid());
			PERFORM pg_sleep(10);
		END IF;
	END $$;
	SELECT intake.create_workflow('quit', 'quit(intake.job)', type => 'q', max_attempts => 2, backoff => '10 ms')});
$node->safe_psql('postgres', q{SELECT count(intake.emit('q', jsonb_build_object('n', n))) FROM generate_series(1, 20) n});
wait_for_sql($node, "SELECT count(*) = 20 FROM intake.jobs WHERE workflow = 'quit' AND state IN ('done', 'dead')");
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT n) FROM quit_effect'), '19|19', 'the others ran exactly once');
is($node->safe_psql('postgres', "SELECT d.attempts, d.sqlstate FROM intake.dead_letters d WHERE workflow = 'quit'"), '2|57P01', 'each end was an attempt');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.attempts WHERE workflow = 'quit'"), '2', 'of that job only');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.jobs WHERE workflow = 'quit' AND attempts > 1 AND state = 'done'"), '0', 'the attempts of the others are unharmed');

# Handlers that do not return: one that can be cancelled, and one that goes on.
$node->safe_psql('postgres', q{
	CREATE FUNCTION sleeps(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(1000)';
	CREATE FUNCTION stubborn(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		LOOP
			BEGIN
				PERFORM pg_sleep(1000);
			EXCEPTION WHEN query_canceled THEN
				NULL;
			END;
		END LOOP;
	END $$;
	SELECT intake.create_workflow('sleeps', 'sleeps(intake.job)', type => 's', timeout => '200 ms', max_attempts => 2, backoff => '10 ms');
	SELECT intake.create_workflow('stubborn', 'stubborn(intake.job)', type => 'x', timeout => '200 ms', max_attempts => 1)});
$node->safe_psql('postgres', "SELECT intake.emit('s', '{}'), intake.emit('x', '{}')");
wait_for_sql($node, "SELECT count(*) = 2 FROM intake.dead_letters WHERE workflow IN ('sleeps', 'stubborn')");
is($node->safe_psql('postgres', "SELECT workflow, attempts, sqlstate FROM intake.dead_letters WHERE workflow IN ('sleeps', 'stubborn') ORDER BY workflow"),
	"sleeps|2|57014\nstubborn|1|57P01", 'both were stopped');

# pg_cancel_backend on an executor fails that one attempt.
$node->safe_psql('postgres', q{
	SELECT intake.alter_workflow('sleeps', timeout => '1 minute', max_attempts => 1);
	SELECT intake.emit('s', '{}', key => 'cancelled')});
wait_for_sql($node, "SELECT count(*) = 1 FROM pg_stat_activity a JOIN intake.workers w USING (pid) WHERE w.job_id IS NOT NULL AND a.wait_event = 'PgSleep'");
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(pid) FROM intake.workers WHERE job_id IS NOT NULL');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.dead_letters WHERE key = 'cancelled' AND sqlstate = '57014'");
pass('a cancelled attempt failed');

# An orderly restart charges nobody.
$node->safe_psql('postgres', "SELECT intake.alter_workflow('sleeps', max_attempts => 5); SELECT intake.emit('s', '{}', key => 'restarted')");
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL");
$node->restart;
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL");
is($node->safe_psql('postgres', "SELECT j.state, j.attempts FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE e.key = 'restarted'"),
	'running|0', 'a job that a restart interrupted runs again, uncharged');

$node->stop('immediate');
done_testing();
