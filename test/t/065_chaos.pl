# Jobs that go on by steps of all kinds, while couriers, executors, the shim and the server are killed. Each
# committed step has its row once, each call was made, with one key, by a step that has committed, every job ends,
# and nothing is left in any room.
#
# make chaos does the same at length. CHAOS_STEPS is how many steps there are about, and CHAOS_SEED what the plans of
# the jobs and the order of the disasters are drawn by.
use strict;
use warnings;
use FindBin;
use Intake;
use IPC::Open2;
use List::Util qw(shuffle sum0);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'there is no python3' if system('python3 -c "import asyncio"') != 0;

my $steps = $ENV{CHAOS_STEPS} // 2500;
my $seed = $ENV{CHAOS_SEED} // int(rand(1e9));
my $long = $steps >= 20000;
srand($seed);
note("figures: CHAOS_STEPS=$steps CHAOS_SEED=$seed");

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_server('chaos', 'pg_intake.poll_interval' => '1s', 'fsync' => 'off', 'max_connections' => 40);
my (%programs, %disasters, %frozen);
sub sql { return $node->safe_psql('postgres', @_) }

# A query that may meet a server that is down, or is shutting down; undef then.
sub try_sql
{
	my ($query) = @_;
	my ($code, $out) = $node->psql('postgres', $query, on_error_stop => 1, timeout => 60);
	return defined $code && $code == 0 ? $out : undef;
}

sub until_sql
{
	my ($query) = @_;
	my $out;
	wait_for(sub { defined($out = try_sql($query)) }, $query);
	return $out;
}

# ---- programs ----

my $replies = "$dir/requests";
my $pid = open2(my $out, my $in, 'python3', "$FindBin::RealBin/../chaos_http.py", $replies);
my ($port, $limited) = split ' ', scalar readline $out;

sub start
{
	my ($name, @command) = @_;
	my $child = fork // die "fork: $!";
	if ($child == 0)
	{
		open STDERR, '>>', "$dir/$name.log" or die;
		exec @command;
		die "exec: $!";
	}
	$programs{$name} = $child;
	return;
}

my $couriers = 0;

sub start_courier
{
	start('courier' . ++$couriers, $ENV{INTAKE_COURIER}, '--dsn', $node->connstr('postgres') . ' user=courier', '--allow', '127.0.0.1',
		'--name', "courier$couriers", '--drain', 1, '--max-transfers', 400);
	return $couriers;
}

my $shim = PostgreSQL::Test::Cluster::get_free_port();
sub start_shim_there { start('shim', $ENV{INTAKE_SHIM}, '--listen', "127.0.0.1:$shim", '--dsn', $node->connstr('postgres') . ' user=gateway'); return 1 }

sub end
{
	my ($name, $signal) = @_;
	my $child = delete $programs{$name};
	kill 'CONT', $child;
	kill $signal, $child;
	waitpid $child, 0;
	return;
}

END
{
	my $status = $?;
	kill 'KILL', $pid, values %programs;
	$? = $status;
}

# ---- what is done: each job has a plan, a list of acts, and its payload says which ----

