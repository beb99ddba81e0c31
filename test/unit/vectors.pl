# Writes the vectors whose scheme the catalogue models, one after the other, as lines of a name
# and a value in hexadecimal; an empty line ends each. Argument: the folder of the files.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64;

my $folder = shift;

sub slurp
{
	open my $file, '<:raw', "$folder/$_[0]" or die "$folder/$_[0]: $!";
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

# The values of the catalogue's model stand under the names of intake.scheme's columns.
sub put_model
{
	my ($model) = @_;
	my $signature = $model->{signature} // {};
	my $time = $model->{timestamp} // {};
	put($_, $model->{$_}) for qw(kind key message each);
	put('algorithm', $model->{alg});
	put('signature_from', $_) for @{ $signature->{from} // [ $model->{from} // () ] };
	put($_, $signature->{$_}) for qw(prefix format item_sep kv_sep tag group_sep encoding);
	put('timestamp_from', $time->{from});
	put('timestamp_unit', $time->{unit});
	put('tolerance', $time->{tolerance});
	put('require', join("\0", @$_)) for @{ $model->{require} // [] };
	put('url_variant', $_) for @{ $model->{url_variants} // [] };
}

# Adyen signs a missing originalReference as an empty one.
my %models;
for my $provider (@{ slurp('catalogue.json')->{providers} })
{
	$models{ $_->{scheme} } = $_ for @{ $provider->{models} };
}
s/(\{json:originalReference\})/[$1]/ for $models{'adyen-item'}{message};

for my $vector (@{ slurp('vectors.json') })
{
	my $model = $models{ $vector->{preset} } or next;
	$model = $models{'twilio-json'}
		if $vector->{preset} eq 'twilio' && $vector->{url} =~ /bodySHA256=/;
	# A documented example names its own scheme, where that differs from who judged it.
	$model = $models{$1} if $vector->{id} =~ m{^documented/(.+)-docs$} && $models{$1};
	put('id', $vector->{id});
	put('expected', $vector->{expected});
	put('secret', $vector->{secret});
	put('method', $vector->{method});
	put('url', $vector->{url});
	put('now', $vector->{now});
	put('body', decode_base64($vector->{body_b64}));
	put('header', "$_: $vector->{headers}{$_}\r\n") for sort keys %{ $vector->{headers} };
	put_model($model);
	print "\n";
}
