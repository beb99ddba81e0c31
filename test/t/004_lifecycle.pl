# Databases and extensions that come and go; dumps; standbys.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('lifecycle');

my $handlers = q{
	CREATE TABLE effect (key text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	CREATE FUNCTION fails(job intake.job) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
	CREATE FUNCTION naps(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(0.5)';
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'n')};
my $runs = sub {
	my ($database, $key) = @_;
	$node->safe_psql($database, "SELECT intake.emit('n', '{}', key => '$key')");
	return wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key'", $database);
};

# Workers are found without configuration, in every database.
$node->safe_psql('postgres', $handlers);
ok($runs->('postgres', 'a'), 'jobs run');
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION pg_intake CASCADE');
$node->safe_psql('second', $handlers);
ok($runs->('second', 'b'), 'jobs run in a second database');
is($node->safe_psql('postgres', 'SELECT count(*) FROM effect'), '1', 'each has its own');

# DROP EXTENSION, rolled back and not; CREATE again.
$node->safe_psql('second', 'BEGIN; DROP EXTENSION pg_intake CASCADE; ROLLBACK');
ok($runs->('second', 'c'), 'jobs run after a DROP EXTENSION that was rolled back');
$node->safe_psql('second', 'DROP EXTENSION pg_intake CASCADE');
is($node->safe_psql('second', "SELECT count(*) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'intake')"), '0', 'nothing is left');
wait_for_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'second' AND backend_type LIKE 'pg_intake%'");
pass('the workers are gone');
$node->safe_psql('second', 'DROP FUNCTION IF EXISTS note, fails, naps; DROP TABLE effect; CREATE EXTENSION pg_intake CASCADE');
$node->safe_psql('second', $handlers);
ok($runs->('second', 'd'), 'jobs run after it was created again');

# A database that workers are connected to can be copied, renamed and dropped.
my $start = time;
$node->safe_psql('postgres', 'CREATE DATABASE third TEMPLATE second');
$node->safe_psql('postgres', 'ALTER DATABASE second RENAME TO renamed');
ok($runs->('renamed', 'e'), 'jobs run in a renamed database');
$node->safe_psql('third', "SELECT intake.emit('n', '{}', key => 'copy')");
is($node->safe_psql('third', "SELECT state FROM intake.workflows"), 'restored', 'a copy does not run by itself');
$node->safe_psql('third', "SELECT intake.resume_workflow('note')");
wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'copy'", 'third');
pass('until it is told to');
$node->safe_psql('postgres', 'DROP DATABASE third');
$node->safe_psql('postgres', 'DROP DATABASE renamed');
cmp_ok(time - $start, '<', 30, 'none of that waited long');
ok($runs->('postgres', 'f'), 'the first database goes on');

# A long job does not hold up a DROP DATABASE for long.
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', q{CREATE EXTENSION pg_intake CASCADE;
	CREATE FUNCTION sleeps(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(1000)';});
$node->safe_psql('busy', q{SELECT intake.create_workflow('sleeps', 'sleeps(intake.job)', timeout => '1 hour')});
$node->safe_psql('busy', q{SELECT intake.emit('x', '{}')});
wait_for_sql($node, 'SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL', 'busy');
$node->safe_psql('postgres', 'DROP DATABASE busy');
pass('a database with a busy executor can be dropped');

# A restart of the server, and a reload.
$node->restart;
ok($runs->('postgres', 'g'), 'jobs run after a restart');
$node->safe_psql('postgres', q{SELECT intake.create_workflow(name, 'naps(intake.job)', type => 'nap', backoff => '10 ms') FROM unnest('{nap,doze}'::text[]) AS name});
$node->safe_psql('postgres', q{SELECT count(intake.emit('nap', '{}')) FROM generate_series(1, 6)});
wait_for_sql($node, "SELECT count(*) = 2 FROM intake.workers WHERE kind = 'executor'");
$node->append_conf('postgresql.conf', "pg_intake.executors = 1\n");
$node->reload;
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'executor'");
ok($runs->('postgres', 'h'), 'jobs run after a reload with fewer executors');

# Workers that somebody terminates come back: the launcher, which looks into each database, and an
# executor for what waits.
$node->safe_psql('postgres', q{SELECT count(intake.emit('nap', '{}')) FROM generate_series(1, 6)});
wait_for_sql($node, 'SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL');
my $terminated = $node->safe_psql('postgres', "SELECT string_agg(pid::text, ',') FROM intake.workers WHERE pg_terminate_backend(pid)");
wait_for_sql($node, "SELECT count(*) = 3 AND count(DISTINCT kind) = 3 FROM intake.workers WHERE pid NOT IN ($terminated)");
pass('workers that were terminated come back while there is work');
ok($runs->('postgres', 'i'), 'jobs run after all workers were terminated');
wait_for_sql($node, "SELECT bool_and(state = 'done') FROM intake.jobs WHERE workflow IN ('nap', 'doze')");

# A dump carries everything.
$node->safe_psql('postgres', q{
	SELECT intake.create_workflow('fails', 'fails(intake.job)', type => 'f', max_attempts => 1);
	SELECT intake.create_workflow('paused', 'note(intake.job)', type => 'p');
	INSERT INTO intake.scheme (name, kind, signature_from) VALUES ('mine', 'token', '{header:x}')});
$node->safe_psql('postgres', q{
	SELECT intake.create_source('mine', 'mine', secret => 'the secret of a dump');
	SELECT intake.pause_workflow('paused');
	SELECT intake.emit('f', '{"dead": true}'), intake.emit('p', '{}'), intake.emit('p', '{}', delay => '1 day')});
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.dead_letters");
my $everything = q{
	SELECT (SELECT string_agg(name || scheme, ',' ORDER BY id) FROM intake.source), (SELECT string_agg(secret, ',' ORDER BY id) FROM intake.source_secret),
	(SELECT count(*) FROM intake.schemes), (SELECT string_agg(name, ',' ORDER BY id) FROM intake.workflow), (SELECT md5(string_agg(e::text, ',' ORDER BY id)) FROM intake.event e),
	(SELECT md5(string_agg(k::text, ',' ORDER BY event_id, digest)) FROM intake.event_key k), (SELECT md5(string_agg(row(id, event_id, workflow, state, attempts, run_at)::text, ',' ORDER BY id)) FROM intake.jobs),
	(SELECT string_agg(state || n, ',' ORDER BY state) FROM (SELECT state, count(*) AS n FROM intake.jobs GROUP BY state) s),
	(SELECT string_agg(job_id || error, ',') FROM intake.dead_letters), (SELECT count(*) FROM intake.attempts),
	(SELECT string_agg(access || privilege, ',' ORDER BY access, privilege) FROM intake.grantable),
	(SELECT relrowsecurity FROM pg_class WHERE oid = 'intake.grantable'::regclass)};
my $before = $node->safe_psql('postgres', $everything);
my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
is($node->safe_psql('restored', $everything), $before, 'sources, secrets, workflows, events, jobs and dead letters are the same');
is($node->safe_psql('restored', "SELECT DISTINCT state FROM intake.workflows WHERE name <> 'paused'"), 'restored', 'nothing runs in the copy by itself');
$node->safe_psql('restored', "SELECT intake.resume_workflow(name) FROM intake.workflows");
wait_for_sql($node, "SELECT count(*) = 0 FROM intake.jobs WHERE workflow = 'paused' AND state = 'ready'", 'restored');
ok($runs->('restored', 'after the dump'), 'the copy goes on where it stood, with new ids');

# A standby runs nothing and takes nothing, until it is promoted.
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', "SELECT count(*) FROM intake.workers"), '0', 'no worker on a standby');
my ($code, $out, $err) = $standby->psql('postgres', "SELECT intake.ingest('src', '{}', 'x')");
like($err, qr/read-only|recovery/, 'a standby takes no request');
$node->stop;
$standby->promote;
$standby->safe_psql('postgres', "SELECT intake.emit('n', '{}', key => 'promoted')");
wait_for_sql($standby, "SELECT count(*) = 1 FROM effect WHERE key = 'promoted'");
pass('jobs run after the promotion');
$standby->stop;

done_testing();
