# Short jobs of many lanes that wait together run in the order in which they came, because their
# events and rows are neighbours then; and those of one lane that may share a transaction stay together.
use strict;
use warnings;
use Intake;
use Test::More;

my $lanes = 10;
my $each = 4;
my $node = new_server('neighbours', fsync => 'off', 'pg_intake.executors' => 1);
my $sql = sub { return $node->safe_psql('postgres', $_[0]) };

$sql->(qq{
	CREATE TABLE gate ();
	CREATE TABLE effect (nr int GENERATED ALWAYS AS IDENTITY, kind text, event_id bigint, txid bigint);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS
		\$\$ INSERT INTO public.effect (kind, event_id, txid) VALUES (split_part(job.type, '_', 1), job.event_id, txid_current()) \$\$;
	CREATE FUNCTION wait(job intake.job) RETURNS void LANGUAGE sql AS 'LOCK public.gate IN ACCESS SHARE MODE';
	SELECT intake.create_workflow('gate', 'wait(intake.job)', type => 'gate');
	SELECT intake.create_workflow('alone_' || n, 'note(intake.job)', type => 'alone_' || n) FROM generate_series(1, $lanes) n;
	SELECT intake.create_workflow('together_' || n, 'note(intake.job)', type => 'together_' || n,
		jobs_per_transaction => $each) FROM generate_series(1, $lanes) n});

# Emits jobs for each of the lanes in turn, and has them claimed when all wait.
my $run = sub {
	my ($kind) = @_;
	my $gate = $node->background_psql('postgres', on_error_die => 1);
	$sql->('TRUNCATE effect');
	$gate->query_safe('BEGIN; LOCK gate');
	$sql->("SELECT intake.emit('gate', '{}')");
	wait_for_sql($node, "SELECT count(*) = 1 FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted");
	$sql->("SELECT intake.emit('${kind}_' || lane, '{}') FROM generate_series(1, $each) n, generate_series(1, $lanes) lane ORDER BY n, lane");
	$gate->query_safe('COMMIT');
	$gate->quit;
	wait_for_sql($node, "SELECT count(*) = $each * $lanes FROM effect WHERE kind = '$kind'");
};
# Whether, in one of some rounds, that holds: where the machine is slow, the jobs are not short.
my $sometime = sub {
	my ($kind, $question) = @_;
	for (1 .. 20)
	{
		$run->($kind);
		return 1 if $sql->($question) eq 't';
	}
	return 0;
};
$run->($_) for qw(alone together);    # how long they take is known from here on
ok($sometime->('alone', 'SELECT bool_and(event_id > before) FROM (SELECT event_id, lag(event_id) OVER (ORDER BY nr) AS before FROM effect) AS run'),
	'the jobs of many lanes run in the order of their events');
ok($sometime->('together', "SELECT count(DISTINCT txid) = $lanes FROM effect"), 'those that may share a transaction do');
is($sql->('SELECT count(*), count(DISTINCT event_id) FROM effect'), $each * $lanes . '|' . $each * $lanes, 'each ran once');
$node->stop;
done_testing();
