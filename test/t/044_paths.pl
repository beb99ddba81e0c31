# How a path names a source: escapes and one slash behind the name mean the same, and nothing else does.
use strict;
use warnings;
use Intake;
use Test::More;

my $node = new_server('paths');
my $url = start_shim($node);
$node->safe_psql('postgres', "SELECT intake.create_source('orders', 'none', verified => 'none', key_from => 'query:id', type_from => 'query:type')");

sub status_of
{
	my ($path) = @_;
	my $answer = raw_http($url, "POST $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}");
	return $answer =~ m{^HTTP/1\.1 (\d+)} ? $1 : $answer;
}

my @same = ('/webhooks/orders', '/webhooks/orders/', '/webhooks/or%64ers', '/webhooks/or%64ers/', '/%77ebhooks/%6F%72%64%65%72%73');
is(status_of("$same[$_]?id=$_&type=a%3Fb"), 200, $same[$_]) for 0 .. $#same;
is($node->safe_psql('postgres', "SELECT string_agg(concat(source, ' ', key, ' ', type), ', ' ORDER BY id) FROM intake.events"),
	join(', ', map { "orders $_ a?b" } 0 .. $#same), 'are one source, and the query stays as it is');

for my $other ('or%2564ers', '%252564', 'orders%2F', 'orders%2f/', '%2Forders', 'orders%3Fid=1', 'orders%C3%A4', 'orders%20', '%2E%2E')
{
	is(status_of("/webhooks/$other?id=x"), 404, "/webhooks/$other");
}
# What is no escape, and NUL: libmicrohttpd of version 1 refuses these itself.
for my $other ('or%%364ers', 'orders%00', 'orders%', 'orders%6', 'orders%6g')
{
	like(status_of("/webhooks/$other?id=x"), qr/^40[04]$/, "/webhooks/$other");
}
for my $path ('/webhooks', '/webhooks/', '/webhooks//', '//webhooks/orders', '/webhooks//orders', '/webhooks/orders//', '/webhooks/orders/x', '/webhooks/./orders', '/webhooks/orders/.', '/webhooks/x/../orders', '/webhooks%2Forders', '/WEBHOOKS/orders', '/healthz/', '/health%7A')
{
	is(status_of($path), 404, $path);
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM intake.event'), scalar(@same), 'nothing else is stored');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT reason, ',') FROM intake.rejections"), 'unknown_source', 'unknown sources are shown as such');

done_testing();
