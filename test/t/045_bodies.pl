# Bodies as clients pack and divide them: multipart forms, gzip and deflate.
use strict;
use warnings;
use Compress::Zlib;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('bodies', 'pg_intake.max_body_size' => "'1MB'");
my $url = start_shim($node);
my $folder = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', q{
	INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, content, signs, key_from, missing_key)
		VALUES ('any', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', 'any', 'sent', '$.id', 'digest'),
			('json', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', 'json', 'sent', '$.id', 'reject'),
			('plain', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', 'any', 'plain', '$.id', 'digest')});
$node->safe_psql('postgres', "SELECT intake.create_source('$_', '$_', secret => '" . SECRET . "')") for 'any', 'json', 'plain';
$node->safe_psql('postgres', "SELECT intake.create_source('sign', 'dropbox-sign', secret => 'api key')");

# What curl gets, as "status body", and what it writes into a file.
sub curl
{
	my ($source, @options) = @_;
	my ($out, $err) = run_command([ 'curl', '-sS', '-w', ' %{http_code}', '-o', '-', @options, "$url/webhooks/$source" ]);
	die $err if $err;
	return join ' ', ($out =~ /^(.*) (\d+)$/s)[ 1, 0 ];
}

my $files = 0;
sub file_of
{
	my ($bytes) = @_;
	my $path = "$folder/body" . ++$files;
	open my $file, '>:raw', $path or die;
	print $file $bytes;
	close $file or die;
	return $path;
}

# Sends a body with a coding, signed over SIGNED.
sub send_packed
{
	my ($source, $coding, $packed, $signed) = @_;
	my $answer = curl($source, '--data-binary', '@' . file_of($packed), '-H', 'Content-Type: application/json', '-H', "Content-Encoding: $coding",
		'-H', 'X-Signature: ' . hmac_sha256_hex($signed // $packed, SECRET));
	return $answer =~ s/"event_id":"\d+"/"event_id":N/r;
}
sub gzip { return Compress::Zlib::memGzip($_[0]) }
sub zlib { return Compress::Zlib::compress($_[0]) }

sub deflated
{
	my ($text, $level) = @_;
	my $stream = Compress::Zlib::deflateInit(-Level => $level);
	return $stream->deflate($text) . $stream->flush;
}

sub last_event
{
	my ($source) = @_;
	return $node->safe_psql('postgres', "SELECT concat_ws('|', CASE WHEN length(key) = 64 THEN 'digest' ELSE key END, type, verified, coalesce(payload::text, 'none')) FROM intake.events WHERE source = '$source' ORDER BY id DESC LIMIT 1");
}
sub last_reason
{
	return $node->safe_psql('postgres', "SELECT concat_ws('|', source, reason, detail, status) FROM intake.rejections ORDER BY id DESC LIMIT 1");
}
my $accepted = '200 {"status":"accepted","event_id":N}';
my $again = '200 {"status":"already_accepted","event_id":N}';

# A multipart form of curl's, with a file that looks like a form.
sub form_of
{
	my ($type, $request) = @_;
	my $hash = hmac_sha256_hex("1700000000$type", 'api key');
	return qq({"event":{"event_type":"$type","event_time":"1700000000","event_hash":"$hash"},"signature_request":{"signature_request_id":"$request"}});
}
my $json = form_of('signature_request_sent', 'r1');
my $file = file_of(qq(\r\n--x\r\nContent-Disposition: form-data; name="json"\r\n\r\n{}\r\n--x--\r\n));
my @parts = ('-F', "json=$json", '-F', "file=\@$file;filename=a \"b\".pdf;type=application/pdf");
is(curl('sign', @parts), '200 Hello API Event Received', 'a form of fields and a file');
my ($key, $type, $verified, $payload) = split /\|/, last_event('sign');
is("$type $verified", 'signature_request_sent origin', 'is an event');
is($node->safe_psql('postgres', "SELECT payload = '$json' FROM intake.events WHERE source = 'sign'"), 't', 'whose payload is the JSON of the field');
is(curl('sign', @parts), '200 Hello API Event Received', 'the same form again, behind another boundary');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.events WHERE source = 'sign'"), 1, 'is the same event');
is($node->safe_psql('postgres', 'SELECT count(*) FROM intake.rejections'), 0, 'and nothing is to be said of it');
is(curl('sign', '-F', 'json=' . form_of('signature_request_sent', 'r2')), '200 Hello API Event Received', 'another request of that second');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.events WHERE source = 'sign'"), 2, 'is another event');
is(curl('sign', '-F', 'json=' . ($json =~ s/sent/viewed/r)), '403 ', 'a type that the hash does not cover');
is(curl('sign', '-F', "json=$json", '-F', 'json={}'), '403 ', 'the field twice');
is(curl('sign', '-F', "json=$json;filename=json"), '403 ', 'a file of the name');

# Packed: the signature is over what was sent.
for my $way ([ 'gzip', \&gzip ], [ 'deflate', \&zlib ])
{
	my ($coding, $pack) = @$way;
	my $body = qq({"id": "$coding", "text": ") . 'x' x 5000 . '"}';
	my $packed = $pack->($body);
	is(send_packed('any', $coding, $packed, $body), '403 ', "$coding: not signed over the plain text");
	is(send_packed('any', $coding, $packed), $accepted, 'but over what was sent');
	is(last_event('any'), "$coding|signature|$body", 'the payload is what was packed');
	is($node->safe_psql('postgres', "SELECT body = '\\x" . unpack('H*', $packed) . "' FROM intake.event ORDER BY id DESC LIMIT 1"), 't', 'the body what was sent');
	is(send_packed('any', $coding, $packed), $again, 'and it comes again');

	is(send_packed('plain', $coding, $packed), '403 ', "$coding, the plain text is signed: not what was sent");
	is(send_packed('plain', $coding, $packed, $body), $accepted, 'but what was packed');
	is(last_event('plain'), "$coding|signature|$body", 'which is the payload');
	is(send_packed('plain', $coding, $packed, $body), $again, 'and it comes again');
}

# Bombs and streams that end.
my $bomb = gzip('{"id":"' . ' ' x (64 << 20) . '"}');
cmp_ok(length $bomb, '<', 200_000, 'a bomb of 64 MB');
is(send_packed('any', 'gzip', $bomb), $accepted, 'is an event where a body may be anything');
is(last_event('any'), 'digest|signature|none', 'without a payload');
is(last_reason(), 'any|unreadable_body|the body is too large once it is unpacked; the event has no payload|200', 'of which the reason is shown');
is(send_packed('json', 'gzip', $bomb), '400 ', 'and is refused where it must be JSON');
is(last_reason(), 'json|not_json|the body is too large once it is unpacked|400', 'with the reason');
is(send_packed('plain', 'gzip', $bomb), '403 ', 'and where the plain text is signed');
my $cut = substr gzip('{"id":"cut"}'), 0, -5;
is(send_packed('any', 'gzip', $cut), $accepted, 'a stream that ends too early');
is(last_event('any'), 'digest|signature|none', 'has no payload either');
is(last_reason(), 'any|unreadable_body|the packed body ends too early; the event has no payload|200', 'with the reason');
is(send_packed('json', 'gzip', $cut), '400 ', 'nor is it JSON');
is(last_reason(), 'json|not_json|the packed body ends too early|400', 'with the reason');
is(send_packed('json', 'br', $cut), '400 ', 'another coding');
is(last_reason(), 'json|not_json|the Content-Encoding is not gzip or deflate|400', 'with the reason');

# Packed anew, it is the same delivery: where the digest of its content is its key, and where it has an
# id, and what was sent is guarded.
sub rejections { return $node->safe_psql('postgres', 'SELECT count(*) FROM intake.rejections') }
my $before = rejections();
for my $body ('{"no":"id", "text":"' . 'xyz' x 100 . '"}', '{"id":"again", "text":"' . 'xyz' x 100 . '"}')
{
	my @tries = map { deflated($body, $_) } 0, 1, 9;
	cmp_ok(scalar(keys %{ { map { $_ => 1 } @tries } }), '==', 3, 'three ways to pack a body');
	for my $source ('any', 'plain')
	{
		my @answers = map { send_packed($source, 'deflate', $_, $source eq 'plain' ? $body : $_) } @tries;
		is("@answers", "$accepted $again $again", "$source: are one event");
	}
}
is(rejections(), $before, 'and nothing is to be said of them');
is(send_packed('any', 'deflate', deflated('{"id":"again", "text":""}', 9)), $again, 'other content under the id');
like(last_reason(), qr/^any\|same_key_other_content\|/, 'is shown');

done_testing();
