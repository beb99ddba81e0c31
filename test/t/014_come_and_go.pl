# Workers are there while there is work, and leave: where nobody is, whatever makes work calls them.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

# What is found here was called for: a search that comes by itself would come too late.
my $node = new_server('come_and_go', 'pg_intake.executors' => 2, 'pg_intake.idle_time' => "'1s'", 'pg_intake.poll_interval' => "'1h'",
	max_prepared_transactions => 5, fsync => 'off');
my $sql = sub { return $node->safe_psql('postgres', $_[0], extra_params => [ '-U', $_[1] // 'postgres' ]) };

# A handler sleeps as long as its event says, and notes when it began, in which process.
$sql->(q{
	CREATE ROLE ann LOGIN;
	CREATE ROLE bob LOGIN;
	SELECT intake.grant_access('ann', 'admin'), intake.grant_access('bob', 'admin');
	CREATE TABLE effect (n serial, workflow text, key text, pid int DEFAULT pg_backend_pid(), who text DEFAULT session_user, started_at timestamptz, ended_at timestamptz);
	GRANT ALL ON effect, effect_n_seq TO PUBLIC;
	CREATE SCHEMA app;
	CREATE SCHEMA other;
	GRANT ALL ON SCHEMA app, other TO PUBLIC;
	CREATE FUNCTION app.fails(job intake.job) RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF job.attempt = 1 THEN RAISE 'no'; END IF; INSERT INTO public.effect (key) VALUES (job.key); END $$;
	SELECT intake.create_workflow('fails', 'app.fails(intake.job)', type => 'fails', backoff => '4 s')});
my $handler = q{CREATE FUNCTION app.note(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE start timestamptz = clock_timestamp();
	BEGIN
		PERFORM pg_sleep(coalesce((job.payload ->> 'sleep')::float, 0));
		INSERT INTO public.effect (workflow, key, started_at, ended_at) VALUES (job.workflow, job.key, start, clock_timestamp());
	END $$;};
$sql->($handler, 'ann');
$sql->(q{SELECT intake.create_workflow(name, 'app.note(intake.job)', type => name) FROM unnest('{note,slow,slower}'::text[]) AS name}, 'ann');

my $is_nobody = "(SELECT string_agg(DISTINCT kind, ' ') = 'launcher' FROM intake.workers)";
my $nobody = sub { wait_for_sql($node, "SELECT $is_nobody"); return pass("$_[0]: only the launcher is there") };
my $emit = sub {
	my ($key, $more, $type) = @_;
	return sprintf q{SELECT intake.emit('%s', '{}', key => '%s'%s);}, $type // 'note', $key, $more // '';
};
my $has_run = sub {
	my ($key, $name) = @_;
	return ok(wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key'"), $name);
};
# Whether the job of an event was done less than so long after what was done at a time.
my $runs_soon = sub {
	my ($key, $since, $name) = @_;
	$has_run->($key, $name);
	return is($sql->("SELECT started_at < '$since'::timestamptz + interval '5 s' FROM effect WHERE key = '$key'"), 't', 'and soon');
};
# What the server is told ends with the time then.
my $at = sub { return (split /\n/, $sql->("$_[0]; SELECT clock_timestamp()", $_[1]))[-1] };

# Nobody, work, nobody.
for my $round (1 .. 3)
{
	$nobody->("round $round");
	$sql->($emit->("come $round"));
	$has_run->("come $round", 'an event brings an executor');
}
is($sql->(q{SELECT min(started_at - received_at) < '1 s' FROM effect JOIN intake.events USING (key) WHERE key LIKE 'come%'}), 't', 'in less than a second');
$nobody->('when the work is done');
$sql->($emit->('stay 1') . 'SELECT pg_sleep(0.5);' . $emit->('stay 2'));
$has_run->("stay $_", 'a job runs') for 1, 2;
is($sql->("SELECT count(DISTINCT pid) FROM effect WHERE key LIKE 'stay%'"), '1', 'an executor stays for a while');

# Jobs that are due when nobody is there.
my $runs_when_due = sub {
	my ($key, $name) = @_;
	my $is_delayed = "EXISTS (SELECT FROM intake.jobs JOIN intake.events e ON e.id = event_id WHERE e.key = '$key' AND state = 'delayed')";
	wait_for_sql($node, "SELECT $is_nobody AND $is_delayed");
	$has_run->($key, $name);
	return is($sql->(qq{SELECT started_at >= e.received_at + interval '6 s' AND started_at < e.received_at + interval '9 s'
		FROM effect JOIN intake.events e USING (key) WHERE key = '$key'}), 't', 'when it is due');
};
$sql->($emit->('tomorrow', ", delay => '1 day'"));
$nobody->('what is due tomorrow keeps nobody');
$sql->($emit->('delayed', ", delay => '6 s'"));
$runs_when_due->('delayed', 'a delayed job runs where nobody is');
$sql->($emit->('restart', ", delay => '6 s'"));
$node->restart;
$runs_when_due->('restart', 'so does one from before a restart');
$sql->($emit->('again', '', 'fails'));
wait_for_sql($node, "SELECT $is_nobody AND count(*) = 1 FROM intake.attempts");
$has_run->('again', 'a job that failed is tried again');

# A supervisor that is ended before it has done what it was called for: another one does it.
$nobody->('before');
$sql->($emit->('moved', ", delay => '4 s'"));
my $locker = $node->background_psql('postgres', on_error_die => 1);
$locker->query_safe('BEGIN; LOCK TABLE intake.delayed');
wait_for_sql($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_intake supervisor' AND wait_event_type = 'Lock'");
$sql->("SELECT pg_terminate_backend(pid) FROM intake.workers WHERE kind = 'supervisor'");
$locker->query_safe('COMMIT');
$locker->quit;
$has_run->('moved', 'what a supervisor was called for is done after its end');

# Jobs that no commit has announced.
$nobody->('before');
$sql->('BEGIN;' . $emit->('prepared') . q{PREPARE TRANSACTION 'p'});
my $since = $at->(q{COMMIT PREPARED 'p'});
$runs_soon->('prepared', $since, 'a job of a prepared transaction runs');
$sql->("SELECT intake.pause_workflow('note')");
$sql->($emit->('paused'));
$nobody->('while the workflow is paused');
$since = $at->("SELECT intake.resume_workflow('note')");
$runs_soon->('paused', $since, 'a job of a workflow that was paused runs');

# What workflows depend on goes while nobody is there, and comes back; here, or by a session elsewhere.
my $changes = 0;
for my $change ([ 'postgres', 'ALTER ROLE ann NOLOGIN', 'ALTER ROLE ann LOGIN', 'role cannot log in' ],
	[ 'template1', 'ALTER ROLE ann NOLOGIN', 'ALTER ROLE ann LOGIN', 'role cannot log in' ],
	[ 'template1', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC', 'role may not connect' ],
	[ 'postgres', 'REVOKE EXECUTE ON FUNCTION app.note FROM PUBLIC, ann', 'GRANT EXECUTE ON FUNCTION app.note TO PUBLIC', 'role may not execute the handler' ],
	[ 'postgres', 'DROP FUNCTION app.note', "SET ROLE ann; $handler", 'no such handler' ],
	[ 'postgres', "DROP FUNCTION app.note; SET ROLE bob; $handler", 'ALTER FUNCTION app.note OWNER TO ann', 'no such handler' ])
{
	my ($database, $away, $back, $state) = @$change;
	my $key = 'change ' . ++$changes;
	$nobody->('before');
	$node->safe_psql($database, $away);
	is($sql->("SELECT state FROM intake.workflows WHERE name = 'note'"), $state, "$state, since a change in $database");
	$sql->($emit->($key));
	$nobody->('its job waits');
	($since) = $node->safe_psql($database, "$back; SELECT clock_timestamp()") =~ /(\S+ \S+)$/;
	$runs_soon->($key, $since, 'and runs after that is over');
}
is($sql->("SELECT count(*) FROM intake.attempts WHERE workflow <> 'fails'"), '0', 'nothing was charged');

# New names are written while nobody is there, for the next dump.
for my $change ([ 'ALTER ROLE ann RENAME TO bea', 'template1', 'bea', 'app.note(intake.job)' ],
	[ 'ALTER FUNCTION app.note RENAME TO noted', 'postgres', 'bea', 'app.noted(intake.job)' ],
	[ 'ALTER FUNCTION app.noted SET SCHEMA other', 'postgres', 'bea', 'other.noted(intake.job)' ],
	[ 'ALTER SCHEMA other RENAME TO others', 'postgres', 'bea', 'others.noted(intake.job)' ])
{
	my ($command, $database, $owner, $name) = @$change;
	$nobody->('before');
	$node->safe_psql($database, $command);
	ok(wait_for_sql($node, "SELECT (owner, handler) = ('$owner', '$name') FROM intake.workflow WHERE name = 'note'"), "the names follow $command");
}
$sql->($emit->('renamed'));
$has_run->('renamed', 'its jobs run');

# Two slow workflows of a role have its two executors.
my $emit_slow = sub { $sql->(qq{SELECT count(intake.emit('$_', '{"sleep": 2}')) FROM generate_series(1, 4)}) for @_ };
$emit_slow->('slow', 'slower');
wait_for_sql($node, 'SELECT count(*) = 2 FROM intake.workers WHERE job_id IS NOT NULL');
$sql->($emit->('fast'));
$has_run->('fast', 'a fast one of the same role has its turn');
is($sql->(q{SELECT count(*) <= 1 FROM effect s, effect f JOIN intake.events e USING (key)
	WHERE f.key = 'fast' AND s.workflow LIKE 'slow%' AND s.started_at > e.received_at AND s.started_at < f.started_at}), 't', 'before another slow job');
is($sql->(q{SELECT started_at - received_at < '3 s' FROM effect JOIN intake.events USING (key) WHERE key = 'fast'}), 't', 'so it waits for one slow job');
wait_for_sql($node, q{SELECT count(*) = 8 FROM effect WHERE workflow LIKE 'slow%'});

# One executor has claimed a batch of slow jobs: others do not wait for all of it.
$node->append_conf('postgresql.conf', "pg_intake.executors = 1\n");
$node->reload;
wait_for_sql($node, "SELECT current_setting('pg_intake.executors') = '1'");
$nobody->('before');
$sql->('TRUNCATE effect');
$sql->(q{SELECT count(intake.emit('slow', '{"sleep": 0.5}', key => 'slow ' || n)) FROM generate_series(1, 8) AS n});
wait_for_sql($node, 'SELECT count(*) = 8 FROM intake.running');
$sql->($emit->('between'));
wait_for_sql($node, 'SELECT count(*) = 9 FROM effect');
is($sql->(q{SELECT string_agg(key, ', ' ORDER BY n) FROM effect WHERE workflow = 'slow'}), join(', ', map { "slow $_" } 1 .. 8), 'what was given back runs in its order');
cmp_ok($sql->(q{SELECT count(*) FROM effect WHERE n < (SELECT n FROM effect WHERE key = 'between')}), '<', 8, 'a job of another lane runs between');
is($sql->("SELECT count(*) FROM intake.attempts WHERE workflow <> 'fails'"), '0', 'nothing was charged');
$nobody->('in the end');
$node->stop;
done_testing();
