# Jobs that share a transaction: each fails alone, and a crash loses nothing.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('together', 'pg_intake.poll_interval' => '1s');
my $ended = sub { "SELECT count(*) = $_[1] FROM intake.jobs WHERE workflow = '$_[0]' AND state IN ('done', 'dead')" };
my $emit = sub { $node->psql('postgres', "SELECT count(intake.emit('$_[0]', jsonb_build_object('n', n))) FROM generate_series(1, $_[1]) n") };

# What each job does is decided by its number, and what stays of it is a row.
$node->safe_psql('postgres', q{
	CREATE TABLE effect (workflow text, n int, xid xid8 DEFAULT pg_current_xact_id());
	CREATE TABLE parent (id int PRIMARY KEY);
	CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
	CREATE FUNCTION act(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		n int := (job.payload ->> 'n')::int;
	BEGIN
		INSERT INTO public.effect VALUES (job.workflow, n);
		PERFORM set_config('search_path', 'nowhere', false);
		CASE
			WHEN job.workflow = 'mixed' AND n % 7 = 0 THEN RAISE EXCEPTION 'seven';
			WHEN job.workflow = 'mixed' AND n % 50 = 1 THEN INSERT INTO public.child VALUES (n);
			WHEN job.workflow = 'mixed' AND n = 100 THEN PERFORM pg_catalog.pg_sleep(10);
			WHEN job.workflow = 'poison' AND n = 10 THEN
				EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'kill -9 ' || pg_backend_pid());
				PERFORM pg_sleep(10);
			WHEN job.workflow = 'quit' AND n = 5 THEN
				PERFORM pg_terminate_backend(pg_backend_pid());
				PERFORM pg_sleep(10);
			ELSE NULL;
		END CASE;
	END $$;
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO public.effect (workflow, n) SELECT job.workflow, (job.payload ->> 'n')::int FROM pg_sleep(0.0002) $$;
	SELECT intake.create_workflow(name, CASE name WHEN 'note' THEN 'note(intake.job)' ELSE 'act(intake.job)' END::regprocedure, type => name, max_attempts => 2,
			backoff => '1 ms', timeout => '1 s', jobs_per_transaction => 16)
		FROM unnest('{mixed,poison,quit,note}'::text[]) AS name;
	SELECT intake.pause_workflow('mixed')});
is($node->safe_psql('postgres', "SELECT DISTINCT jobs_per_transaction FROM intake.workflows"), '16', 'the view says how many');

$emit->('mixed', 200);
$node->safe_psql('postgres', "SELECT intake.resume_workflow('mixed')");
wait_for_sql($node, $ended->('mixed', 200));
# 28 are multiples of 7; 1, 51, 101 and 151 lack a parent; 100 takes too long.
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT n) FROM effect WHERE workflow = 'mixed'"), '167|167', 'those that succeed have their effect once');
is($node->safe_psql('postgres', "SELECT sqlstate, count(*), min(attempts), max(attempts) FROM intake.dead_letters WHERE workflow = 'mixed' GROUP BY 1 ORDER BY 1"),
	"23503|4|2|2\n57014|1|2|2\nP0001|28|2|2", 'the others are dead, each of its own error');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.attempts"), '66', 'nobody was charged for another');
is($node->safe_psql('postgres', 'SELECT count(*) FROM child'), '0', 'nothing of a failed job stays');
cmp_ok($node->safe_psql('postgres', "SELECT count(DISTINCT xid::text) FROM effect WHERE workflow = 'mixed'"), '<', 120, 'they did share transactions');

# SIGKILL in the middle of many, and nothing is lost or done twice.
$emit->('note', 6000);
for my $part (1000, 3000)
{
	wait_for_sql($node, "SELECT count(*) > $part FROM effect WHERE workflow = 'note'");
	my @processes = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');
	$node->kill9;
	wait_for(sub { !grep { kill 0, $_ } @processes }, 'the processes end');
	$node->start;
}
wait_for_sql($node, $ended->('note', 6000));
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT n) FROM effect WHERE workflow = 'note'"), '6000|6000', 'through crashes each effect is there exactly once');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.attempts WHERE workflow = 'note'"), '0', 'and no attempt was charged');

# A handler that crashes the server, and one that ends its own process.
$emit->('poison', 40);
wait_for_sql($node, $ended->('poison', 40));
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT n) FROM effect WHERE workflow = 'poison'"), '39|39', 'beside a culprit the others run exactly once');
is($node->safe_psql('postgres', "SELECT d.attempts, d.sqlstate, e.payload ->> 'n' FROM intake.dead_letters d JOIN intake.events e ON e.id = d.event_id WHERE workflow = 'poison'"),
	'1|57P02|10', 'the culprit is dead');
$emit->('quit', 20);
wait_for_sql($node, $ended->('quit', 20));
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT n) FROM effect WHERE workflow = 'quit'"), '19|19', 'beside one that ends its process, too');
is($node->safe_psql('postgres', "SELECT workflow, count(*) FROM intake.attempts WHERE workflow IN ('poison', 'quit') GROUP BY 1 ORDER BY 1"), "poison|1\nquit|2", 'nobody else was charged');
$node->stop;

done_testing();
