# What a handler of an ordinary role, and the gateway, cannot do.
use strict;
use warnings;
use Intake;
use Test::More;

my $node = new_server('security');

$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN;
	SELECT intake.grant_access('alice', 'admin');
	GRANT CREATE ON SCHEMA public TO alice;
	GRANT CREATE ON DATABASE postgres TO alice});

# Each handler reports, as a row, who it was and what came of an attempt at more.
my $setup = q{
	CREATE TABLE public.report (what text, who text, result text);
	CREATE FUNCTION public.try(what text, statement text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE statement;
		INSERT INTO public.report VALUES (what, current_user, 'done');
	EXCEPTION WHEN others THEN
		INSERT INTO public.report VALUES (what, current_user, SQLSTATE);
	END $$;
	CREATE FUNCTION public.attack(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM public.try('secrets', 'SELECT * FROM intake.source_secret');
		PERFORM public.try('reset role', 'RESET ROLE');
		PERFORM public.try('set role', 'SET ROLE postgres');
		PERFORM public.try('session authorization', 'SET SESSION AUTHORIZATION postgres');
		PERFORM public.try('reset session authorization', 'RESET SESSION AUTHORIZATION');
		PERFORM public.try('secrets afterwards', 'SELECT * FROM intake.source_secret');
		PERFORM public.try('rooms', 'INSERT INTO intake.queue SELECT 1, 1, 1, 1, 1');
		PERFORM public.try('superuser', 'ALTER ROLE alice SUPERUSER');
		PERFORM public.try('another owner', 'UPDATE intake.workflow SET owner = ''postgres''');
		INSERT INTO public.later VALUES (1);
		-- What a later statement of the executor would find, if it looked there.
		SET search_path = evil, pg_catalog, public;
		SET default_transaction_read_only = on;
	END $$;
	-- A deferred trigger runs at the commit.
	CREATE TABLE public.later (n int);
	CREATE FUNCTION public.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM public.try('deferred trigger', 'SELECT * FROM intake.source_secret');
		RETURN NULL;
	END $$;
	CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON public.later DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION public.at_commit();
	-- Operators and functions that stand in for those of pg_catalog.
	CREATE SCHEMA evil;
	CREATE FUNCTION evil.eq(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM public.try('operator', 'SELECT * FROM intake.source_secret');
		RETURN $1 OPERATOR(pg_catalog.=) $2;
	END $$;
	CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.eq);
	CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM public.try('function', 'SELECT * FROM intake.source_secret');
		RETURN pg_catalog.now();
	END $$;
	SELECT intake.create_workflow('attack', 'public.attack(intake.job)', type => 'attack');
	SELECT intake.create_workflow('fails', 'public.fails(intake.job)', type => 'attack', max_attempts => 1)};
$node->safe_psql('postgres', q{CREATE FUNCTION public.fails(job intake.job) RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN SET search_path = evil, pg_catalog; RAISE EXCEPTION 'no'; END $$}, extra_params => [ '-U', 'alice' ]);
$node->safe_psql('postgres', $setup, extra_params => [ '-U', 'alice' ]);
$node->safe_psql('postgres', q{SELECT count(intake.emit('attack', '{}')) FROM generate_series(1, 3)});
wait_for_sql($node, "SELECT count(*) = 6 FROM intake.jobs WHERE state IN ('done', 'dead') AND workflow IN ('attack', 'fails')");

is($node->safe_psql('postgres', 'SELECT DISTINCT who FROM report'), 'alice', 'every part of a job runs as the owner of the workflow');
is($node->safe_psql('postgres', "SELECT what, result FROM report WHERE result <> 'done' GROUP BY 1, 2 ORDER BY what COLLATE \"C\""),
	join("\n", 'another owner|42501', 'deferred trigger|42501', 'rooms|42501', 'secrets|42501', 'secrets afterwards|42501',
		'session authorization|42501', 'set role|42501', 'superuser|42501'), 'what is refused is refused');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT what, ',' ORDER BY what) FROM report WHERE result = 'done'"),
	'reset role,reset session authorization', 'and nothing else was done');
is($node->safe_psql('postgres', "SELECT count(*) FROM report WHERE what IN ('operator', 'function')"), '0', 'no statement of the executor looked where the handler pointed');

# The gateway calls intake.receive and intake.callback, and nothing else.
my @gateway = (extra_params => [ '-U', 'gateway' ]);
my ($code, $out, $err) = $node->psql('postgres', "SELECT count(*) FROM intake.receive('{}', '{}', '{}', '{}', '{}', '{}')", @gateway);
is($code, 0, 'the gateway may call intake.receive');
my $objects = $node->safe_psql('postgres', q{
	SELECT 'function ' || p.oid::regprocedure::text FROM pg_proc p
	WHERE p.pronamespace = 'intake'::regnamespace AND p.proname NOT IN ('receive', 'callback') AND has_function_privilege('gateway', p.oid, 'EXECUTE')
	UNION ALL
	SELECT 'table ' || c.relname FROM pg_class c
	WHERE c.relnamespace = 'intake'::regnamespace AND c.relkind IN ('r', 'p', 'v')
	  AND has_table_privilege('gateway', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
	UNION ALL
	SELECT 'sequence ' || c.relname FROM pg_class c
	WHERE c.relnamespace = 'intake'::regnamespace AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('gateway', c.oid, 'USAGE, SELECT, UPDATE') END});
is($objects, '', 'and has no privilege on anything else');
for my $statement ('SELECT * FROM intake.events', 'SELECT * FROM intake.source_secret', "SELECT intake.emit('x', '{}')",
	"SELECT intake.create_source('x', 'hmac')", "SELECT intake.verify('src', '{}', '')", 'SELECT * FROM intake.rejections')
{
	($code, $out, $err) = $node->psql('postgres', $statement, @gateway);
	like($err, qr/permission denied/, "refused: $statement");
}

# Partitions that were made meanwhile belong to the owner of the extension, too.
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class c WHERE c.relnamespace = 'intake'::regnamespace AND c.relispartition
	AND c.relkind = 'r' AND c.relowner <> (SELECT extowner FROM pg_extension WHERE extname = 'pg_intake')}), '0', 'partitions belong to the owner of the extension');

$node->stop;
done_testing();
