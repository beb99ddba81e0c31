# Workers make way for commands that need their database, and for nothing else.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# Who has come stays, but for such a command.
my $node = new_server('leave', 'pg_intake.executors' => 1, 'pg_intake.idle_time' => "'1h'", max_prepared_transactions => 5, fsync => 'off');
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', q{
	CREATE EXTENSION pg_intake CASCADE;
	CREATE TABLE effect (key text);
	CREATE FUNCTION note(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.key)';
	SELECT intake.create_workflow('note', 'note(intake.job)', type => 'n')});
$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN; CREATE ROLE maker LOGIN CREATEDB; CREATE ROLE owner LOGIN CREATEDB');

my $workers = sub {
	return $node->safe_psql('postgres', "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE datname = 'app' AND backend_type LIKE 'pg_intake%'");
};
my $count = sub { return scalar split ' ', $workers->() };
my $emitted = 0;
# A delayed job needs a supervisor and an executor.
my $are_back = sub {
	my ($name) = @_;
	$emitted++;
	$node->safe_psql('app', "SELECT intake.emit('n', '{}', key => '$emitted', delay => '10 ms')");
	wait_for_sql($node, "SELECT count(*) = 1 FROM effect WHERE key = '$emitted'", 'app');
	return is($count->(), 2, $name);
};
my $are_away = sub { my ($name) = @_; return is($count->(), 0, $name) };
$are_back->('the workers are there');

# What is refused changes nothing. Whoever is sent away comes back as another process.
my $refused = sub {
	my ($role, $database, @commands) = @_;
	my $before = $workers->();
	my ($code) = $node->psql($database, join('', map { "$_;\n" } @commands), extra_params => [ '-U', $role ]);
	isnt($code, 0, "$role in $database is refused: $commands[-1]");
	return is($workers->(), $before, 'and the workers stay');
};
$refused->('stranger', 'postgres', 'DROP DATABASE app');
$refused->('stranger', 'postgres', 'DROP DATABASE app WITH (FORCE)');
$refused->('stranger', 'postgres', 'ALTER DATABASE app RENAME TO other');
$refused->('stranger', 'postgres', 'ALTER DATABASE app SET TABLESPACE pg_default');
$refused->('stranger', 'postgres', 'CREATE DATABASE other TEMPLATE app');
$refused->('maker', 'postgres', 'CREATE DATABASE other TEMPLATE app');
$refused->('maker', 'postgres', 'ALTER DATABASE app RENAME TO other');
$refused->('stranger', 'app', 'DROP EXTENSION pg_intake');
$refused->('stranger', 'app', 'DROP EXTENSION pgcrypto CASCADE');
$refused->('stranger', 'app', 'DROP OWNED BY postgres CASCADE');
$refused->('stranger', 'app', 'DROP EXTENSION IF EXISTS pg_intake CASCADE');
$refused->('postgres', 'app', 'DROP SCHEMA intake CASCADE');
$refused->('postgres', 'app', 'DROP DATABASE app');
$refused->('postgres', 'app', 'ALTER DATABASE app RENAME TO other');
$refused->('postgres', 'postgres', 'BEGIN', 'DROP DATABASE app');
$refused->('postgres', 'postgres', 'BEGIN', 'CREATE DATABASE other TEMPLATE app');
$refused->('postgres', 'postgres', 'CREATE DATABASE gateway TEMPLATE nowhere');
$refused->('postgres', 'postgres', 'CREATE DATABASE postgres TEMPLATE app');
$refused->('postgres', 'postgres', 'ALTER DATABASE app RENAME TO postgres');
$refused->('postgres', 'postgres', 'DO $$ BEGIN DROP DATABASE app; END $$');
$refused->('postgres', 'app', 'BEGIN READ ONLY', 'DROP EXTENSION pg_intake CASCADE');
$node->safe_psql('postgres', 'ALTER DATABASE app IS_TEMPLATE true');
$refused->('postgres', 'postgres', 'DROP DATABASE app');
$node->safe_psql('postgres', 'ALTER DATABASE app IS_TEMPLATE false');

# Commands that need nobody to leave.
my $before = $workers->();
$node->safe_psql('postgres', 'ALTER DATABASE app CONNECTION LIMIT 50; ALTER DATABASE app SET work_mem = 8192; ALTER DATABASE app OWNER TO owner');
$node->safe_psql('app', 'CREATE EXTENSION hstore; DROP EXTENSION hstore CASCADE')
  if $node->safe_psql('app', "SELECT count(*) FROM pg_available_extensions WHERE name = 'hstore'");
is($workers->(), $before, 'the workers stay where nothing asks for them to leave');

