# What tells about a deed does not undo it: dead letters, rejections and the use of secrets are
# recorded, or stay as they are, whatever becomes of the news.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('tell', 'pg_intake.poll_interval' => '200ms');
my $sql = sub { $node->safe_psql('postgres', $_[0]) };
my $logged = sub { slurp_file($node->logfile) =~ $_[0] };
my $dead = sub { wait_for_sql($node, "SELECT count(*) = $_[1] FROM intake.dead_letters WHERE workflow = '$_[0]'") };

$sql->(q{
	CREATE TABLE effect (n int);
	CREATE FUNCTION die(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		RAISE EXCEPTION '%', repeat(job.payload ->> 'text', 20000) USING DETAIL = repeat('d', 1000000), HINT = repeat('h', 1000000);
	END $$;
	CREATE FUNCTION quit(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF job.payload ->> 'n' = '3' THEN
			PERFORM pg_terminate_backend(pg_backend_pid());
			PERFORM pg_sleep(10);
		END IF;
		INSERT INTO public.effect VALUES ((job.payload ->> 'n')::int);
	END $$;
	SELECT intake.create_workflow('die', 'die(intake.job)', source => 'intake', filter => '$.text', max_attempts => 1),
		intake.create_workflow('die_together', 'die(intake.job)', type => 'together', max_attempts => 1, jobs_per_transaction => 16),
		intake.create_workflow('quit', 'quit(intake.job)', type => 'quit', max_attempts => 1)});

# However long a type and an error are, their notification is not too long, and JSON.
my ($in, $out) = ('', '');
my $listener = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out);
my $listen = sub { $in .= "SELECT 'tick';\n"; $out =~ s/tick\n//g; $listener->pump_nb; [ $out =~ /payload "(.*)" received/g ] };
$in .= "LISTEN intake_dead_letter;\nSELECT 'it listens';\n";
wait_for(sub { $listen->(); $out =~ /it listens/ }, 'psql listens');
# As long as a type may be, in bytes.
for my $text ('x', '"', 'ä', '\u0001', '😀')
{
	my $literal = $text eq '"' ? '"\\""' : "\"$text\"";
	$sql->(qq{SELECT intake.emit(left(repeat('$literal'::jsonb #>> '{}', 256), 256 / octet_length('$literal'::jsonb #>> '{}')), jsonb_build_object('text', '$literal'::jsonb))});
}
$dead->('die', 5);
wait_for(sub { @{ $listen->() } == 5 }, 'five notifications');
for my $payload (@{ $listen->() })
{
	(my $quoted = $payload) =~ s/'/''/g;
	cmp_ok(length $payload, '<=', 7999, 'a notification of ' . length($payload) . ' bytes');
	is($sql->("SELECT workflow = 'die' AND p ->> 'sqlstate' = 'P0001' AND length(p ->> 'error') > 600 AND p ->> 'type' = e.type
		FROM (SELECT '$quoted'::jsonb AS p) x JOIN intake.dead_letters d ON d.job_id = (p ->> 'job_id')::bigint JOIN intake.events e ON e.id = d.event_id"),
		't', 'it is JSON and says which job of which type');
}
is($sql->("SELECT count(*), count(DISTINCT payload ->> 'job_id') FROM intake.events WHERE source = 'intake' AND type = 'job.dead'"), '5|5', 'an event for each');
is($sql->("SELECT max(octet_length(error)) < 40000 FROM intake.attempts"), 't', 'what is kept of an error is bounded');

# No event can be stored: no news, but the dead letters are there, and all goes on.
my $used_up = sub { $sql->("SELECT setval('intake.event_id_seq', last_value) FROM intake.event_id_seq; ALTER SEQUENCE intake.event_id_seq MAXVALUE " . $sql->('SELECT last_value FROM intake.event_id_seq')) };
$sql->("SELECT count(intake.pause_workflow(name)) FROM intake.workflows");
$sql->(q{SELECT count(intake.emit(type, jsonb_build_object('n', n, 'text', 'x'))) FROM generate_series(1, 6) n, unnest('{together}'::text[]) type;
	SELECT count(intake.emit('quit', jsonb_build_object('n', n))) FROM generate_series(1, 6) n});
$used_up->();
$sql->("SELECT count(intake.resume_workflow(name)) FROM intake.workflows");
$dead->('die', 11);
$dead->('die_together', 6);
is($sql->("SELECT count(*), max(attempts) FROM intake.dead_letters WHERE workflow = 'die_together'"), '6|1', 'dead letters without their event');
ok($logged->(qr/WARNING: .*could not store the event job\.dead: nextval: reached maximum value/), 'a warning says that there is no event');
wait_for(sub { @{ $listen->() } == 17 }, 'the notifications come all the same');
# Its executor ends while it cannot tell: its neighbours run, and it is dead in the end.
wait_for_sql($node, "SELECT count(*) = 5 FROM effect");
$dead->('quit', 1);
is($sql->('SELECT count(*), count(DISTINCT n) FROM effect'), '5|5', 'the neighbours ran once');
unlike(slurp_file($node->logfile), qr/(PANIC|terminated by signal)/, 'no process crashed');
$sql->('ALTER SEQUENCE intake.event_id_seq NO MAXVALUE');
$in .= "\\q\n";
$listener->finish;

# Events of a batch are stored when its rejections, or the use of its secret, cannot be recorded.
my $url = start_shim($node);
$sql->('ALTER TABLE intake.secret_use ADD CHECK (false) NOT VALID; ALTER SEQUENCE intake.rejection_seq MAXVALUE ' . $sql->('SELECT last_value + 1 FROM intake.rejection_seq'));
$sql->("SELECT nextval('intake.rejection_seq')");
is(post($url . '/webhooks/src', body_of('told-1'))->{status}, 200, 'accepted, without a record of its secret');
ok($logged->(qr/WARNING: .*could not record the use of secrets/), 'a warning says so');
my $hmac = hmac_sha256_hex(body_of('told-2'), SECRET);
is($sql->(sprintf q{SELECT string_agg(status::text, ' ') FROM intake.receive('{POST,POST,POST}'::text[]::bytea[], '{nowhere,src,src}'::text[]::bytea[],
	'{"","",""}'::text[]::bytea[], ARRAY['', 'X-Signature: %s', 'X-Signature: 00']::bytea[], ARRAY['x', '%s', 'x']::bytea[], '{"","",""}')}, $hmac, body_of('told-2')),
	'404 200 403', 'a batch with what cannot be recorded');
is($sql->("SELECT count(*) FROM intake.events WHERE key LIKE 'told-%'"), '2', 'both are stored');
ok($logged->(qr/WARNING: .*could not record rejections/), 'a warning says so');

stop_shim($url);
done_testing();
