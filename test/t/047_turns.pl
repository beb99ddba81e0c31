# The workflows of one owner take turns: a fast one waits for one job of a slow one at most, however
# few executors there are, and however many of the slow ones.
use strict;
use warnings;
use Intake;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_server('turns', fsync => 'off', 'pg_intake.poll_interval' => "'1h'", 'pg_intake.executors' => 2);
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };
my $slow = 1; # second

$sql->(qq{
	CREATE TABLE effect (workflow text, took interval);
	CREATE FUNCTION slow(job intake.job) RETURNS void LANGUAGE sql AS
		\$\$ INSERT INTO public.effect SELECT job.workflow, clock_timestamp() - (job.payload ->> 'at')::timestamptz FROM pg_sleep($slow) \$\$;
	CREATE FUNCTION fast(job intake.job) RETURNS void LANGUAGE sql AS
		\$\$ INSERT INTO public.effect SELECT job.workflow, clock_timestamp() - (job.payload ->> 'at')::timestamptz \$\$;
	SELECT intake.create_workflow('slow' || n, 'slow(intake.job)', type => 'slow' || n) FROM generate_series(1, 5) n;
	SELECT intake.create_workflow('fast', 'fast(intake.job)', type => 'fast');
	CREATE FUNCTION send(type text, n int) RETURNS bigint LANGUAGE sql AS
		\$\$ SELECT count(intake.emit(type, jsonb_build_object('at', clock_timestamp()))) FROM generate_series(1, n) \$\$});

# The longest wait of fast jobs, of which one comes each quarter of a second, beside slow ones.
my $longest = sub {
	my ($workflows, $jobs) = @_;
	$sql->("SELECT send('slow' || w, $jobs) FROM generate_series(1, $workflows) w");
	wait_for_sql($node, "SELECT count(DISTINCT workflow) = $workflows FROM effect WHERE workflow LIKE 'slow%'");
	for (1 .. 12)
	{
		$sql->(q{SELECT send('fast', 1)});
		sleep 0.25;
	}
	wait_for_sql($node, q{SELECT count(*) = 12 FROM effect WHERE workflow = 'fast'});
	ok($sql->("SELECT count(*) > 0 FROM intake.jobs WHERE workflow LIKE 'slow%' AND state IN ('ready', 'running')") eq 't', "$workflows slow workflows still have jobs");
	my $took = $sql->(q{SELECT extract(epoch FROM max(took)) FROM effect WHERE workflow = 'fast'});
	$sql->(q{SELECT count(intake.discard(id, 'enough')) FROM intake.jobs WHERE state = 'ready'});
	wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE state IN ('ready', 'running')");
	$sql->('TRUNCATE effect');
	return $took;
};
for my $executors (2, 1)
{
	$sql->("ALTER SYSTEM SET pg_intake.executors = $executors");
	$sql->('SELECT pg_reload_conf()');
	for my $workflows (2, 5)
	{
		my $took = $longest->($workflows, 10);
		# The turn of one that is slow may come first, if both have waited.
		cmp_ok($took, '<', $slow + 1, "a fast workflow waits for one job beside $workflows slow ones, with $executors executor(s)");
		diag("$executors executor(s), $workflows slow workflows: $took s");
	}
}
$node->stop;
done_testing();
