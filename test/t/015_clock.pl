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
	$node = new_server('clock', 'pg_intake.executors' => 1, 'pg_intake.poll_interval' => '500ms', max_prepared_transactions => 5);
}
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };
$sql->(q{
	CREATE TABLE effect (key text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'n')});
my $has_run = sub { wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$_[0]'"); return pass($_[1]) };
my $round = 0;
my $works = sub {
	my ($name) = @_;
	$round++;
	$sql->("SELECT intake.emit('n', '{}', key => 'now $round')");
	$has_run->("now $round", "$name: a job runs");
	# PREPARE TRANSACTION wakes nobody.
	$sql->("BEGIN; SELECT intake.emit('n', '{}', key => 'poll $round'); PREPARE TRANSACTION 'p'");
	$sql->("COMMIT PREPARED 'p'");
	$has_run->("poll $round", "$name: a poll finds what nobody has announced");
	$sql->("SELECT intake.emit('n', '{}', key => 'delayed $round', delay => '100 ms')");
	$has_run->("delayed $round", "$name: a delayed job runs");
	for (1 .. 3)
	{
		my $executor = $sql->("SELECT pid FROM intake.workers WHERE kind = 'executor'");
		$sql->("SELECT pg_terminate_backend($executor)");
		wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'executor' AND pid <> $executor");
	}
	pass("$name: an executor that ends is replaced");
	my $supervisor = $sql->("SELECT pid FROM intake.workers WHERE kind = 'supervisor'");
	$sql->("SELECT pg_terminate_backend($supervisor)");
	wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'supervisor' AND pid <> $supervisor");
	return pass("$name: so is the supervisor");
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
