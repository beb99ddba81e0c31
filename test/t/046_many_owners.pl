# Many more owners of workflows than worker processes: all have their turns, whoever has much to do
# keeps nobody else waiting, and workers that are ended or killed lose nothing and do nothing twice.
#
# INTAKE_OWNERS=300 INTAKE_PROCESSES=16 is the full size.
use strict;
use warnings;
use Intake;
use Test::More;
use Time::HiRes qw(sleep time);

my $owners = $ENV{INTAKE_OWNERS} // 60;
my $busy = 10; # owners with long backlogs, more than there are executors for
my $node = new_server('many_owners', max_worker_processes => $ENV{INTAKE_PROCESSES} // 8, fsync => 'off', 'pg_intake.poll_interval' => "'2s'");
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };

$sql->(qq{
	CREATE TABLE effect (owner name DEFAULT current_user, n int, took interval);
	GRANT INSERT ON effect TO PUBLIC;
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS \$\$
		INSERT INTO public.effect (n, took) SELECT (job.payload ->> 'n')::int, clock_timestamp() - (job.payload ->> 'at')::timestamptz FROM pg_sleep(0.001)
	\$\$;
	DO \$\$
	BEGIN
		FOR i IN 1 .. $owners LOOP
			EXECUTE format('CREATE ROLE o%s LOGIN', i);
			PERFORM intake.grant_access(format('o%s', i)::regrole, 'admin');
			EXECUTE format('SET LOCAL ROLE o%s', i);
			PERFORM intake.create_workflow('o' || i, 'note(intake.job)', source => 'intake', type => 'o' || i, backoff => '10 ms');
			RESET ROLE;
		END LOOP;
	END \$\$;
	-- Jobs with these numbers for the owners from one to another; the same number and owner is the same event.
	CREATE FUNCTION send(low int, high int, first int DEFAULT 1, last int DEFAULT $owners) RETURNS bigint LANGUAGE sql AS \$\$
		SELECT count(intake.emit('o' || o, jsonb_build_object('n', n, 'at', clock_timestamp()), key => format('%s-%s', o, n)))
		FROM generate_series(low, high) n, generate_series(first, last) o
	\$\$});

# Whether the jobs with these numbers have run once for each owner.
my $once = sub {
	my ($least, $most) = @_;
	is($sql->("SELECT count(*), count(DISTINCT (owner, n)), count(DISTINCT owner) FROM effect WHERE n BETWEEN $least AND $most"),
		join('|', ($owners * ($most - $least + 1)) x 2, $owners), "each event's effect is there once, $least to $most");
};
my $ran = sub {
	my ($least, $most) = @_;
	return wait_for_sql($node, "SELECT count(*) >= " . $owners * ($most - $least + 1) . " FROM effect WHERE n BETWEEN $least AND $most");
};

# Jobs for all at once, three times.
$sql->('SELECT send(1, 5)');
$ran->(1, 5);
$sql->("SELECT send($_, $_)") for 6 .. 8;
$ran->(6, 8);
$once->(1, 8);
my $longest = $sql->('SELECT extract(epoch FROM max(took)) FROM effect WHERE n <= 8');
cmp_ok($longest, '<', 10 + $owners / 10, 'nobody waits long');
diag("longest wait with jobs for all at once: $longest s");

# Some have so much to do that there are never enough processes; the others have a job now and then.
$sql->("SELECT send(101, 3000, 1, $busy)");
$sql->("SELECT send(101, 101, $busy + 1)");
wait_for_sql($node, "SELECT count(DISTINCT owner) >= $owners - $busy FROM effect WHERE n = 101 AND substr(owner, 2)::int > $busy");
ok($sql->("SELECT count(*) > 0 FROM intake.queue") eq 't', 'a job now and then runs while others have long backlogs');
$longest = $sql->("SELECT extract(epoch FROM max(took)) FROM effect WHERE n = 101 AND substr(owner, 2)::int > $busy");
cmp_ok($longest, '<', 10 + $owners / 10, 'it waits for its turn only');
diag("longest wait beside backlogs: $longest s");
is($sql->("SELECT count(DISTINCT owner) FROM effect WHERE n > 101"), $busy, 'all that have much to do get on');
wait_for_sql($node, 'SELECT (SELECT count(*) FROM intake.queue) + (SELECT count(*) FROM intake.running) = 0');
is($sql->('SELECT count(*), count(DISTINCT (owner, n)) FROM effect WHERE n BETWEEN 101 AND 3000'),
	join('|', ($busy * 2900 + $owners - $busy) x 2), 'and each of their jobs ran once');

# Executors are ended, and twice one is killed, which restarts the server. What sends goes on, with
# the same keys where it does not know whether it had committed.
my $send = sub {
	my ($n) = @_;
	wait_for(sub { my ($code) = $node->psql('postgres', "SELECT send($n, $n)", on_error_die => 0); defined $code && $code == 0 }, "jobs $n are stored");
};
my $some_executor = q{FROM intake.workers WHERE kind = 'executor' ORDER BY job_id IS NULL, random() LIMIT 1};
my $killed = 0;
for my $n (4001 .. 4020)
{
	$send->($n);
	if ($n % 7 == 0)
	{
		my $pid;
		wait_for(sub { my ($code, $out) = $node->psql('postgres', "SELECT pid $some_executor"); $pid = $out }, 'an executor runs');
		$killed += kill 'KILL', $pid;
	}
	else
	{
		$node->psql('postgres', "SELECT pg_terminate_backend(pid) $some_executor");
	}
}
cmp_ok($killed, '>=', 2, 'executors were killed');
wait_for_sql($node, 'SELECT count(*) >= ' . $owners * 20 . ' FROM effect WHERE n > 4000');
wait_for_sql($node, q{SELECT count(*) = 0 FROM intake.jobs WHERE state NOT IN ('done')});
$once->(4001, 4020);
is($sql->('SELECT count(*) FROM intake.dead_letters'), '0', 'no job is dead');
$node->stop;
done_testing();
