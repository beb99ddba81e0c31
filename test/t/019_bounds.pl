# What all clients together can make the shim hold, and how long each may take.
use strict;
use warnings;
use Errno qw(EAGAIN);
use Intake;
use IO::Select;
use PostgreSQL::Test::Utils;
use Socket qw(SOL_SOCKET SO_RCVBUF SO_SNDBUF);
use Test::More;
use Time::HiRes qw(time sleep);

use constant MIB => 1 << 20;
use constant SLACK => 32 * MIB;

my $node = new_server('bounds', max_connections => 40);
$node->safe_psql('postgres', "SELECT intake.create_source('any', 'none', verified => 'none', missing_key => 'digest', key_from => 'header:x-id', type_from => 'header:x-type')");

# The most that a shim has had in memory, in bytes.
sub peak
{
	my ($url) = @_;
	return $1 * 1024 if slurp_file('/proc/' . shim_pid($url) . '/status') =~ /^VmHWM:\s+(\d+) kB/m;
	die 'no VmHWM';
}

sub held { return raw_http($_[0], "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") =~ /^intake_shim_queued_bytes (\d+)$/m && $1 }

# Sends to each of some clients, all at once, a head and a body that is made as it is needed, as far
# as the other side takes it; ends when all have their answers, or nothing moves for a while. Returns
# how many got which answer.
sub pour
{
	my (%clients) = @_; # socket => [head, bytes of body to send, piece]
	my (%sent, %answer, %open);
	my $filler = 'x' x 65536;
	my %by = map { $_->{socket} => $_ } @{ $clients{list} };
	$open{$_} = 1 for keys %by;
	$_->{rest} = $_->{head}, $_->{socket}->blocking(0) for values %by;
	local $SIG{PIPE} = 'IGNORE';
	my $moved = time;
	while (%open && time - $moved < $clients{patience})
	{
		my $read = IO::Select->new(map { $by{$_}{socket} } keys %open);
		my $write = IO::Select->new(map { $by{$_}{socket} } grep { $by{$_}{rest} ne '' || $by{$_}{body} > 0 } keys %open);
		my ($readable, $writable) = IO::Select->select($read, $write, undef, 0.2) or next;
		for my $socket (@{ $readable // [] })
		{
			my $n = sysread $socket, $answer{$socket}, 65536, length($answer{$socket} // '');
			next if !defined $n && $! == EAGAIN;
			delete $open{$socket} if !$n;
			$moved = time;
		}
		for my $socket (grep { $open{$_} } @{ $writable // [] })
		{
			my $client = $by{$socket};
			if ($client->{rest} eq '')
			{
				my $n = $client->{body} < 65536 ? $client->{body} : 65536;
				$client->{rest} = $client->{chunked} ? sprintf("%x\r\n%s\r\n", $n, substr $filler, 0, $n) : substr $filler, 0, $n;
				$client->{body} -= $n;
				$client->{rest} .= "0\r\n\r\n" if $client->{chunked} && $client->{body} == 0 && !$client->{stops};
			}
			my $n = syswrite $socket, $client->{rest};
			if (defined $n) { substr($client->{rest}, 0, $n) = ''; $moved = time }
			elsif ($! != EAGAIN) { $client->{rest} = ''; $client->{body} = 0 }
		}
	}
	my %count;
	$count{ ($answer{$_} // '') =~ m{HTTP/1\.1 ([2-5]\d\d)} ? $1 : 'none' }++ for keys %by;
	return %count;
}

sub large
{
	my ($url, $count, %more) = @_;
	my $length = $more{length} // 24 * MIB;
	my $target = $more{target} // '/webhooks/nobody';
	my $serial = 0;
	return patience => $more{stops} ? 1.5 : 30, list => [ map { {
		socket => connect_to($url), chunked => $more{chunked}, stops => $more{stops}, body => $length - ($more{stops} ? 1000 : 0),
		head => "POST $target HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" . ($more{chunked} ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: $length\r\n\r\n") } } 1 .. $count ];
}

# ---- memory ----

for my $listen ('127.0.0.1:0', 'unix:' . $node->basedir . '/bounds.socket')
{
	my $url = start_shim($node, '--listen', $listen, '--max-queue', '64M', '--request-timeout', '20');
	my $limit = 64 * MIB + SLACK;
	my $kind = $listen =~ /unix/ ? 'unix' : 'tcp';

	my %clients = large($url, 40, stops => 1);
	my %count = pour(%clients);
	cmp_ok(peak($url), '<', $limit, "$kind: 40 clients that send 24 MB to nobody and stop");
	cmp_ok($count{503} // 0, '>=', 30, "$kind: most are told to come again later");
	is(post("$url/webhooks/src", body_of("beside"))->{status}, 200, 'beside them others are served') if $kind eq 'tcp';
	# A large one from somebody who means it: those that only wait make room for it.
	my %served;
	wait_for(sub { %served = pour(large($url, 1, target => '/webhooks/any')); $served{200} }, "$kind: a large one is served");
	delete $clients{list};
	wait_for(sub { held($url) < MIB }, 'all is let go');
	pass("$kind: all is let go");

	for my $chunked ($kind eq 'tcp' ? 0 : 1)
	{
		my $unanswered = 0;
		wait_for(
			sub {
				%count = pour(large($url, 10, target => '/webhooks/any', chunked => $chunked));
				$unanswered += $count{none} // 0;
				return $count{200};
			},
			"$kind: some of ten large ones are served, the others come again");
		is($unanswered, 0, "$kind: of ten large ones nobody is left without an answer");
		cmp_ok(peak($url), '<', $limit, "$kind: ten large ones that come to their end");
		%count = pour(large($url, 200, length => 900_000, target => '/webhooks/any', chunked => $chunked));
		is(($count{200} // 0) + ($count{503} // 0), 200, "$kind: 200 of less than 1 MB");
		cmp_ok(peak($url), '<', $limit, 'and their memory');
		%count = pour(large($url, 200, length => 3_000_000, stops => 1, chunked => $chunked));
		cmp_ok(peak($url), '<', $limit, "$kind: 200 of 3 MB that stop");
	}
	%count = pour(patience => 1.5, list => [ map { { socket => connect_to($url), body => 0, head => "GET /healthz?" . 'x' x 8000 . " HTTP/1.1\r\nHost: x\r\nX: " . 'x' x 13_000 . "\r\n" } } 1 .. 600 ]);
	cmp_ok(peak($url), '<', $limit, "$kind: 600 heads that do not end");
	is(post("$url/webhooks/src", body_of("$kind-after"))->{status}, 200, 'and it goes on') if $kind eq 'tcp';
	wait_for(sub { held($url) < MIB }, 'all is let go in the end');
	is(stop_shim($url), 0, "$kind: it stops in an orderly way");
}

# A body that --max-queue has no room for is not put off for ever.
my $narrow = start_shim($node, '--max-queue', '8M');
my %count = pour(large($narrow, 1, target => '/webhooks/any'));
is($count{413}, 1, 'a body that never fits gets 413');
%count = pour(large($narrow, 1, target => '/webhooks/any', length => 3 * MIB));
is($count{200}, 1, 'one that fits is served');
%count = pour(large($narrow, 1, target => '/webhooks/any', length => $_ * MIB, chunked => 1)), is($count{200}, 1, "so is one of $_ MB in chunks, whose length nobody knows") for 1.2, 2.2, 3.5;
# Many clients: what each costs is counted as well.
my @many = map { connect_to($narrow) } 1 .. 500;
my $answered = 0;
for my $socket (@many) { syswrite $socket, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" }
for my $socket (@many)
{
	my $page = '';
	sysread $socket, $page, 4096 if IO::Select->new($socket)->can_read(5);
	$answered++ if $page =~ /^HTTP\/1.1 (200|503)/;
}
cmp_ok($answered, '>', 250, 'many are answered');
cmp_ok(peak($narrow), '<', 8 * MIB + SLACK, 'and what they cost is bounded');
@many = ();
stop_shim($narrow);
# What connections take leaves room for what is sent by them: not everybody is refused.
my $narrowest = start_shim($node, '--max-queue', '256k');
%count = pour(large($narrowest, 100, target => '/webhooks/any', length => 50_000));
cmp_ok($count{200} // 0, '>', 20, 'with the smallest --max-queue many of a hundred at once are served');
stop_shim($narrowest);
command_checks_all([ $ENV{INTAKE_SHIM}, '--max-queue', '1k' ], 2, [qr/^$/], [qr/--max-queue: "1k" is not valid/], 'next to nothing is refused');

# ---- before the body ----

my $url = start_shim($node, '--max-body', '2M', '--request-timeout', '2');
sub first_line { my ($line, @headers) = @_; return raw_http($url, join("\r\n", "$line HTTP/1.1", 'Host: x', @headers, '', '')) =~ m{^HTTP/1\.1 (\d+)} && $1 }
my $begun = time;
is(first_line('POST /elsewhere', 'Content-Length: 1000000'), '404', 'no webhook: refused before its body');
is(first_line('POST /webhooks/', 'Transfer-Encoding: chunked'), '404', 'nor this');
is(first_line('POST /webhooks/a/b', 'Content-Length: 10', 'Expect: 100-continue'), '404', 'nor a path below one');
is(first_line('POST /metrics', 'Content-Length: 10'), '405', 'a page takes no body');
is(first_line('GET /healthz', 'Content-Length: 10'), '413', 'not even with GET');
is(first_line('POST /webhooks/src', 'Content-Length: 3000000', 'Expect: 100-continue'), '413', 'one that is too large is not asked for');
like(raw_http($url, "POST /webhooks/src HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"), qr{^HTTP/1\.1 100 .*HTTP/1\.1 408}s, 'one that is welcome is');
cmp_ok(time - $begun, '<', 8, 'without waiting for what does not come');
%count = pour(large($url, 5, length => 20 * MIB));
is($count{413}, 5, 'who sends all of it all the same gets the answer');
%count = pour(large($url, 5, length => 20 * MIB, target => '/elsewhere', chunked => 1));
is($count{404}, 5, 'in chunks, too');

# ---- clients that do not take their answers ----

for my $listen ('127.0.0.1:0', 'unix:' . $node->basedir . '/slow.socket')
{
	my $slow = start_shim($node, '--listen', $listen, '--request-timeout', '1', '--max-connections', '3');
	my $kind = $listen =~ /unix/ ? 'unix' : 'tcp';
	my @sockets = map { connect_to($slow) } 1 .. 3;
	my $pages = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" x 100;
	local $SIG{PIPE} = 'IGNORE';
	my $end = time + 30;
	my %gone;
	$_->blocking(0) for @sockets;
	# They ask as long as somebody listens, and read nothing.
	while (keys %gone < 3 && time < $end)
	{
		for my $socket (@sockets) { syswrite $socket, $pages or $! == EAGAIN or $gone{$socket} = $! }
		sleep 0.02;
	}
	is(keys %gone, 3, "$kind: who asks again and again and takes no answer is cut off");
	is(raw_http($slow, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") =~ /^HTTP\/1.1 200/ && 1, 1, "$kind: their places are free");
	stop_shim($slow);
}

$node->stop;
done_testing();
