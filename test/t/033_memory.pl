# What an executor needs does not grow with what it has run: jobs that end, fail and share a transaction.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('memory', 'pg_intake.executors' => 1, 'log_min_error_statement' => 'panic');
$node->safe_psql('postgres', q{
	CREATE FUNCTION act(job intake.job) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN IF job.workflow <> 'good' THEN RAISE 'no'; END IF; END $$;
	SELECT intake.create_workflow(name, 'act(intake.job)'::regprocedure, type => name, max_attempts => 1,
			jobs_per_transaction => CASE name WHEN 'shared' THEN 16 ELSE 1 END)
		FROM unnest('{good,bad,shared}'::text[]) AS name});

my $executor = sub { $node->safe_psql('postgres', "SELECT pid FROM intake.workers WHERE kind = 'executor'") };
my $emitted = 0;

# Runs so many jobs of each workflow.
sub run_jobs
{
	my ($count) = @_;
	$emitted += $count;
	$node->safe_psql('postgres', "SELECT count(intake.emit(name, '{}')) FROM unnest('{good,bad,shared}'::text[]) AS name, generate_series(1, $count)");
	wait_for_sql($node, "SELECT count(*) = 3 * $emitted FROM intake.jobs WHERE state IN ('done', 'dead')");
}

# The bytes that the executor has allocated.
sub memory
{
	my $seen = -s $node->logfile;
	my $bytes;
	$node->safe_psql('postgres', 'SELECT pg_log_backend_memory_contexts(' . $executor->() . ')');
	wait_for(sub { ($bytes) = slurp_file($node->logfile, $seen) =~ /Grand total: (\d+) bytes/; $bytes }, 'the executor says what it has');
	return $bytes;
}

run_jobs(200);
my $process = $executor->();
my $before = memory();
run_jobs(1000);
is($executor->(), $process, 'it is the same executor');
cmp_ok(memory() - $before, '<', 2e6, 'three thousand jobs later it has no more memory than before');

$node->stop;
done_testing();
