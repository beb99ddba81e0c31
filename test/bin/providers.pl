# Writes the table of providers into docs/providers.md, between its markers, from sql/presets.json.
# With --check, fails where the table is not what it would write.
use strict;
use warnings;
use JSON::PP;

sub slurp
{
	open my $file, '<:raw', $_[0] or die "$_[0]: $!";
	local $/;
	return scalar <$file>;
}

my %kinds = (
	hmac => 'HMAC', hash => 'keyed digest', token => 'token', basic => 'HTTP basic', ed25519 => 'Ed25519',
	ecdsa => 'ECDSA', rsa => 'RSA', jwt => 'JWT', none => 'nothing');

my %presets;
my @rows;
for my $preset (@{ JSON::PP->new->utf8->decode(slurp('sql/presets.json')) })
{
	my $all = $presets{ $preset->{name} } = { %{ $presets{ $preset->{like} // '' } // {} }, %$preset };
	my $how = join '-', $kinds{ $all->{kind} }, map { uc s/^(HS|RS|ES)/$1/r } $all->{algorithm} // ();
	$how .= ', time' if $all->{timestamp_from} && $all->{tolerance};
	$how .= ', origin' if ($all->{verified} // '') eq 'origin';
	$how .= ', loose' if ($all->{borders} // '') eq 'loose';
	my $key = $all->{key_from} // '';
	$key = $key eq '' ? 'digest' : '`' . ($key =~ s/ \| /` or `/gr) . '`';
	$key .= ' or digest' if $all->{key_from} && ($all->{missing_key} // '') eq 'digest';
	my $shake = $preset->{handshake} ? 'yes' : '';
	my $unverified = join ', ', @{ $preset->{unverified} // [] };
	my $name = $all->{provider};
	utf8::encode($name);
	push @rows, [ lc $name, "| $name | `$all->{name}` | $how | $key | $shake | $unverified |\n" ];
}

my $table = "| provider | scheme | signed with | event key | challenge | not verified |\n|---|---|---|---|---|---|\n";
$table .= $_->[1] for sort { $a->[0] cmp $b->[0] || $a->[1] cmp $b->[1] } @rows;

my $document = 'docs/providers.md';
my $text = slurp($document);
(my $new = $text) =~ s/(<!-- providers -->\n).*?(<!-- end -->)/$1\n$table\n$2/s or die "$document has no markers\n";
exit($new ne $text) if @ARGV && $ARGV[0] eq '--check';
open my $out, '>:raw', $document or die "$document: $!";
print $out $new;
