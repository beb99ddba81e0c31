# Requests over HTTP, through real shims, to a real server.
use strict;
use warnings;
use Intake;
use IO::Select;
use PostgreSQL::Test::Utils;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('http', max_connections => 30);
my $url = start_shim($node, '--request-timeout', '2', '--max-body', '2M');
my $other = start_shim($node);
my $hook = "$url/webhooks/src";

# One after the other: every answer of the table.
my $answer = post($hook, body_of('k1'));
is($answer->{status}, 200, 'a signed request is accepted');
like($answer->{content}, qr/^\{"status":"accepted","event_id":"\d+"\}$/, 'the answer names the event');
is($answer->{headers}{'content-type'}, 'application/json', 'the answer is JSON');
$answer = post($hook, body_of('k1'));
is($answer->{status}, 200, 'the second delivery gets the same status');
like($answer->{content}, qr/already_accepted/, 'and is told so');
is(scalar(() = slurp_file($node->logfile) =~ /ERROR|could not be stored/g), 0, 'which nobody calls an error');
is(post("$other/webhooks/src", body_of('k1'))->{content}, $answer->{content}, 'through another shim as well');

my $good = hmac_sha256_hex(body_of('k2'), SECRET);
is(post($hook, body_of('k2'), { 'X-Signature' => hmac_sha256_hex(body_of('k2'), 'x') })->{status}, 403, 'wrong signature');
is(post($hook, body_of('k2'), {})->{status}, 403, 'missing signature');
is(post($hook, body_of('k2'), { 'X-Signature' => substr $good, 0, 40 })->{status}, 403, 'truncated signature');
is(post($hook, body_of('k2') . ' ', { 'X-Signature' => $good })->{status}, 403, 'changed body');
is(post($hook, body_of('k2'), {})->{content}, '', 'a refusal says nothing');
is(post($hook, '{"data":{}}')->{status}, 400, 'no key');
is(post($hook, 'not JSON')->{status}, 400, 'not JSON where the key is in the JSON');
is(post("$url/webhooks/nobody", 'x')->{status}, 404, 'unknown source');
is(post("$url/webhooks/", 'x')->{status}, 404, 'no source');
is(post("$url/elsewhere", 'x')->{status}, 404, 'unknown path');
is(post("$url/webhooks/intake", 'x')->{status}, 404, 'the internal source is not there');
$answer = get($hook);
is($answer->{status}, 405, 'GET where there is no handshake');
is($answer->{headers}{allow}, 'POST', 'the answer says what is allowed');
is(post("$url/healthz", '')->{status}, 405, 'POST to a page');
is(get("$url/healthz")->{status}, 200, 'healthz');
like(get("$url/metrics")->{content}, qr/^intake_shim_answers_total\{status="403"\} \d+$/m, 'metrics');

