# Secrets of calls: in the clear nowhere on disk, sealed anew with another key, and granted to nobody in
# a copy; and a role that had one can be dropped, whatever came at the same time.
use strict;
use warnings;
use File::Find;
use File::Spec::Functions qw(rel2abs);
use MIME::Base64;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $file = rel2abs(PostgreSQL::Test::Utils::tempdir) . '/keys';

sub write_keys
{
	open my $out, '>', $file or die "$file: $!";
	print $out map { "$_\n" } @_;
	close $out;
	chmod 0600, $file;
}

my ($first, $second) = ('the first key of this test, which is long', 'the second key of this test, which is long');
write_keys($first);
my $node = new_server('call_secrets', 'pg_intake.key_file' => "'$file'");
my $sql = sub { return $node->safe_psql($_[1] // 'postgres', $_[0]) };
my %secrets = (
	one => [ 'bearer-n3ver-seen', 'bearer' ], two => [ 'user:basic-n3ver-seen', 'basic' ], three => [ 'header-n3ver-seen', 'header:X-Key' ],
	four => [ 'query-n3ver-seen', 'query:key' ], five => [ 'whsec_' . encode_base64('signed-n3ver-seen!', ''), 'standard-webhooks' ]);

# The files of the server, and its log, in which some bytes stand.
sub files_with
{
	my ($bytes) = @_;
	my @found;
	$sql->('CHECKPOINT');
	find({ no_chdir => 1, wanted => sub { push @found, $_ if -f && -r && index(slurp_file($_), $bytes) >= 0 } }, $node->data_dir, $node->logfile);
	return "@found";
}

# ---- nowhere in the clear ----

$sql->("CREATE ROLE keeper LOGIN; SELECT intake.grant_access('keeper', 'admin')");
for my $name (sort keys %secrets)
{
	my ($value, $place) = @{ $secrets{$name} };
	$sql->("SET ROLE keeper; SELECT intake.create_secret('$name', '$value', '{api.example.com}', '$place')");
}
$sql->("SET ROLE keeper; SELECT intake.create_secret('six', 'https://hooks.example.com/url-n3ver-seen', place => 'url')");
$sql->("SET ROLE keeper; SELECT intake.alter_secret('one', 'altered-n3ver-seen')");
my $statement = q{intake.create_secret('one', 'failed-n3ver-seen', '{x}')};
for my $failing ("SELECT $statement", "DO \$\$ BEGIN PERFORM $statement; END \$\$", q{SELECT intake.alter_secret('none', 'failed-n3ver-seen')},
	q{SELECT intake.alter_secret('one', 'failed-n3ver-seen ')}, q{SELECT intake.create_secret('seven', 'failed-n3ver-seen', '{*}')},
	# These fail before a function runs.
	q{SELECT intake.create_secret('seven', 'failed-n3ver-seen', 'api.example.com')}, q{SELECT intake.Create_Secret('seven', secret => 'failed-n3ver-seen')},
	q{SELECT intake.create_source('seven', 'hmac', secret => 'failed-n3ver-seen', tolerance => 'soon')}, q{SELECT intake.rotate_secret('src', 'failed-n3ver-seen', 'soon')},
	q{DO $$ BEGIN PERFORM intake.create_secret('seven', 'failed-n3ver-seen', 'api.example.com'); END $$},
	q{CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT intake.create_secret('seven', 'failed-n3ver-seen', 'api.example.com') $$})
{
	my ($code, $out, $err) = $node->psql('postgres', "SET ROLE keeper; $failing");
	ok($code != 0, "an error: " . ($err =~ /ERROR:\s+(.*)/)[0]);
}
is($sql->('SELECT bool_and(encrypted) FROM intake.call_secrets'), 't', 'all are encrypted');
is(files_with($_), '', "no file has $_") for 'n3ver-seen', unpack('H*', 'n3ver-seen'), 'signed-n3', encode_base64('signed-n3ver-seen!', ''), $first;

# ---- another key ----

write_keys($second, $first);
is($sql->('SELECT intake.reencrypt_secrets()'), '7', 'secrets of calls are encrypted with the new key, as that of a source is');
is($sql->('SELECT count(DISTINCT intake.sealed_with(secret)) FROM (SELECT secret FROM intake.call_secret UNION ALL SELECT secret FROM intake.source_secret) s'), '1', 'with the same one');
write_keys($second);
is($sql->(q{SELECT intake.unseal(secret) FROM intake.call_secret WHERE name = 'one'}), 'altered-n3ver-seen', 'and the old one is needed no more');
unlink $file;
my ($code, $out, $err) = $node->psql('postgres', q{SELECT intake.alter_secret('one', 'failed-n3ver-seen')});
like($err, qr/key file cannot be read/, 'without the key nothing is stored in the clear by accident');
write_keys($second);

# ---- copies ----

$sql->(q{CREATE ROLE gone; CREATE ROLE "A b"; SELECT intake.grant_secret('one', 'gone'), intake.grant_secret('one', '"A b"')});
my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
unlike(slurp_file($dump), qr/n3ver-seen/, 'which has no secret in the clear');
$sql->(q{SELECT intake.revoke_secret('one', 'gone'); DROP ROLE gone; CREATE DATABASE restored; CREATE DATABASE copied TEMPLATE template0});
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'a role that is gone does not stop a restore');
my $grants = q{SELECT coalesce(string_agg(array_to_string(roles, ','), ' '), 'nobody') FROM intake.call_secrets};
is($sql->($grants, 'restored'), 'nobody', 'in a restored copy nobody has a secret');
is($sql->(q{SELECT array_to_string(restored, ',') FROM intake.call_secrets WHERE name = 'one'}, 'restored'), 'A b,gone,keeper', 'and it shows who had one');
($code, $out, $err) = $node->psql('restored', q{SET ROLE keeper; SELECT intake.grant_secret('one', 'keeper')});
like($err, qr/not yours/, 'who managed one does not any more');
$sql->(q{SELECT intake.grant_secret(name, format('%I', r)::regrole) FROM intake.call_secrets, unnest(restored) r WHERE r <> 'gone'}, 'restored');
is($sql->(q{SELECT array_to_string(roles, ','), array_to_string(restored, ',') FROM intake.call_secrets WHERE name = 'one'}, 'restored'), 'A b,keeper|gone', 'it is given again');
is($sql->(q{SELECT intake.unseal(secret) FROM intake.call_secret WHERE name = 'one'}, 'restored'), 'altered-n3ver-seen', 'and is what it was');
($code, $out, $err) = $node->psql('postgres', 'DROP ROLE "A b"');
like($err, qr/cannot be dropped/, 'a role with a secret is not dropped');
$sql->(q{SELECT intake.revoke_secret('one', '"A b"')});
$sql->(q{SELECT intake.revoke_secret('one', '"A b"')}, 'restored');

# ---- roles ----

$sql->('DROP ROLE "A b"');
$sql->('ALTER ROLE keeper RENAME TO "The Keeper"');
wait_for_sql($node, q{SELECT bool_and(role = 'The Keeper') FROM intake.call_secret_grant});
pass('a new name is written for the next dump');
# While somebody else grants, no row of the server's own is taken away.
$sql->(q{CREATE ROLE leaving; CREATE ROLE coming; SELECT intake.grant_secret('one', 'leaving')});
my $other = $node->background_psql('postgres', on_error_die => 1);
$other->query_safe(q{BEGIN; SELECT intake.grant_secret('two', 'coming')});
$sql->(q{SELECT intake.revoke_secret('one', 'leaving')});
$other->query_safe('COMMIT');
$other->quit;
wait_for(sub { ($node->psql('postgres', 'DROP ROLE leaving'))[0] == 0 }, 'the role can be dropped');
pass('a role can be dropped whose secret was revoked while another one was granted');

done_testing();
