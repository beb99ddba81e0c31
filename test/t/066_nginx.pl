# Calls to a server that many use, nginx, by HTTP/1.1, HTTPS and HTTP/2: large bodies both ways, compressed
# answers, connections that end after a few requests, a server that reloads, is replaced and is killed in the
# middle, asks to wait, sends elsewhere, or is not who it says. Every call ends with one row.
use strict;
use warnings;
use Couriers;
use Digest::SHA qw(sha256_hex);
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no nginx' unless find_nginx();
plan skip_all => 'there is no python3' if system('python3 -c "import asyncio, ssl"') != 0;

my $node = new_calls_server('nginx');
my $courier = start_courier($node->connstr('postgres') . ' user=courier', 'courier', '--ca-file', (make_certificate('good'), certificates())[2]);
my $behind = start_hostile();
my %port = map { $_ => PostgreSQL::Test::Cluster::get_free_port() } qw(http tls few waits other foreign old);
my $log = scratch() . '/nginx.requests';
sub sql { return $node->safe_psql('postgres', @_) }

# ---- what nginx is ----

# An answer that is compressed on the way, and that is larger than what comes at a time.
my $large = '["' . join('", "', map { sha256_hex($_) } 1 .. 20_000) . '"]';
append_to_file(scratch() . '/large.json', $large);

sub server
{
	my ($port, $certificate, $inside) = @_;
	my ($pem, $key) = $certificate ? make_certificate(@$certificate) : ();
	return "server { listen 127.0.0.1:$port " . ($pem ? "ssl http2; ssl_certificate $pem; ssl_certificate_key $key; " : '; ') . "$inside }\n";
}

