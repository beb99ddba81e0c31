# What a body of 24 MB costs: the executor that runs its job, and shim and backend together that take it in.
use strict;
use warnings;
use Intake;
use IO::Select;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

use constant MIB => 1 << 20;
use constant SIZE => 24 * MIB;

my $node = new_server('large', 'pg_intake.executors' => 1, 'pg_intake.idle_time' => "'10min'", autovacuum => 'off', max_wal_size => "'4GB'");

# A body of SIZE bytes: START, then PIECE as often as it fits behind one another, and END.
sub filled
{
	my ($start, $piece, $end) = @_;
	my $room = SIZE - length($start) - length($end);
	my $text = $start . $piece x ($room / length $piece);
	return $text . ' ' x (SIZE - length($text) - length $end) . $end;
}

my $order = '{"id":"0d2f1c66","total":1999,"customer":{"name":"somebody","tags":["a","b"]},"paid":true,"note":null},';
my %shapes = (
	orders => [ filled('[', $order, '0]'), 6 ],
	string => [ filled('"', 'what somebody writes ', '"'), 6 ],
	members => [ do { my $text = '{' . join(',', map { sprintf '"k%x":%d', $_, $_ % 1000 } 1 .. 1_650_000); $text . ' ' x (SIZE - 1 - length $text) . '}' }, 6 ],
	deep => [ filled('{"a":[' x 400, '[[[[[[[[[[[[{"b":[]}]]]]]]]]]]]],', '0' . ']}' x 400), 6 ],
	chains => [ filled('[', '[' x 999 . ']' x 999 . ',', '0]'), 6 ],
	empty => [ filled('[', '[],', '0]'), 6 ],
	digits => [ filled('[', '1,', '0]'), 6.1 ], # its jsonb alone is 6.0
	member => [ filled('{"z":0,"data":[', '1,', '0],"a":1}'), 6.1 ],
	steps => [ filled('[', '[1,' x 999 . '0' . ']' x 999 . ',', '0]'), 6 ],
	nothing => [ filled('', '[1,', ''), 6 ],
);
my %handlers = (
	sql_payload => "sql AS 'SELECT jsonb_typeof(job.payload)'",
	sql_body => "sql AS 'SELECT sha256(job.body)'",
	sql_neither => "sql AS 'SELECT job.id'",
	plpgsql_payload => q{plpgsql AS $$ BEGIN PERFORM jsonb_typeof(job.payload); PERFORM job.payload->>'id'; END $$},
	plpgsql_body => q{plpgsql AS $$ BEGIN PERFORM sha256(job.body); END $$},
	plpgsql_neither => q{plpgsql AS $$ BEGIN PERFORM job.id; END $$},
);

