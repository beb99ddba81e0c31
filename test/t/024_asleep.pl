# A shim that has nothing to do sleeps, and wakes when there is something.
use strict;
use warnings;
use Intake;
use IO::Select;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = new_server('asleep', max_connections => 30);

# How often the threads of a shim were woken so far.
sub wakes
{
	my ($url) = @_;
	my $count = 0;
	for my $file (glob '/proc/' . shim_pid($url) . '/task/*/status')
	{
		$count += $1 if slurp_file($file) =~ /^voluntary_ctxt_switches:\s+(\d+)/m;
	}
	return $count;
}

# How often they are within two seconds in which nothing comes.
sub wakes_meanwhile
{
	my ($url) = @_;
	my $before = wakes($url);
	sleep 2;
	return wakes($url) - $before;
}

sub goes_to_sleep { my ($url, $name) = @_; wait_for(sub { wakes_meanwhile($url) == 0 }, $name); pass($name) }

sub ask
{
	my ($socket, $bytes) = @_;
	syswrite $socket, $bytes;
	return 'nothing' unless IO::Select->new($socket)->can_read(5);
	sysread $socket, my $answer, 4096 or return 'the end';
	return $answer =~ m{^HTTP/1\.1 (\d+)} ? $1 : $answer;
}

my $page = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
my $url = start_shim($node, '--max-queue', '1M', '--request-timeout', '1');
goes_to_sleep($url, 'without clients it sleeps');
my @clients = map { connect_to($url) } 1 .. 20;
is(ask($_, $page), '200', 'a client is served') for @clients;
goes_to_sleep($url, 'with clients that are idle it sleeps');
is(post($url . '/webhooks/src', body_of('awake'))->{status}, 200, 'it wakes for a request');
is(ask($clients[3], $page), '200', 'an idle client is served again');
is(ask(connect_to($url), substr $page, 0, 20), '408', 'a request that stops has its time');

# Those that are refused because there is no room wake all threads: idle clients make room.
my @more;
wait_for(
	sub {
		push @more, connect_to($url);
		syswrite $more[-1], $page;
		return !grep { !IO::Select->new($_)->can_read(0) } @clients;
	},
	'idle clients are sent away where there is no room');
is(ask($_, ''), 'the end', 'an idle client was sent away') for @clients;
$_->close for @clients, @more;
goes_to_sleep($url, 'it sleeps again');
is(stop_shim($url), 0, 'it stops in an orderly way');

# So do those that have all the places.
for my $kind ('served', 'silent', 'deaf')
{
	my $narrow = start_shim($node, '--max-connections', '20');
	my @all = map { connect_to($narrow) } 1 .. 20;
	if ($kind eq 'served') { is(ask($_, $page), '200', 'a client has its place') for @all }
	# These ask as long as somebody listens, and read nothing.
	if ($kind eq 'deaf')
	{
		$_->blocking(0) for @all;
		wait_for(sub { my $taken = 0; $taken += syswrite($_, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" x 500) // 0 for @all; $taken == 0 }, 'they are full');
	}
	else { goes_to_sleep($narrow, "$kind: while nobody waits for a place it sleeps") }
	my $begun = time;
	is(post("$narrow/webhooks/src", body_of($kind))->{status}, 200, "$kind: who does nothing makes room for who waits");
	cmp_ok(time - $begun, '<', 10, "$kind: and soon");
	stop_shim($narrow);
}

$node->stop;
done_testing();
