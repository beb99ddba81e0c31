# A stored secret that cannot be decrypted closes its own source only, and shows why.
use strict;
use warnings;
use File::Spec::Functions qw(rel2abs);
use Intake;
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

write_keys('the only key of this test');
my $node = new_server('damage', 'pg_intake.key_file' => "'$file'");
$node->safe_psql('postgres', "SELECT intake.create_source('$_', 'hmac', secret => '" . SECRET . "')") for qw(bitten cut torn clear whole);
my $url = start_shim($node);

sub status_of
{
	my ($source, $id) = @_;
	return post("$url/webhooks/$source", body_of($id))->{status};
}

sub damage
{
	my ($source, $expression) = @_;
	$node->safe_psql('postgres', "UPDATE intake.source_secret SET secret = $expression WHERE source_id = (SELECT id FROM intake.source WHERE name = '$source')");
}

is(status_of($_, 'a'), 200, "$_ verifies") for qw(src bitten cut torn clear whole);

damage('bitten', 'set_byte(secret, 60, get_byte(secret, 60) # 255)');
damage('cut', 'substr(secret, 1, 40)');
damage('torn', "substr(secret, 1, 9) || sha256(secret)");
damage('clear', "'\\x'");
is(status_of($_, 'b'), 503, "$_ is damaged: our fault, and the sender tries again") for qw(bitten cut torn clear);
is(status_of($_, 'b'), 200, "$_ has nothing to do with that") for qw(src whole);
is($node->safe_psql('postgres', "SELECT string_agg(name, ' ' ORDER BY name) FROM intake.sources WHERE problem = 'a stored secret is damaged'"), 'bitten clear cut torn', 'the damage is shown where it is');
is($node->safe_psql('postgres', "SELECT DISTINCT reason || ': ' || detail FROM intake.rejections"), 'damaged_secret: a stored secret is damaged', 'and in the rejections');

# A new secret for the damaged one.
$node->safe_psql('postgres', "SELECT intake.drop_secret(id) FROM intake.secrets WHERE source = 'cut'");
$node->safe_psql('postgres', "SELECT intake.add_secret('cut', '" . SECRET . "')");
is(status_of('cut', 'b'), 200, 'another secret mends it');
is(status_of('bitten', 'b'), 503, 'that one only');

# The key file is read once for all of them, and is missed by all that need it.
rename $file, "$file.away";
$node->restart;
wait_for(sub { get("$url/readyz")->{status} == 200 }, 'the shim is back');
is(status_of('src', 'c'), 503, 'without the key file nothing verifies');
like($node->safe_psql('postgres', "SELECT problem FROM intake.sources WHERE name = 'src'"), qr/key file cannot be read/, 'for another reason');
rename "$file.away", $file;
wait_for(sub { status_of('src', 'c') == 200 }, 'the file is there again');
pass('the file is noticed when it is there again');
is(status_of('bitten', 'c'), 503, 'and mends no damage');

unlike(slurp_file($node->logfile), qr/the only key|\Q@{[SECRET]}\E/, 'neither key nor secret is in the log');
stop_shim($url);
done_testing();
