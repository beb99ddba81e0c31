# The database is gone for longer than a courier's word counts, with 500 calls under way: the courier ends
# them before another may begin them, nobody takes that for an outage of the other side, and each job has its
# answer once the database is there again.
use strict;
use warnings;
use Couriers;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no python3' if system('python3 -c "import asyncio, ssl"') != 0;

my $calls = 500;
my $node = new_calls_server('alone', 'pg_intake.poll_interval' => "'1 s'");
sub sql { return $node->safe_psql('postgres', @_) }
my $port = start_hostile();
my $courier = start_courier($node->connstr('postgres') . ' user=courier', 'alone', '--max-transfers', 2000);

sql("SELECT ask_for('http://127.0.0.1:$port/hold', $calls, '{\"timeout\": \"60 s\"}')");
wait_for(sub { counts($port)->{running} == $calls }, 'the calls are under way');
$node->stop('immediate');
wait_for(sub { slurp_file($courier->{log}) =~ /no exchange for 20 s: $calls calls are ended/ }, 'the courier ends them');
fetch($port, '/release');
$node->start;
wait_for(sub { sql('SELECT count(*) FROM seen') >= $calls }, 'all jobs have their answers');
is(sql('SELECT count(*), count(DISTINCT job_id), count(*) FILTER (WHERE status = 200) FROM seen'), "$calls|$calls|$calls", 'each job has its answer once');
my %keys = keys_of($port, '/hold');
is(scalar(keys %keys), $calls, 'each call has one key');
is_deeply([ grep { $_ != 2 } values %keys ], [], '... and was begun twice');
is(sql('SELECT count(*), max(attempt) FROM intake.attempts WHERE call_id IS NOT NULL'), 2 * $calls . '|2', '... and charged as often');
is(sql("SELECT DISTINCT regexp_replace(error, ':.*', '') FROM intake.attempts WHERE call_id IS NOT NULL AND sqlstate <> '00000'"), 'lost', '... the first time for the courier');
is(sql("SELECT count(*) FROM intake.events WHERE type = 'calls.suspended'"), 0, 'that was no outage of the other side');
is(stop_courier($courier), 0, 'the courier is well');
done_testing();
