# CloudEvents over HTTP: the handshake by which their senders ask whether they may send, and an event in
# either mode.
use strict;
use warnings;
use Intake;
use Test::More;

my $node = new_server('cloudevents');
my $url = start_shim($node);
$node->safe_psql('postgres', q{SELECT intake.create_source('binary', 'cloudevents-binary-token', secret => 'a token'),
	intake.create_source('structured', 'cloudevents-structured-hmac', secret => 'a secret')});

my $ask = raw_http($url, "OPTIONS /webhooks/binary HTTP/1.1\r\nHost: x\r\nConnection: close\r\nWebHook-Request-Origin: eventgrid.azure.net\r\nWebHook-Request-Rate: 120\r\n\r\n");
like($ask, qr{^HTTP/1\.1 200 }, 'who asks is answered');
like($ask, qr{^Allow: OPTIONS, POST\r$}mi, 'with the methods');
like($ask, qr{^WebHook-Allowed-Origin: eventgrid\.azure\.net\r$}mi, 'with the origin');
like($ask, qr{^WebHook-Allowed-Rate: \*\r$}mi, 'and with any rate');
like(raw_http($url, "OPTIONS /webhooks/structured HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\nWebHook-Request-Origin: a.example\r\n\r\n"), qr{^WebHook-Allowed-Origin: a\.example\r$}mi, 'without a rate');
like(raw_http($url, "OPTIONS /webhooks/binary HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), qr{^HTTP/1\.1 403 }, 'who does not say who asks is refused');
like(raw_http($url, "OPTIONS /webhooks/nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\nWebHook-Request-Origin: a.example\r\n\r\n"), qr{^HTTP/1\.1 404 }, 'where there is no source');
like(raw_http($url, "OPTIONS /webhooks/src HTTP/1.1\r\nHost: x\r\nConnection: close\r\nWebHook-Request-Origin: a.example\r\n\r\n"), qr{^HTTP/1\.1 405 }, 'a source of another scheme');
like(raw_http($url, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), qr{^HTTP/1\.1 4\d\d }, 'what is asked of the server');

my %head = ('Authorization' => 'Bearer a token', 'ce-specversion' => '1.0', 'ce-id' => 'Euro%20%E2%82%AC', 'ce-source' => '/sensors/1',
	'ce-type' => 'com.example.read', 'Content-Type' => 'text/plain');
like(post("$url/webhooks/binary", '21', \%head)->{content}, qr/"accepted"/, 'an event in binary mode');
like(post("$url/webhooks/binary", '21', \%head)->{content}, qr/already_accepted/, 'and again');
is(post("$url/webhooks/binary", '21', { %head, Authorization => 'Bearer b token' })->{status}, 403, 'with a wrong token');
my $body = '{"specversion":"1.0","id":"1","source":"/sensors/1","type":"com.example.read","data":21}';
my %signed = ('X-Signature' => hmac_sha256_hex($body, 'a secret'), 'Content-Type' => 'application/cloudevents+json');
like(post("$url/webhooks/structured", $body, \%signed)->{content}, qr/"accepted"/, 'an event in structured mode');
is($node->safe_psql('postgres', q{SET client_encoding = 'UTF8'; SELECT string_agg(concat_ws(' ', source, key, type, verified), E'\n' ORDER BY id) FROM intake.events}),
	"binary /sensors/1/Euro \xe2\x82\xac com.example.read origin\nstructured /sensors/1/1 com.example.read signature", 'are events');

done_testing();
