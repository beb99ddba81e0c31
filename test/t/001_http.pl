# Requests over HTTP, through real shims, to a real server.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('http');
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

# The bytes stored are the bytes sent.
$node->safe_psql('postgres', "SELECT intake.create_source('bytes', 'hmac', secret => '" . SECRET . "', key_from => 'header:x-id')");
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
	'method mismatch no_key no_signature unknown_source', 'the rejections say why');
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
