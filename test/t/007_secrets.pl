# Secrets at rest: encrypted under a key file, which may change, be missing, or be open to others.
use strict;
use warnings;
use File::Spec::Functions qw(rel2abs);
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = rel2abs(PostgreSQL::Test::Utils::tempdir);
my $file = "$folder/keys";

sub write_keys
{
	open my $out, '>', $file or die "$file: $!";
	print $out map { "$_\n" } @_;
	close $out;
	chmod 0600, $file;
}

my ($first, $second) = ('first key of this test', 'second key of this test');
write_keys('# comments and empty lines are passed over', '', $first);
my $node = new_server('secrets', 'pg_intake.key_file' => "'$file'");
my $url = start_shim($node);
my $hook = "$url/webhooks/src";

sub stored { return $node->safe_psql('postgres', "SELECT string_agg(encode(secret, 'escape'), ',') FROM intake.source_secret") }
sub dumped { return (run_command(['pg_dump', '-d', $node->connstr('postgres')]))[0] }

is(post($hook, body_of('a'))->{status}, 200, 'a secret under a key verifies');
is($node->safe_psql('postgres', "SELECT encrypted FROM intake.secrets WHERE source = 'src'"), 't', 'it is encrypted');
unlike(stored(), qr/\Q@{[SECRET]}\E/, 'and the table does not show it');
unlike(dumped(), qr/\Q@{[SECRET]}\E|\Q@{[unpack('H*', SECRET)]}\E/, 'nor does a dump');
my ($code, $out, $err) = $node->psql('postgres', "SELECT intake.create_source('quiet', 'hmac', secret => 'secret-x')");
unlike($err, qr/clear/, 'create_source has nothing to say about that');

# Another key: both are in the file until everything is encrypted anew.
write_keys($second, $first);
is(post($hook, body_of('b'))->{status}, 200, 'a key may stand behind a newer one');
is($node->safe_psql('postgres', 'SELECT intake.reencrypt_secrets()'), '2', 'secrets are encrypted with the new key');
is($node->safe_psql('postgres', 'SELECT intake.reencrypt_secrets()'), '0', 'once');
write_keys($second);
$node->restart;
wait_for(sub { get("$url/readyz")->{status} == 200 }, 'the shim is back');
is(post($hook, body_of('c'))->{status}, 200, 'the old key is needed no more');

# Without the key nothing verifies, and that is our fault.
write_keys($first);
$node->restart;
wait_for(sub { get("$url/readyz")->{status} == 200 }, 'the shim is back');
is(post($hook, body_of('d'))->{status}, 503, 'another key: 503, the sender tries again');
like($node->safe_psql('postgres', 'SELECT reason || detail FROM intake.rejections ORDER BY id DESC LIMIT 1'), qr/no_key_file.*not in the key file/, 'the operator learns why');
unlink $file;
$node->restart;
wait_for(sub { get("$url/readyz")->{status} == 200 }, 'the shim is back');
is(post($hook, body_of('d'))->{status}, 503, 'no file: 503');
($code, $out, $err) = $node->psql('postgres', "SELECT intake.rotate_secret('src', 'never to be seen')");
like($err, qr/key file cannot be read/, 'nothing is stored in the clear by accident');
write_keys($second);
chmod 0644, $file;
($code, $out, $err) = $node->psql('postgres', "SELECT intake.rotate_secret('src', 'never to be seen')");
like($err, qr/can be read by others/, 'nor under a key that everybody may read');
write_keys('short');
($code, $out, $err) = $node->psql('postgres', "SELECT intake.rotate_secret('src', 'never to be seen')");
like($err, qr/less than 16/, 'nor under a short one');
write_keys($second);
wait_for(sub { post($hook, body_of('d'))->{status} == 200 }, 'the key is there again');
pass('with its key everything works again, without a restart');
# Of a call from PL/pgSQL, the log's context would have the arguments.
($code, $out, $err) = $node->psql('postgres', q{DO $$ BEGIN PERFORM intake.create_source('other', 'nothing', secret => 'never to be seen'); END $$});
like($err, qr/scheme "nothing" does not exist.*PL\/pgSQL function/s, 'the caller learns what failed where');
like(slurp_file($node->logfile), qr/scheme "nothing" does not exist/, 'the log has the error');
unlike(slurp_file($node->logfile), qr/never to be seen|first key of|second key of|\Q@{[SECRET]}\E/, 'neither keys nor secrets are in the log');

# From the clear to a key.
$node->append_conf('postgresql.conf', "pg_intake.key_file = ''");
$node->reload;
wait_for_sql($node, "SELECT current_setting('pg_intake.key_file') = ''");
($code, $out, $err) = $node->psql('postgres', "SELECT intake.create_source('clear', 'hmac', secret => 'in the clear')");
like($err, qr/NOTICE:  the secret is stored in the clear/, 'create_source says so without a key file');
like(stored(), qr/in the clear/, 'and it is so');
$node->append_conf('postgresql.conf', "pg_intake.key_file = '$file'");
$node->reload;
wait_for_sql($node, "SELECT current_setting('pg_intake.key_file') <> ''");
is($node->safe_psql('postgres', 'SELECT intake.reencrypt_secrets()'), '1', 'a key for what was in the clear');
unlike(stored(), qr/in the clear/, 'hides it');

stop_shim($url);
done_testing();
