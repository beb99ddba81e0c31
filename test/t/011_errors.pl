# Errors of the kinds that concern everything: whoever they meet remains who he was, and what
# cannot run now waits.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('errors', 'pg_intake.poll_interval' => '200ms', max_locks_per_transaction => 10, max_connections => 20, autovacuum => 'off', jit => 'off');
my $sql = sub { $node->safe_psql('postgres', $_[0]) };

# What a gateway does who hopes to be more once his call has failed. As one who may emit, too.
$sql->(q{
	CREATE ROLE climber LOGIN;
	SELECT intake.grant_access('climber', 'gateway'), intake.grant_access('climber', 'admin');
	CREATE FUNCTION climb(statement text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		code text;
	BEGIN
		BEGIN
			EXECUTE statement;
			RETURN 'no error';
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE;
			BEGIN
				ALTER ROLE climber SUPERUSER;
				RETURN format('%s: superuser', code);
			EXCEPTION WHEN OTHERS THEN
				RETURN format('%s: still %s', code, current_user);
			END;
		END;
	END $$;
	CREATE FUNCTION send(id text) RETURNS text LANGUAGE sql AS $$
		SELECT r.body FROM intake.receive('{POST}'::text[]::bytea[], '{src}'::text[]::bytea[], '{""}',
			ARRAY['X-Signature: ' || encode(hmac(format('{"data":{"id":"%s"}}', id), '} . SECRET . q{', 'sha256'), 'hex')]::bytea[],
			ARRAY[format('{"data":{"id":"%s"}}', id)]::bytea[], '{""}') r $$;
	CREATE FUNCTION ingest(id text) RETURNS text LANGUAGE sql AS $$
		SELECT r.body FROM intake.ingest('src', jsonb_build_object('X-Signature', encode(hmac(format('{"data":{"id":"%s"}}', id), '} . SECRET . q{', 'sha256'), 'hex')),
			format('{"data":{"id":"%s"}}', id)::bytea) r $$;
	CREATE FUNCTION emit(id text) RETURNS bigint LANGUAGE sql AS $$ SELECT intake.emit('t', jsonb_build_object(), 'key ' || id) $$;
	CREATE FUNCTION nothing(job intake.job) RETURNS void LANGUAGE sql AS '';
	SELECT intake.create_workflow('waits', 'nothing(intake.job)'), intake.pause_workflow('waits');
	-- Takes every lock that there is to take.
	CREATE FUNCTION take_locks() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		n int := 0;
	BEGIN
		LOOP
			BEGIN
				FOR i IN 1..100 LOOP n := n + 1; PERFORM pg_advisory_xact_lock(n); END LOOP;
			EXCEPTION WHEN out_of_memory THEN EXIT; END;
		END LOOP;
		BEGIN
			LOOP n := n + 1; PERFORM pg_advisory_lock(n); END LOOP;
		EXCEPTION WHEN out_of_memory THEN NULL; END;
	END $$});
my $climb = sub {
	my ($name, $before) = @_;
	for my $call ('send', 'ingest', 'emit')
	{
		my ($code, $out, $err) = $node->psql('postgres', "$before SELECT climb('SELECT $call(''$name $call'')'); ROLLBACK; SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user;",
			extra_params => [ '-U', 'climber' ]);
		like($out, qr/^(53|55|57|58|XX)...: still climber\nclimber\|f$/m, "$name: $call") or diag($err);
	}
};
is($sql->("SELECT length(send('first')) > 0, length(ingest('second')) > 0, emit('third') > 0"), 't|t|t', 'they work');

# 53: out of shared memory.
$climb->('no locks left', 'BEGIN; SELECT take_locks();');

# 58 and XX: files that are gone, or not what they were.
my $path = sub { $node->data_dir . '/' . $sql->("SELECT pg_relation_filepath('$_[0]')") };
for my $relation ('intake.event_key_pkey', 'intake.queue_pkey')
{
	my $file = $path->($relation);
	$sql->('CHECKPOINT');
	$node->stop;
	rename $file, "$file.away" or die;
	$node->start;
	$climb->("$relation is gone", '');
	$node->stop('immediate');
	open my $empty, '>', $file or die;
	print $empty "\1" x 8192;
	close $empty;
	$node->start;
	$climb->("$relation is damaged", '');
	$node->stop('immediate');
	rename "$file.away", $file or die;
	$node->start;
}
is($sql->("SELECT length(send('last')) > 0, length(ingest('one')) > 0, emit('more') > 0"), 't|t|t', 'they work again');

# A type intake.job that is not the library's: jobs wait, and nobody is charged.
$sql->(q{
	CREATE TABLE got (n int);
	CREATE FUNCTION get(job intake.job) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.got VALUES ((job.payload ->> 'n')::int) $$;
	SELECT intake.create_workflow('get', 'get(intake.job)', type => 'get', max_attempts => 1)});
$sql->(q{SELECT intake.emit('get', '{"n": 1}')});
wait_for_sql($node, 'SELECT count(*) = 1 FROM got');
$sql->('ALTER TYPE intake.job ALTER ATTRIBUTE lease TYPE text');
$sql->(q{SELECT intake.emit('get', '{"n": 2}')});
wait_for(sub { slurp_file($node->logfile) =~ /WARNING: .*the type intake\.job is not what pg_intake gives to handlers/ }, 'a warning');
is($sql->("SELECT state, attempts FROM intake.jobs WHERE workflow = 'get' ORDER BY id DESC LIMIT 1"), 'ready|0', 'its job waits');
$sql->('ALTER TYPE intake.job ALTER ATTRIBUTE lease TYPE bigint');
wait_for_sql($node, 'SELECT count(*) = 2 FROM got');
is($sql->('SELECT count(*) FROM intake.attempts'), '0', 'nobody was charged');

# While a batch is in the hands of executors: it goes back.
$sql->(q{
	CREATE FUNCTION slow(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock_shared(42);
		INSERT INTO public.got VALUES ((job.payload ->> 'n')::int);
	END $$;
	SELECT intake.create_workflow('slow', 'slow(intake.job)', type => 'slow', max_attempts => 1)});
my ($in, $out) = ('', '');
my $blocker = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out);
$in .= "BEGIN; SELECT pg_advisory_xact_lock(42);\nSELECT 'locked';\n";
wait_for(sub { $blocker->pump_nb; $out =~ /locked/ }, 'the lock');
$sql->(q{SELECT count(intake.emit('slow', jsonb_build_object('n', n))) FROM generate_series(101, 120) n});
wait_for_sql($node, "SELECT count(*) > 2 FROM intake.jobs WHERE workflow = 'slow' AND state = 'running'");
$sql->('ALTER TYPE intake.job ALTER ATTRIBUTE lease TYPE text');
$in .= "COMMIT;\n\\q\n";
$blocker->finish;
wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE workflow = 'slow' AND state = 'running'");
cmp_ok($sql->("SELECT count(*) FROM intake.jobs WHERE workflow = 'slow' AND state = 'ready' AND attempts = 0"), '>=', 18, 'those that had not begun are back');
$sql->('ALTER TYPE intake.job ALTER ATTRIBUTE lease TYPE bigint');
wait_for_sql($node, 'SELECT count(*) = 22 AND count(DISTINCT n) = 22 FROM got');
is($sql->('SELECT count(*) FROM intake.attempts'), '0', 'nobody was charged');

done_testing();
