# An extension whose owner is no superuser any more: everything goes on, and no secret is logged.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('owner');
$node->safe_psql('postgres', 'CREATE ROLE ext_owner LOGIN SUPERUSER; CREATE ROLE admin LOGIN');
$node->safe_psql('postgres', 'CREATE DATABASE owned');

sub as
{
	my ($role, $query) = @_;
	my ($code, $out, $err) = $node->psql('owned', $query, extra_params => [ '-U', $role ], on_error_die => 0);
	return $err =~ /ERROR/ ? $err : $out;
}

as('ext_owner', 'CREATE EXTENSION pg_intake CASCADE');
$node->safe_psql('postgres', 'ALTER ROLE ext_owner NOSUPERUSER');
is(as('ext_owner', "SELECT intake.grant_access('admin', 'admin'), intake.grant_access('gateway', 'gateway')"), '|', 'the owner grants access');
$node->safe_psql('owned', 'GRANT CREATE ON SCHEMA public TO admin');

# Sources and their secrets.
is(as('admin', "SELECT intake.create_source('s', 'hmac', secret => 'one secret', key_from => 'header:x-id', type_from => '\$.type')"), '1', 'create_source');
is(as('admin', "SELECT intake.alter_source('s', verify_token => 'one token')"), '', 'alter_source');
like(as('admin', "SELECT intake.add_secret('s', 'another secret')"), qr/^\d+$/, 'add_secret');
is(as('admin', "SELECT intake.rotate_secret('s', 'newest secret')"), '', 'rotate_secret');
is(as('admin', 'SELECT count(*) FROM intake.secrets'), '4', 'they are there');
is(as('admin', "SELECT intake.learn_secret('s')"), '', 'learn_secret');
is(as('admin', "SELECT intake.reencrypt_secrets()"), '0', 'reencrypt_secrets');

# What fails is logged without the statement; the setting is back afterwards, and nobody else's.
for my $failing ("create_source('s', 'hmac', secret => 'never log it')", "create_source('t', 'svix', secret => 'never log it!')",
	"alter_source('nobody', verify_token => 'never log it')", "add_secret('nobody', 'never log it')",
	"rotate_secret('s', 'never log it', '-1 day')", "rotate_secret('nobody', 'never log it')")
{
	like(as('admin', "SELECT intake.$failing"), qr/ERROR/, "$failing is an error");
	like(as('ext_owner', "SELECT intake.$failing"), qr/ERROR/, 'to the owner too');
}
is(as('admin', "SELECT intake.rotate_secret('s', 'newest secret'); SHOW log_min_error_statement"), "\nerror", 'the setting is back');
like(as('admin', "BEGIN; SELECT intake.rotate_secret('s', 'newest secret'); SELECT 1 / 0 AS logged"), qr/ERROR/, 'and so within a transaction');
like(as('admin', 'SELECT intake.hide_statement()'), qr/permission denied/, 'nobody else hides statements');
like(slurp_file($node->logfile), qr/STATEMENT:.* AS logged/, 'other statements are logged');
unlike(slurp_file($node->logfile), qr/never log it/, 'no secret is');

# Nor where it comes as a parameter, and the server adds those to errors.
{
	local $ENV{PGOPTIONS} = '-c log_parameter_max_length_on_error=-1';
	my $script = $node->basedir . '/rotate.sql';
	append_to_file($script, "SELECT intake.rotate_secret('nobody', :secret);\n");
	my @pgbench = ('pgbench', '-n', '-t', '1', '-M', 'extended', '-D', 'secret=never_log_it', '-U', 'admin', '-f', $script);
	my ($out, $err) = run_command([ @pgbench, $node->connstr('owned') ]);
	like($err, qr/source "nobody" does not exist/, 'a statement with parameters fails');
	unlike($err . slurp_file($node->logfile), qr/never_log_it/, 'and its parameters are not logged');
}

# Events, jobs, partitions, workers.
as('admin', 'CREATE TABLE seen (event_id bigint)');
as('admin', q{CREATE FUNCTION see(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.seen VALUES (job.event_id)'});
as('admin', q{CREATE FUNCTION fail(job intake.job) RETURNS void LANGUAGE sql AS $$SELECT intake.fail_permanently('no')$$});
like(as('admin', "SELECT intake.create_workflow('see', 'see(intake.job)', type => 't')"), qr/^\d+$/, 'create_workflow');
like(as('admin', "SELECT intake.create_workflow('fail', 'fail(intake.job)', type => 'f')"), qr/^\d+$/, 'and another');
my $body = '{"type": "t"}';
my $signature = hmac_sha256_hex($body, 'newest secret');
my $receive = q{SELECT status FROM intake.receive(ARRAY['POST'::bytea], ARRAY['s'::bytea], ARRAY[''::bytea],
	ARRAY[convert_to(E'X-Id: %s\r\nX-Signature: %s\r\n', 'UTF8')], ARRAY['{"type": "t"}'::bytea], ARRAY['']) AS answer};
is(as('gateway', sprintf($receive, '1', $signature)), '200', 'receive');
is(as('gateway', sprintf($receive, '2', 'bad')), '403', 'and refuses');
like(as('admin', "SELECT intake.emit('t', '{}'), intake.emit('t', '{}', delay => '1 s')"), qr/^\d+\|\d+$/, 'emit');
wait_for_sql($node, 'SELECT count(*) = 3 FROM seen', 'owned');
pass('jobs run');
like(as('admin', "SELECT intake.emit('f', '{}')"), qr/^\d+$/, 'emit to a handler that fails');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.dead_letters", 'owned');
is(as('admin', "SELECT intake.replay_dead_letters()"), '1', 'replay_dead_letters');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.dead_letters", 'owned');
is(as('admin', "SELECT intake.discard(job_id, 'enough') FROM intake.dead_letters"), '', 'discard');
$node->safe_psql('owned', "SELECT setval('intake.event_id_seq', 5000000), setval('intake.job_id_seq', 5000000)");
like(as('admin', "SELECT intake.emit('t', '{}')"), qr/^5\d{6}$/, 'a partition is made');
wait_for_sql($node, 'SELECT count(*) = 4 FROM seen', 'owned');
is(as('admin', "SELECT count(*) FROM intake.jobs WHERE state = 'done' AND id > 5000000"), '1', 'and one for jobs that are done');

# Every view, and what else an administrator calls.
for my $view (qw(schemes sources secrets workflows events jobs attempts dead_letters rejections workers stats))
{
	like(as('admin', "SELECT count(*) FROM intake.$view"), qr/^\d+$/, "view $view");
}
is(as('admin', "SELECT problem IS NULL FROM intake.sources"), 't', 'the source has no problem');
like(as('admin', "SELECT intake.curl('s', 'b')"), qr/^curl/, 'curl');
is(as('admin', "SELECT intake.drop_workflow('see'), intake.drop_workflow('fail')"), '|', 'drop_workflow');
is(as('admin', "SELECT intake.drop_source('s')"), '', 'drop_source');
is(as('ext_owner', 'DROP EXTENSION pg_intake CASCADE; SELECT 1'), '1', 'and the owner drops it all');
$node->stop;
done_testing;
