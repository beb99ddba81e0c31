# An event that is for many workflows is kept by the process that runs its jobs, from one to the next.
# Each of them gets what the event is, whatever the others have done to their copies; and what has
# become of the event in between, in the log, each of them sees.
use strict;
use warnings;
use Intake;
use Test::More;

my $lanes = 100;
my $node = new_server('kept_event', fsync => 'off', 'pg_intake.executors' => 1);
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };

$sql->(q{
	CREATE TABLE gate ();
	CREATE TABLE effect (nr int GENERATED ALWAYS AS IDENTITY, job_id bigint, event_id bigint, said text);
	CREATE FUNCTION wait(job intake.job) RETURNS void LANGUAGE sql AS 'LOCK public.gate IN ACCESS SHARE MODE';
	CREATE FUNCTION said(job intake.job) RETURNS text LANGUAGE sql AS $$
		SELECT md5(concat_ws('/', job.event_id, job.source, job.type, job.key, job.received_at, job.headers,
			job.body, job.payload, job.delivery_id, job.position)) $$;
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS
		'INSERT INTO public.effect (job_id, event_id, said) VALUES (job.id, job.event_id, public.said(job))';
	CREATE FUNCTION spoil(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO public.effect (job_id, event_id, said) VALUES (job.id, job.event_id, public.said(job));
			IF jsonb_typeof(job.payload) = 'object' THEN job.payload['spoilt'] := '"yes"'; END IF;
			job.payload := jsonb_build_object('spoilt', job.payload);
			job.headers := NULL;
			job.type := 'another';
			job.body := NULL;
			job.event_id := 0;
		END $$;
	-- does what the event says
	CREATE FUNCTION act(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO public.effect (job_id, event_id, said) VALUES (job.id, job.event_id, job.payload ->> 'act');
			EXECUTE format(job.payload ->> 'act', job.event_id);
			IF job.payload ? 'fail' THEN RAISE EXCEPTION 'undone'; END IF;
		END $$;
	SELECT intake.create_workflow('gate', 'wait(intake.job)', type => 'gate');
	SELECT intake.create_workflow('act_' || n, CASE n WHEN 5 THEN 'act(intake.job)' ELSE 'note(intake.job)' END::regprocedure,
		type => 'act', max_attempts => 1) FROM generate_series(1, 10) n;
} . "SELECT intake.create_workflow('fan_' || n, CASE n % 2 WHEN 1 THEN 'spoil(intake.job)' ELSE 'note(intake.job)' END::regprocedure,
		type => 'fan') FROM generate_series(1, $lanes) n");

# Has the jobs of what EMIT emits claimed when all of them wait, and waits until they have ended.
my $run = sub {
	my ($emit) = @_;
	my $gate = $node->background_psql('postgres', on_error_die => 1);
	$sql->('TRUNCATE effect');
	$gate->query_safe('BEGIN; LOCK gate');
	$sql->("SELECT intake.emit('gate', '{}')");
	wait_for_sql($node, "SELECT count(*) = 1 FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted");
	$sql->($emit);
	$gate->query_safe('COMMIT');
	$gate->quit;
	wait_for_sql($node, 'SELECT NOT EXISTS (SELECT FROM intake.queue UNION ALL SELECT FROM intake.running)');
};

# ---- what the others have done to their copies ----

my %payloads = (
	'an object' => q{'{"id": 1, "list": [1, 2, {"a": null}]}'},
	'an array' => q{'[1, "two"]'},
	'a number' => q{'5'},
	'null' => q{'null'},
	map { ("an object of $_ bytes", "jsonb_build_object('text', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, $_ / 32) n))") } 3_000, 60_000, 70_000, 300_000);
for my $kind (sort keys %payloads)
{
	$run->("SELECT count(intake.emit('fan', $payloads{$kind})) FROM generate_series(1, 2)");
	is($sql->('SELECT count(*), count(DISTINCT job_id), count(DISTINCT event_id), count(DISTINCT said) FROM effect'),
		2 * $lanes . '|' . 2 * $lanes . '|2|2', "$kind: each job gets its event");
	is($sql->(q{
		SELECT count(*) FROM effect JOIN intake.event e ON e.id = event_id
		WHERE said <> md5(concat_ws('/', e.id, 'intake', e.type, e.key, e.received_at, e.headers, e.body, convert_from(e.body, 'UTF8')::jsonb))}),
		'0', "$kind: as it is stored");
}

# ---- read once ----

$run->(q{SELECT intake.emit('fan', '{"id": 1}')});
my $noted = q{(SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'effect')};
my $read = q{(SELECT coalesce(idx_scan, 0) FROM pg_stat_user_indexes WHERE indexrelname = 'event_0_pkey')};
my $all = (keys(%payloads) * 2 + 1) * $lanes;
# The figures of a process may come a part at a time. An event that is looked up for each job is one each time.
my $fewest = $lanes;
for (1 .. 5)
{
	wait_for_sql($node, "SELECT $noted = $all");
	my $before = $sql->("SELECT $read");
	$run->(q{SELECT count(intake.emit('fan', '{"id": 1}')) FROM generate_series(1, 2)});
	$all += 2 * $lanes;
	wait_for_sql($node, "SELECT $noted = $all");
	my $looks = $sql->("SELECT $read") - $before;
	$fewest = $looks if $looks < $fewest;
	last if $fewest < $lanes;
}
cmp_ok($fewest, '<', $lanes, 'an event is not looked up for each of its jobs');

# ---- what has become of the event ----

# The jobs that have run, and those that are dead, of the last event; the fifth one acts.
my $result = sub {
	return $sql->(q{
		SELECT (SELECT count(*) FROM effect), count(*), string_agg(DISTINCT regexp_replace(error, '\d+', 'N'), '; ')
		FROM intake.dead_letters WHERE job_id > (SELECT min(job_id) FROM effect)});
};
my $act = sub {
	my ($act, $more) = @_;
	$run->(sprintf q{SELECT intake.emit('act', jsonb_build_object('act', $$%s$$) || '%s')}, $act, $more // '{}');
	return $result->();
};
my $gone = '5|5|event N of the job is not stored any more';

is($act->('SELECT %s'), '10|0|', 'nothing');
is($act->('DELETE FROM intake.event WHERE id = %s'), $gone, 'it was deleted');
is($act->('DELETE FROM intake.event WHERE id = %s', '{"fail": true}'), '9|1|undone', 'it was deleted, and that was undone');
is($act->(q{UPDATE intake.event SET key = 'changed' WHERE id = %s}), '10|0|', 'it was changed');
is($sql->('SELECT count(DISTINCT said) FROM effect WHERE job_id <> (SELECT job_id FROM effect ORDER BY job_id OFFSET 4 LIMIT 1)'), '2',
	'and the jobs behind see that');
is($act->('TRUNCATE intake.event_0'), $gone, 'its partition was emptied');
is($act->('ALTER TABLE intake.event DETACH PARTITION intake.event_0'), $gone, 'its partition was detached');
$sql->('ALTER TABLE intake.event ATTACH PARTITION intake.event_0 FOR VALUES FROM (0) TO (1000000)');
is($act->('DROP TABLE intake.event_0'), $gone, 'its partition was dropped');
is($act->('SELECT %s'), '10|0|', 'the next event');
$node->stop;
done_testing();
