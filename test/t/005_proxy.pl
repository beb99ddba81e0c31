# Whom the shim names as the sender of a request that came through proxies.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('proxy', max_connections => 30);
my $plain = start_shim($node);
my $trusting = start_shim($node, '--trusted-proxy', '127.0.0.0/8', '--trusted-proxy=10.0.0.0/8, 2001:db8::/32');

# The address under which a request that is refused is recorded.
sub peer_of
{
	my ($url, %headers) = @_;
	my $status = post("$url/webhooks/src", body_of('x'), { 'X-Signature' => 'wrong', %headers })->{status};
	return "status $status" if $status != 403;
	return $node->safe_psql('postgres', 'SELECT peer FROM intake.rejections ORDER BY id DESC LIMIT 1');
}

my $self = '127.0.0.1';
my ($for, $forwarded) = ('X-Forwarded-For', 'Forwarded');

# A shim that trusts nobody.
is(peer_of($plain), $self, 'without the option: the socket');
is(peer_of($plain, $for => '192.0.2.7', $forwarded => 'for=192.0.2.7'), $self, 'the headers are not believed');

# X-Forwarded-For.
is(peer_of($trusting), $self, 'no header');
is(peer_of($trusting, $for => '192.0.2.7'), '192.0.2.7', 'one address');
is(peer_of($trusting, $for => '6.6.6.6, 192.0.2.7'), '192.0.2.7', 'what the sender wrote is not believed');
is(peer_of($trusting, $for => '6.6.6.6, 192.0.2.8, 10.1.1.1'), '192.0.2.8', 'a chain of proxies');
is(peer_of($trusting, $for => ['6.6.6.6, 192.0.2.9', '10.1.1.1']), '192.0.2.9', 'a chain over two lines');
is(peer_of($trusting, $for => '10.1.1.2, 10.1.1.1'), '10.1.1.2', 'nobody but proxies');
is(peer_of($trusting, $for => '2001:DB9::7'), '2001:db9::7', 'IPv6');
is(peer_of($trusting, $for => '2001:db9::8, 2001:db8::1'), '2001:db9::8', 'IPv6 behind a proxy');
is(peer_of($trusting, $for => '[2001:db9::9]:567'), '2001:db9::9', 'IPv6 with a port');
is(peer_of($trusting, $for => '192.0.2.10:567'), '192.0.2.10', 'IPv4 with a port');
is(peer_of($trusting, $for => '::ffff:192.0.2.11'), '192.0.2.11', 'IPv4 as IPv6');
is(peer_of($trusting, $for => "6.6.6.6, x'; DROP TABLE x"), $self, 'junk');
is(peer_of($trusting, $for => '6.6.6.6, junk, 10.1.1.1'), '10.1.1.1', 'junk before a proxy');
is(peer_of($trusting, $for => ''), $self, 'nothing');
is(peer_of($trusting, $for => ('6' x 20_000)), $self, 'one long element');
is(peer_of($trusting, $for => '6.6.6.6,' x 2500 . '192.0.2.12'), '192.0.2.12', '20 kB of addresses');
is(peer_of($trusting, $for => ',' x 20_000), $self, '20 kB of commas');
is(peer_of($trusting, $for => '192.0.2.13' . ',10.1.1.1' x 2200), '10.1.1.1', 'no end of proxies');

# Forwarded.
is(peer_of($trusting, $forwarded => 'for=192.0.2.21;proto=https'), '192.0.2.21', 'Forwarded');
is(peer_of($trusting, $forwarded => 'For="[2001:db9::21]:567"'), '2001:db9::21', 'Forwarded: IPv6 with a port');
is(peer_of($trusting, $forwarded => 'for=6.6.6.6, for=192.0.2.22;host="a,for=7.7.7.7", for=10.1.1.1'),
	'192.0.2.22', 'Forwarded: a chain, and quotes');
is(peer_of($trusting, $forwarded => 'for=6.6.6.6, for=unknown'), $self, 'Forwarded: unknown');
is(peer_of($trusting, $forwarded => 'for=6.6.6.6, for=_hidden, for=10.1.1.1'), '10.1.1.1', 'Forwarded: hidden');
is(peer_of($trusting, $forwarded => 'for="6.6.6.6, for=192.0.2.23'), $self, 'Forwarded: a stray quote');
is(peer_of($trusting, $forwarded => 'for="' . '\\"' x 10_000), $self, 'Forwarded: 20 kB in quotes');

# Both.
is(peer_of($trusting, $for => '192.0.2.31', $forwarded => 'for=192.0.2.31'), '192.0.2.31', 'both agree');
is(peer_of($trusting, $for => '192.0.2.32', $forwarded => 'for=6.6.6.6'), $self, 'both disagree');

# The option.
$ENV{INTAKE_TRUSTED_PROXY} = '10.0.0.0/8,127.0.0.1';
my $told = start_shim($node);
my $overruled = start_shim($node, '--trusted-proxy', '10.0.0.0/8');
delete $ENV{INTAKE_TRUSTED_PROXY};
is(peer_of($told, $for => '192.0.2.41, 10.1.1.1'), '192.0.2.41', 'the environment names proxies');
is(peer_of($overruled, $for => '192.0.2.42'), $self, 'the command line wins');
for my $bad ('10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/8,,::1', 'proxy.example')
{
	command_checks_all([ $ENV{INTAKE_SHIM}, '--trusted-proxy', $bad ], 2, [qr/^$/],
		[qr/--trusted-proxy: "\Q$bad\E" is not valid/], "$bad is refused");
}

# A Unix socket.
sub peer_of_path
{
	my ($path, @headers) = @_;
	my $answer = raw_http($path, join("\r\n", 'POST /webhooks/src HTTP/1.1', 'Host: x', 'X-Signature: wrong', 'Content-Length: 0',
		'Connection: close', @headers) . "\r\n\r\n");
	return $answer if $answer !~ m{^HTTP/1.1 403};
	return $node->safe_psql('postgres', q{SELECT coalesce(peer, 'nobody') FROM intake.rejections ORDER BY id DESC LIMIT 1});
}
my $path = 'unix:' . $node->basedir . '/shim';
my $strict = start_shim($node, '--listen', "$path-strict");
my $believing = start_shim($node, '--listen', $path, '--trusted-proxy', 'unix:,10.0.0.0/8');
is(peer_of_path($strict), 'nobody', 'a Unix socket has no address');
is(peer_of_path($strict, "$for: 192.0.2.51"), 'nobody', 'and is not believed');
is(peer_of_path($believing), 'nobody', 'unix: without a header');
is(peer_of_path($believing, "$for: 6.6.6.6, 192.0.2.52, 10.1.1.1"), '192.0.2.52', 'unix: and a chain of proxies');
is(peer_of_path($believing, "$for: unix:"), 'nobody', 'unix: before unix:');
$node->safe_psql('postgres', q{SELECT intake.alter_source('src', allowed_peers => '{192.0.2.0/24}')});
is(peer_of_path($strict), 'nobody', 'a sender without an address is refused');
is($node->safe_psql('postgres', 'SELECT reason FROM intake.rejections ORDER BY id DESC LIMIT 1'), 'peer', 'where addresses are asked for');

stop_shim($_) for $plain, $trusting, $told, $overruled, $strict, $believing;
$node->stop;
done_testing();
