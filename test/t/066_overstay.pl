# A courier that was stolen, or that was stopped while calls were sent to it, holds nobody up for longer than
# its lease: its session is ended, and whoever cancels a job of its calls goes on.
use strict;
use warnings;
use Couriers;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_calls_server('overstay');
sub sql { return $node->safe_psql('postgres', @_) }
sub exchange { return "SELECT count(length(body)) FROM intake.exchange($_[0], 10, 100000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') WHERE kind = 'r'" }
sub waiting { return sql("SELECT job_id FROM intake.call_queue WHERE NOT EXISTS (SELECT FROM intake.call_held h WHERE h.job_id = call_queue.job_id)") }

# One has taken a call, and does not commit.
sql(q{SELECT ask_for('https://one.example/', 1)});
wait_for(sub { waiting() =~ /\d/ }, 'a call waits');
my $first = waiting();
my $thief = $node->background_psql('postgres', extra_params => [ '-U', 'courier' ], on_error_stop => 0);
my $token = $thief->query_safe(q{SELECT intake.enter_courier('thief')});
$thief->query_safe('SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; BEGIN');
is($thief->query_safe(exchange($token)), '1', 'a call is taken in a transaction that stays open');

# Another one is stopped, and does not read what it is sent: more than the buffers on the way take.
sql(q{SELECT ask_for('https://two.example/', 1, '{"raw": "0123456789abcdef", "times": 1000000}')});
wait_for(sub { sql('SELECT count(*) FROM intake.call_queue') == 2 }, 'a second call waits');
my $second = sql('SELECT max(job_id) FROM intake.call_queue');
my $other = sql(q{SET ROLE courier; SELECT intake.enter_courier('stopped')});
my $statement = "SELECT pg_sleep(1) AS wait\\; SELECT body FROM intake.exchange($other, 10, 100000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}')";
my $pid = fork // die "fork: $!";
if ($pid == 0)
{
	open STDOUT, '>', '/dev/null';
	exec 'psql', '-X', '-q', '-d', $node->connstr('postgres') . ' user=courier', '-c', $statement =~ s/\\;/;/r;
}
wait_for_sql($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(1) AS wait%'});
kill 'STOP', $pid;
wait_for_sql($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'ClientWrite'});

# Both are cancelled.
my $start = time;
sql("SET statement_timeout = '50 s'; SELECT intake.cancel($_)") for $first, $second;
cmp_ok(time - $start, '<', 45, 'jobs whose calls such sessions have taken can be cancelled within the time of a lease');
kill 'CONT', $pid;
kill 'KILL', $pid;
waitpid $pid, 0;
is(sql("SELECT string_agg(state, ',') FROM intake.jobs WHERE id IN ($first, $second)"), 'discarded,discarded', 'they have ended');
is(sql('SELECT count(*) FROM intake.call_queue'), '0', 'nothing of them is left to be sent');
my @ended = slurp_file($node->logfile) =~ /LOG:  the session of a courier is ended/g;
is(scalar @ended, 2, 'the log tells about the sessions that were ended');

# Who commits in time is not ended by the time of the transaction before.
$token = sql(q{SET ROLE courier; SELECT intake.enter_courier('well')});
my $well = $node->background_psql('postgres', extra_params => [ '-U', 'courier' ]);
$well->query_safe(exchange($token));
$well->query_safe('BEGIN; ' . exchange($token) . '; ROLLBACK');
is($well->query_safe('SELECT 1'), '1', 'a session that ends its transactions goes on');
$well->quit;
eval { $thief->quit };

done_testing();