sql(<<"SQL");
CREATE ROLE courier LOGIN;
SELECT intake.grant_access('courier', 'courier');
CREATE ROLE worker LOGIN;
SELECT intake.grant_access('worker', 'admin');
ALTER SYSTEM SET pg_intake.public_url = 'http://127.0.0.1:$shim';
SELECT pg_reload_conf();
CREATE TABLE effect (job_id bigint, k int, i int, step text);
CREATE TABLE effect_of_plain (job_id bigint);
CREATE TABLE wrong (job_id bigint, i int, what text);
GRANT ALL ON effect, effect_of_plain, wrong TO worker;
GRANT CREATE ON SCHEMA public TO worker;
SET ROLE worker;
-- k counts the steps of a job, and i those of its plan.
CREATE FUNCTION chaos(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS \$\$
DECLARE
	i int := coalesce((job.state ->> 'i')::int, 0);
	k int := coalesce((job.state ->> 'k')::int, 0);
	act text := job.payload -> 'plan' ->> i;
	before text := job.payload -> 'plan' ->> i - 1;
	place text := format('%s/%s/%s', job.payload ->> 'n', i, k);
	url text := format('http://127.0.0.1:%s/%s/%s', CASE act WHEN 'limited' THEN $limited ELSE $port END, act, place);
	state jsonb := jsonb_build_object('i', i + 1, 'k', k + 1);
	next text := 's' || i + 1;
	failed jsonb := jsonb_build_object('failed', next);
	answers intake.response[] := CASE WHEN before = 'fan' THEN job.responses ELSE ARRAY[job.responses[1]] END;
BEGIN
	INSERT INTO public.effect VALUES (job.id, k, i, job.step);
	IF job.state ? 'again' THEN
		-- What was asked is asked again: it has no answer.
	ELSIF before IN ('ok', 'flaky', 'limited', 'callback', 'fan')
		AND (SELECT count(*) FROM unnest(answers) a WHERE a.status = 200) IS DISTINCT FROM (CASE before WHEN 'fan' THEN 3 ELSE 1 END) THEN
		INSERT INTO public.wrong VALUES (job.id, i, format('answers to %s: %s', before, to_jsonb(job.responses)));
	ELSIF before = 'hear' AND job.input IS DISTINCT FROM 'true' OR before = 'wait' AND job.input IS DISTINCT FROM to_jsonb(job.id) THEN
		INSERT INTO public.wrong VALUES (job.id, i, format('%s got %s', before, job.input));
	ELSIF before = 'bad' AND (job.responses[1]).status IS DISTINCT FROM 400 THEN
		INSERT INTO public.wrong VALUES (job.id, i, format('bad got %s', to_jsonb(job.responses)));
	END IF;
	CASE act
	WHEN 'ok', 'flaky', 'limited' THEN
		RETURN intake.call(url, jsonb_build_object('k', k), next, state => state);
	WHEN 'fan' THEN
		RETURN intake.calls(ARRAY[intake.request(url || '/1'), intake.request(replace(url, '/fan/', '/flaky/') || '/2'), intake.request(url || '/3')],
			next, state);
	WHEN 'bad' THEN
		RETURN intake.call(url, step => next, state => state, options => failed);
	WHEN 'deadly' THEN
		RETURN intake.call(replace(url, '/deadly/', '/bad/'), step => next, state => state);
	WHEN 'ask' THEN
		-- The first answer is refused in the next step.
		RETURN intake.call(replace(url, '/ask/', CASE WHEN job.state ? 'again' THEN '/ok/' ELSE '/refused/' END), step => next, state => state);
	WHEN 'judge' THEN
		IF NOT (job.input -> 'good')::boolean THEN
			RETURN intake.again(CASE i WHEN 1 THEN 'start' ELSE 's' || i - 1 END, 'refused', jsonb_build_object('i', i - 1, 'k', k + 1, 'again', true));
		END IF;
		RETURN intake.sleep('0', next, state);
	WHEN 'sleep' THEN
		RETURN intake.sleep('1 second'::interval * random(), next, state);
	WHEN 'wait' THEN
		PERFORM intake.emit('chaos.signal', jsonb_build_object('key', place, 'job', job.id));
		RETURN intake.wait(place, '1 hour', next, state);
	WHEN 'callback' THEN
		RETURN intake.call(url, jsonb_build_object('url', intake.callback_url(job, 'heard ' || place)), next,
			state => state || jsonb_build_object('key', 'heard ' || place));
	WHEN 'hear' THEN
		RETURN intake.wait(job.state ->> 'key', '1 hour', next, state);
	WHEN 'cancelled' THEN
		PERFORM intake.emit('chaos.cancel', jsonb_build_object('job', job.id));
		RETURN intake.call(replace(url, '/cancelled/', '/slow/'), timeout => '1 hour', step => next, state => state);
	ELSE
		RETURN intake.done(to_jsonb(k));
	END CASE;
END \$\$;
CREATE FUNCTION signals(job intake.job) RETURNS void LANGUAGE sql AS \$\$ SELECT intake.signal(job.payload ->> 'key', job.payload -> 'job') \$\$;
CREATE FUNCTION cancels(job intake.job) RETURNS void LANGUAGE sql AS \$\$ SELECT intake.cancel((job.payload ->> 'job')::bigint) \$\$;
CREATE FUNCTION plain(job intake.job) RETURNS void LANGUAGE sql AS \$\$ INSERT INTO public.effect_of_plain VALUES (job.id) \$\$;
SELECT intake.create_workflow('signals', 'signals(intake.job)', type => 'chaos.signal', max_attempts => 100, backoff_max => '1 s');
SELECT intake.create_workflow('cancels', 'cancels(intake.job)', type => 'chaos.cancel', max_attempts => 100, backoff_max => '1 s');
SELECT intake.create_workflow('plain', 'plain(intake.job)', type => 'chaos.plain', max_attempts => 100, backoff_max => '1 s');
SELECT intake.create_workflow('chaos', 'chaos(intake.job)', type => 'chaos', max_attempts => 100, backoff => '0.1 s', backoff_max => '1 s');
SELECT intake.create_workflow('shared', 'chaos(intake.job)', type => 'shared', max_attempts => 100, backoff => '0.1 s', backoff_max => '1 s',
	jobs_per_transaction => 20);
SQL

# Returns a plan.
my @acts = ([ ('ok') x 3 ], ['ok'], ['ok'], ['fan'], ['flaky'], ['limited'], ['bad'], [ 'ask', 'judge' ], ['sleep'], ['wait'], [ 'callback', 'hear' ]);
my @ends = ((['end']) x 30, ['deadly'], ['cancelled']);
sub draw { return map { @{ $acts[ rand @acts ] } } 0 .. rand 4 }

my ($planned, $jobs, @batches) = (0, 0);
while ($planned < $steps)
{
	my @values;
	while (@values < ($long ? 200 : 50) && $planned < $steps)
	{
		my @plan = (draw(), @{ $ends[ rand @ends ] });
		my $type = rand() < 0.3 ? 'shared' : 'chaos';
		$planned += @plan;
		push @values, sprintf q{('%s', %d, '["%s"]')}, $type, ++$jobs, join('","', @plan);
	}
	push @batches, join ',', @values;
}

# Emits a batch, and as many plain jobs. A key each, for it may be emitted already by one that got no answer.
sub emit_batch
{
	my $values = shift @batches or return;
	until_sql(qq{SELECT count(intake.emit(v.type, jsonb_build_object('n', v.n, 'plan', v.plan::jsonb), 'n' || v.n)),
		count(intake.emit('chaos.plain', '{}', 'plain' || v.n)) FROM (VALUES $values) v (type, n, plan)});
	return;
}

# ---- what happens to it ----

sub courier_there { my @there = grep { /^courier/ } sort keys %programs; return $there[ rand @there ] }

# A process of the server's, of those that a query gives.
sub process
{
	my ($query) = @_;
	my @pids = split /\n/, try_sql($query) // '';
	return $pids[ rand @pids ];
}

sub worker { return process("SELECT pid FROM intake.workers WHERE kind = '$_[0]'") }
sub terminate { my ($child) = @_; kill 'TERM', $child if $child; return $child }

sub crash
{
	my @processes = split /\n/, try_sql('SELECT pid FROM pg_stat_activity') // '';
	$node->kill9;
	wait_for(sub { !grep { kill 0, $_ } @processes }, 'the processes end');
	$node->start;
	return 1;
}

# Lets those couriers go on whose time has come.
sub thaw
{
	my ($now) = @_;
	for my $name (grep { $frozen{$_} <= $now } keys %frozen)
	{
		kill 'CONT', $programs{$name} if $programs{$name};
		delete $frozen{$name};
	}
	return;
}

my %ways = (
	'couriers killed' => sub {
		my $name = courier_there();
		end($name, 'KILL');
		# Its lease is over sooner than it would be.
		until_sql("UPDATE intake.courier SET until = now() - interval '1 s' WHERE name = '$name'") unless $long;
		return start_courier();
	},
	'couriers stopped' => sub { end(courier_there(), 'TERM'); start_courier() },
	'couriers frozen' => sub {
		my $name = courier_there();
		kill 'STOP', $programs{$name};
		# Now and then for longer than its lease.
		$frozen{$name} = time + ($long && rand() < 0.2 ? 40 : rand 2);
	},
	'connections of couriers cut' => sub { terminate(process("SELECT pid FROM pg_stat_activity WHERE usename = 'courier'")) },
	'executors terminated' => sub { terminate(worker('executor')) },
	'executors killed' => sub { my $child = worker('executor') or return; kill 'KILL', $child },
	'supervisors terminated' => sub { terminate(worker('supervisor')) },
	'postmasters killed' => \&crash,
	'servers restarted' => sub { $node->restart; return 1 },
	'shims killed' => sub { end('shim', 'KILL'); start_shim_there() },
);

start_courier() for 1 .. 2;
start_shim_there();
emit_batch();
my $began = time;
my $done = 0;
my @deck;
while (@batches || @deck || $done < 0.7 * $planned)
{
	@deck = shuffle(sort keys %ways) unless @deck;
	my $way = shift @deck;
	$disasters{$way}++ if $ways{$way}->();
	thaw(time);
	emit_batch();
	sleep(rand($long ? 3 : 0.5));
	$done = until_sql('SELECT count(*) FROM effect');
	die 'it takes too long' if time > $began + 120 + $steps / 50;
}
thaw(time + 60);
note(sprintf 'figures: %d s of disasters', time - $began);

# ---- the end ----

my $last = -1;
my $rooms = join ' + ', map { "(SELECT count(*) FROM intake.$_)" } qw(queue running delayed suspect calling awaiting call_queue call_held call_cancel);
my $changed_at = time;
until (($_ = until_sql("SELECT $rooms")) == 0)
{
	$changed_at = time if $_ != $last;
	$last = $_;
	last if time > $changed_at + 90;
	sleep 0.2;
}
is($last = until_sql("SELECT $rooms"), 0, 'nothing is left in a room where jobs or calls wait');
if ($last != 0)
{
	diag(sql("SELECT intake.explain_job(id) FROM intake.jobs WHERE state NOT IN ('done', 'dead', 'discarded') LIMIT 20"));
	diag("$_: ", sql("SELECT to_jsonb(x) FROM intake.$_ x LIMIT 5")) for qw(queue running delayed suspect calling awaiting call_queue call_held call_cancel line courier);
}
note(sprintf 'figures: at rest after %d s', time - $began);
end($_, 'TERM') for sort keys %programs;
wait_for_sql($node, q{SELECT count(*) = 0 FROM intake.courier});

sql(<<"SQL");
CREATE TABLE request (key uuid, path text, status int);
COPY request FROM '$replies';
CREATE INDEX ON effect (job_id, i);
CREATE TABLE job AS SELECT j.id, j.state, j.result, coalesce(p.steps, 0) + (j.state = 'done')::int AS steps, e.payload -> 'plan' AS plan
	FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id LEFT JOIN intake.progress p ON p.job_id = j.id
	WHERE j.workflow IN ('chaos', 'shared');
CREATE TABLE made AS SELECT r.*, s.requests, s.paths, s.path, format('%s://%s:%s%s', r.scheme, r.host, r.port, r.target) AS url, r.host || r.target AS place
	FROM intake.call_request r LEFT JOIN (SELECT key, count(*) AS requests, count(DISTINCT path) AS paths, min(path) AS path FROM request GROUP BY key) s
	ON s.key = r.idempotency_key;
ANALYZE;
SQL
sub is_none { my ($query, $name) = @_; return is(sql("SELECT * FROM ($query) x LIMIT 10"), '', $name) }

is(sql('SELECT count(*) FROM job'), $jobs, 'each event has one job');
is_none(q{SELECT id, state, plan FROM job WHERE state <> CASE plan ->> -1 WHEN 'deadly' THEN 'dead' WHEN 'cancelled' THEN 'discarded' ELSE 'done' END},
	'... which has ended as it was to');
is_none(q{SELECT j.*, e.* FROM job j LEFT JOIN LATERAL (SELECT count(*) AS rows, count(DISTINCT k) AS different, max(k) + 1 AS most FROM effect e WHERE e.job_id = j.id) e ON true
	WHERE (e.rows, e.different, e.most) IS DISTINCT FROM (j.steps::bigint, j.steps::bigint, j.steps)}, 'each committed step has its row exactly once');
is_none(q{SELECT * FROM effect WHERE job_id NOT IN (SELECT id FROM job)}, '... and there are no others');
is_none(q{SELECT * FROM job j, generate_series(0, jsonb_array_length(plan) - 1) i WHERE NOT EXISTS (SELECT FROM effect e WHERE e.job_id = j.id AND e.i = i)},
	'... and no act was left out');
is_none(q{SELECT * FROM wrong}, 'each step had the answers to its calls, or its signal');
is_none(q{SELECT * FROM made WHERE requests IS NULL AND target NOT LIKE '/slow/%'}, 'each call was made');
is_none(q{SELECT * FROM made WHERE paths > 1 OR path <> target}, '... with its own key');
is_none(q{SELECT path, count(DISTINCT key) FROM request GROUP BY path HAVING count(DISTINCT key) > 1}, '... and with one key only');
is_none(q{SELECT * FROM request WHERE key NOT IN (SELECT idempotency_key FROM intake.call_request)}, 'none was made by a step that has not committed');
is_none(q{SELECT job_id, call_id FROM intake.call_request EXCEPT SELECT job_id, call_id FROM intake.call_response EXCEPT
	SELECT r.job_id, r.call_id FROM intake.call_request r JOIN job j ON j.id = r.job_id WHERE j.state = 'discarded'}, 'each has one answer');
is(sql('SELECT count(*), count(DISTINCT job_id) FROM effect_of_plain'), "$jobs|$jobs", 'plain jobs ran once each');
is(sql("SELECT count(*) FROM intake.signal WHERE signalled_at IS NULL"), 0, 'no key is waited for');
is(sql("SELECT count(*) FROM intake.line WHERE suspended_at IS NOT NULL"), 0, 'no line is suspended');

note('figures: ', join(', ', map { "$disasters{$_} $_" } sort keys %disasters));
note('figures: ', sql(q{
	SELECT format('%s jobs, %s steps, %s calls, %s requests: %s with an answer that asked for another, %s repeats',
		(SELECT count(*) FROM job), (SELECT count(*) FROM effect), (SELECT count(*) FROM made), count(*), count(*) FILTER (WHERE status IN (429, 500)),
		count(*) - count(DISTINCT key) - count(*) FILTER (WHERE status IN (429, 500))) FROM request}));
done_testing();
