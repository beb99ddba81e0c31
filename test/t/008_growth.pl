# Many writers at the end of the log, a crash among them, and executors that come and go.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('growth');
$node->safe_psql('postgres', q{
	CREATE TABLE effect (event_id bigint);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.event_id)';
	SELECT intake.create_source('open', 'none', key_from => 'header:x-id', type_from => 'header:x-type'), intake.create_workflow('all', 'note(intake.job)', source => 'open');
	SELECT intake.pause_workflow('all')});

# Each sends bodies that say which key is theirs, so that a row that was overwritten shows.
my $script = $node->basedir . '/ingest.sql';
append_to_file($script, q{
\set n random(1, 2000000000)
SELECT intake.ingest('open', jsonb_build_object('x-id', 'k' || :n), convert_to(repeat('k' || :n || ' ', 100), 'UTF8'))
FROM generate_series(1, 3);
});
my @pgbench = ('pgbench', '-n', '-c', '8', '-j', '2', '-f', $script, $node->connstr('postgres'));
my $whole = q{
	SELECT (SELECT count(*) FROM intake.event_key k FULL JOIN intake.event e ON e.id = k.event_id WHERE intake.event_of(e.source_id, e.key) IS DISTINCT FROM k.event_id),
		(SELECT count(*) FROM intake.event WHERE convert_from(body, 'UTF8') <> repeat(key || ' ', 100)),
		(SELECT count(*) FROM intake.event) - (SELECT count(*) FROM intake.queue),
		(SELECT count(*) FROM intake.event e WHERE NOT EXISTS (SELECT FROM intake.queue q WHERE q.event_id = e.id))};

for my $round (1 .. 3)
{
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM intake.event');
	command_ok([ @pgbench, '-t', '1500' ], "8 writers at a time ($round)");
	is($node->safe_psql('postgres', $whole), '0|0|0|0', 'every key has its event, with its body, and its job');
	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM intake.event'), '>=', $before + 11900, 'each is stored once');
}

# A server that is killed while the log grows.
for my $round (1 .. 2)
{
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM intake.event');
	my $run = IPC::Run::start([ @pgbench, '-T', '60' ], '>', \my $out, '2>', \my $err);
	wait_for_sql($node, "SELECT count(*) > $before + 500 FROM intake.event");
	$node->stop('immediate');
	$run->finish;
	$node->start;
	is($node->safe_psql('postgres', $whole), '0|0|0|0', "after a crash ($round)");
	command_ok([ @pgbench, '-t', '200' ], 'the log goes on');
	is($node->safe_psql('postgres', $whole), '0|0|0|0', 'and is whole');
}
is($node->safe_psql('postgres', 'VACUUM intake.event; SELECT count(*) FROM intake.event'), $node->safe_psql('postgres', 'SELECT count(*) FROM intake.event_key'), 'after VACUUM');

# An executor that has nothing to do leaves, which is no failure: the next one starts at once.
$node->append_conf('postgresql.conf', "pg_intake.idle_time = '100ms'\n");
$node->reload;
$node->safe_psql('postgres', "SELECT intake.resume_workflow('all')");
wait_for_sql($node, 'SELECT count(*) = 0 FROM intake.queue');
for my $round (1 .. 12)
{
	$node->safe_psql('postgres', "SELECT intake.pause_workflow('all')");
	wait_for_sql($node, "SELECT count(*) = 0 FROM intake.workers WHERE kind = 'executor'");
	$node->safe_psql('postgres', "SELECT intake.ingest('open', '{\"x-id\": \"again-$round\"}', 'x'), intake.resume_workflow('all')");
	wait_for_sql($node, "SELECT count(*) = 0 FROM intake.queue");
}
my $slowest = $node->safe_psql('postgres', q{
	SELECT max(d.finished_at - e.received_at) < '5 s' FROM intake.done d JOIN intake.event e ON e.id = d.event_id WHERE e.key LIKE 'again-%'});
is($slowest, 't', 'pausing and resuming many times delays nothing');
$node->stop;

done_testing();
