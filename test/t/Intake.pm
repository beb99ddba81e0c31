# What the TAP tests share: a server with the extension, the shim, and an HTTP client.
package Intake;

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use Exporter 'import';
use HTTP::Tiny;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_server start_shim stop_shim shim_pid post get raw_http connect_to hmac_sha256_hex wait_for_sql
  wait_for body_of SECRET);

use constant SECRET => 'a secret for tests';

# Whoever runs the tests, the superuser of their servers is called so.
use constant SUPERUSER => 'postgres';
$ENV{PGUSER} = SUPERUSER;

my %shims; # lists of process ids
my $started = 0;

# A running server with the extension in database postgres, the source "src" and the role
# "gateway".
sub new_server
{
	my ($name, %settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 1, extra => [ '-U', SUPERUSER ]);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_intake'\n"
		  . "max_worker_processes = 16\nlog_min_messages = warning\nrestart_after_crash = on\nlog_statement = none\n");
	$node->append_conf('postgresql.conf', "$_ = $settings{$_}\n") for sort keys %settings;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_intake CASCADE');
	$node->safe_psql('postgres', "CREATE ROLE gateway LOGIN");
	$node->safe_psql('postgres', "SELECT intake.grant_access('gateway', 'gateway')");
	$node->safe_psql('postgres', "SELECT intake.create_source('src', 'hmac', secret => '" . SECRET . "')");
	return $node;
}

# Starts a shim before a server; returns its URL, or unix:PATH where an option lets it listen there.
sub start_shim
{
	my ($node, @options) = @_;
	my $log = $node->basedir . '/shim' . ++$started . '.log';
	my $dsn = $node->connstr('postgres') . ' user=gateway';
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open STDERR, '>', $log or die;
		exec $ENV{INTAKE_SHIM}, '--listen', '127.0.0.1:0', '--dsn', $dsn, @options;
		die "exec: $!";
	}
	my $url;
	wait_for(sub { -e $log or return; ($url) = slurp_file($log) =~ m{listening on ((?:http://|unix:)\S+)}; $url }, 'the shim listens');
	push @{ $shims{$url} }, $pid;
	wait_for(sub { raw_http($url, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") =~ m{^HTTP/1.1 200} }, 'the shim is ready');
	return $url;
}

# Stops a shim, the oldest one there, with SIGTERM unless another signal is given; returns its exit code.
sub stop_shim
{
	my ($url, $signal) = @_;
	my $pid = shift @{ $shims{$url} } or return;
	kill $signal // 'TERM', $pid;
	waitpid $pid, 0;
	return $? >> 8;
}

# The process of a shim, the oldest one there.
sub shim_pid { return $shims{ $_[0] }[0] }

sub client { return HTTP::Tiny->new(timeout => 20, keep_alive => 0) }

# POSTs a body, signed unless other headers are given.
sub post
{
	my ($url, $body, $headers) = @_;
	$headers //= { 'X-Signature' => hmac_sha256_hex($body, SECRET) };
	return client()->request('POST', $url, { content => $body, headers => $headers });
}

sub get { return client()->get($_[0]) }

sub body_of
{
	my ($id, %more) = @_;
	return sprintf '{"event":"%s","data":{"id":"%s"}}', $more{type} // 't', $id;
}

sub connect_to
{
	my ($url) = @_;
	my $socket = $url =~ m{^unix:(.*)} ? IO::Socket::UNIX->new($1) : IO::Socket::INET->new($url =~ m{//(.*)$});
	return $socket || die "connect: $!";
}

# Sends bytes, and returns what comes until the end of the stream.
sub raw_http
{
	my ($url, $bytes) = @_;
	my $socket = connect_to($url);
	my $answer = '';
	print $socket $bytes;
	$socket->flush;
	while (sysread $socket, my $chunk, 65536) { $answer .= $chunk }
	return $answer;
}

# Waits until a condition holds, half a minute at most.
sub wait_for
{
	my ($condition, $name) = @_;
	my $end = time + 60;
	while (time < $end)
	{
		return 1 if $condition->();
		sleep 0.05;
	}
	die "waited in vain: $name";
}

# Waits until a query of database postgres gives t; connection failures count as not yet.
sub wait_for_sql
{
	my ($node, $query, $database) = @_;
	return wait_for(
		sub {
			my ($code, $out) = $node->psql($database // 'postgres', $query, on_error_stop => 0);
			return defined $out && $out eq 't';
		},
		$query);
}

END
{
	my $status = $?;
	kill 'KILL', map { @$_ } values %shims;
	$? = $status;
}

1;
