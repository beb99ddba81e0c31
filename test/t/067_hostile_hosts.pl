# Whatever a host answers, the job goes on: the call ends in time with one row, which says what was wrong, and
# neither the courier nor the database is worse for it. 060_courier.pl does so with a stand-in for the database.
use strict;
use warnings;
use Couriers;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no python3' if system('python3 -c "import asyncio, ssl"') != 0;

my $node = new_calls_server('hostile');
sub sql { return $node->safe_psql('postgres', @_) }
my @certificate = make_certificate('good');
my $courier = start_courier($node->connstr('postgres') . ' user=courier', 'courier', '--ca-file', certificates());
sql("SELECT intake.alter_workflow('ask', max_attempts => 1)");

# What is asked for, the status and the error that its row has, and the body, as far as that is all.
my @cases = (
	[ '/reset-head', 200, qr/^reset/ ],
	[ '/line-feeds', 200, qr/^$/, 'ok' ],
	[ '/bare-cr', 200, qr/^protocol/, '' ],
	[ '/nul-value', 200, qr/^protocol/ ],
	[ '/high-bytes', 200, qr/^$/, 'ok' ],
	[ '/second-head', 200, qr/^protocol/ ],
	[ '/two-answers', 200, qr/^$/, 'ok' ],
	[ '/status-words', '', qr/^protocol/ ],
	[ '/status-long', qr/^(200|)$/, qr/^protocol/ ],
	[ '/status-short', '', qr/^protocol/ ],
	[ '/status-999', 999, qr/^the answer is 999/ ],
	[ '/status-000', '', qr/^protocol/ ],
	[ '/version', '', qr/^protocol/ ],
	[ '/old', 200, qr/^$/, 'ok' ],
	[ '/upgrade', 101, qr/^protocol/ ],
	[ '/length-twice', 200, qr/^(protocol|$)/ ],
	[ '/length-same', 200, qr/^$/, 'ok' ],
	[ '/length-below', 200, qr/^protocol/ ],
	[ '/length-huge', 200, qr/^(too_large|protocol|$)/ ],
	[ '/length-large', 200, qr/^(reset|too_large)/ ],
	[ '/length-words', 200, qr/^protocol/ ],
	[ '/length-chunked', 200, qr/^$/, 'okok' ],
	[ '/chunk-huge', 200, qr/^(reset|protocol)/ ],
	[ '/chunk-half', 200, qr/^reset/ ],
	[ '/no-json', 200, qr/^$/ ],
	[ '/nul-json', 200, qr/^$/ ],
	[ '/bad-utf8', 200, qr/^$/ ],
	[ '/deep-json', 200, qr/^$/ ],
	[ '/empty-json', 200, qr/^$/, '' ],
	[ '/no-content', 204, qr/^$/, '' ],
	[ '/unread', 200, qr/^(reset|$)/, undef, '{"raw": "0123456789", "times": 1000000}' ],
	[ '/unread-hold', 200, qr/^$/, 'held', '{"raw": "0123456789", "times": 1000000}' ],
	[ '/idle-early', qr/100|/, qr/^timeout/ ],
	[ '/trickle', 200, qr/^timeout/ ],
	[ '/chunks', 200, qr/^too_large/ ],
	[ '/bomb', 200, qr/^too_large/ ],
	[ '/some-headers/100000', 200, qr/^too_large/ ],
	[ '/reset', '', qr/^reset/ ],
	[ '/close', '', qr/^reset/ ],
	[ 'good', 200, qr/^$/, 'good' ],
	[ 'hasty', 200, qr/^$/, 'good' ],
	[ 'enough', qr/^(200|)$/, qr/^(reset|$)/, undef, '{"raw": "0123456789", "times": 100000}' ],
	[ 'leaving', 200, qr/^$/, 'good' ],
	[ 'goaways', '', qr/^(timeout|reset)/ ],
	[ 'pings', '', qr/^(timeout|reset)/ ],
	[ 'settings', '', qr/^(timeout|reset)/ ],
	[ 'empty', 200, qr/^(timeout|reset)/ ],
	[ 'data', 200, qr/^(too_large|reset|timeout)/ ],
	[ 'continuation', qr/^(200|)$/, qr/^(too_large|reset|timeout)/ ],
	[ 'early', qr/103|/, qr/^(too_large|reset|timeout)/ ],
	[ 'push', '', qr/^(timeout|reset)/ ],
	[ 'window', '', qr/^(timeout|reset)/ ],
	[ 'large', '', qr/^(timeout|reset)/ ],
	[ 'no-status', '', qr/^(timeout|reset|protocol)/ ],
	[ 'line-feed', qr/200|/, qr/^(timeout|reset|protocol|$)/ ],
	[ 'nul', qr/200|/, qr/^(timeout|reset|protocol|$)/ ],
	[ 'nothing', '', qr/^timeout/ ]);