for my $handler (sort keys %handlers)
{
	my ($language, $body) = split / AS /, $handlers{$handler}, 2;
	my $type = $language eq 'sql' ? ($handler =~ /payload/ ? 'text' : $handler =~ /body/ ? 'bytea' : 'bigint') : 'void';
	$node->safe_psql('postgres', "CREATE FUNCTION $handler(job intake.job) RETURNS $type LANGUAGE $language AS $body;
		SELECT intake.create_workflow('$handler', '$handler(intake.job)'::regprocedure, type => '$handler', max_attempts => 1)");
}
$node->safe_psql('postgres', "SELECT intake.create_source('any', 'none', verified => 'none', missing_key => 'digest', key_from => 'header:x-id', type_from => 'header:x-type')");

my $url = start_shim($node, '--threads', '1', '--connections', '1', '--max-queue', '128M');

# A number of bytes that the kernel says of a process.
sub status_of
{
	my ($pid, $what) = @_;
	open my $file, '<', "/proc/$pid/status" or return 0;
	my ($kb) = join('', <$file>) =~ /^$what:\s+(\d+) kB/m;
	return 1024 * ($kb // 0);
}

# The peak of a process is measured from now on.
sub forget_peak
{
	append_to_file("/proc/$_[0]/clear_refs", '5');
	return status_of($_[0], 'VmRSS');
}

sub pid_of { return $node->safe_psql('postgres', $_[0]) }
sub executor { return pid_of("SELECT pid FROM intake.workers WHERE kind = 'executor'") }
sub gateway { return pid_of("SELECT pid FROM pg_stat_activity WHERE usename = 'gateway'") }

my $serial = 0;

# Sends a body; returns the most memory that the processes had together meanwhile.
sub send_body
{
	my ($type, $body, @pids) = @_;
	return send_to('any', "X-Id: " . ++$serial . "\r\nX-Type: $type", $body, @pids);
}

sub send_to
{
	my ($source, $headers, $body, @pids) = @_;
	my $socket = connect_to($url);
	my $request = "POST /webhooks/$source HTTP/1.1\r\nHost: x\r\nConnection: close\r\n$headers\r\nContent-Length: " . length($body) . "\r\n\r\n";
	my ($answer, $most, $sent) = ('', 0, 0);
	syswrite $socket, $request;
	$socket->blocking(0);
	while (1)
	{
		my $now = 0;
		$now += status_of($_, 'RssAnon') for @pids;
		$most = $now if $now > $most;
		if ($sent < length $body)
		{
			$sent += syswrite($socket, $body, 1 << 18, $sent) // 0;
			next;
		}
		next unless IO::Select->new($socket)->can_read(0.0005);
		last unless sysread $socket, $answer, 65536, length $answer;
	}
	like($answer, qr{^HTTP/1\.1 200 }, 'accepted');
	return $most;
}

sub ratio { return sprintf '%.2f', $_[0] / SIZE }

# Waits until processes have no more memory than they had.
sub given_back
{
	my (%before) = @_;
	wait_for(sub { status_of($_, 'RssAnon') < $before{$_} + 6 * MIB or return for keys %before; 1 }, 'the memory is given back');
	pass('the memory is given back');
}

# Small ones first: what a process needs once is there then.
for my $handler (sort keys %handlers)
{
	send_body($handler, qq({"id":"$handler"}));
	wait_for_sql($node, "SELECT count(*) > 0 FROM intake.jobs WHERE workflow = '$handler' AND state = 'done'");
}

for my $shape (sort keys %shapes)
{
	my ($body, $bound) = @{ $shapes{$shape} };
	is(length $body, SIZE, "$shape: the size");
	for my $handler ($shape eq 'orders' ? sort keys %handlers : $shape eq 'digits' ? qw(plpgsql_payload sql_payload) : qw(plpgsql_payload))
	{
		my ($shim, $gateway, $executor) = (shim_pid($url), gateway(), executor());
		my %before = map { $_ => status_of($_, 'RssAnon') } $shim, $gateway, $executor;
		my %rss = map { $_ => forget_peak($_) } $shim, $gateway, $executor;
		my $done = pid_of("SELECT count(*) FROM intake.jobs WHERE workflow = '$handler' AND state = 'done'");
		my $most = send_body($handler, $body, $shim, $gateway) - $before{$shim} - $before{$gateway};
		wait_for_sql($node, "SELECT count(*) > $done FROM intake.jobs WHERE workflow = '$handler' AND state = 'done'");
		my %peak = map { $_ => status_of($_, 'VmHWM') - $rss{$_} } $shim, $gateway, $executor;
		note("$shape $handler: request " . ratio($most) . ', shim ' . ratio($peak{$shim}) . ', backend ' . ratio($peak{$gateway}) . ', executor ' . ratio($peak{$executor}));
		cmp_ok($peak{$executor} / SIZE, '<', $bound, "$shape, $handler: the executor");
		cmp_ok($most / SIZE, '<', 3, "$shape, $handler: shim and backend together");
		given_back(%before);
	}
}

# Signed, and of bytes that cannot be compressed; and again.
srand 23;
my $noise = '{"event":"t","data":{"id":"noise"},"noise":"' . join('', map { chr(97 + rand 26) } 1 .. SIZE - 46) . '"}';
my $signature = 'X-Signature: ' . hmac_sha256_hex($noise, SECRET);
for my $time ('first', 'second')
{
	my ($shim, $gateway) = (shim_pid($url), gateway());
	my %before = map { $_ => status_of($_, 'RssAnon') } $shim, $gateway;
	my $most = send_to('src', $signature, $noise, $shim, $gateway) - $before{$shim} - $before{$gateway};
	note("noise, the $time time: request " . ratio($most));
	cmp_ok($most / SIZE, '<', 3, "noise, the $time time: shim and backend together");
	given_back(%before);
}
is(pid_of(q{SELECT count(*) FROM intake.events WHERE source = 'src' AND payload ->> 'event' = 't'}), 1, 'it is one event');

# One that is split: into many items, and into two.
$node->safe_psql('postgres', q{SELECT intake.create_source('split', 'none', verified => 'none', key_from => '$.id', options => '{"split": "$[*]"}')});
for my $items (9900, 2)
{
	my $text = join '', map { chr(97 + rand 26) } 1 .. 5000;
	my $length = int(SIZE / $items) - 60;
	my $body = '[' . join(',', map { sprintf '{"id":"%d/%d","text":"%s"}', $items, $_, substr $text x ($length / 5000 + 1), 0, $length } 1 .. $items) . ']';
	my ($shim, $gateway) = (shim_pid($url), gateway());
	my %before = map { $_ => status_of($_, 'RssAnon') } $shim, $gateway;
	my $most = send_to('split', 'X-None: 1', $body, $shim, $gateway) - $before{$shim} - $before{$gateway};
	note("$items items: request " . ratio($most));
	cmp_ok($most / SIZE, '<', 3, "$items items: shim and backend together");
	given_back(%before);
	is(pid_of(qq{SELECT count(*) FROM intake.events WHERE source = 'split' AND key LIKE '$items/%'}), $items, "$items items: they are there");
}

# One that is too large for the database is refused as ever; one whose call is lost is sent again.
$node->safe_psql('postgres', q{ALTER SYSTEM SET pg_intake.max_body_size = '20MB'; SELECT pg_reload_conf()});
wait_for(sub { post("$url/webhooks/src", $noise)->{status} == 413 }, 'a body that is larger than the database accepts gets 413');
is(pid_of(q{SELECT detail FROM intake.rejections WHERE reason = 'too_large' ORDER BY id DESC LIMIT 1}), 'the body has ' . length($noise) . ' bytes, pg_intake.max_body_size is 20480 kB', 'with the reason');
$node->safe_psql('postgres', q{ALTER SYSTEM RESET pg_intake.max_body_size; SELECT pg_reload_conf(); ALTER ROLE gateway SET statement_timeout = '1ms'});
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'gateway'});
wait_for(sub { post("$url/webhooks/src", $noise =~ s/"noise"/"lost!"/r)->{status} == 503 }, 'one whose call fails gets 503');
is(pid_of(q{SELECT count(*) FROM intake.events WHERE source = 'src' AND key = 'lost!'}), 0, 'and nothing of it is stored');
$node->safe_psql('postgres', q{ALTER ROLE gateway RESET statement_timeout});
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'gateway'});
wait_for(sub { post("$url/webhooks/src", $noise =~ s/"noise"/"lost!"/r)->{status} == 200 }, 'it is accepted when it comes again');
is(pid_of(q{SELECT length(body) FROM intake.events WHERE source = 'src' AND key = 'lost!'}), length $noise, 'whole');

$node->stop;
done_testing();
