# More workflows have ready jobs than pg_intake.max_lanes: all run, and lanes of workflows that have
# nothing to do, or were dropped, are there for others.
use strict;
use warnings;
use Intake;
use Test::More;
use Time::HiRes qw(time);

my $lanes = 16;
my $node = new_server('lanes', fsync => 'off', 'pg_intake.max_lanes' => $lanes, 'pg_intake.poll_interval' => "'2s'");
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };
my $count = 20 * $lanes;

$sql->(qq{
	CREATE TABLE effect (workflow text, key text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.workflow, job.key)';
	SELECT intake.create_workflow('w' || n, 'note(intake.job)', source => 'intake', type => 'all', timeout => '1 minute') FROM generate_series(1, $count) n});
my $all_ran = sub {
	my ($key, $n) = @_;
	wait_for_sql($node, "SELECT count(*) >= $n FROM effect WHERE key = '$key'");
	is($sql->("SELECT count(*), count(DISTINCT workflow) FROM effect WHERE key = '$key'"), "$n|$n", "each of $n workflows has run its job once: $key");
};
# No more than that are known to be ready, while the executors wait for a table.
my $gate = $node->background_psql('postgres', on_error_die => 1);
$gate->query_safe('BEGIN; LOCK effect IN SHARE MODE');
$sql->(q{SELECT intake.emit('all', '{}', key => 'one event')});
wait_for_sql($node, "SELECT sum(ready) >= $lanes / 2 FROM intake.owners");
cmp_ok($sql->('SELECT sum(ready) FROM intake.owners'), '<=', $lanes, 'pg_intake.max_lanes holds');
$gate->query_safe('COMMIT');
$gate->quit;
$all_ran->('one event', $count);
my $start = time;
for my $n (1 .. 5)
{
	$sql->("SELECT intake.emit('all', '{}', key => 'event $n')");
}
$all_ran->("event $_", $count) for 1 .. 5;
diag(sprintf '5 events for %d workflows with %d lanes took %.1f s', $count, $lanes, time - $start);

# From here on, nothing is found by polling.
$sql->(q{ALTER SYSTEM SET pg_intake.poll_interval = '1h'});
$sql->('SELECT pg_reload_conf()');
$sql->("SELECT count(intake.drop_workflow('w' || n)) FROM generate_series(1, $count) n");
for my $n (1 .. 2 * $lanes)
{
	$sql->("SELECT intake.create_workflow('passing', 'note(intake.job)', source => 'intake', type => 'passing')");
	$sql->("SELECT intake.emit('passing', '{}', key => 'passing $n')");
	wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'passing $n'");
	$sql->("SELECT intake.drop_workflow('passing')");
}
pass('dropped workflows leave their lanes to others');
$sql->("SELECT intake.create_workflow('v' || n, 'note(intake.job)', source => 'intake', type => 'v' || n) FROM generate_series(1, 2 * $lanes) n");
for my $n (1 .. 2 * $lanes)
{
	$sql->("SELECT intake.emit('v$n', '{}', key => 'v')");
	$sql->("SELECT intake.emit('v$n', '{}', key => 'v$n')");
	wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'v$n'");
}
pass('and so do those that have nothing to do');
$node->stop;
done_testing();
