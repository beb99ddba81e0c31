# Writes the presets of sql/presets.json as C. Argument: that file.
use strict;
use warnings;
use JSON::PP;

open my $file, '<:raw', $ARGV[0] or die "$ARGV[0]: $!";
local $/;
my $list = JSON::PP->new->utf8->decode(<$file>);

sub c
{
	my ($text) = @_;
	return 'NULL' unless defined $text;
	utf8::encode($text);
	return '"' . join('', map { /[A-Za-z0-9 _.,:;\/(){}|=*-]/ ? $_ : sprintf '\\%03o', ord } split //, $text) . '"';
}

sub pairs
{
	my ($pairs) = @_;
	return ('NULL', 0) unless $pairs && @$pairs;
	return ('(const IntakePair[]){' . join(', ', map { '{' . c($_->[0]) . ', ' . c($_->[1]) . '}' } @$pairs) . '}', scalar @$pairs);
}

sub strings
{
	my ($list) = @_;
	return ('NULL', 0) unless $list && @$list;
	return ('(const char *const[]){' . join(', ', map { c($_) } @$list) . '}', scalar @$list);
}

sub row
{
	my ($row, $when) = @_;
	my @fields = map { ".$_ = " . c($row->{$_}) }
	  qw(kind algorithm key prefix format item_sep kv_sep tag group_sep encoding message timestamp_from timestamp_unit each verified content json_from borders);
	my ($tolerance) = ($row->{tolerance} // '') =~ /^(\d+) s$/;
	push @fields, '.tolerance = ' . (defined $tolerance ? "INT64_C(${tolerance}000000)" : '-1');
	for (['signature_from', strings($row->{signature_from})], ['url_variants', strings($row->{url_variants})],
		['url_fields', strings($row->{url_fields})],
		['volatiles', strings($row->{volatile})],
		['require', pairs($row->{require})], ['when', pairs($when)])
	{
		push @fields, ".$_->[0] = $_->[1], .n_$_->[0] = $_->[2]";
	}
	return '{' . join(', ', @fields) . '}';
}

sub handshake
{
	my ($rule) = @_;
	my ($require, $n_require) = pairs($rule->{require});
	my ($json, $n_json) = pairs($rule->{json});
	return '{' . join(', ', map({ ".$_ = " . c($rule->{$_}) } qw(method content_type headers body learn)),
		".require = $require, .n_require = $n_require, .json = $json, .n_json = $n_json",
		'.status = ' . ($rule->{status} // 200), '.after_verification = ' . ($rule->{signed} ? 1 : 0)) . '}';
}

my %presets;
print "/* Made by presets.pl. */\n#include \"presets.h\"\n\nconst FuzzPreset fuzz_presets[] = {\n";
for my $own (@$list)
{
	my $preset = $presets{ $own->{name} } = { %{ $presets{ $own->{like} // '' } // {} }, %$own };
	my @rows = ((map { row({ %$preset, %$_ }, $_->{when}) } @{ $preset->{variants} // [] }), row($preset));
	my @rules = map { handshake($_) } @{ $preset->{handshake} // [] };
	print '{', join(",\n", c($preset->{name}), c($preset->{key_from}),
		(($preset->{missing_key} // 'reject') ne 'reject' ? 1 : 0), # each: what differs counts in any case
		'(const IntakeSchemeRow[]){' . join(",\n", @rows) . '}', scalar @rows,
		@rules ? '(const IntakeHandshakeRow[]){' . join(",\n", @rules) . '}' : 'NULL', scalar @rules), "},\n";
}
print "};\nconst int fuzz_n_presets = ", scalar @$list, ";\n";
