# A courier that gets only one connection, because the server has no place for another, goes on with that one.
use strict;
use warnings;
use Couriers;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_calls_server('one_connection');
sub sql { return $node->safe_psql('postgres', @_) }
my $port = start_hostile();
my $courier = start_courier($node->connstr('postgres') . ' user=courier', 'lone');
my $connections = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'courier'";
wait_for(sub { sql("$connections AND query LIKE 'CALL%' AND state = 'active'") == 1 }, 'it waits for calls');

sql('ALTER ROLE courier CONNECTION LIMIT 1');
is(sql(qq{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'courier' AND query NOT LIKE 'CALL%'}),
	'1', 'the connection that it talks by is lost');
wait_for(sub { slurp_file($courier->{log}) =~ /too many connections/ }, 'it gets no other');
for my $calls (5, 10)
{
	sql("SELECT ask_for('http://127.0.0.1:$port/json', 5)");
	wait_for(sub { sql('SELECT count(*) FROM seen WHERE status = 200') == $calls }, "$calls calls are made all the same");
}
is(sql($connections), '1', '... by one connection');

sql('ALTER ROLE courier CONNECTION LIMIT -1');
wait_for(sub { sql("$connections AND query LIKE 'CALL%' AND state = 'active'") == 1 && sql($connections) == 2 }, 'it has two again, and waits');
is(stop_courier($courier), 0, 'the courier ends');
done_testing();
