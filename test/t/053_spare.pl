# A process that is connected to no database waits to become the next executor, and is replaced.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('spare', 'pg_intake.executors' => 1, 'pg_intake.idle_time' => "'200ms'", 'pg_intake.poll_interval' => "'1h'",
	log_min_messages => 'debug1', fsync => 'off', autovacuum => 'off');
my $sql = sub { return $node->safe_psql('postgres', @_) };
my $postmaster = sub { return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0] };
# The titles of our processes by their ids, from /proc: a bare machine has no ps.
my $titles = sub {
	my %of;
	for my $pid (split / /, slurp_file("/proc/@{[$postmaster->()]}/task/@{[$postmaster->()]}/children"))
	{
		open my $file, '<', "/proc/$pid/cmdline" or next;
		$of{$pid} = $1 if (<$file> // '') =~ /: pg_intake (\w+)/;
	}
	return \%of;
};
my $spares = sub { my $of = $titles->(); return sort grep { $of->{$_} eq 'spare' } keys %$of };
my $starts = sub { return scalar(() = slurp_file($node->logfile) =~ /starting background worker process "pg_intake/g) };
# The only process beside the launcher, once it waits.
my $spare = sub {
	my ($but) = @_;
	my @found;
	wait_for(sub { @found = $spares->(); keys %{ $titles->() } == 2 && @found == 1 && $found[0] != ($but // 0) }, 'there is a spare, and nobody else');
	return $found[0];
};
# It sleeps: the system counts how often it does.
my $sleeps = sub { return slurp_file("/proc/$_[0]/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m ? $1 : -1 };
my $runs = sub {
	my ($key, $name) = @_;
	$sql->("SELECT intake.emit('note', '{}', key => '$key')");
	return ok(wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$key'"), $name);
};
my $pid_of = sub { return $sql->("SELECT pid FROM effect WHERE key = '$_[0]'") };

$sql->(q{
	CREATE TABLE effect (key text, pid int DEFAULT pg_backend_pid(), type text, memory text DEFAULT current_setting('work_mem'));
	GRANT INSERT ON effect TO PUBLIC;
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS $$
		INSERT INTO public.effect SELECT job.key, a.pid, a.backend_type FROM pg_stat_activity a WHERE a.pid = pg_backend_pid() $$;
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'note')});

# Used, and replaced.
my $first = $spare->();
is($sql->("SELECT count(*) FROM pg_stat_activity WHERE pid = $first"), '0', 'the server shows no backend of it');
ok(wait_for_sql($node, "SELECT string_agg(kind, ' ') = 'launcher' FROM intake.workers"), 'nor is it a worker');
$runs->('first', 'a job runs');
is($pid_of->('first'), $first, 'in the spare');
is($sql->('SELECT type FROM effect'), 'pg_intake executor', 'which is an executor then');
my $second = $spare->($first);
isnt($second, $first, 'another one takes its place');
$node->append_conf('postgresql.conf', "work_mem = '7MB'\n");
$node->reload;
wait_for_sql($node, "SELECT current_setting('work_mem') = '7MB'");
$runs->('second', 'another job runs');
is($pid_of->('second'), $second, 'in the other spare');
is($sql->("SELECT memory FROM effect WHERE key = 'second'"), '7MB', 'with the settings of now');

# It costs nothing while it waits, and keeps nobody.
my $third = $spare->($second);
my $waits = sub { my @before = ($sleeps->($third), $starts->()); $sql->('SELECT pg_sleep(3)'); return "@before" eq join ' ', $sleeps->($third), $starts->() };
wait_for($waits, 'it sleeps');
pass('it sleeps, and nothing starts');
$sql->('CREATE DATABASE copy TEMPLATE postgres STRATEGY file_copy');
wait_for_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'copy'");
$sql->('DROP DATABASE copy');
$third = $spare->();

# Ended by somebody: replaced later and later.
my $replaced = sub {
	my $before = $spare->();
	my $since = time;
	kill 'TERM', $before;
	$spare->($before);
	return time - $since;
};
cmp_ok($replaced->(), '<', 5, 'one that is ended is replaced');
$replaced->() for 1 .. 4;
cmp_ok($replaced->(), '>', 2, 'again and again: later and later');
my $last = $spare->();
$runs->('third', 'one that was of use');
$spare->($last);
cmp_ok($replaced->(), '<', 5, 'makes up for it');

# A crash of the server.
$last = $spare->();
kill 'KILL', $last;
wait_for_sql($node, 'SELECT true');
$spare->($last);
$runs->('crash', 'after a crash of the server all goes on');

# The launcher ends.
$last = $spare->();
kill 'TERM', $sql->("SELECT pid FROM intake.workers WHERE kind = 'launcher'");
$spare->($last);
ok(!kill(0, $last), 'a new launcher has a spare of its own');
$runs->('launcher', 'and gives it away');

# Few places: whatever is wanted goes before it.
$spare->();
$node->append_conf('postgresql.conf', "max_worker_processes = 2\nmax_logical_replication_workers = 0\npg_intake.idle_time = '1h'\n");
$node->restart;
$sql->('CREATE ROLE ann LOGIN; GRANT ALL ON SCHEMA public TO ann');
$sql->("SELECT intake.grant_access('ann', 'admin')");
my $gate = $node->background_psql('postgres', on_error_die => 1);
$gate->query_safe('SELECT pg_advisory_lock(1)');
$sql->(q{
	CREATE FUNCTION wait(job intake.job) RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(1); INSERT INTO public.effect VALUES (job.key) $$;
	SELECT intake.create_workflow('wait', 'wait(intake.job)', type => 'wait')}, extra_params => [ '-U', 'ann' ]);
$sql->("SELECT intake.emit('wait', '{}', key => 'wait'); SELECT intake.emit('note', '{}', key => 'behind'); SELECT intake.emit('note', '{}', key => 'due', delay => '1 s')");
wait_for_sql($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_intake executor' AND wait_event = 'advisory'");
$sql->('SELECT pg_sleep(1.5)');
is_deeply([ $spares->() ], [], 'where places are wanted there is no spare');
$gate->query_safe('SELECT pg_advisory_unlock(1)');
$gate->quit;
ok(wait_for_sql($node, "SELECT count(DISTINCT key) = 3 FROM effect WHERE key IN ('wait', 'behind', 'due')"), 'all have their turns');
$node->append_conf('postgresql.conf', "pg_intake.idle_time = '200ms'\n");
$node->reload;
$last = $spare->();
my $warnings = sub { return scalar(() = slurp_file($node->logfile) =~ /could not start a background worker/g) };
my $before = $warnings->();
$sql->("SELECT intake.emit('note', '{}', key => 'due again', delay => '1 s')");
ok(wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = 'due again'"), 'a supervisor has its place');
is($warnings->(), $before, 'which is no reason to warn');

# Where nothing can come, there is none.
$spare->();
$sql->('DROP EXTENSION pg_intake CASCADE');
wait_for(sub { !$spares->() }, 'where the extension is nowhere');
pass('where the extension is nowhere, there is no spare');
$node->stop;
done_testing();
