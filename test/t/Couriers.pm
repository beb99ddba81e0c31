# What the TAP tests of couriers share: the courier, servers that it calls, and their certificates.
package Couriers;

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(dirname);
use IPC::Open2;
use JSON::PP;

use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(new_calls_server start_courier stop_courier start_hostile find_nginx start_nginx stop_nginx make_certificate
  certificates memory fetch counts requests_of keys_of scratch);

my $dir;
INIT { $dir = PostgreSQL::Test::Utils::tempdir }
my $test = dirname(__FILE__) . '/..';
my (@pids, @pipes, @nginx);
my %entered;

END
{
	my $status = $?;
	# Its workers would stay behind one that is killed.
	stop_nginx($_, 'TERM') for @nginx;
	kill 'CONT', @pids;
	kill 'KILL', @pids;
	$? = $status;
}

# The folder of all this, which is the home of couriers too.
sub scratch { return $dir }

# ---- the database ----

# A server with a role for couriers, and the workflow "ask", whose jobs call the URL of their event, with a
# body that has its n, and write what came to table seen; a call that has failed for good, too.
sub new_calls_server
{
	my ($name, %settings) = @_;
	my $node = new_server($name, %settings);
	$node->safe_psql('postgres', <<~'SQL');
		CREATE ROLE courier LOGIN;
		SELECT intake.grant_access('courier', 'courier');
		CREATE TABLE seen (job_id bigint, n int, status int, error text, payload jsonb, headers jsonb, length int);
		CREATE FUNCTION ask(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
		DECLARE
			response intake.response := (job.responses)[1];
		BEGIN
			IF job.step = 'start' THEN
				RETURN intake.call(job.payload ->> 'url', raw => convert_to(repeat(job.payload ->> 'raw', coalesce((job.payload ->> 'times')::int, 1)), 'UTF8'), auth => job.payload ->> 'auth',
					body => CASE WHEN NOT job.payload ? 'raw' THEN jsonb_build_object('n', job.payload -> 'n') END,
					timeout => coalesce((job.payload ->> 'timeout')::interval, '20 s'), options => '{"failed": "answered"}');
			END IF;
			INSERT INTO seen VALUES (job.id, (job.payload ->> 'n')::int, response.status, response.error, job.input, response.headers, length(response.body));
			RETURN intake.done();
		END $$;
		SELECT intake.create_workflow('ask', 'ask(intake.job)', source => 'intake', type => 'ask', backoff => '100 ms', max_attempts => 3);
		-- Emits so many events.
		CREATE FUNCTION ask_for(url text, calls int, more jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
			SELECT count(intake.emit('ask', jsonb_build_object('url', url, 'n', i) || more)) FROM generate_series(1, calls) i
		$$;
		SQL
	return $node;
}

# ---- couriers ----

# Starts a courier of this name, and waits until it has entered; what it knows of its environment must not count.
sub start_courier
{
	my ($dsn, $name, @options) = @_;
	my $log = "$dir/$name." . ++$entered{$name} . '.log';
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		$ENV{$_} = 'http://127.0.0.1:1' for qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY);
		$ENV{SSLKEYLOGFILE} = "$dir/keys";
		$ENV{HOME} = $dir;
		open STDERR, '>', $log or die;
		exec $ENV{INTAKE_COURIER}, '--dsn', $dsn, '--name', $name, '--log-level', 'debug', '--allow', '127.0.0.1', @options;
		die "exec: $!";
	}
	push @pids, $pid;
	wait_for(sub { -e $log && slurp_file($log) =~ /entered as/ }, 'the courier enters');
	return { pid => $pid, log => $log };
}

# Ends a courier by SIGTERM, or by what else is said; returns its status.
sub stop_courier
{
	my ($courier, @signals) = @_;
	kill $_, $courier->{pid} for @signals ? @signals : 'TERM';
	waitpid $courier->{pid}, 0;
	@pids = grep { $_ != $courier->{pid} } @pids;
	return $?;
}

# Megabytes of a courier, by a line of its status.
sub memory
{
	my ($courier, $what) = @_;
	return slurp_file("/proc/$courier->{pid}/status") =~ /^$what:\s+(\d+) kB/m ? $1 / 1024 : die;
}

# ---- certificates ----

my @ec = qw(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1);

sub openssl { system_log('openssl', @_) == 0 or die "openssl @_" }

