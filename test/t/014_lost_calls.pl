# Nobody is told twice: so whoever was told and has gone, or had no room for it, must not take the news with him.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

# No search comes by itself.
my $node = new_server('lost_calls', 'pg_intake.executors' => 1, 'pg_intake.idle_time' => "'1s'", 'pg_intake.poll_interval' => "'1h'",
	'pg_intake.max_lanes' => 16, fsync => 'off');
my $sql = sub { return $node->safe_psql('postgres', $_[0], extra_params => [ '-U', $_[1] // 'postgres' ]) };
my $pids = sub { return split /\n/, $sql->("SELECT pid FROM intake.workers WHERE $_[0]") };
my $terminate = sub { $sql->("SELECT pg_terminate_backend($_)") for @_ };
my $has_run = sub {
	my ($key, $name) = @_;
	return ok(wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key'"), $name);
};
my $quiet = sub { return wait_for_sql($node, "SELECT string_agg(DISTINCT kind, ' ') = 'launcher' FROM intake.workers") };

# Jobs of type slow wait for a lock.
$sql->(q{
	CREATE ROLE ann LOGIN;
	CREATE ROLE bob LOGIN;
	SELECT intake.grant_access('ann', 'admin'), intake.grant_access('bob', 'admin');
	CREATE TABLE effect (key text);
	GRANT ALL ON effect TO PUBLIC;
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	CREATE FUNCTION slow(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_advisory_xact_lock_shared(1); INSERT INTO public.effect VALUES (job.key); END $$});
$sql->(qq{SELECT intake.create_workflow('$_->[1]', '$_->[1](intake.job)', type => '$_->[1]')}, $_->[0]) for [ 'ann', 'note' ], [ 'bob', 'slow' ];
$sql->(q{SELECT intake.create_workflow('own', 'slow(intake.job)', type => 'own')}, 'ann');

# A launcher that had put a crew off, since no executor could start, is ended.
$quiet->();
my $emitter = $node->background_psql('postgres', on_error_die => 1);
$emitter->query_safe(q{BEGIN; SELECT intake.emit('note', '{}', key => 'launcher')});
$sql->('ALTER ROLE ann NOLOGIN');
$emitter->query_safe('COMMIT');
wait_for(sub { slurp_file($node->logfile) =~ /role "ann" is not permitted to log in/ }, 'an executor cannot start');
my ($launcher) = $pids->(q{kind = 'launcher'});
$terminate->($launcher);
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'launcher' AND pid <> $launcher");
ok(wait_for_sql($node, q{SELECT count(*) = 0 FROM intake.owners WHERE ready > 0}), 'a lane of a role that cannot connect is freed');
$sql->('ALTER ROLE ann LOGIN');
$has_run->('launcher', 'a job runs that was told to an earlier launcher');
my $fatal = () = slurp_file($node->logfile) =~ /role "ann" is not permitted to log in/g;
cmp_ok($fatal, '<', 8, 'and it was not tried in vain for long');

# An executor that waits until a suspect may run is ended.
my $lock = $node->background_psql('postgres', on_error_die => 1);
$lock->query_safe('SELECT pg_advisory_lock(1)');
$sql->(q{SELECT intake.emit('own', '{}', key => 'suspect')});
wait_for_sql($node, q{SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL});
$sql->(q{SELECT intake.pause_workflow('own')});
kill 'KILL', $pids->('job_id IS NOT NULL');
$lock->{run}->finish;
wait_for_sql($node, q{SELECT bool_and(state = 'suspect') FROM intake.jobs WHERE workflow = 'own'});
$lock = $node->background_psql('postgres', on_error_die => 1);
$lock->query_safe('SELECT pg_advisory_lock(1)');
$sql->(q{SELECT intake.emit('slow', '{}')});
wait_for_sql($node, q{SELECT count(*) = 1 FROM intake.workers WHERE role = 'bob' AND job_id IS NOT NULL});
$sql->(q{SELECT intake.resume_workflow('own')});
wait_for_sql($node, q{SELECT count(*) = 1 FROM intake.workers WHERE role = 'ann'});
wait_for_sql($node, q{SELECT count(*) = 0 FROM intake.workers WHERE kind = 'supervisor'});
my ($waiting) = $pids->(q{role = 'ann'});
$terminate->($waiting);
wait_for_sql($node, "SELECT count(*) = 0 FROM intake.workers WHERE pid = $waiting");
$lock->quit;
$has_run->('suspect', 'a suspect runs whose executor was ended while it waited for that');

# Executors that somebody ends have not failed: the next one comes soon.
for my $n (1 .. 12)
{
	$sql->(qq{SELECT intake.emit('note', '{}', key => 'ended $n')});
	wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'ended $n'");
	$terminate->($pids->(q{role = 'ann'}));
	wait_for_sql($node, q{SELECT count(*) = 0 FROM intake.workers WHERE role = 'ann'});
}
is($sql->(q{SELECT max(finished_at - received_at) < '5 s' FROM intake.jobs j JOIN intake.events e ON e.id = event_id WHERE key LIKE 'ended%'}), 't', 'jobs wait for the next executor, and no longer');

# More lanes than there is room for.
$sql->(q{SELECT intake.create_workflow('many_' || n, 'note(intake.job)', type => 'many_' || n) FROM generate_series(1, 3000) AS n}, 'ann');
$sql->(q{SELECT count(intake.emit('many_' || n, '{}', key => 'many ' || n)) FROM generate_series(1, 3000) AS n});
ok(wait_for_sql($node, q{SELECT count(*) = 3000 FROM effect WHERE key LIKE 'many%'}), 'all lanes have their turn');

# A row that somebody has locked when it is read.
$quiet->();
my $locker = $node->background_psql('postgres', on_error_die => 1);
$sql->(q{SELECT intake.pause_workflow('note')});
$sql->(q{SELECT intake.emit('note', '{}', key => 'locked')});
$locker->query_safe('BEGIN; SELECT FROM intake.queue FOR UPDATE');
$sql->(q{SELECT intake.resume_workflow('note')});
wait_for_sql($node, q{SELECT count(*) = 1 FROM intake.workers WHERE role = 'ann'});
wait_for_sql($node, q{SELECT count(*) = 0 FROM intake.owners WHERE role = 'ann' AND ready > 0});
$locker->query_safe('ROLLBACK');
$locker->quit;
$has_run->('locked', 'a job runs that was locked when its lane was read');
$node->stop;
done_testing();
