# Many databases with owners each, on few worker processes: where nothing is to be done there is no
# supervisor and no executor, and what comes, is due or is tried again brings them back in time. Roles
# that cannot log in hold up nobody else.
#
# INTAKE_DATABASES=100 INTAKE_PROCESSES=16 is the full size.
use strict;
use warnings;
use Intake;
use Test::More;
use Time::HiRes qw(sleep time);

my $databases = $ENV{INTAKE_DATABASES} // 20;
# Nothing here is found by polling.
my $node = new_server('many_databases', max_worker_processes => $ENV{INTAKE_PROCESSES} // 8, fsync => 'off', autovacuum => 'off',
	'pg_intake.poll_interval' => "'1h'", 'pg_intake.idle_time' => "'500ms'");
my $sql = sub { my ($query, $database) = @_; return $node->safe_psql($database // 'postgres', $query) };
my @names = ('postgres', map { "d$_" } 2 .. $databases);

$sql->(q{
	CREATE TABLE effect (owner name DEFAULT current_user, key text, at timestamptz DEFAULT clock_timestamp());
	GRANT INSERT ON effect TO PUBLIC;
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF job.type LIKE '%.twice' AND job.attempt = 1 THEN
			RAISE 'not yet';
		END IF;
		INSERT INTO public.effect (key) VALUES (job.key);
	END $$;
	DO $$
	BEGIN
		FOR i IN 1 .. 3 LOOP
			EXECUTE format('CREATE ROLE o%s LOGIN', i);
			PERFORM intake.grant_access(format('o%s', i)::regrole, 'admin');
			EXECUTE format('SET LOCAL ROLE o%s', i);
			PERFORM intake.create_workflow('o' || i, 'note(intake.job)', source => 'intake', type => format('o%s.*', i), backoff => '2 s');
			RESET ROLE;
		END LOOP;
	END $$});
$sql->('CREATE DATABASE pattern');
{
	my ($dump) = $node->basedir . '/pattern.sql';
	system('pg_dump', '-f', $dump, $node->connstr('postgres')) == 0 or die;
	system('psql', '-X', '-q', '-o', '/dev/null', '-d', $node->connstr('pattern'), '-f', $dump) == 0 or die;
}
for my $name (grep { $_ ne 'postgres' } @names)
{
	$sql->("CREATE DATABASE $name TEMPLATE pattern");
	$sql->('SELECT intake.resume_workflows()', $name);
}

my $workers = sub { return $sql->("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_intake%' AND backend_type <> 'pg_intake launcher'") };
my $all_leave = sub {
	my ($when) = @_;
	wait_for(sub { $workers->() == 0 }, "no worker is left $when");
	pass("no worker is left $when");
};
my $send = sub {
	my ($database, $key, $type, $more) = @_;
	$sql->("SELECT count(intake.emit('o' || n || '.$type', '{}', key => '$key' || n" . ($more // '') . ')) FROM generate_series(1, 3) n', $database);
};
my $has_run = sub {
	my ($database, $key, $owners) = @_;
	return wait_for_sql($node, "SELECT count(*) = " . ($owners // 3) . " FROM effect WHERE key LIKE '$key%'", $database);
};

$all_leave->('where nothing has come');
my $start = time;
$send->($_, 'a', 'now') for @names;
$has_run->($_, 'a') for @names;
cmp_ok(time - $start, '<', 10 + $databases, 'all owners of all databases have their turns');
diag(sprintf '%d databases: the last job had run after %.1f s', $databases, time - $start);
$all_leave->('afterwards');

# Pickup, where an executor must be started.
my @took;
for my $n (1 .. 5)
{
	$send->('d2', "b$n", 'now');
	$has_run->('d2', "b$n");
	push @took, $sql->("SELECT extract(epoch FROM max(f.at - e.received_at)) FROM effect f JOIN intake.events e USING (key) WHERE key LIKE 'b$n%'", 'd2');
	wait_for(sub { $workers->() == 0 }, 'they leave');
}
@took = sort { $a <=> $b } @took;
cmp_ok($took[2], '<', 1, 'executors start as work comes');
diag('from the event to its effect, where executors must start: ' . join(' ', @took));

# What is due later, and what is tried again.
$send->($_, 'c', 'now', ", delay => '4 seconds'") for 'd2', 'd3';
$all_leave->('while a delayed job waits');
is($sql->("SELECT count(*) FROM effect WHERE key LIKE 'c%'", 'd2'), '0', 'it has not run');
$has_run->($_, 'c') for 'd2', 'd3';
my $late = $sql->("SELECT extract(epoch FROM max(f.at - e.received_at)) FROM effect f JOIN intake.events e USING (key) WHERE key LIKE 'c%'", 'd2');
ok($late >= 4 && $late < 6, 'a delayed job runs in time');
diag("a job delayed by 4 s ran after $late s");
$send->('d2', 'd', 'twice');
$has_run->('d2', 'd');
pass('what fails is tried again');
$all_leave->('when that is done');

# The same after a restart, when nobody has been anywhere yet.
$send->('d3', 'e', 'now', ", delay => '3 seconds'");
$all_leave->('before the restart');
$node->restart;
$has_run->('d3', 'e');
pass('a delayed job runs after a restart');
$all_leave->('after it');

# Roles that cannot log in.
$sql->('ALTER ROLE o1 NOLOGIN');
$start = time;
for my $round (1 .. 3)
{
	$send->($_, "f$round", 'now') for @names;
	for my $name (@names) { $has_run->($name, "f$round", 2) }
}
cmp_ok(time - $start, '<', 30 + $databases, 'roles that cannot log in do not hold up others');
diag(sprintf '3 rounds beside roles that cannot log in took %.1f s', time - $start);
$sql->('ALTER ROLE o1 LOGIN');
for my $name (@names) { $has_run->($name, "f$_") for 1 .. 3 }
pass('and run their jobs when they can');
$all_leave->('in the end');
$node->stop;
done_testing();
