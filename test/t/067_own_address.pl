# The addresses of the machine that a courier runs on are as good as loopback, though they are public: what
# listens there is not for calls, unless that is allowed.
use strict;
use warnings;
use Couriers;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A network of its own, with a public address; nothing of the machine is changed.
my ($address, $v6) = ('9.9.9.9', '2620:fe::9');
my $network = "ip link set lo up && ip addr add $address/32 dev lo";
plan skip_all => 'there is no network namespace to be had' if system("unshare -Urn sh -c '$network' 2>/dev/null") != 0;
my $with_v6 = system("unshare -Urn sh -c '$network && ip addr add $v6/128 dev lo nodad' 2>/dev/null") == 0;
$network .= " && ip addr add $v6/128 dev lo nodad" if $with_v6;

my $node = new_calls_server('own');
my $dir = scratch();
my $dsn = $node->connstr('postgres') . ' user=courier';
sub sql { return $node->safe_psql('postgres', @_) }

# A server and a courier in that network.
sub run
{
	my ($name, @options) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>', "$dir/$name.out" or die;
		open STDERR, '>', "$dir/$name.log" or die;
		my $server = q{import http.server, socket
class S(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6
S(('::', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()};
		$server =~ s/AF_INET6/AF_INET/, $server =~ s/'::'/''/ unless $with_v6;
		exec 'unshare', '-Urn', '--kill-child', '--fork', '--pid', 'sh', '-c', "$network; cd $dir; python3 -c \"\$0\" & exec \"\$\@\"", $server,
		  $ENV{INTAKE_COURIER}, '--dsn', $dsn, @options;
		die "exec: $!";
	}
	wait_for(sub { slurp_file("$dir/$name.log") =~ /entered as/ }, 'the courier enters') if wait_for(sub { -e "$dir/$name.log" }, 'it starts');
	return $pid;
}

sub ask
{
	my ($host) = @_;
	my $n = sql('SELECT coalesce(max(n), 0) + 1 FROM seen');
	sql(qq{SELECT intake.emit('ask', jsonb_build_object('url', 'http://$host:8000/', 'n', $n))});
	wait_for(sub { sql("SELECT count(*) FROM seen WHERE n = $n") == 1 }, "an answer of $host");
	return sql("SELECT coalesce(status::text, error) FROM seen WHERE n = $n");
}

my $pid = run('strict');
is(ask($address), 'refused_address: this machine', 'a public address of its own is refused');
SKIP:
{
	skip 'there is no IPv6', 1 unless $with_v6;
	is(ask("[$v6]"), 'refused_address: this machine', 'so is one of IPv6');
}
is(ask('127.0.0.1'), 'refused_address: loopback', 'and loopback, before it connects');
unlike(slurp_file("$dir/strict.log"), qr/"POST/, 'nothing was sent to it');
kill 'KILL', $pid;
waitpid $pid, 0;

sql('DELETE FROM intake.courier');
$pid = run('kind', '--allow', $address);
wait_for(sub { ask($address) eq '501' }, 'the answer of a server that takes no POST');
pass('where it is allowed, it is called');
kill 'KILL', $pid;
waitpid $pid, 0;

done_testing();
