# Writes the first inputs of every target. Arguments: the vectors, the presets, a folder.
use strict;
use warnings;
use Compress::Zlib;
use JSON::PP;
use MIME::Base64;

my ($vectors, $presets, $folder) = @ARGV;
my %count;

sub slurp
{
	open my $file, '<:raw', $_[0] or die "$_[0]: $!";
	local $/;
	return JSON::PP->new->utf8->decode(<$file>);
}

sub seed
{
	my ($target, $bytes) = @_;
	utf8::encode($bytes) if utf8::is_utf8($bytes);
	mkdir "$folder/$target";
	open my $out, '>:raw', "$folder/$target/" . $count{$target}++ or die "$folder/$target: $!";
	print $out $bytes;
}

sub bytes { my ($text) = @_; utf8::encode($text) if utf8::is_utf8($text); return $text }

my %number;
my $list = slurp($presets);
$number{ $list->[$_]{name} } = $_ for 0 .. $#$list;
for my $vector (@{ slurp($vectors) })
{
	my $body = decode_base64($vector->{body_b64});
	my $headers = join '', map { bytes("$_: $vector->{headers}{$_}\r\n") } sort keys %{ $vector->{headers} };
	my $preset = $number{ $vector->{preset} } // next;
	(my $secret = bytes($vector->{secret})) =~ tr/\n//d;
	$headers .= "\n" x (-length($headers) % 8);
	seed(signature => chr($preset) . chr(length($headers) / 8) . join("\n", $secret, bytes($vector->{url}), $vector->{now}, '') . $headers . $body)
	  if length($headers) < 2048;
	seed(publickey => bytes($vector->{secret})) if $vector->{secret_kind};
	next if $vector->{expected} eq 'invalid' && $count{headers}++ % 5;
	seed(headers => "header:x-signature\n$headers");
	seed(json => "/id\n$body");
	seed(form => "payload\n$body");
	seed(encoding => (sort map { bytes($_) } values %{ $vector->{headers} })[0] // '');
	seed(jwt => $1) for $headers =~ /(\S+\.\S+\.\S+)/g;
}
seed(multipart => "multipart/form-data; boundary=$_\n" . join('', map { "--x\r\n$_\r\n" } 'Content-Disposition: form-data; name="a"' . "\r\n\r\n1",
	'Content-Disposition: form-data; name="f"; filename="n"' . "\r\nContent-Type: text/plain\r\n\r\n--x", 'content-disposition:form-data;name=b' . "\r\n\r\n") . "--x--\r\n")
  for qw(x "x" y);
for my $text ('{"id":1}', 'json=%7B%7D', 'x' x 5000)
{
	seed(unpack => chr($_) . chr(13) . ($_ == 1 ? compress($text) : Compress::Zlib::memGzip($text))) for 0 .. 3;
}
for my $preset (@$list)
{
	next unless $preset->{message};
	my $pair = ($preset->{require} // [ [ 'header:x', '*' ] ])->[0];
	seed(template => join("\n", $preset->{message}, @$pair, 'https://example.com/a?b=c', "x-a: 1\r\n\r\n{\"id\":1}"));
	seed(headers => ($preset->{key_from} // 'header:x') . "\nx-id: 1\r\n");
	seed(json => ($preset->{type_from} // '$.a') . "\n{\"type\":\"t\",\"data\":{\"id\":[1,\"\\u00e9\"]}}");
}
seed(handshake => chr($number{ $_->[0] }) . $_->[1])
  for ['slack', "\n\n\n{\"type\":\"url_verification\",\"challenge\":\"c\"}"], ['meta-whatsapp', "hub.mode=subscribe&hub.verify_token=token&hub.challenge=1\n\n\n"],
  ['zoom', "\n\n\n{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":\"a\"}}"], ['x-twitter', "crc_token=abc\n\n\n"],
  ['braintree', "bt_challenge=20f9f8ed05f77439fe955c977e4c8a53\n\n\n"], ['ebay', "challenge_code=a\n\n\n"], ['asana', "\nx-hook-secret: s\n\n"],
  ['notion', "\n\n\n{\"verification_token\":\"t\"}"], ['discord', "\n\n\n{\"type\":1}"], ['okta', "\nx-okta-verification-challenge: a\n\n"];
seed(volatile => $_)
  for qq(\$.a form:a\na=1&b=2), qq(\$.e[*].x \$.a.b\n{"e":[{"x":1},{"x":[2]}],"a":{"b":"c"}}), qq(\$[*].x\n[{"x":1,"y":2},{"x":3,"x":4}]),
  qq(json:/a/0 \$.a\n{"a":[1,2],"\\u0061b":null}),
  qq(in:j \$.a \$.e[*].x form:t\nt=3&j=%7B"a":1,"e":[{"x":2},{"x":%22+%22}]%7d), qq(in:j \$.a\nj={"a":"%","b":[1]}&k=);
seed(resplit => chr($_) . chr($_ % 3 * 4) . chr(20) . 'Bob.1700000100.{"a":1}|Bob:2023-11-14T22:15:00Z:1700000100123;x' . "\0\3\0\16" x 20)
  for 0 .. $#$list;
seed(timestamp => $_) for qw(1700000000 1700000000123 2026-11-23T10:00:00Z 2026-11-23T10:00:00.123456789+02:00), 'Sun, 06 Nov 1994 08:49:37 GMT';
seed(address => $_) for qw(192.0.2.1 ::1 2001:db8::/32 10.0.0.0/8 ::ffff:1.2.3.4);
seed(call_url => $_) for qw(https://api.example.com:8443/v1/x?a=%20b http://[2001:db8::7]/ https://192.0.2.1 https://0x7f.1/ u@x api.example.com:443);
seed(framing => "POST /webhooks/a?b=c&d HTTP/1.1\r\nHost: x\r\nCookie: a=b; c\r\n$_")
  for "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5;a=b;c=\"\\d\"\r\nhello\r\n0\r\nX: y\r\n\r\n";
