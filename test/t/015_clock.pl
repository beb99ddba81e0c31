# Polls, backoffs and patience last as long as they should when somebody sets the clock: the server
# has a library preloaded that shifts the time of day and leaves the monotonic clock alone (clock.c).
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir();
my $library = "$directory/clock.so";
(my $source = __FILE__) =~ s/015_clock\.pl$/clock.c/;
system('cc', '-O1', '-shared', '-fPIC', '-o', $library, $source) == 0 or die "cc: $?";
# The file is mapped by the server's processes, and so is written in place.
my $file = "$directory/clock";
my $set_clock = sub {
	open my $out, (-e $file ? '+<' : '>'), $file or die;
	syswrite $out, pack('q', $_[0]) or die;
	close $out;
};
$set_clock->(0);
my $node;
{
	local %ENV = (%ENV, LD_PRELOAD => $library, INTAKE_CLOCK => $file);
	$node = new_server('clock', 'pg_intake.executors' => 1, 'pg_intake.poll_interval' => '500ms', 'pg_intake.idle_time' => "'3s'", max_prepared_transactions => 5);
}
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };
$sql->(q{
	CREATE TABLE effect (key text, pid int DEFAULT pg_backend_pid());
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect (key) VALUES (job.key)';
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'n')});
my $has_run = sub { wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$_[0]'"); return pass($_[1]) };
my $unannounced = q{INSERT INTO intake.queue (position, job_id, event_id, lane, attempts)
	SELECT nextval('intake.job_id_seq'), currval('intake.job_id_seq'), max(e.id), min(w.id), 0 FROM intake.event e, intake.workflow w WHERE e.key LIKE 'poll %'};
# Ends the workers of a kind, and returns which they were.
my $end = sub { return $sql->("SELECT coalesce(string_agg(CASE WHEN pg_terminate_backend(pid) THEN pid::text END, ','), '0') FROM intake.workers WHERE kind = '$_[0]'") };
my $round = 0;
my $works = sub {
	my ($name) = @_;
	$round++;
	$sql->("SELECT intake.emit('n', '{}', key => 'now $round')");
	$has_run->("now $round", "$name: a job runs");
	# PREPARE TRANSACTION wakes nobody.
	$sql->("BEGIN; SELECT intake.emit('n', '{}', key => 'prepared $round'); PREPARE TRANSACTION 'p'");
	$sql->("COMMIT PREPARED 'p'");
	$has_run->("prepared $round", "$name: a job of a prepared transaction runs");
	$sql->("SELECT intake.emit('nothing', '{}', key => 'poll $round'), intake.emit('n', '{}'); $unannounced");
	$has_run->("poll $round", "$name: a poll finds what nobody has announced");
	$sql->("SELECT intake.emit('n', '{}', key => 'delayed $round', delay => '100 ms')");
	$has_run->("delayed $round", "$name: a delayed job runs");
	for my $time (1 .. 3)
	{
		my $gone = $end->('executor');
		$sql->("SELECT intake.emit('n', '{}', key => 'replaced $round $time')");
		wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'replaced $round $time' AND pid NOT IN ($gone)");
	}
	pass("$name: an executor that ends is replaced");
	my $gone = $end->('supervisor');
	$sql->("SELECT intake.emit('n', '{}', key => 'moved $round', delay => '100 ms')");
	$has_run->("moved $round", "$name: so is the supervisor");
	is($sql->("SELECT count(*) FROM intake.workers WHERE pid IN ($gone)"), '0', 'which has ended');
	wait_for_sql($node, "SELECT string_agg(kind, ' ') = 'launcher' FROM intake.workers");
	return pass("$name: workers without work leave");
};
my $start = $sql->('SELECT extract(epoch FROM now())');
$works->('the clock is right');
$set_clock->(-7200);
wait_for_sql($node, "SELECT extract(epoch FROM now()) < $start - 3600");
$works->('the clock was set back two hours');
$set_clock->(7200);
wait_for_sql($node, "SELECT extract(epoch FROM now()) > $start + 3600");
$works->('the clock was set four hours ahead');
$set_clock->(0);
$works->('the clock was set back');
$node->stop;
done_testing();
