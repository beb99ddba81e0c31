# Where nobody is there for a job, one executor starts, while the commit is still under way.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('foretold', 'pg_intake.executors' => 1, 'pg_intake.idle_time' => "'1h'", 'pg_intake.poll_interval' => "'1h'", log_min_messages => 'debug1');
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };
$sql->(q{
	CREATE TABLE effect (key text, pid int DEFAULT pg_backend_pid());
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	GRANT INSERT ON effect TO PUBLIC;
	CREATE TABLE pair (id int PRIMARY KEY, n int);
	INSERT INTO pair VALUES (1, 0), (2, 0);
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'note')});
my $starts = sub { return scalar(() = slurp_file($node->logfile) =~ / background worker process "pg_intake executor"/g) };
my $has_run = sub { return ok(wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$_[0]'"), $_[1]) };
my $emit = sub { return "SELECT intake.emit('note', '{}', key => '$_[0]');" };
is($starts->(), 0, 'no executor has started');

# What is rolled back starts nobody.
$sql->('BEGIN;' . $emit->("rolled back $_") . 'ROLLBACK') for 1 .. 10;
is($sql->("SELECT string_agg(DISTINCT kind, ' ') FROM intake.workers WHERE kind = 'executor'"), '', 'what is rolled back starts nobody');

my $end_executors = sub {
	$sql->("SELECT pg_terminate_backend(pid) FROM intake.workers WHERE kind = 'executor'");
	return wait_for_sql($node, "SELECT count(*) = 0 FROM intake.workers WHERE kind = 'executor'");
};

# A commit that waits, for a standby that does not exist.
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'\n");
$node->reload;
wait_for_sql($node, "SELECT current_setting('synchronous_standby_names') = 'nobody'");
my $sender = $node->background_psql('postgres', on_error_die => 1);
$sender->query_until(qr/waits/, "\\echo waits\n" . $emit->('early') . "\n");
wait_for_sql($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'");
ok(wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'executor' AND pid IS NOT NULL"), 'an executor is there before the commit has ended');
ok(wait_for_sql($node, 'SELECT count(*) = 0 FROM intake.owners WHERE ready > 0'), 'it has found nothing yet');
my $early = $sql->("SELECT pid FROM intake.workers WHERE kind = 'executor'");
is($sql->('SELECT count(*) FROM effect'), '0', 'and has run nothing');

# One that has also made the role: it could not connect yet.
my $maker = $node->background_psql('postgres', on_error_die => 1);
$maker->query_until(qr/waits/, "\\echo waits\n" . q{BEGIN; CREATE ROLE cat LOGIN; SELECT intake.grant_access('cat', 'admin'); SET LOCAL ROLE cat;
	SELECT intake.create_workflow('cat', 'note(intake.job)', type => 'cat'); RESET ROLE; SELECT intake.emit('cat', '{}', key => 'cat'); COMMIT;} . "\n");
wait_for_sql($node, "SELECT count(*) = 2 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'");
is($starts->(), 1, 'whose role is new starts nobody');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''\n");
$node->reload;
$has_run->('early', 'after the commit the job runs');
is($sql->("SELECT pid FROM effect WHERE key = 'early'"), $early, 'in that executor');
$has_run->('cat', 'and that of the new role');
is($starts->(), 2, 'each by one executor');
unlike(slurp_file($node->logfile), qr/FATAL:  role/, 'none has come before its role');
$_->quit for $sender, $maker;

# Commits that fail when all is done but the commit itself: each has called for an executor.
my @sessions = map { $node->background_psql('postgres', on_error_die => 0, on_error_stop => 0) } 1, 2;
$end_executors->();
for my $round (1 .. 5)
{
	$_->query('BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(n) FROM pair') for @sessions;
	$sessions[$_]->query("UPDATE pair SET n = n + 1 WHERE id = $_ + 1;" . $emit->("fails $round $_")) for 0, 1;
	$_->query('COMMIT') for @sessions;
}
is($sql->("SELECT count(*) FROM intake.events WHERE key LIKE 'fails%'"), '5', 'of two transactions one has failed');
is($sql->('SELECT sum(n) FROM pair'), '5', 'with all of it');
ok(wait_for_sql($node, "SELECT count(*) = 5 FROM effect WHERE key LIKE 'fails%'"), 'the jobs of the others have run');
ok(wait_for_sql($node, 'SELECT count(*) = 0 FROM intake.owners WHERE ready > 0'), 'nothing is left to wait for');
is($starts->(), 3, 'by one executor');
$_->quit for @sessions;

# An executor that is long on its way is not joined by another: it has not had time for the jobs yet.
$node->append_conf('postgresql.conf', "pg_intake.executors = 4\n");
$node->reload;
wait_for_sql($node, "SELECT current_setting('pg_intake.executors') = '4'");
$end_executors->();
my $before = $starts->();
@sessions = map { $node->background_psql('postgres', on_error_die => 1) } 1, 2;
$sessions[0]->query_safe('BEGIN; LOCK TABLE pg_db_role_setting');
$sessions[1]->query_safe($emit->('long way'));
wait_for(sub { $starts->() > $before }, 'an executor starts');
$sessions[1]->query_safe('SELECT pg_sleep(0.2)');
is($starts->(), $before + 1, 'one executor starts');
$sessions[0]->query_safe('COMMIT');
$has_run->('long way', 'and runs the job when it comes');
$_->quit for @sessions;
$node->stop;
done_testing();
