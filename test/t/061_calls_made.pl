# With a courier and the database together, a handler's call is made once, its answer is there for the next
# step, and neither a database that restarts nor a courier that goes changes that.
use strict;
use warnings;
use Couriers;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no python3' if system('python3 -c "import asyncio, ssl"') != 0;

my $node = new_calls_server('calls');
sub sql { return $node->safe_psql('postgres', @_) }
sub start { return start_courier($node->connstr('postgres') . ' user=courier', @_) }

sub ask { return sql("SELECT ask_for('$_[0]', $_[1])") }
sub wait_seen { my ($count) = @_; return wait_for(sub { sql('SELECT count(*) FROM seen') == $count }, "$count jobs have their answers") }

my $port = start_hostile();
my $courier = start('first');

ask("http://127.0.0.1:$port/x", 1);
wait_seen(1);
is(sql('SELECT n, status, error FROM seen'), '1|200|', 'a call is made, and the next step has its answer');
ask("http://127.0.0.1:$port/many", 500);
wait_seen(501);
unlike(slurp_file($courier->{log}), qr/failed/, 'no exchange goes on for as long as calls come');
my %keys = keys_of($port, '/many');
is(scalar(keys %keys), 500, 'each call has a key of its own');
is_deeply([ grep { $_ != 1 } values %keys ], [], '... and is made once');

# ---- a restart of the database while calls are under way ----

my $slow = start_hostile();
ask("http://127.0.0.1:$slow/hold", 20);
wait_for(sub { counts($slow)->{running} == 20 }, 'twenty calls are under way');
$node->stop('immediate');
fetch($slow, '/release');
$node->start;
wait_seen(521);
%keys = keys_of($slow, '/hold');
is_deeply([ values %keys ], [ (1) x 20 ], 'calls under way outlive a crash of the database');

# ---- a courier that goes ----

my $host = start_hostile();
my $second = start('second', '--drain', 0);
stop_courier($courier);
ask("http://127.0.0.1:$host/hold", 10);
wait_for(sub { counts($host)->{running} == 10 }, 'ten calls are under way');
is(stop_courier($second), 0, 'a courier stops in the middle of them');
$courier = start('third', '--max-transfers', 16);
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