# Several servers, so that no line is suspended for what its host does.
my @ports = map { scalar start_hostile() } 1 .. 4;
my $turn = 0;
my %job;
for my $case (@cases)
{
	my ($path, undef, undef, undef, $more) = @$case;
	my $url = $path =~ m{^/} ? "http://127.0.0.1:$ports[$turn++ % @ports]$path" : "https://127.0.0.1:" . (start_hostile(@certificate, $path))[1] . '/';
	sql("SELECT ask_for('$url', 1, '" . ($more // '{}') . "'::jsonb || '{\"timeout\": \"3 s\", \"n\": $turn}')");
	$job{$path} = sql("SELECT max(id) FROM intake.jobs");
}
wait_for(sub { sql('SELECT count(*) FROM seen') == @cases }, 'all calls end');

for my $case (@cases)
{
	my ($path, $status, $error, $body) = @$case;
	my ($is, $says, $has, $rows, $ms) = split /\x01/, sql("SELECT concat_ws(E'\\x01', coalesce(status::text, ''), coalesce(error, ''), coalesce(encode(body, 'escape'), ''), count(*) OVER (),
		extract(milliseconds FROM duration)::int) FROM intake.call_response WHERE job_id = $job{$path}"), -1;
	like($is, ref $status ? $status : qr/^$status$/, "$path: status");
	like($says, $error, "$path: error");
	is($has, $body, "$path: body") if defined $body;
	is($rows, 1, "$path: one row");
	cmp_ok($ms || 0, '<', 5000, "$path: in time");
}
is(sql("SELECT string_agg(DISTINCT attempts::text, ' ') FROM intake.calls"), 1, 'each was charged once');
is(sql('SELECT count(*) FROM seen WHERE payload IS NOT NULL'), sql("SELECT count(*) FROM seen WHERE payload::text <> ''"), 'what is not JSON is no input');
is(sql("SELECT coalesce(payload::text, 'NULL') FROM seen WHERE job_id = $job{'/no-json'}"), 'NULL', '... whatever it says that it is');
is(sql("SELECT headers ->> 'x-a' FROM seen WHERE job_id = $job{'/line-feeds'}"), 'b', 'lines may end in a line feed');
is(sql("SELECT count(*) FROM seen WHERE error IS NULL AND status = 200 AND job_id = $job{'/unread-hold'}"), 1, 'an answer counts though the request was not read');
is(sql("SELECT count(*) FROM intake.call_response WHERE headers::text ~ E'\\\\\\\\(n|r|u0000|u000a)'"), 0, 'no header has a line feed, a carriage return or a NUL');
cmp_ok(memory($courier, 'VmHWM'), '<', 64, 'the courier took little memory');
is(sql('SELECT count(*) FROM intake.couriers'), 1, 'and is still the same');
is(stop_courier($courier), 0, '... and well');
unlike(slurp_file($node->logfile), qr/ERROR|PANIC|FATAL/, 'so is the database');
done_testing();
