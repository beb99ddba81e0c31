# The courier sends what it is asked to and nothing else, each call once, to where calls may go; whatever a
# host does, the call ends in time with a word for it; and neither hosts nor a database that comes and goes
# make it lose an answer, or hold more memory than it may. The database is a stand-in (test/courier.sql).
use strict;
use warnings;
use Couriers;
use FindBin;
use Intake;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'there is no python3' if system('python3 -c "import asyncio, ssl"') != 0;

my $dir = scratch();
my $node = PostgreSQL::Test::Cluster->new('courier');
$node->init(extra => [ '-U', Intake::SUPERUSER ]);
$node->append_conf('postgresql.conf', "log_min_messages = warning\n");
$node->start;
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/../courier.sql"));
sub sql { return $node->safe_psql('postgres', @_) }

# Starts a courier that may go to two addresses.
my $n_couriers = 0;
sub start
{
	return start_courier($node->connstr('postgres'), 'courier' . ++$n_couriers, '--allow', '127.0.0.1,127.0.0.3', '--ca-file', certificates(), @_);
}

# ---- calls ----

# Adds calls, one for each target; returns their numbers.
sub add_calls
{
	my ($port, $targets, %more) = @_;
	my @names = ('port', 'target', sort keys %more);
	my $values = join ',', map {
		my $target = $_;
		'(' . join(',', $port, map { "'" . s/'/''/gr . "'" } $target, map { $more{$_} } sort keys %more) . ')'
	} @$targets;
	return split /\n/, sql("INSERT INTO standin.call (" . join(',', @names) . ") VALUES $values RETURNING call_id");
}

sub wait_ended
{
	my @ids = @_;
	my $list = join ',', @ids;
	wait_for(sub { sql("SELECT count(*) FROM standin.call WHERE call_id IN ($list) AND ended_at IS NULL") == 0 }, "the calls end");
	return;
}

# The answer of a call: status, error, headers, the first bytes of the body, its length, milliseconds, how often taken.
sub answer_of
{
	my ($id) = @_;
	my ($json) = sql("SELECT json_build_object('status', status, 'error', coalesce(error, ''), 'headers', encode(answer_headers, 'escape'),
		'body', encode(substr(answer, 1, 100), 'escape'), 'length', length(answer), 'ms', duration / 1000, 'taken', taken)
		FROM standin.call WHERE call_id = $id");
	return decode_json($json);
}

# Makes one call, and waits for its answer.
sub call
{
	my ($port, $target, %more) = @_;
	my ($id) = add_calls($port, [$target], %more);
	wait_ended($id);
	return answer_of($id);
}

my @certificate = make_certificate('good');
my ($http, $https) = start_hostile(@certificate);

# ---- what is sent ----

append_to_file("$dir/.netrc", "machine 127.0.0.1 login somebody password else\n");
chmod 0600, "$dir/.netrc";
my $courier = start('--listen', '127.0.0.1:0');

my $answer = call($http, '/a/../b?c=%20d&e[]={}', headers => "X-Secret: s3cr3t\r\nContent-Type: application/json\r\nX-Empty:\r\n", body => '{"a": 1}');
is($answer->{status}, 200, 'a call is answered');
is($answer->{body}, 'ok', '... with a body');
is($answer->{headers}, "Content-Length: 2\\r\\nContent-Type: text/plain\\r\\n" =~ s/\\r\\n/\r\n/gr, '... and the lines of its headers');
is($answer->{error}, '', '... and no error');
is($answer->{taken}, 1, '... and was taken once');
my $sent = decode_json((split /\n/, fetch($http, '/log'))[-1]);
is($sent->{line}, 'POST /a/../b?c=%20d&e[]={} HTTP/1.1', 'the target is sent as it is');
is($sent->{body}, '{"a": 1}', 'so is the body');
is_deeply(
	[ sort map { "$_->[0]: $_->[1]" } @{ $sent->{headers} } ],
	[ 'Accept-Encoding: gzip, deflate', 'Content-Length: 8', 'Content-Type: application/json', "Host: 127.0.0.1:$http", 'X-Empty: ', 'X-Secret: s3cr3t' ],
	'so are the headers, and no others but three');

for my $case ([ 'GET', undef, 'none' ], [ 'POST', undef, 0 ], [ 'PUT', '', 0 ], [ 'PATCH', 'abc', 3 ], [ 'DELETE', undef, 'none' ], [ 'DELETE', 'x', 1 ], [ 'HEAD', undef, 'none' ])
{
	my ($method, $body, $length) = @$case;
	is(call($http, '/m', method => $method, defined $body ? (body => $body) : ())->{status}, 200, "$method is answered");
	$sent = decode_json((split /\n/, fetch($http, '/log'))[-1]);
	my ($said) = map { $_->[1] } grep { $_->[0] eq 'Content-Length' } @{ $sent->{headers} };
	is("$sent->{line} " . ($said // 'none'), "$method /m HTTP/1.1 $length", '... and was sent as such');
}
ok(!-e "$dir/keys", 'no keys of connections are written');

# ---- what is refused before it is sent ----

my $before = fetch($http, '/log');
for my $case (
	[ 'a length of its own', headers => "Content-Length: 5\r\n" ],
	[ 'another host', headers => "X-A: b\r\nHost: elsewhere\r\n" ],
	[ 'chunks', headers => "transfer-encoding: chunked\r\n" ],
	[ 'a bare line feed', headers => "X-A: b\nX-B: c\r\n" ],
	[ 'no colon', headers => "nonsense\r\n" ],
	[ 'a space before the colon', headers => "X-A : b\r\n" ],
	[ 'a space in the target', target => '/a b' ],
	[ 'a target without a slash', target => 'x' ],
	[ 'a line in the method', method => "GET / HTTP/1.1\r\nX" ],
	[ 'a user in the host', host => 'user@127.0.0.1' ],
	[ 'another scheme', scheme => 'ftp' ])
{
	my ($name, %what) = @$case;
	my $target = delete $what{target} // '/refused';
	like(call($http, $target, %what)->{error}, qr/^protocol/, "$name is not sent");
}
is(fetch($http, '/log'), $before, 'and nothing of it has arrived');

# ---- where calls may go ----

like(call($http, '/x', host => '127.0.0.2')->{error}, qr/^refused_address: loopback/, 'another loopback address is refused');
like(call(80, '/x', host => '10.255.255.1')->{error}, qr/^refused_address: private/, 'so is a private one');
like(call(80, '/x', host => '169.254.169.254')->{error}, qr/^refused_address: metadata/, 'so is that of the metadata');
like(call(80, '/x', host => '[::1]')->{error}, qr/^refused_address: loopback/, 'so is one of IPv6');
like(call(80, '/x', host => '[::ffff:10.0.0.1]')->{error}, qr/^refused_address: private/, 'and one that stands for IPv4');
like(call(80, '/x', host => 'localhost.localdomain.invalid')->{error}, qr/^resolve/, 'a name that is none');
like(call(1, '/x')->{error}, qr/^connect/, 'nobody at the port');
$answer = call($http, '/redirect');
is($answer->{status}, 302, 'a redirect is an answer');
unlike(fetch($http, '/log'), qr{/size/7}, '... and is not followed');

# ---- what hosts do ----

for my $case (
	# path, status, error, body
	[ '/status/404', 404, qr/^$/, qr/^no$/ ],
	[ '/status/503', 503, qr/^$/, qr/^no$/ ],
	[ '/size/1048576', 200, qr/^$/, qr/^x+$/ ],
	[ '/size/1048577', 200, qr/^too_large/, qr/^x+$/ ],
	[ '/gzip', 200, qr/^$/, qr/^unpacked unpacked/ ],
	[ '/deflate', 200, qr/^$/, qr/^unpacked$/ ],
	[ '/raw-deflate', 200, qr/^$/, qr/^unpacked$/ ],
	[ '/bomb', 200, qr/^too_large/, qr/./ ],
	[ '/half-gzip', 200, qr/^encoding: the end/, qr/./ ],
	[ '/bad-gzip', 200, qr/^encoding/, qr/^$/ ],
	[ '/brotli', 200, qr/^encoding/, qr/^$/ ],
	[ '/transfer-gzip', 200, qr/^encoding/, qr/^$/ ],
	[ '/trickle', 200, qr/^timeout/, qr/^x+$/, 1000 ],
	[ '/trickle-headers', 200, qr/^timeout/, qr/^$/, 1000 ],
	[ '/slow/30', 0, qr/^timeout/, qr/^$/, 1000 ],
	[ '/chunks', 200, qr/^too_large/, qr/^x+$/ ],
	[ '/bad-chunk', 200, qr/^(reset|protocol)/, qr/^$/ ],
	[ '/headers', 200, qr/^too_large/, qr/^$/ ],
	[ '/some-headers/1990', 200, qr/^$/, qr/^$/ ],
	[ '/some-headers/2000', 200, qr/^too_large/, qr/^$/ ],
	[ '/some-headers/100000', 200, qr/^too_large/, qr/^$/ ],
	[ '/long-header', 200, qr/^too_large/, qr/^$/ ],
	[ '/continue', 103, qr/^too_large/, qr/^$/ ],
	[ '/early', 200, qr/^$/, qr/^late$/ ],
	[ '/trailers', 200, qr/^$/, qr/^ok$/ ],
	[ '/nul-header', 200, qr/^protocol/, qr/^$/ ],
	[ '/folded-header', 200, qr/^$/, qr/^$/ ],
	[ '/folded-first', 200, qr/^protocol/, qr/^$/ ],
	[ '/folded-encoding', 200, qr/^(encoding|protocol)/, qr/^$/ ],
	[ '/no-colon', 200, qr/^protocol/, qr/^$/ ],
	[ '/no-http', 0, qr/^protocol/, qr/^$/ ],
	[ '/reset', 0, qr/^reset/, qr/^$/ ],
	[ '/reset-body', 200, qr/^reset/, qr/^half$/ ],
	[ '/short', 200, qr/^reset/, qr/^half$/ ],
	[ '/close', 0, qr/^reset/, qr/^$/ ])
{
	my ($path, $status, $error, $body, $ms) = @$case;
	$answer = call($http, $path, $ms ? (milliseconds => $ms) : ());
	is($answer->{status}, $status, "$path: status");
	like($answer->{error}, $error, "$path: error");
	like($answer->{body}, $body, "$path: body");
	cmp_ok($answer->{ms}, '<', 3000, "$path: in time");
}
is(call($http, '/gzip')->{length}, 9000, 'a packed body is as long as it was');
unlike(call($http, '/gzip')->{headers}, qr/Content-Encoding/, '... and nobody says that it is packed');
cmp_ok(call($http, '/size/1048577')->{length}, '<=', 8192, 'of what is too large the first bytes are kept');
like(call($http, '/folded-header')->{headers}, qr/^X-Name: x y\r\n/, 'a header of two lines becomes one');
is(call($http, '/early')->{headers}, "Content-Length: 4\r\nX-Late: yes\r\n", 'headers before the headers do not count');
unlike(call($http, '/trailers')->{headers}, qr/Trailer/, 'nor do those behind the body');
cmp_ok(memory($courier, 'VmHWM'), '<', 64, 'none of it took much memory');

# ---- TLS and HTTP/2 ----

is(call($https, '/tls', scheme => 'https')->{status}, 200, 'HTTPS');
is(call($https, '/tls', scheme => 'https', host => 'localhost')->{status}, 200, '... by a name');
# A server of its own: libcurl 8.14 takes a connection with TLS that is open to a host and port for a call without, too.
like(call((start_hostile(@certificate))[1], '/tls', scheme => 'http')->{error}, qr/^(reset|protocol)/, 'HTTP where HTTPS is spoken');
like(call($http, '/tls', scheme => 'https', milliseconds => 1000)->{error}, qr/^(tls|timeout)/, 'HTTPS where HTTP is spoken');
like(call((start_hostile(make_certificate('other', names => 'DNS:other.example')))[1], '/x', scheme => 'https')->{error}, qr/^tls/, "another host's certificate");
like(call((start_hostile(make_certificate('foreign', ca => 'foreign-ca')))[1], '/x', scheme => 'https')->{error}, qr/^tls/, "a stranger's certificate");
like(call((start_hostile(make_certificate('old', expired => 1)))[1], '/x', scheme => 'https')->{error}, qr/^tls/, 'an expired certificate');
for my $case ([ 'good', 200, qr/^$/ ], [ 'goaway', 0, qr/^reset/ ], [ 'reset', 0, qr/^reset/ ], [ 'half', 200, qr/^reset/ ], [ 'nonsense', 0, qr/^(reset|protocol|timeout)/ ])
{
	my ($way, $status, $error) = @$case;
	$answer = call((start_hostile(@certificate, $way))[1], '/x', scheme => 'https', milliseconds => 3000);
	is($answer->{status}, $status, "HTTP/2, $way: status");
	like($answer->{error}, $error, "HTTP/2, $way: error");
}

SKIP:
{
	skip 'there is no nginx', 3 unless find_nginx();
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	start_nginx($port, <<~"CONF");
		access_log off;
		server {
			listen 127.0.0.1:$port ssl http2; ssl_certificate $certificate[0]; ssl_certificate_key $certificate[1];
			location / { return 200 "\$server_protocol \$connection"; }
			location /proxied { proxy_pass http://127.0.0.1:$http/slow/0.2; }
		}
		CONF
	like(call($port, '/x', scheme => 'https')->{body}, qr{^HTTP/2.0}, 'HTTP/2 where it is offered');
	my @ids = add_calls($port, [ ('/x') x 100 ], scheme => 'https');
	wait_ended(@ids);
	is(sql("SELECT count(DISTINCT answer) FROM standin.call WHERE call_id IN (" . join(',', @ids) . ")"), 1, 'many calls share a connection');
	@ids = add_calls($port, [ ('/proxied') x 100 ], scheme => 'https');
	wait_ended(@ids);
	is(sql("SELECT count(*) FROM standin.call WHERE status = 200 AND call_id IN (" . join(',', @ids) . ")"), 100, '... slow ones too');
}

# ---- pages, and what nobody may read ----

my ($page) = slurp_file($courier->{log}) =~ m{listening on (\S+)};
is(Intake::get("$page/healthz")->{status}, 200, 'the courier lives');
is(Intake::get("$page/readyz")->{status}, 200, 'and has its database');
like(Intake::get("$page/metrics")->{content}, qr/^intake_courier_answers_total\{status="200"\} [1-9]/m, 'and counts');
is(Intake::get("$page/x")->{status}, 404, 'and has no other page');
unlike(slurp_file($courier->{log}), qr/s3cr3t|%20d/, 'its log has no header and no target');
unlike(fetch($http, '/log'), qr/cookie|authorization|hostile/i, 'nothing was learned from hosts or files');
is(stop_courier($courier), 0, 'it stops when told to');
is(sql("SELECT count(*) FROM standin.courier"), 0, 'and takes its leave');

# ---- a proxy ----

my ($proxy) = start_hostile();
$courier = start('--proxy', "http://127.0.0.1:$proxy", '--allow', '192.0.2.1');
is(call(80, '/a?b', host => '10.255.255.1')->{status}, 200, 'a proxy is asked, and guards where calls go');
like((split /\n/, fetch($proxy, '/log'))[-1], qr{"POST http://10.255.255.1(:80)?/a\?b HTTP/1.1"}, '... with the whole URL');
like(call(443, '/a?b', host => 'some.example', scheme => 'https', milliseconds => 1000)->{error}, qr/^(tls|timeout)/, 'HTTPS goes through it');
like((split /\n/, fetch($proxy, '/log'))[-1], qr{"CONNECT some.example:443 HTTP/1.1"}, '... in a tunnel');
stop_courier($courier);

# ---- shares ----

my ($host) = start_hostile();
my ($other) = start_hostile();
$courier = start('--max-transfers', 8, '--drain', 20);
my @held = add_calls($host, [ ('/hold') x 5 ]);
wait_for(sub { fetch($host, '/counts') =~ /"running": 2/ }, 'two calls are held');
is(call($other, '/x')->{status}, 200, 'a host that holds its calls does not hold others');
is(decode_json(fetch($host, '/counts'))->{most}, 2, 'a host gets a quarter of the transfers');

# ---- cancelling, stopping ----

sql("UPDATE standin.call SET cancelled = true WHERE call_id = $held[0]");
wait_ended($held[0]);
like(answer_of($held[0])->{error}, qr/^reset: cancelled/, 'a call is stopped in the middle');
wait_for(sub { fetch($host, '/counts') =~ /"running": 3/ }, 'another takes its place, of which that host has not heard');
kill 'TERM', $courier->{pid};
wait_for(sub { sql("SELECT count(*) FROM standin.call WHERE call_id IN (@{[join ',', @held]}) AND token IS NULL AND ended_at IS NULL") == 2 },
	'what has not begun goes back at once');
fetch($host, '/release');
waitpid $courier->{pid}, 0;
is($?, 0, 'what has begun may end');
is(sql("SELECT count(*) FROM standin.call WHERE call_id IN (@{[join ',', @held]}) AND status = 200 AND taken = 1"), 2, '... and its answers are kept');
is(sql("SELECT count(*) FROM standin.call WHERE call_id IN (@{[join ',', @held]}) AND taken = 0"), 2, '... and what went back was not charged');
$courier = start('--drain', 0.5);
wait_ended(@held);
my ($slow) = add_calls($host, ['/slow/20']);
wait_for(sub { sql("SELECT token IS NOT NULL FROM standin.call WHERE call_id = $slow") eq 't' }, 'the slow call is taken');
wait_for(sub { fetch($host, '/counts') =~ /"running": [1-9]/ }, 'and begun');
my $begun = time;
is(stop_courier($courier), 0, 'what does not end goes back when the time is up');
cmp_ok(time - $begun, '<', 5, '... which it soon is');
is(sql("SELECT token IS NULL FROM standin.call WHERE call_id = $slow"), 't', '... to the database');
$courier = start();
wait_for(sub { sql("SELECT token IS NOT NULL FROM standin.call WHERE call_id = $slow") eq 't' }, 'another courier takes it');
kill 'TERM', $courier->{pid};
wait_for(sub { slurp_file($courier->{log}) =~ /stopping/ }, 'the courier stops');
is(stop_courier($courier) & 127, 15, 'a second signal ends it at once');
sql("UPDATE standin.call SET token = NULL, ended_at = now() WHERE call_id = $slow");

# ---- a database that comes and goes ----

$courier = start();
my ($again) = start_hostile();
my @ids = add_calls($again, [ ('/hold') x 20 ]);
wait_for(sub { fetch($again, '/counts') =~ /"running": 20/ }, 'twenty calls are under way');
$node->stop('fast');
fetch($again, '/release');
wait_for(sub { slurp_file($courier->{log}) =~ /no connection/ }, 'the courier misses its database');
$node->start;
wait_ended(@ids);
my $list = join ',', @ids;
is(sql("SELECT count(*) FROM standin.call WHERE call_id IN ($list) AND status = 200 AND taken = 1"), 20, 'answers outlive a restart of the database');

# A connection that is lost in an exchange: what the courier has never seen goes back.
my ($token) = sql("SELECT token FROM standin.courier ORDER BY entered_at DESC LIMIT 1");
my ($unseen) = split /\n/, sql("INSERT INTO standin.call (port, token, taken) VALUES ($again, $token, 1) RETURNING call_id");
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK TABLE standin.exchange IN ACCESS EXCLUSIVE MODE');
wait_for(sub { sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%intake.exchange(%'") == 1 }, 'an exchange waits');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%intake.exchange(%'");
$blocker->query_safe('COMMIT');
wait_ended($unseen);
is(answer_of($unseen)->{status}, 200, 'a call that never came is given back, and made');
is(sql("SELECT count(*) FROM standin.exchange WHERE held IS NOT NULL"), 1, '... by one exchange that names all');

# A token that has ended.
my ($third) = start_hostile();
my ($held) = add_calls($third, ['/hold']);
wait_for(sub { fetch($third, '/counts') =~ /"running": 1/ }, 'a call is under way');
sql("DELETE FROM standin.courier; UPDATE standin.call SET token = NULL WHERE call_id = $held");
wait_for(sub { slurp_file($courier->{log}) =~ /has given up this courier.*entered as/s }, 'the courier begins anew');
wait_for(sub { sql("SELECT taken FROM standin.call WHERE call_id = $held") == 2 }, 'the call is taken again');
fetch($third, '/release');
wait_ended($held);
is(answer_of($held)->{status}, 200, '... and made');

# An answer that the database does not take does not stop the others.
sql("ALTER TABLE standin.call ADD CONSTRAINT picky CHECK (length(answer) IS DISTINCT FROM 13)");
@ids = add_calls($again, [ map { "/size/$_" } 10 .. 16 ]);
wait_ended(@ids);
is(sql("SELECT string_agg(length(answer)::text, ' ' ORDER BY call_id) FROM standin.call WHERE call_id IN (" . join(',', @ids) . ")"),
	'10 11 12 0 14 15 16', 'an answer that the database does not take goes without its body');
sql("ALTER TABLE standin.call DROP CONSTRAINT picky");

# The database does not answer for longer than its word counts.
my ($fourth) = start_hostile();
($held) = add_calls($fourth, ['/hold'], milliseconds => 60000);
wait_for(sub { fetch($fourth, '/counts') =~ /"running": 1/ }, 'a call is under way');
$blocker->query_safe('BEGIN; LOCK TABLE standin.courier IN ACCESS EXCLUSIVE MODE');
wait_for(sub { slurp_file($courier->{log}) =~ /no exchange for 20 s/ }, 'the courier notices');
$blocker->query_safe('COMMIT');
wait_ended($held);
like(answer_of($held)->{error}, qr/^lost: the courier had lost/, 'what is under way is ended before another courier may begin it');
$blocker->quit;
stop_courier($courier);

# ---- much at once ----

sql('DROP TABLE IF EXISTS x; VACUUM ANALYZE standin.call');
my @ports = map { (start_hostile())[0] } 1 .. 4;
$courier = start();
@ids = map { add_calls($_, [ ('/slow/2') x 250 ]) } @ports;
$begun = time;
wait_ended(@ids);
cmp_ok(time - $begun, '<', 6, '1,000 calls of 2 s end within 6 s');
$list = join ',', @ids;
is(sql("SELECT count(*) FROM standin.call WHERE call_id IN ($list) AND status = 200 AND taken = 1"), 1000, '... each once');
cmp_ok(memory($courier, 'VmHWM'), '<', 64, '... in less than 64 MB');
stop_courier($courier);

$courier = start('--max-held', '4M');
@ids = map { add_calls($_, [ ('/size/1000000') x 10 ]) } @ports;
wait_ended(@ids);
$list = join ',', @ids;
is(sql("SELECT count(*) FROM standin.call WHERE call_id IN ($list) AND length(answer) = 1000000 AND taken = 1"), 40, '40 MB of answers come through 4 MB');
cmp_ok(memory($courier, 'VmHWM'), '<', 32, '... which are held');
stop_courier($courier);

done_testing();
