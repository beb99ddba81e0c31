# Roles and functions that are renamed, dropped and made again under running workflows; dumps whose
# surroundings are gone; jobs that come after their workflow was dropped.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('owners', 'pg_intake.poll_interval' => "'1s'", 'pg_intake.idle_time' => "'1s'");
my $sql = sub { return $node->safe_psql('postgres', $_[0], extra_params => [ '-U', $_[1] // 'postgres' ]) };
my $state = sub { return $sql->("SELECT state FROM intake.workflows WHERE name = '$_[0]'") };
my $runs_as = sub {
	my ($role, $key, $name) = @_;
	$sql->("SELECT intake.emit('t', '{}', key => '$key')");
	ok(wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key' AND who = '$role'"), $name);
};

$sql->(q{
	CREATE ROLE alice LOGIN;
	CREATE ROLE mallory LOGIN;
	SELECT intake.grant_access('alice', 'admin'), intake.grant_access('mallory', 'admin');
	CREATE SCHEMA app;
	GRANT ALL ON SCHEMA app TO alice, mallory;
	CREATE TABLE effect (key text, who text DEFAULT session_user);
	GRANT INSERT ON effect TO PUBLIC});
my $function = q{CREATE FUNCTION app.note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)'};
$sql->($function, 'alice');
$sql->(q{SELECT intake.create_workflow('w', 'app.note(intake.job)', type => 't')}, 'alice');
$runs_as->('alice', 'a', 'a workflow runs');

# Renames.
$sql->(q{ALTER ROLE alice RENAME TO ann; ALTER FUNCTION app.note(intake.job) RENAME TO noted; ALTER SCHEMA app RENAME TO apps});
$runs_as->('ann', 'b', 'it goes on after its owner, its handler and the schema were renamed');
wait_for_sql($node, "SELECT (owner, handler) = ('ann', 'apps.noted(intake.job)') FROM intake.workflow WHERE name = 'w'");
pass('and the next dump has the new names');
$sql->(q{CREATE ROLE alice LOGIN SUPERUSER});
$node->restart;
$runs_as->('ann', 'c', 'a new role with the old name, and a superuser, does not run it');

# DROP ROLE, from another database too.
my ($code, $out, $err) = $node->psql('template1', 'DROP ROLE ann');
like($err, qr/cannot be dropped because some objects depend on it.*object/s, 'a role that owns a workflow of another database cannot be dropped');

# A dropped handler: jobs wait, and go on when it is there again.
$sql->('DROP FUNCTION apps.noted');
is($state->('w'), 'no such handler', 'a dropped handler is said');
$sql->(q{SELECT intake.emit('t', '{}', key => 'd')});
wait_for_sql($node, "SELECT count(*) = 0 FROM intake.workers WHERE kind = 'executor'");
is($sql->("SELECT state || attempts FROM intake.jobs WHERE id = (SELECT max(id) FROM intake.jobs)"), 'ready0', 'its jobs wait');
$function =~ s/app\.note/apps.noted/;
$sql->($function, 'mallory');
$sql->(q{CREATE FUNCTION apps.other(job intake.job) RETURNS void LANGUAGE sql AS ''; SELECT intake.create_workflow('other', 'apps.other(intake.job)', type => 'other')}, 'mallory');
$sql->(q{SELECT intake.emit('other', '{}')});
wait_for_sql($node, q{SELECT bool_and(state = 'done') FROM intake.jobs WHERE workflow = 'other'});
is($state->('w'), 'no such handler', 'a function of somebody else does not take its place');
$sql->('DROP FUNCTION apps.noted', 'mallory');
$sql->($function, 'ann');
ok(wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'd' AND who = 'ann'"), 'one of its owner does, and what waited runs');
is($state->('w'), 'active', 'it is active again');
is($sql->("SELECT count(*) FROM intake.attempts"), '0', 'nothing was charged');

# A handler that is dropped while jobs of its batch wait.
$sql->(q{CREATE FUNCTION apps.slow(job intake.job) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); END $$;
	SELECT intake.create_workflow('slow', 'apps.slow(intake.job)', type => 'slow')}, 'ann');
my $lock = $node->background_psql('postgres');
$lock->query_safe('SELECT pg_advisory_lock(1)');
$sql->(q{SELECT count(intake.emit('slow', '{}')) FROM generate_series(1, 8)});
wait_for_sql($node, q{SELECT count(*) >= 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
$sql->('ALTER FUNCTION apps.slow SET SCHEMA public; DROP FUNCTION public.slow');
$lock->quit;
wait_for_sql($node, q{SELECT count(*) >= 6 AND bool_and(attempts = 0) FROM intake.jobs WHERE workflow = 'slow' AND state = 'ready'});
is($sql->(q{SELECT count(*) FROM intake.jobs WHERE workflow = 'slow' AND state NOT IN ('ready', 'done')}), '0', 'none failed');
$sql->(q{SELECT intake.drop_workflow('slow', force => true)}, 'ann');

# Rights of the owner that go and come back.
for my $right ([ 'ALTER ROLE ann NOLOGIN', 'ALTER ROLE ann LOGIN', 'role cannot log in' ],
	[ 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC', 'role may not connect' ],
	[ 'REVOKE EXECUTE ON FUNCTION apps.noted FROM PUBLIC, ann', 'GRANT EXECUTE ON FUNCTION apps.noted TO PUBLIC', 'role may not execute the handler' ],
	[ 'REVOKE USAGE ON SCHEMA apps FROM ann, PUBLIC', 'GRANT USAGE ON SCHEMA apps TO ann', 'role may not execute the handler' ])
{
	$sql->($right->[0]);
	is($state->('w'), $right->[2], "after $right->[0]");
	$sql->(qq{SELECT intake.emit('t', '{}', key => '$right->[0]')});
	wait_for_sql($node, "SELECT count(*) = 0 FROM intake.workers WHERE kind = 'executor' AND role = 'ann'");
	$sql->($right->[1]);
	ok(wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$right->[0]'"), 'its jobs wait until that is over');
}
is($sql->("SELECT count(*) FROM intake.attempts"), '0', 'nothing was charged');

# Events that are committed after their workflow was dropped: at once, and with a delay.
$sql->(q{SELECT intake.create_workflow('gone', 'apps.noted(intake.job)', type => 'gone')}, 'ann');
my $late = $node->background_psql('postgres');
$late->query_safe(q{BEGIN; SELECT intake.emit('gone', '{}'), intake.emit('gone', '{}', delay => '1 year')});
$sql->(q{SELECT intake.drop_workflow('gone')}, 'ann');
wait_for_sql($node, "SELECT count(*) > 0 FROM intake.workers WHERE kind = 'supervisor'");
$late->query_safe('COMMIT');
$late->quit;
ok(wait_for_sql($node, q{SELECT count(*) = 2 AND bool_and(state = 'discarded') FROM intake.jobs WHERE workflow = 'gone'}), 'jobs that come after their workflow was dropped are discarded');
is($sql->(q{SELECT DISTINCT error FROM intake.jobs WHERE workflow = 'gone'}), 'the workflow was dropped', 'and say why');

# A dump of what has lost its surroundings, restored where there are still fewer of them.
$sql->(q{CREATE FUNCTION apps.passing(job intake.job) RETURNS void LANGUAGE sql AS '';
	SELECT intake.create_workflow('passing', 'apps.passing(intake.job)', type => 'passing'), intake.create_workflow('paused', 'apps.noted(intake.job)', type => 'p')}, 'ann');
$sql->(q{SELECT intake.drop_workflow('passing'), intake.pause_workflow('paused')}, 'ann');
$sql->('DROP FUNCTION apps.passing');
$sql->(q{CREATE FUNCTION apps.lost(job intake.job) RETURNS void LANGUAGE sql AS '';
	SELECT intake.create_workflow('lost', 'apps.lost(intake.job)', type => 'lost')}, 'mallory');
$sql->(q{CREATE FUNCTION public.mine(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	SELECT intake.create_workflow('mine', 'public.mine(intake.job)', type => 'mine');
	INSERT INTO intake.scheme (name, kind, signature_from, preset) VALUES ('preset', 'token', '{header:x}', true);
	SELECT intake.create_source('preset', 'preset', secret => 'secret-x')});
$sql->(q{SELECT intake.emit('lost', '{}'), intake.emit('mine', '{}', key => 'restored')});
wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'restored'");
my $all = q{SELECT string_agg(concat_ws(' ', id, name, owner, handler, dropped_at), ',' ORDER BY id), (SELECT count(*) FROM intake.source),
	(SELECT count(*) FROM intake.source_secret), (SELECT count(*) FROM intake.event) FROM intake.workflow};
my $before = $sql->($all);
my $dump = $node->basedir . '/dump.sql';
command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
my $other = new_server('elsewhere', 'pg_intake.poll_interval' => "'1s'");
$other->safe_psql('postgres', 'CREATE ROLE ann LOGIN');
$other->safe_psql('postgres', 'CREATE DATABASE target');
command_ok([ 'psql', '-X', '-q', '-d', $other->connstr('target'), '-f', $dump ], 'psql, without its roles');
is($other->safe_psql('target', $all), $before, 'every row is there');
is($other->safe_psql('target', q{SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM intake.workflows}),
	'lost restored, mine restored, other restored, paused paused, w restored', 'no workflow runs by itself');
is($other->safe_psql('target', q{SELECT problem FROM intake.sources WHERE name = 'preset'}), 'scheme "preset" does not exist', 'a source says that its scheme is gone');
($code, $out, $err) = $other->psql('target', 'SELECT intake.resume_workflows()');
is($out, '3', 'one call resumes what can run');
is(join(',', sort $err =~ /WARNING:\s+(.*)/g), 'workflow "lost" is not resumed: no such role,workflow "other" is not resumed: no such role', 'and names what cannot');
is($other->safe_psql('target', q{SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM intake.workflows}),
	'lost restored, mine active, other restored, paused paused, w active', 'what was paused stays paused');
$other->safe_psql('target', q{SELECT intake.emit('mine', '{}', key => 'in the copy')});
ok(wait_for_sql($other, "SELECT count(*) = 1 FROM effect WHERE key = 'in the copy'", 'target'), 'it runs');
($code, $out, $err) = $other->psql('target', q{SELECT intake.resume_workflow('lost')});
like($err, qr/role "mallory" does not exist.*HINT.*give_workflow/s, 'a missing role is said');
$other->safe_psql('target', q{CREATE ROLE mallory LOGIN; GRANT USAGE ON SCHEMA apps TO mallory});
$other->safe_psql('target', q{SELECT intake.resume_workflow('lost')});
is($other->safe_psql('target', q{SELECT state FROM intake.workflows WHERE name = 'lost'}), 'active', 'until it is there');
$other->safe_psql('target', q{SELECT intake.give_workflow('other', 'ann')});
is($other->safe_psql('target', q{SELECT owner || ' ' || state FROM intake.workflows WHERE name = 'other'}), 'ann restored', 'a restored one can be given away');

# The parts of a dump, one by one; triggers off as well.
for my $options ([], ['--disable-triggers'])
{
	my $database = 'parts' . @$options;
	$other->safe_psql('postgres', "CREATE DATABASE $database");
	for my $part ([ '--schema-only' ], [ '--data-only', @$options ])
	{
		command_ok([ 'pg_dump', @$part, '-f', $dump, $node->connstr('postgres') ], "pg_dump @$part");
		my ($stdout, $stderr) = run_command([ 'psql', '-X', '-q', '-d', $other->connstr($database), '-f', $dump ]);
		unlike($stderr, qr/COPY|violates|duplicate/, 'restored');
	}
	is($other->safe_psql($database, $all), $before, 'every row is there');
	is($other->safe_psql($database, q{SELECT intake.resume_workflows()}), '5', 'and can be resumed');
}

$other->stop;
$node->stop;
done_testing();
