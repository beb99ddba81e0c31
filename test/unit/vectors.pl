# Writes the vectors, each with the preset that it is for, as lines of a name and a value in
# hexadecimal; an empty line ends each. A preset is one row, or several: a line "row" begins
# each, variants first. Arguments: the folder of the vectors, the file of the presets.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64;

my ($folder, $presets_file) = @ARGV;

sub slurp
{
	open my $file, '<:raw', $_[0] or die "$_[0]: $!";
	local $/;
	return JSON::PP->new->utf8->decode(<$file>);
}

sub put
{
	my ($name, $value) = @_;
	return unless defined $value;
	utf8::encode($value) if utf8::is_utf8($value);
	print "$name ", unpack('H*', $value), "\n";
}

sub put_row
{
	my ($row, $when) = @_;
	put('row', '');
	put($_, $row->{$_})
	  for qw(kind algorithm key prefix format item_sep kv_sep tag group_sep encoding message each
	  timestamp_from timestamp_unit verified content json_from borders);
	put('tolerance', $row->{tolerance} =~ /^(\d+) s$/) if $row->{tolerance};
	put('signature_from', $_) for @{ $row->{signature_from} // [] };
	put('url_field', $_) for @{ $row->{url_fields} // [] };
	put('url_variant', $_) for @{ $row->{url_variants} // [] };
	put('require', join("\0", @$_)) for @{ $row->{require} // [] };
	put('when', join("\0", @$_)) for @{ $when // [] };
}

sub put_preset
{
	my ($preset) = @_;
	for my $variant (@{ $preset->{variants} // [] })
	{
		put_row({ %$preset, %$variant }, $variant->{when});
	}
	put_row($preset);
}

my %presets;
for my $preset (@{ slurp($presets_file) })
{
	my $like = $presets{ $preset->{like} // '' } // {};
	$presets{ $preset->{name} } = { %$like, %$preset };
}

for my $vector (@{ slurp("$folder/vectors.json") })
{
	# A documented example names its own scheme, where that differs from who judged it.
	my ($documented) = $vector->{id} =~ m{^documented/(.+)-docs$};
	my $preset = $presets{ $documented // '' } // $presets{ $vector->{preset} }
	  // die "there is no preset $vector->{preset}";
	put('id', $vector->{id});
	put('preset', $preset->{name});
	put('expected', $vector->{expected});
	put('secret', $vector->{secret});
	put('method', $vector->{method});
	put('url', $vector->{url});
	put('now', $vector->{now});
	my $body = decode_base64($vector->{body_b64});
	put('body', $body);
	# A source of SNS names its topic.
	put('token', $1) if $preset->{name} eq 'aws-sns' && $body =~ /"TopicArn"\s*:\s*"([^"]*)"/;
	put('header', "$_: $vector->{headers}{$_}\r\n") for sort keys %{ $vector->{headers} };
	put_preset($preset);
	print "\n";
}