# Those who may.
$node->safe_psql('postgres', 'ALTER DATABASE app RENAME TO other; ALTER DATABASE other RENAME TO app', extra_params => [ '-U', 'owner' ]);
$are_back->('the owner has renamed the database');
isnt($workers->(), $before, 'for which the workers left');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE app', extra_params => [ '-U', 'owner' ]);
$are_back->('the owner has copied the database');
$node->safe_psql('postgres', 'DROP DATABASE copy', extra_params => [ '-U', 'owner' ]);

# The stay away ends with what it was for.
my $session = $node->background_psql('app', on_error_die => 1);
$session->query_safe('SET client_min_messages = error');
$session->query_safe('BEGIN; SAVEPOINT a; DROP EXTENSION pg_intake CASCADE');
$are_away->('in a transaction that drops the extension the workers are away');
$session->query_safe('ROLLBACK TO a');
$are_back->('after ROLLBACK TO, the transaction is still open');
$session->query_safe('SAVEPOINT b; SAVEPOINT c; DROP EXTENSION pg_intake CASCADE; RELEASE c; SELECT 1');
$are_away->('a released savepoint hands the stay on');
$session->query_safe('ROLLBACK TO b');
$are_back->('to the one around it');
$session->query_safe('DO $$ BEGIN DROP EXTENSION pg_intake CASCADE; RAISE EXCEPTION $x$no$x$; EXCEPTION WHEN raise_exception THEN NULL; END $$');
$are_back->('an error inside a block');
$session->query_safe('ROLLBACK');

$session->query_safe('BEGIN; DROP EXTENSION pg_intake CASCADE');
$are_away->('away');
my $start = time;
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE template0 STRATEGY file_copy; DROP DATABASE copy');
$are_away->('still away');
$session->query_safe(q{PREPARE TRANSACTION 'drop'});
$are_away->('and while the transaction is prepared');
$node->safe_psql('app', q{ROLLBACK PREPARED 'drop'});
$are_back->('until that is rolled back');

# Two sessions: the workers come back when both are through.
my $pid = $session->query_safe('SELECT pg_backend_pid()');
my $other = $node->background_psql('app', on_error_stop => 0);
$session->query_safe('BEGIN; DROP EXTENSION pg_intake CASCADE');
$other->query_safe('BEGIN; SET LOCAL lock_timeout = 100');
my ($out, $failed) = $other->query('DROP EXTENSION pg_intake CASCADE');
$other->query('ROLLBACK');
$are_away->('of two sessions one has given up');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$are_back->('the other was terminated in the middle');
$other->quit;
eval { $session->quit };

# A long job holds nobody up for ever, whatever drops the extension.
$node->safe_psql('app', q{
	CREATE FUNCTION sleeps(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(1000)';
	SELECT intake.create_workflow('sleeps', 'sleeps(intake.job)', type => 'sleep', timeout => '1 hour')});
$node->safe_psql('app', q{SELECT intake.emit('sleep', '{}')});
wait_for_sql($node, 'SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL', 'app');
my $busy = $node->safe_psql('app', 'SELECT pid FROM intake.workers WHERE job_id IS NOT NULL');
$start = time;
$node->safe_psql('app', 'BEGIN; DROP EXTENSION pgcrypto CASCADE; ROLLBACK');
cmp_ok(time - $start, '<', 40, 'DROP EXTENSION of what ours requires does not wait for a long job');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE job_id IS NOT NULL AND pid <> $busy", 'app');
pass('after that the job is begun again by itself');

# An extension that comes with a prepared transaction.
$node->safe_psql('postgres', 'CREATE DATABASE late TEMPLATE template0 STRATEGY file_copy');
$node->safe_psql('late', q{BEGIN; CREATE EXTENSION pg_intake CASCADE; PREPARE TRANSACTION 'create'});
$node->safe_psql('late', q{COMMIT PREPARED 'create'});
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'supervisor'", 'late');
pass('the extension is found when the prepared transaction that made it commits');

# DROP OWNED BY its owner, who is another superuser.
$node->safe_psql('late', 'DROP EXTENSION pg_intake; DROP EXTENSION pgcrypto; CREATE ROLE root SUPERUSER LOGIN');
$node->safe_psql('late', 'CREATE EXTENSION pg_intake CASCADE', extra_params => [ '-U', 'root' ]);
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'supervisor'", 'late');
$node->safe_psql('late', 'DROP OWNED BY root CASCADE');
is($node->safe_psql('late', "SELECT count(*) FROM pg_extension WHERE extname = 'pg_intake'"), '0', 'DROP OWNED drops the extension');
wait_for_sql($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'late' AND backend_type LIKE 'pg_intake%'");
$node->stop;
done_testing();
