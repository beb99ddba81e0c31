# Changes of the configuration that no trigger tells of reach the sessions that know it: where triggers
# are disabled, in a session that replicates, where the extension is dropped and there anew. And a job
# that is stored while its workflow comes to run again waits for no poll.
use strict;
use warnings;
use Intake;
use Test::More;

my $node = new_server('untold', 'pg_intake.poll_interval' => "'1h'");
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };
$sql->(q{
	CREATE TABLE effect (workflow text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO public.effect VALUES (job.workflow)';
	SELECT intake.create_source('other', 'hmac', secret => 'secret-other');
	SELECT intake.create_workflow('known', 'note(intake.job)', type => 'known')});
my $session = $node->background_psql('postgres');
my $verifies = sub {
	my ($secret) = @_;
	return $session->query_safe(sprintf q{SELECT intake.verify('src', '{"X-Signature": "%s"}', 'b')}, hmac_sha256_hex('b', $secret));
};
my $jobs = sub {
	my ($type) = @_;
	my $event = $session->query_safe("SELECT intake.emit('$type', '{}')");
	return $session->query_safe("SELECT string_agg(workflow, ' ' ORDER BY workflow) FROM intake.jobs WHERE event_id = $event");
};
my $secret_of_other = q{UPDATE intake.source_secret SET secret = (SELECT x.secret FROM intake.source_secret x JOIN intake.source s ON s.id = x.source_id WHERE s.name = 'other')
	WHERE source_id = (SELECT id FROM intake.source WHERE name = 'src')};
my $copy = sub { "INSERT INTO intake.workflow (name, owner, owner_oid, handler, handler_oid, type) SELECT '$_[0]', owner, owner_oid, handler, handler_oid, '$_[0]' FROM intake.workflow WHERE name = 'known'" };

is($verifies->(SECRET), 't', 'a session knows the source');
is($jobs->('known'), 'known', 'and the workflows');
$sql->("ALTER TABLE intake.source_secret DISABLE TRIGGER ALL; $secret_of_other; ALTER TABLE intake.source_secret ENABLE TRIGGER ALL");
is($verifies->(SECRET), 'f', 'a secret changed while triggers were disabled: the old one does not verify');
is($verifies->('secret-other'), 't', 'the new one does');
$sql->('ALTER TABLE intake.workflow DISABLE TRIGGER ALL; ' . $copy->('copied') . '; ALTER TABLE intake.workflow ENABLE TRIGGER ALL');
is($jobs->('copied'), 'copied', 'a workflow that came while triggers were disabled has its jobs');
$sql->(q{ALTER TABLE intake.scheme DISABLE TRIGGER ALL; UPDATE intake.scheme SET prefix = 'v9=' WHERE name = 'hmac'; ALTER TABLE intake.scheme ENABLE TRIGGER ALL});
is($verifies->('secret-other'), 'f', 'a scheme that changed while triggers were disabled is another one');
$sql->(q{UPDATE intake.scheme SET prefix = NULL WHERE name = 'hmac'});
is($verifies->('secret-other'), 't', 'and is as it was');

# DISABLE and ENABLE have made the triggers ordinary ones.
$sql->('DROP EXTENSION pg_intake CASCADE; CREATE EXTENSION pg_intake');
$sql->(q{SELECT intake.create_source('first', 'hmac', secret => 'secret-first'); SELECT intake.create_source('src', 'hmac', secret => 'secret-again')});
is($verifies->('secret-other'), 'f', 'the extension is there anew: what a session knew of a source is over');
is($verifies->('secret-again'), 't', 'and it knows the new one');
$sql->(q{DROP FUNCTION IF EXISTS note; CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO public.effect VALUES (job.workflow)';
	SELECT intake.create_workflow('known', 'note(intake.job)', type => 'known')});
is($jobs->('known'), 'known', 'and the new workflow');
$sql->('SET session_replication_role = replica; DELETE FROM intake.source_secret WHERE source_id = (SELECT id FROM intake.source WHERE name = ' . "'src')");
is($verifies->('secret-again'), 'f', 'a secret that replication has removed does not verify');
$sql->('SET session_replication_role = replica; ' . $copy->('replicated'));
is($jobs->('replicated'), 'replicated', 'a workflow that replication has brought has its jobs');

my ($code, $out, $error) = $node->psql('postgres', q{BEGIN; ALTER TABLE intake.source RENAME TO moved; SELECT intake.verify('src', '{}', 'b')});
like($error, qr/table "intake.source" does not exist/, 'a table that is not there is named');

# A transaction stores a job of a workflow that does not run; before it commits, the workflow does.
my $ran = sub { "SELECT count(*) = $_[0] FROM effect WHERE workflow = '$_[1]'" };
my $race = sub {
	my ($workflow, $resume, $what) = @_;
	$session->query_safe("BEGIN; SELECT intake.emit('$workflow', '{}')");
	$sql->($resume);
	$sql->(q{SELECT pg_sleep(1)}); # the supervisor has looked by then, and looks again after five seconds
	$session->query_safe('COMMIT');
	my $start = time;
	wait_for_sql($node, $ran->(1, $workflow));
	cmp_ok(time - $start, '<', 3, $what);
};
$sql->(q{SELECT intake.create_workflow('paused', 'note(intake.job)', type => 'paused'); SELECT intake.pause_workflow('paused')});
$race->('paused', q{SELECT intake.resume_workflow('paused')}, 'a job of a workflow that is resumed before the job can be seen runs at once');
$sql->(q{CREATE ROLE owner LOGIN; SELECT intake.grant_access('owner', 'admin'); SET ROLE owner; SELECT intake.create_workflow('barred', 'note(intake.job)', type => 'barred'); RESET ROLE; ALTER ROLE owner NOLOGIN});
$race->('barred', 'ALTER ROLE owner LOGIN', 'and one of a workflow whose owner may log in again before that');
$session->quit;
$node->stop;
done_testing();