sub make_authority
{
	my ($ca) = @_;
	return if -e "$dir/$ca.pem";
	openssl('req', '-x509', @ec, '-nodes', '-keyout', "$dir/$ca.key", '-out', "$dir/$ca.pem", '-subj', "/CN=$ca",
		'-days', 30, '-addext', 'keyUsage=critical,keyCertSign');
	append_to_file("$dir/$ca.index", '');
	append_to_file("$dir/$ca.cnf", "[ca]\ndefault_ca=it\n[it]\ndatabase=$dir/$ca.index\nnew_certs_dir=$dir\nrand_serial=yes\n"
		  . "default_md=sha256\nunique_subject=no\npolicy=any\n[any]\ncommonName=supplied\n");
	return;
}

# The file of what signs certificates, "ca" unless another is said.
sub certificates { return "$dir/" . ($_[0] // 'ca') . '.pem' }

# A certificate for 127.0.0.1 and localhost, or for what else is said, and its key; not every openssl makes
# one that has expired but by the command ca.
sub make_certificate
{
	my ($name, %how) = @_;
	my $ca = $how{ca} // 'ca';
	my @dates = $how{expired} ? ('-startdate', '20200101000000Z', '-enddate', '20200201000000Z') : ('-days', 30);
	make_authority($ca);
	append_to_file("$dir/$name.cnf", 'subjectAltName=' . ($how{names} // 'IP:127.0.0.1,DNS:localhost') . "\n");
	openssl('req', @ec, '-nodes', '-keyout', "$dir/$name.key", '-out', "$dir/$name.csr", '-subj', "/CN=$name");
	openssl('ca', '-batch', '-notext', '-config', "$dir/$ca.cnf", '-cert', "$dir/$ca.pem", '-keyfile', "$dir/$ca.key", '-in', "$dir/$name.csr",
		'-out', "$dir/$name.pem", '-extfile', "$dir/$name.cnf", @dates);
	return ("$dir/$name.pem", "$dir/$name.key");
}

# ---- servers ----

# Starts hostile_http.py, which answers as the path says; returns its ports, or the first one.
sub start_hostile
{
	my @arguments = @_;
	my $pid = open2(my $out, my $in, 'python3', "$test/hostile_http.py", @arguments);
	push @pids, $pid;
	push @pipes, $in, $out;
	my @ports = split ' ', scalar readline $out;
	return wantarray ? @ports : $ports[0];
}

# Where nginx is; undef: there is none.
sub find_nginx { return (grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin')[0] }

# Starts nginx with this inside http { }, or with what it had before; it listens at PORT. Returns its process.
sub start_nginx
{
	my ($port, $inside) = @_;
	my ($conf, $log) = ("$dir/nginx$port.conf", "$dir/nginx$port.log");
	my $paths = join ' ', map { "${_}_temp_path $dir/nginx.$_;" } qw(client_body proxy fastcgi uwsgi scgi);
	append_to_file($conf, "pid $dir/nginx$port.pid; daemon off; error_log $log;\nevents { worker_connections 1024; }\n"
		  . "http {\n$paths\n$inside\n}\n") if defined $inside;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDERR, '>', '/dev/null';
		exec find_nginx(), '-p', $dir, '-c', $conf, '-e', $log;
		die "exec: $!";
	}
	push @nginx, $pid;
	wait_for(sub { IO::Socket::INET->new("127.0.0.1:$port") }, 'nginx listens');
	return $pid;
}

sub stop_nginx
{
	my ($pid, $signal) = @_;
	kill $signal, $pid;
	waitpid $pid, 0;
	@nginx = grep { $_ != $pid } @nginx;
	return;
}

# What a hostile server tells of itself.
sub fetch { return Intake::get("http://127.0.0.1:$_[0]$_[1]")->{content} }
sub counts { return decode_json(fetch($_[0], '/counts')) }

# The requests that came to a server, for paths like this.
sub requests_of
{
	my ($port, $path) = @_;
	return grep { $_->{line} =~ /\Q$path\E/ } map { decode_json($_) } split /\n/, fetch($port, '/log');
}

# How often each idempotency key came to a server, for paths like this.
sub keys_of
{
	my ($port, $path) = @_;
	my %keys;
	for my $request (requests_of($port, $path))
	{
		my ($key) = map { $_->[1] } grep { lc $_->[0] eq 'idempotency-key' } @{ $request->{headers} };
		$keys{$key}++;
	}
	return %keys;
}

1;
