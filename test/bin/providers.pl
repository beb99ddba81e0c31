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

# What the places of a key must be, by what the provider's id there names. A preset says it, or those
# that are like it do.
sub check_key
{
	my ($all) = @_;
	my ($name, $class, $key) = @{$all}{qw(name key_class key_from)};
	my @choices = map { [ grep { $_ ne '' } split /\s*\+\s*/ ] } split /\s*\|\s*/, $key // '';
	my %known = map { $_ => 1 } qw(event thing unknown);

	die "preset $name: the key_class is not event, thing or unknown\n" if !$known{ $class // '' };
	return if !@choices && $class ne 'event';
	die "preset $name: a key of class event needs a key_from\n" if !@choices;
	for my $parts (@choices)
	{
		my $digest = grep { $_ eq 'digest' } @$parts;
		# CloudEvents count within their source.
		my $alone = @$parts == 1 || (@$parts == 2 && $parts->[0] =~ /^(?:ce:|\$\.)source$/);
		die "preset $name: the id of an event is a key alone\n" if $class eq 'event' && (!$alone || $digest);
		die "preset $name: a key of class $class has more parts than an id\n" if $class ne 'event' && @$parts < 2 && !$digest;
	}
}

my %presets;
my @rows;
for my $preset (@{ JSON::PP->new->utf8->decode(slurp('sql/presets.json')) })
{
	my $all = $presets{ $preset->{name} } = { %{ $presets{ $preset->{like} // '' } // {} }, %$preset };
	check_key($all);
	my $how = join '-', $kinds{ $all->{kind} }, map { uc s/^(HS|RS|ES)/$1/r } $all->{algorithm} // ();
	$how .= ', time' if $all->{timestamp_from} && $all->{tolerance};
	$how .= ', origin' if ($all->{verified} // '') eq 'origin';
	$how .= ', loose' if ($all->{borders} // '') eq 'loose';
	my $key = $all->{key_from} // '';
	$key = $key eq '' ? 'digest' : '`' . ($key =~ s/ \| /` or `/gr) . '`';
	$key .= ' or digest' if $all->{key_from} && ($all->{missing_key} // '') eq 'digest';
	my $names = join ', ', $all->{key_class} // (), $all->{dedup_window} // (), $all->{split} ? 'split' : ();
	$key = 'each delivery' if $key eq 'digest' && ($all->{missing_key} // '') eq 'each';
	$key .= ' or each delivery' if $all->{key_from} && ($all->{missing_key} // '') eq 'each';
	my $shake = @{ $all->{handshake} // [] } ? 'yes' : '';
	my $unverified = join ', ', @{ $preset->{unverified} // [] };
	my $name = $all->{provider};
	utf8::encode($name);
	push @rows, [ lc $name, "| $name | `$all->{name}` | $how | $key | $names | $shake | $unverified |\n" ];
}

my $table = "| provider | scheme | signed with | event key | its id names | challenge | not verified |\n|---|---|---|---|---|---|---|\n";
$table .= $_->[1] for sort { $a->[0] cmp $b->[0] || $a->[1] cmp $b->[1] } @rows;

my $document = 'docs/providers.md';
my $text = slurp($document);
(my $new = $text) =~ s/(<!-- providers -->\n).*?(<!-- end -->)/$1\n$table\n$2/s or die "$document has no markers\n";
exit($new ne $text) if @ARGV && $ARGV[0] eq '--check';
open my $out, '>:raw', $document or die "$document: $!";
print $out $new;