# Bounds.
like(raw_http($url, "POST /webhooks/src HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"), qr{^HTTP/1.1 413}, 'a large body is refused before it is sent');
like(raw_http($url, "POST /webhooks/src HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		  . ("100000\r\n" . 'x' x (1 << 20) . "\r\n") x 3), qr{^HTTP/1.1 413}, 'a large body in chunks');
# A connection that is closed while bytes are still coming in may lose the answer on its way.
ok((grep { post($hook, 'x', { 'X-Large' => 'x' x 40_000 })->{status} == 431 } 1 .. 5) > 0, 'large headers');
my $start = time;
like(raw_http($url, "POST /webhooks/src HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun"), qr{^HTTP/1.1 408}, 'a body that does not come');
like(raw_http($url, "POST /webhooks/src HTTP/1.1\r\nHos"), qr{^HTTP/1.1 408}, 'headers that do not come');
cmp_ok(time - $start, '<', 15, 'both within bounds');

# A Unix socket.
sub signed
{
	my ($body, $more) = @_;
	return "POST /webhooks/src HTTP/1.1\r\nHost: x\r\nX-Signature: " . hmac_sha256_hex($body, SECRET)
	  . "\r\nContent-Length: " . length($body) . "\r\n" . ($more // '') . "\r\n$body";
}
sub post_to_path
{
	my ($path, $body) = @_;
	return raw_http($path, signed($body, "Connection: close\r\n"));
}
my $file = $node->basedir . '/shim.socket';
my @listen = ('--listen', "unix:$file");
my $path = start_shim($node, @listen, '--request-timeout', '1');
is($path, "unix:$file", 'the log names the socket');
is((stat $file)[2] & 0777, 0666, 'everybody may connect who may enter its directory');
like(post_to_path($path, body_of('unix')), qr/"accepted"/, 'an event by a Unix socket');
like(post_to_path($path, '{"event":"t","data":{"id":"large","pad":"' . 'x' x 1_500_000 . '"}}'), qr/"accepted"/, 'a large one');
like(raw_http($path, "POST /webhooks/src HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun"), qr{^HTTP/1.1 408}, 'a body that does not come');
command_checks_all([ $ENV{INTAKE_SHIM}, @listen ], 1, [qr/^$/], [qr/cannot listen on unix:\Q$file\E: Address already in use/], 'a second shim is told');
like(post_to_path($path, body_of('unix')), qr/"already_accepted"/, 'and the first one goes on');
is(stop_shim($path), 0, 'it stops');
ok(!-e $file, 'and its socket is gone');
$path = start_shim($node, @listen);
stop_shim($path, 'KILL');
ok(-e $file, 'one that is killed leaves it');
$path = start_shim($node, @listen);
like(post_to_path($path, body_of('again')), qr/"accepted"/, 'and the next one takes its place');
unlink $file;
my $usurper = start_shim($node, @listen);
stop_shim($path);
like(post_to_path($usurper, body_of('usurped')), qr/"accepted"/, 'the socket of another one is not removed');
stop_shim($usurper);
append_to_file($file, 'not a socket');
command_checks_all([ $ENV{INTAKE_SHIM}, @listen ], 1, [qr/^$/], [qr/cannot listen/], 'a file is no socket');
is(slurp_file($file), 'not a socket', 'and stays');
for my $bad ('shim.socket', '', '/' . 'x' x 200)
{
	command_checks_all([ $ENV{INTAKE_SHIM}, '--listen', "unix:$bad" ], 1, [qr/^$/], [qr/not an absolute path/], "unix:$bad is refused");
}

# As many clients as are allowed, over all threads, and the next one when one of them leaves.
my $small = start_shim($node, '--max-connections', '4', '--threads', '3');
my @inside = map { connect_to($small) } 1 .. 4;
sub is_served
{
	my ($socket) = @_;
	my $page = '';
	print $socket "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	sysread $socket, $page, 4096;
	return $page =~ m{^HTTP/1.1 200};
}
is(scalar(grep { is_served($_) } @inside), 4, 'four clients are served');
my $outside = connect_to($small);
print $outside "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
is(scalar(grep { is_served($_) } (@inside) x 20), 80, 'again and again');
ok(!IO::Select->new($outside)->can_read(0), 'the fifth one waits');
close shift @inside;
ok(sysread($outside, my $page, 4096), 'until one leaves');
stop_shim($small);

# The bytes stored are the bytes sent.
$node->safe_psql('postgres', "SELECT intake.create_source('bytes', 'hmac', secret => '" . SECRET . "', key_from => 'header:x-id', type_from => 'header:x-type')");
my %bodies = (
	spaces => " {\r\n\t\"a\" : 1 }\n", nul => "{\0}\xff", escaped => '{"a":"\u0000"}', invalid => "\xc3\x28",
	surrogate => '{"a":"\ud800"}', empty => '', form => 'a=1&b=%20', mebibyte => '{"a":"' . 'x' x ((1 << 20) - 8) . '"}');
for my $id (sort keys %bodies)
{
	my $body = $bodies{$id};
	is(post("$url/webhooks/bytes", $body, { 'X-Id' => $id, 'X-Signature' => hmac_sha256_hex($body, SECRET) })->{status}, 200, "$id is accepted");
	is($node->safe_psql('postgres', "SELECT encode(sha256(body), 'hex') FROM intake.events WHERE key = '$id'"),
		Digest::SHA::sha256_hex($body), "$id is stored as it was sent");
}
is($node->safe_psql('postgres', "SELECT string_agg(key, ' ' ORDER BY key) FROM intake.events WHERE source = 'bytes' AND payload IS NOT NULL"),
	'mebibyte spaces', 'payload is there where the body is JSON that jsonb can hold');

# Fifty at once, over two shims: one event, one job.
$node->safe_psql('postgres', q{
	CREATE TABLE effect (key text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	SELECT intake.create_workflow('note', 'note(intake.job)', source => 'src')});
my %answers;
my @readers;
for my $i (1 .. 50)
{
	pipe my $reader, my $writer or die;
	push @readers, $reader;
	next if fork;
	my $sent = post(($i % 2 ? $url : $other) . '/webhooks/src', body_of('storm'));
	print $writer "$sent->{status} $sent->{content}\n";
	close $writer;
	POSIX::_exit(0);
}
$answers{ readline($_) }++ for @readers;
1 while wait > 0 && 0;
is(scalar(grep { /^200 / } keys %answers), 2, 'fifty at once: two kinds of answers, both 200');
my ($accepted) = grep { /"accepted"/ } keys %answers;
is($answers{$accepted}, 1, 'one of them is the first');
wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'storm'");
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.events WHERE key = 'storm'"), '1', 'one event');
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE e.key = 'storm'"), '1', 'one job');

# The server goes and comes back; the shim stays.
$node->stop('fast');
$answer = post($hook, body_of('away'));
is($answer->{status}, 503, 'the database is away');
ok($answer->{headers}{'retry-after'} > 0, 'the sender is told when to come back');
is(get("$url/readyz")->{status}, 503, 'readyz says so');
is(get("$url/healthz")->{status}, 200, 'healthz does not');
$node->start;
wait_for(sub { post($hook, body_of('away'))->{status} == 200 }, 'accepted again');
pass('accepted again without a restart of the shim');

# Nothing that was accepted is lost by a shim that stops.
my $burst = fork;
if ($burst == 0)
{
	my $n = 0;
	for my $i (1 .. 1000)
	{
		my $sent = post($hook, body_of("drain$i"));
		last if $sent->{status} == 599;
		$n++ if $sent->{status} == 200;
	}
	open my $file, '>', $node->basedir . '/accepted' or die;
	print $file $n;
	close $file;
	POSIX::_exit(0);
}
wait_for_sql($node, "SELECT count(*) > 20 FROM intake.events WHERE key LIKE 'drain%'");
is(stop_shim($url), 0, 'SIGTERM ends the shim in an orderly way');
waitpid $burst, 0;
is($node->safe_psql('postgres', "SELECT count(*) FROM intake.events WHERE key LIKE 'drain%'"),
	slurp_file($node->basedir . '/accepted'), 'every event of the database was acknowledged, and no other');

# What the operator can read.
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT reason, ' ' ORDER BY reason) FROM intake.rejections"),
	'method mismatch no_key no_signature not_json unknown_source', 'the rejections say why');
# Not even the server's log of a failed statement holds one.
$node->psql('postgres', "SELECT intake.create_source('x', 'svix', secret => '" . SECRET . "!')");
$node->psql('postgres', "SELECT intake.rotate_secret('nobody', '" . SECRET . "')");
like(slurp_file($node->logfile), qr/source "x" would reject everything/, 'a secret that is unusable is an error');
unlike(slurp_file($node->logfile) . slurp_file($node->basedir . '/shim1.log'), qr/a secret for tests/, 'no secret in a log');

stop_shim($other);

# A call that has to wait holds up nobody else.
for my $threads (1, 2)
{
	my $held = start_shim($node, '--threads', $threads);
	my $body = body_of("held$threads");
	my $signature = hmac_sha256_hex($body, SECRET);
	my ($in, $out) = (qq{BEGIN; SELECT status FROM intake.ingest('src', '{"X-Signature": "$signature"}', '$body');\n}, '');
	my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out);
	wait_for(sub { $session->pump_nb; $out =~ /200/ }, 'the key is taken by a transaction that is not over');
	pipe my $reader, my $writer or die;
	if (fork == 0)
	{
		print $writer post("$held/webhooks/src", body_of("held$threads"))->{content};
		close $writer;
		POSIX::_exit(0);
	}
	close $writer;
	wait_for_sql($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'gateway' AND wait_event_type = 'Lock'");
	my @statuses = map { post("$held/webhooks/src", body_of("past$threads-$_"))->{status} } 1 .. 20;
	is("@statuses", join(' ', (200) x 20), "$threads threads: the others are served");
	$in .= "COMMIT;\n\\q\n";
	$session->finish;
	like(readline($reader), qr/already_accepted/, 'and it is answered when it can be');
	wait;
	stop_shim($held);
}

# Clients that go while their requests wait take nothing along, and those that stay are answered.
for my $listen ('127.0.0.1:0', "unix:$file.waiting")
{
	my $held = start_shim($node, '--listen', $listen, '--threads', 1, '--connections', 1);
	my $kind = $listen =~ /^unix/ ? 'unix' : 'tcp';
	my ($in, $out) = ("BEGIN; LOCK TABLE intake.event_key IN SHARE MODE; SELECT 'locked';\n", '');
	my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out);
	wait_for(sub { $session->pump_nb; $out =~ /locked/ }, 'nobody can store');
	my $queued = sub { raw_http($held, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") =~ /^intake_shim_queued_requests (\d+)$/m && $1 };
	my $send = sub { my $socket = connect_to($held); print $socket @_; $socket->flush; $socket };
	my @leaving = $send->(signed(body_of("under-way-$kind")));
	wait_for_sql($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'gateway' AND wait_event_type = 'Lock'");
	push @leaving, map { $send->(signed(body_of("leaves-$kind-$_"))) } 1 .. 20;
	my $staying = $send->(signed(body_of("stays-$kind-1")), signed(body_of("stays-$kind-2"), "Connection: close\r\n"));
	my $pad = 'x' x 1_500_000;
	push @leaving, $send->(signed(qq({"event":"t","data":{"id":"leaves-$kind-large","pad":"$pad"}})));
	push @leaving, $send->(signed(body_of("leaves-$kind-headers"), "X-Large: " . 'x' x 18_000 . "\r\n"));
	wait_for(sub { $queued->() == 23 }, "$kind: all requests wait");
	setsockopt $_, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0) for @leaving;
	close $_ for @leaving;
	is($queued->(), 23, "$kind: whoever goes leaves the request behind");
	$in .= "COMMIT;\n\\q\n";
	$session->finish;
	my $answers = join '', <$staying>;
	is(scalar(() = $answers =~ /"accepted"/g), 2, "$kind: whoever stays is answered, twice if it asked twice");
	is($node->safe_psql('postgres', "SELECT count(*) FROM intake.events WHERE key IN ('under-way-$kind') OR key LIKE 'leaves-$kind-%'"), 23, "$kind: and all is stored");
	like(post_to_path($held, body_of("after-$kind")), qr/"accepted"/, "$kind: the shim goes on");
	is(stop_shim($held), 0, "$kind: and stops in an orderly way");
}

$node->stop;
# One of the shim's two connections cannot be made: the other one serves, and nobody waits for both.
{
	my $narrow = new_server('narrow');
	$narrow->safe_psql('postgres', 'ALTER ROLE gateway CONNECTION LIMIT 1');
	my $limited = start_shim($narrow);
	my @statuses = map { post("$limited/webhooks/src", body_of("n$_"))->{status} } 1 .. 20;
	is("@statuses", join(' ', (200) x 20), 'every request is answered while a connection is missing');
	stop_shim($limited);
}

done_testing();