my $answers = <<"CONF";
	location / { return 200 '"\$server_protocol \$connection"'; }
	location /large { default_type application/json; error_page 405 =200 /large.json; return 405; }
	location /large.json { default_type application/json; root @{[scratch()]}; error_page 405 =200 \$uri; }
	location /behind/ { proxy_pass http://127.0.0.1:$behind/; proxy_http_version 1.1; proxy_set_header Connection ''; }
	location /redirect { return 302 https://127.0.0.1:$port{tls}/elsewhere; }
CONF
my $http = "log_format it '\$http_idempotency_key \$status \$server_protocol \$connection \$request_uri'; access_log $log it;\n"
  . "default_type application/json; gzip on; gzip_types application/json; gzip_proxied any; client_max_body_size 20m; keepalive_timeout 5; lingering_timeout 1;\n"
  . "limit_req_zone \$server_port zone=slow:1m rate=10r/s;\n"
  . server($port{http}, undef, $answers)
  . server($port{tls}, ['good'], $answers)
  . server($port{few}, ['few'], "keepalive_requests 50; $answers")
  . server($port{waits}, ['waits'], "location / { limit_req zone=slow burst=4 nodelay; limit_req_status 429; try_files /none \@it; } location \@it { return 200; }\n"
	  . "error_page 429 \@later; location \@later { add_header Retry-After 1 always; return 429; }")
  . server($port{other}, [ 'other', names => 'DNS:other.example' ], $answers)
  . server($port{foreign}, [ 'foreign', ca => 'strangers' ], $answers)
  . server($port{old}, [ 'old', expired => 1 ], $answers);
my $nginx = start_nginx($port{http}, $http);

# ---- what becomes of calls ----

my $asked = 0;

# Asks for a path so many times.
sub ask
{
	my ($to, $path, $calls, $more) = @_;
	my $scheme = $to eq 'http' ? 'http' : 'https';
	$asked += $calls;
	sql("SELECT ask_for('$scheme://127.0.0.1:$port{$to}$path', $calls, '" . ($more // '{}') . "')");
	return;
}

# Waits for all that was asked for, and returns what a query says of it, which is then forgotten.
sub outcome
{
	my ($query) = @_;
	wait_for(sub { sql('SELECT count(*) FROM seen') == $asked }, "$asked jobs have their answers");
	my $result = sql($query);
	sql('CREATE TABLE IF NOT EXISTS ended AS TABLE seen WITH NO DATA; WITH gone AS (DELETE FROM seen RETURNING *) INSERT INTO ended SELECT * FROM gone');
	$asked = 0;
	return $result;
}

my $statuses = "SELECT string_agg(n || ' ' || how, ', ' ORDER BY how) FROM (SELECT concat_ws(' ', status, left(error, 40)) AS how, count(*) AS n FROM seen GROUP BY 1) x";

# How many attempts calls to a server were charged, or not, as "calls of attempts"; those of the latest host.
sub attempts_at
{
	my ($to) = @_;
	return sql("SELECT string_agg(calls || ' of ' || attempts, ', ' ORDER BY attempts) FROM (SELECT attempts, count(*) AS calls FROM intake.calls WHERE url LIKE '%:$port{$to}/%' GROUP BY 1) x");
}

# The requests that nginx has ended, for paths like this: key, status, protocol, connection.
sub requests { my ($path) = @_; return map { [ split ' ' ] } grep { m{ $path$} } split /\n/, slurp_file($log) }

# ---- protocols ----

ask('http', '/plain', 100);
is(outcome($statuses), '100 200', 'HTTP/1.1');
is((requests('/plain'))[0][2], 'HTTP/1.1', '... it is');
ask('tls', '/behind/tls', 100);
is(outcome($statuses), '100 200', 'HTTP/2');
is((requests('/behind/tls'))[0][2], 'HTTP/2.0', '... it is');
my %connections = map { $_->[3] => 1 } requests('/behind/tls');
is(scalar(keys %connections), 1, '... on one connection');
my %keys;
$keys{ $_->[0] }++ for requests('/(plain|behind/tls)');
is_deeply([ scalar(keys %keys), grep { $_ != 1 } values %keys ], [200], 'each call has a key of its own, and was made once');

# ---- bodies ----

my $body = '0123456789abcdef' x 60_000;
ask('tls', '/behind/digest', 20, qq({"raw": "$body"}));
is(outcome("SELECT DISTINCT status, payload->>'length', payload->>'sha256' FROM seen"), '200|960000|' . sha256_hex($body), 'large bodies arrive whole');
ask('tls', '/large', 4);
is(outcome('SELECT status, sha256(payload::text::bytea), count(*) FROM seen GROUP BY 1, 2'), '200|\x' . sha256_hex($large) . '|4', 'large answers that were compressed, too');
ask('tls', '/behind/size/12000000', 2);
is(outcome('SELECT DISTINCT status, length FROM seen'), '200|12000000', '... and others');
ask('tls', '/behind/size/17000000', 2);
is(outcome($statuses), '2 200 too_large: the answer', 'but not beyond the bound');

# ---- connections that end ----

ask('few', '/behind/few', 300);
is(outcome($statuses), '300 200', 'a server that says goodbye after 50 requests gets all of them');
# The library may miss an answer that comes together with the goodbye; then the call is made again.
%keys = ();
$keys{ $_->[0] }++ for requests('/behind/few');
is(scalar(keys %keys), 300, '... all of them');

# ---- a server that reloads, is replaced, is killed ----

ask('tls', '/behind/slow/0.3?reload', 300);
wait_for(sub { counts($behind)->{running} >= 50 }, 'calls are under way');
kill 'HUP', $nginx;
is(outcome($statuses), '300 200', 'a server that reloads');
is(scalar(requests('/behind/slow/0.3\?reload')), 300, '... gets each call once');

ask('http', '/behind/slow/0.3?reload', 300);
wait_for(sub { counts($behind)->{running} >= 50 }, 'calls are under way');
kill 'HUP', $nginx;
is(outcome($statuses), '300 200', 'by HTTP/1.1, too');
is(scalar(requests('/behind/slow/0.3\?reload')), 600, '... each once');

# It is away for a time: what fails is tried again, and where that is an outage, nothing is charged for it.
sub calls_go_on
{
	sql("UPDATE intake.line SET probe_at = now() WHERE suspended_at IS NOT NULL; SELECT count(intake.open_line(id)) FROM intake.line");
	return sql('SELECT count(*) FROM seen') == $asked;
}
for my $signal (qw(QUIT KILL))
{
	ask('tls', "/behind/slow/0.2?$signal", 300);
	wait_for(sub { counts($behind)->{running} >= 50 }, 'calls are under way');
	system("pkill -KILL -P $nginx") if $signal eq 'KILL';
	stop_nginx($nginx, $signal);
	$nginx = start_nginx($port{http});
	wait_for(\&calls_go_on, 'all calls end');
	is(outcome($statuses), '300 200', "a server that was ended by $signal, and is there again");
	my %keys;
	$keys{ $_->[0] }++ for grep { $_->[1] == 200 } requests("/behind/slow/0.2\\?$signal");
	is(scalar(keys %keys), 300, '... has answered each call');
	is(scalar(grep { $_ > 1 } values %keys), 0, '... once, for it was stopped gently') if $signal eq 'QUIT';
}

# ---- a server that asks to wait, sends elsewhere, is not who it says ----

ask('waits', '/waits', 24);
is(outcome($statuses), '24 200', 'a server that asks to wait gets all calls in time');
my @refused = grep { $_->[1] == 429 } requests('/waits');
cmp_ok(scalar @refused, '>', 0, '... of which it had refused some');
is(sql("SELECT count(*) FROM (SELECT max(a.attempt) - count(*) FILTER (WHERE a.status IS DISTINCT FROM 429) AS more FROM intake.attempts a JOIN intake.calls c USING (call_id)
	WHERE c.url LIKE '%/waits' GROUP BY call_id) x WHERE more <> 0"), 0, '... and none of that was charged');

ask('tls', '/redirect', 3);
is(outcome("SELECT DISTINCT status, error, headers ->> 'location' FROM seen") =~ /^302\|the answer is 302.*elsewhere$/s ? 'ok' : 'no', 'ok', 'a redirect is an answer that fails for good');
is(scalar(requests('/elsewhere')), 0, '... and is not followed');
is(attempts_at('tls') =~ /of 1/ ? 1 : 0, 1, '... nor tried again');

for my $to (qw(other foreign old))
{
	ask($to, "/$to", 2);
	is(outcome("SELECT DISTINCT status, regexp_replace(error, ':.*', '') FROM seen"), '|tls', "a certificate: $to");
	is(attempts_at($to), '2 of 3', '... tried as often as the workflow says');
	is(scalar(requests("/$to")), 0, '... and nothing is sent');
}

# ---- all of it ----

is(sql("SELECT count(*) FROM intake.calls WHERE state NOT IN ('answered', 'failed')"), 0, 'every call has ended');
is(sql("SELECT count(*) FROM intake.calls"), sql("SELECT count(*) FROM ended"), '... and every job has its answer');
is(sql("SELECT count(*) FROM (SELECT job_id FROM ended GROUP BY job_id HAVING count(*) > 1) x"), 0, '... once');
is(sql("SELECT count(*) FROM (SELECT call_id FROM intake.attempts WHERE sqlstate = '00000' GROUP BY call_id HAVING count(*) > 1) x"), 0, '... and none was accepted twice');
is(sql("SELECT count(*) FROM intake.call_queue") + sql("SELECT count(*) FROM intake.call_held") + sql("SELECT count(*) FROM intake.calling"), 0, '... and no room has any left');
is(stop_courier($courier), 0, 'the courier is well');
unlike(slurp_file($node->logfile), qr/ERROR|PANIC|FATAL/, 'so is the database');
done_testing();
