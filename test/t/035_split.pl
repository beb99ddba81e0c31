# Deliveries with many events: through the shim, crashes, partitions, dumps, and at their largest.
use strict;
use warnings;
use Compress::Zlib;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('split');
$node->safe_psql('postgres', q{
	CREATE TABLE effect (event_id bigint, key text, place int, bytes int);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO public.effect SELECT job.event_id, job.key, job.position, length(job.body) $$;
	SELECT intake.create_source('many', 'hmac', secret => 'a secret for tests', key_from => '$.id', type_from => '$.type', options => '{"split": "$.events"}');
	SELECT intake.create_workflow('note', 'note(intake.job)', source => 'many')});
my $url = start_shim($node) . '/webhooks/many';
my $sql = sub { $node->safe_psql('postgres', $_[0]) };
my $ended = sub { wait_for_sql($node, q{SELECT ready + delayed + running + suspect = 0 FROM intake.stats WHERE workflow = 'note'}) };

# A delivery with these ids, and more in each item.
sub delivery
{
	my ($more, @ids) = @_;
	return sprintf '{"events":[%s]}', join ',', map { sprintf '{"id":"%s","type":"t","more":"%s"}', $_, $more } @ids;
}

# ---- the largest ----

my @ids = map { "n-$_" } 1 .. 10_000;
my $large = delivery('', @ids);
my $answer = post($url, $large);
like($answer->{content}, qr/"accepted","event_id":"(\d+)"/, 'ten thousand events in a delivery');
my ($id) = $answer->{content} =~ /(\d+)/;
$ended->();
is($sql->("SELECT count(*), count(DISTINCT key), min(place), max(place), bool_and(event_id = $id + place) FROM effect"), '10000|10000|1|10000|t', 'each ran once');
is(post($url, $large)->{content}, "{\"status\":\"already_accepted\",\"event_id\":\"$id\"}", 'the same delivery again');
is(post($url, delivery('', reverse @ids))->{status}, 200, 'the same events in another order');
is(post($url, delivery('', @ids, 'one more'))->{status}, 200, 'one more than there may be');
is($sql->('SELECT count(*), count(*) FILTER (WHERE position > 0), count(*) FILTER (WHERE position = 0), count(*) FILTER (WHERE position IS NULL) FROM intake.events'),
	'10003|10000|2|1', 'of all that, one delivery was stored as a whole');
is($sql->('SELECT reason, status FROM intake.rejections'), 'too_many_items|200', 'for a reason');
$ended->();
$sql->('TRUNCATE effect');

is(post($url, delivery('x' x 5_000_000, 'h1', 'h2', 'h3'))->{status}, 200, 'items of five megabytes');
$ended->();
is($sql->('SELECT count(*), min(bytes) > 5000000 FROM effect'), '3|t', 'are events of that size');
is($sql->(q{SELECT payload ->> 'id' FROM intake.events WHERE key = 'h2'}), 'h2', 'and can be read');
$sql->('TRUNCATE effect');

# Packed bodies are small, and what was in them is not: not all of a batch is in memory at once.
$sql->(q{SELECT intake.create_source('packed', 'none', key_from => '$.id', options => '{"split": "$.events"}')});
my @packed = map { my $n = $_; "'\\x" . unpack('H*', Compress::Zlib::memGzip(delivery('x' x 4_000, map { "$n-$_" } 1 .. 5_000))) . "'" } 1 .. 12;
my $arrays = join ', ', map { "array_fill($_, ARRAY[12])" } "'POST'::bytea", "'packed'::bytea", "''::bytea", "convert_to(E'Content-Encoding: gzip\\r\\n', 'UTF8')";
my $memory = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)')::int / 1024};
my ($before_batch, $accepted, $after_batch) = split /\n/, $sql->("$memory; SELECT count(*) FROM intake.receive($arrays, ARRAY[" . join(', ', @packed) . "]::bytea[], array_fill(''::text, ARRAY[12])) r WHERE r.status = 200; $memory");
is($accepted, 12, 'twelve packed deliveries of twenty megabytes at once');
cmp_ok($after_batch - $before_batch, '<', 300, 'take up no more memory than a few of them');
is($sql->(q{SELECT count(*), count(DISTINCT key) FROM intake.events WHERE source = 'packed' AND position > 0}), '60000|60000', 'and all of their events are there');

# ---- a crash in the middle ----

my $body = delivery('', 'c1', 'c2', 'c3');
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');
is($session->query("BEGIN; SELECT status FROM intake.ingest('many', intake.sign('many', '$body'), '$body')"), '200', 'stored, but not committed');
kill 'KILL', $pid;
wait_for(sub { !kill 0, $pid }, 'the backend ends');
eval { $session->quit };
wait_for_sql($node, q{SELECT count(*) = 0 FROM intake.events WHERE key LIKE 'c_'});
wait_for(sub { post($url, $body)->{content} =~ /"accepted"/ }, 'the sender comes again');
$ended->();
is($sql->('SELECT string_agg(key, chr(32) ORDER BY place) FROM effect'), 'c1 c2 c3', 'a crash undoes all of a delivery, and it comes again as a whole');
$sql->('TRUNCATE effect');

# ---- partitions ----

$sql->(q{SELECT setval('intake.event_id_seq', 999998)});
my $torn = delivery('', 'p1', 'p2', 'p3');
is(post($url, $torn)->{status}, 200, 'a delivery in two partitions');
is($sql->(q{SELECT string_agg(tableoid::regclass || ':' || position, ' ' ORDER BY id) FROM intake.event WHERE id > 999998}),
	'intake.event_0:0 intake.event_1000000:1 intake.event_1000000:2 intake.event_1000000:3', 'itself in the older one');
$ended->();
$sql->('DROP TABLE intake.event_0');
is($sql->(q{SELECT string_agg(key || ':' || position, ' ' ORDER BY id) FROM intake.events WHERE delivery_id = 999999}), 'p1:1 p2:2 p3:3', 'its events outlive it');
like(post($url, $torn)->{content}, qr/"accepted"/, 'it is news, as what is gone says nothing of its time');
is(post($url, delivery('', 'p3', 'p4'))->{status}, 200, 'others come again in another delivery');
is($sql->(q{SELECT count(*), count(DISTINCT key) FROM intake.events WHERE key LIKE 'p_'}), '4|4', 'but no event does');
$sql->(q{SELECT intake.replay(id) FROM intake.jobs WHERE workflow = 'note' AND event_id = (SELECT id FROM intake.events WHERE key = 'p2')});
$ended->();
is($sql->('SELECT string_agg(key, chr(32) ORDER BY key) FROM effect'), 'p1 p2 p2 p3 p4', 'a job of an item is replayed without its delivery');

# ---- a dump ----

my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$sql->('CREATE DATABASE restored');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
my $count = 'SELECT count(*), count(delivery_id), sum(position) FROM intake.events';
my $before = $sql->($count);
is($node->safe_psql('restored', $count), $before, 'the events are there, with their deliveries');
my $send = sub { $node->safe_psql('restored', "SELECT r.body::jsonb ->> 'status' FROM intake.ingest('many', intake.sign('many', '$_[0]'), '$_[0]') r") };
is($send->(delivery('', 'p3', 'p4')), 'already_accepted', 'a delivery is known after the restore');
is($send->(delivery('', 'p4', 'p3')), 'accepted', 'in another order');
is($node->safe_psql('restored', q{SELECT count(*) FROM intake.events WHERE position > 0}), $sql->(q{SELECT count(*) FROM intake.events WHERE position > 0}), 'so are its events');

$node->stop;
done_testing();
