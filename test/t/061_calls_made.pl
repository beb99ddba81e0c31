# With a courier and the database together, a handler's call is made once, its answer is there for the next
# step, and neither a database that restarts nor a courier that goes changes that.
use strict;
use warnings;
use FindBin;
use Intake;
use IPC::Open2;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no python3' if system('python3 -c "import asyncio, ssl"') != 0;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_server('calls');
my (@servers, @couriers);
sub sql { return $node->safe_psql('postgres', @_) }

# Starts a server that answers as the path says; returns its port.
sub start_server
{
	my $pid = open2(my $out, my $in, 'python3', "$FindBin::RealBin/../hostile_http.py");
	push @servers, { pid => $pid, in => $in, out => $out };
	return (split ' ', scalar readline $out)[0];
}

sub start_courier
{
	my ($name, @options) = @_;
	my $log = "$dir/$name.log";
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDERR, '>', $log or die;
		exec $ENV{INTAKE_COURIER}, '--dsn', $node->connstr('postgres') . ' user=courier', '--allow', '127.0.0.1', '--name', $name, @options;
		die "exec: $!";
	}
	push @couriers, $pid;
	wait_for(sub { -e $log && slurp_file($log) =~ /entered as/ }, 'the courier enters');
	return { pid => $pid, log => $log };
}

sub stop_courier
{
	my ($courier) = @_;
	kill 'TERM', $courier->{pid};
	waitpid $courier->{pid}, 0;
	return $?;
}

END
{
	my $status = $?;
	kill 'KILL', @couriers, map { $_->{pid} } @servers;
	$? = $status;
}

sub fetch { return Intake::get("http://127.0.0.1:$_[0]$_[1]")->{content} }
sub counts { return decode_json(fetch($_[0], '/counts')) }

# How often each idempotency key came to a server, for paths like this.
sub keys_of
{
	my ($port, $path) = @_;
	my %keys;
	for my $request (map { decode_json($_) } split /\n/, fetch($port, '/log'))
	{
		next unless $request->{line} =~ /\Q$path\E/;
		my ($key) = map { $_->[1] } grep { lc $_->[0] eq 'idempotency-key' } @{ $request->{headers} };
		$keys{$key}++;
	}
	return %keys;
}

# Emits so many events whose jobs call a URL.
sub emit
{
	my ($type, $url, $count) = @_;
	return sql("SELECT count(intake.emit('$type', jsonb_build_object('url', '$url', 'n', i))) FROM generate_series(1, $count) i");
}

sub wait_seen { my ($count) = @_; return wait_for(sub { sql('SELECT count(*) FROM seen') == $count }, "$count jobs have their answers") }

sql(<<'SQL');
CREATE ROLE courier LOGIN;
SELECT intake.grant_access('courier', 'courier');
CREATE TABLE seen (job_id bigint, n int, status int, error text, payload jsonb);
CREATE FUNCTION ask(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
BEGIN
	IF job.step = 'start' THEN
		RETURN intake.call(job.payload ->> 'url', body => jsonb_build_object('n', job.payload -> 'n'));
	END IF;
	INSERT INTO seen VALUES (job.id, (job.payload ->> 'n')::int, (job.responses)[1].status, (job.responses)[1].error, job.input);
	RETURN intake.done();
END $$;
SELECT intake.create_workflow('ask', 'ask(intake.job)', source => 'intake', type => 'ask', backoff => '100 ms');
SQL

my $port = start_server();
my $courier = start_courier('first');

emit('ask', "http://127.0.0.1:$port/x", 1);
wait_seen(1);
is(sql('SELECT n, status, error FROM seen'), '1|200|', 'a call is made, and the next step has its answer');
emit('ask', "http://127.0.0.1:$port/many", 500);
wait_seen(501);
unlike(slurp_file($courier->{log}), qr/failed/, 'no exchange goes on for as long as calls come');
my %keys = keys_of($port, '/many');
is(scalar(keys %keys), 500, 'each call has a key of its own');
is_deeply([ grep { $_ != 1 } values %keys ], [], '... and is made once');

# ---- a restart of the database while calls are under way ----

my $slow = start_server();
emit('ask', "http://127.0.0.1:$slow/hold", 20);
wait_for(sub { counts($slow)->{running} == 20 }, 'twenty calls are under way');
$node->stop('immediate');
fetch($slow, '/release');
$node->start;
wait_seen(521);
%keys = keys_of($slow, '/hold');
is_deeply([ values %keys ], [ (1) x 20 ], 'calls under way outlive a crash of the database');

# ---- a courier that goes ----

my $host = start_server();
my $second = start_courier('second', '--drain', 0);
stop_courier($courier);
emit('ask', "http://127.0.0.1:$host/hold", 10);
wait_for(sub { counts($host)->{running} == 10 }, 'ten calls are under way');
is(stop_courier($second), 0, 'a courier stops in the middle of them');
$courier = start_courier('third', '--max-transfers', 16);
wait_for(sub { counts($host)->{running} >= 14 }, 'another takes them');
fetch($host, '/release');
wait_seen(531);
%keys = keys_of($host, '/hold');
is(scalar(keys %keys), 10, 'calls that are made again have the same keys');
is(sql('SELECT count(*), count(DISTINCT job_id) FROM seen'), '531|531', 'no step ran twice');
is(counts($host)->{most}, 14, 'a host had a quarter of the transfers');

stop_courier($courier);
is(sql('SELECT count(*) FROM intake.courier'), 0, 'no courier is left');
done_testing();
