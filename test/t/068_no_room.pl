# A database that cannot store answers for a while, as when its disk is full, loses none and makes no call
# twice: the courier keeps them, and its lease, until there is room.
use strict;
use warnings;
use Couriers;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_calls_server('no_room');
sub sql { return $node->safe_psql('postgres', @_) }
my $port = start_hostile();
my $courier = start_courier($node->connstr('postgres') . ' user=courier', 'keeper');
sub refused { return scalar(() = slurp_file($courier->{log}) =~ /an exchange failed: ERROR:\s+$_[0]/g) }

# What a table says that cannot grow, and what it says of an answer that it cannot hold.
sub refuse
{
	my ($state, $why) = @_;
	sql(qq{CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN RAISE EXCEPTION '$why' USING ERRCODE = '$state'; END \$\$;
		CREATE TRIGGER refuse AFTER INSERT ON intake.call_response FOR EACH ROW EXECUTE FUNCTION refuse();
		ALTER TABLE intake.call_response ENABLE ALWAYS TRIGGER refuse});
	return;
}

refuse('53100', 'no space left');
sql("SELECT ask_for('http://127.0.0.1:$port/json', 4, '{\"timeout\": \"10 min\"}')");
wait_for(sub { refused('no space left') >= 5 }, 'the answers are refused again and again');
my $seen = sql("SELECT max(seen_at) FROM intake.couriers");
wait_for(sub { sql("SELECT max(seen_at) > '$seen' FROM intake.couriers") eq 't' }, 'the lease is kept meanwhile');
is(sql('SELECT (SELECT count(*) FROM intake.call_held) + (SELECT count(*) FROM intake.call_queue)'), '4', 'no call has ended');
is(sql('SELECT sum(attempts) FROM (SELECT attempts FROM intake.call_held UNION ALL SELECT attempts FROM intake.call_queue) c'), '0', '... or was charged');
unlike(slurp_file($courier->{log}), qr/does not take the answer/, '... which gives up no answer');
sql('DROP TRIGGER refuse ON intake.call_response');
wait_for(sub { sql('SELECT count(*) FROM seen') == 4 }, 'it goes on by itself');
is(sql('SELECT count(*) FROM seen WHERE status = 200 AND error IS NULL'), '4', '... with the answers that came');
is_deeply({ map { $_ => 1 } values %{ { keys_of($port, '/json') } } }, { 1 => 1 }, 'no call was made twice');
is(sql("SELECT string_agg(DISTINCT status || ' ' || sqlstate, ',') FROM intake.attempt"), '200 00000', 'nothing was charged beside');

# What the database refuses for its data is given up, so that others get their turn.
refuse('22021', 'no such character');
sql("SELECT ask_for('http://127.0.0.1:$port/json', 1, '{\"timeout\": \"1 s\"}')");
wait_for(sub { slurp_file($courier->{log}) =~ /does not take the answer/ }, 'an answer with data that are refused is given up');
sql('DROP TRIGGER refuse ON intake.call_response');
wait_for(sub { sql('SELECT count(*) FROM seen') == 5 }, '... and its call is made again');

is(stop_courier($courier), 0, 'the courier ends');
done_testing();
