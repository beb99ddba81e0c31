# A change of one workflow reaches the processes that know it: sessions that store events, over a prepared
# transaction too, and executors that have run its jobs.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('workflows', max_prepared_transactions => 5);
my $sql = sub { $node->safe_psql('postgres', $_[0]) };
$sql->(q{
	CREATE TABLE ran (n serial, workflow text, role text, how text);
	CREATE ROLE other LOGIN;
	SELECT intake.grant_access('other', 'admin');
	GRANT ALL ON ran, ran_n_seq TO other;
	CREATE FUNCTION one(job intake.job) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO ran (workflow, role, how) VALUES (job.workflow, current_user, 'one') $$;
	CREATE FUNCTION two(job intake.job) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO ran (workflow, role, how) VALUES (job.workflow, current_user, 'two') $$;
	SELECT intake.create_workflow('changes', 'one(intake.job)', type => 'a'),
		intake.create_workflow('stays', 'one(intake.job)', type => 'a')});
my $session = $node->background_psql('postgres');
my $count = 0;

# Emits an event in the session that knows the workflows, and waits for what it does for the workflow
# that stays; then what it did for the other.
my $emit = sub {
	my ($expected, $what) = @_;
	$session->query_safe(q{SELECT intake.emit('a', '{}')});
	$count++;
	wait_for(sub { $sql->(q{SELECT count(*) FROM ran WHERE workflow = 'stays'}) == $count }, 'the other job has run');
	my $runs = q{SELECT string_agg(concat_ws(' ', role, how), ', ' ORDER BY n) FROM ran WHERE workflow = 'changes'};
	wait_for(sub { $sql->($runs) eq $expected }, "$what: it has run as expected");
	is($sql->($runs), $expected, $what);
};
my $me = $sql->('SELECT current_user');
my $ran = "$me one";
$emit->($ran, 'a job runs');

$sql->(q{SELECT intake.pause_workflow('changes')});
$emit->($ran, 'while it is paused, its jobs wait');
is($sql->(q{SELECT count(*) FROM intake.jobs WHERE workflow = 'changes' AND state = 'ready'}), 1, 'one does');
$sql->(q{SELECT intake.resume_workflow('changes')});
$emit->($ran .= ", $me one, $me one", 'resumed, they run');

$sql->(q{SELECT intake.alter_workflow('changes', handler => 'two(intake.job)')});
$emit->($ran .= ", $me two", 'another handler');
$sql->(q{SELECT intake.give_workflow('changes', 'other')});
$emit->($ran .= ', other two', 'another role');
$sql->(q{ALTER ROLE other RENAME TO another});
$emit->($ran .= ', another two', 'which has another name');
$sql->(q{ALTER ROLE another NOLOGIN});
$emit->($ran, 'while the role cannot log in, its jobs wait');
$sql->(q{ALTER ROLE another LOGIN});
$emit->($ran .= ', another two, another two', 'they run when it can');

# What is prepared has not happened; committed by another session, it has.
my $jobs = sub { $sql->(q{SELECT count(*) FROM intake.jobs WHERE workflow = 'prepared'}) };
$sql->(q{BEGIN; SELECT intake.create_workflow('prepared', 'one(intake.job)', type => 'b'); PREPARE TRANSACTION 'p'});
$session->query_safe(q{SELECT intake.emit('b', '{}')});
is($jobs->(), 0, 'a workflow that is prepared gets no job');
$sql->(q{COMMIT PREPARED 'p'});
$session->query_safe(q{SELECT intake.emit('b', '{}')});
is($jobs->(), 1, 'one that is committed does');
wait_for(sub { $sql->(q{SELECT count(*) FROM ran WHERE workflow = 'prepared'}) == 1 }, 'its job has run');
$sql->(q{BEGIN; SELECT intake.drop_workflow('prepared'); PREPARE TRANSACTION 'p'});
$session->query_safe(q{SELECT intake.emit('b', '{}')});
is($jobs->(), 2, 'a drop that is prepared has not happened');
wait_for(sub { $sql->(q{SELECT count(*) FROM ran WHERE workflow = 'prepared'}) == 2 }, 'its job has run, too');
$sql->(q{COMMIT PREPARED 'p'});
$session->query_safe(q{SELECT intake.emit('b', '{}')});
is($jobs->(), 2, 'one that is committed has');

$session->quit;
$node->stop;
done_testing();
