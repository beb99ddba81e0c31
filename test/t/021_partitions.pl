# Partitions: made by the supervisor, found by their bounds, and never made anew by who reads.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('partitions', allow_in_place_tablespaces => 'on');
my $partitions = sub { $node->safe_psql($_[0] // 'postgres', q{SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent IN ('intake.event'::regclass, 'intake.done'::regclass)}) };
my $emit = sub { $node->psql('postgres', "SELECT intake.emit('n', '{}') > 0") };
my $jump = sub { $node->safe_psql('postgres', "SELECT setval('intake.$_[0]', $_[1])") };

# A session whose transaction stays open.
my $open = sub {
	my ($sql) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query("BEGIN; $sql");
	return $session;
};

# The first event of a database, in a transaction that stays open.
my $first = $open->("SELECT intake.emit('n', '{}') > 0");
my $start = time;
is(($emit->())[1], 't', 'others emit while the first event is not committed');
cmp_ok(time - $start, '<', 4, 'at once');
$first->query('ROLLBACK');
$first->quit;
is($partitions->(), 'intake.event_0', 'one partition is there, of what was needed');

# An extension that is not committed yet is nobody else's.
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
is($node->safe_psql('fresh', "BEGIN; SET client_min_messages = error; CREATE EXTENSION pg_intake CASCADE; SELECT intake.emit('n', '{}') > 0; COMMIT"), 't', 'emit in the transaction that creates the extension');
is($partitions->('fresh'), 'intake.event_0', 'which makes the partition');
$node->safe_psql('postgres', 'DROP DATABASE fresh');

# Settings of a role or a database do not say where partitions lie, and of what kind they are.
$node->safe_psql('postgres', q{SET allow_in_place_tablespaces = on; CREATE TABLESPACE elsewhere LOCATION ''});
$node->safe_psql('postgres', $_) for 'CREATE ACCESS METHOD mine TYPE TABLE HANDLER heap_tableam_handler',
  'ALTER DATABASE postgres SET default_tablespace = elsewhere', 'ALTER DATABASE postgres SET default_table_access_method = mine';
my $killed = $node->safe_psql('postgres', 'SELECT max(clock_timestamp()) FROM intake.workers WHERE pg_terminate_backend(pid)');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'supervisor' AND started_at > '$killed'");
$jump->('event_id_seq', 5_000_000);
is(($emit->())[1], 't', 'emit with settings of that kind');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam
	WHERE c.relname ~ '^event_5' AND (c.reltablespace <> 0 OR a.amname NOT IN ('heap', 'btree', 'brin'))}), '0', 'the partition lies where the others do');
is($partitions->(), 'intake.event_0 intake.event_5000000', 'the sequence has jumped over some');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL');

# The next partition is there before it is needed.
$jump->('event_id_seq', 5_600_000);
is(($emit->())[1], 't', 'an event in the second half');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(pid) FROM intake.workers');
wait_for(sub { $partitions->() =~ /event_6000000/ }, 'the next partition');
pass('the supervisor makes partitions ahead');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.workers WHERE kind = 'launcher'");

# A detached partition takes no rows, and none is made in its place.
$node->safe_psql('postgres', 'ALTER TABLE intake.event DETACH PARTITION intake.event_5000000');
my ($code, $out, $err) = $emit->();
like($err, qr/"intake.event_5000000" was detached.*HINT:  Attach it again/s, 'a detached partition is an error');
my $url = start_shim($node);
is(post("$url/webhooks/src", body_of('detached'))->{status}, 503, 'the sender tries again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM intake.event_5000000'), '2', 'nothing went there');
$node->safe_psql('postgres', 'ALTER TABLE intake.event ATTACH PARTITION intake.event_5000000 FOR VALUES FROM (5000000) TO (6000000)');
is(post("$url/webhooks/src", body_of('detached'))->{status}, 200, 'attached again it takes rows');
$node->safe_psql('postgres', 'ALTER TABLE intake.event DETACH PARTITION intake.event_5000000; ALTER TABLE intake.event_5000000 RENAME TO archived');
is(post("$url/webhooks/src", body_of('renamed'))->{status}, 200, 'renamed it is not in the way');

# Bounds of somebody's own.
$node->safe_psql('postgres', q{
	CREATE TABLE intake.wide (LIKE intake.event INCLUDING ALL, PRIMARY KEY (id));
	ALTER TABLE intake.event ATTACH PARTITION intake.wide FOR VALUES FROM (20000000) TO (25000000)});
$jump->('event_id_seq', 24_999_998);
is(($emit->())[1], 't', 'an event of a wide partition') for 1 .. 2;
is($node->safe_psql('postgres', q{SELECT string_agg(tableoid::regclass::text, ' ' ORDER BY id) FROM intake.event WHERE id >= 20000000}), 'intake.wide intake.event_25000000', 'each where the bounds say');

# Reading does not make a dropped partition again.
$node->safe_psql('postgres', q{
	CREATE FUNCTION fails(job intake.job) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
	SELECT intake.create_workflow('fails', 'fails(intake.job)', type => 'f', max_attempts => 1), intake.emit('f', '{}')});
wait_for_sql($node, 'SELECT count(*) = 1 FROM intake.dead_letter');
$jump->('event_id_seq', 30_000_000);
is(($emit->())[1], 't', 'later events');
$node->safe_psql('postgres', 'DROP TABLE intake.event_25000000; SELECT intake.replay(job_id) FROM intake.dead_letter');
wait_for_sql($node, "SELECT count(*) = 1 FROM intake.dead_letter WHERE error LIKE '%not stored any more%'");
unlike($partitions->(), qr/event_25000000/, 'a job whose event was dropped makes no partition');

# A job whose partition of done is detached waits, uncharged.
$node->safe_psql('postgres', q{
	CREATE FUNCTION works(job intake.job) RETURNS void LANGUAGE sql AS '';
	SELECT intake.create_workflow('works', 'works(intake.job)', type => 'w');
	ALTER TABLE intake.done DETACH PARTITION intake.done_0});
my $before = -s $node->logfile;
my $id = $node->safe_psql('postgres', "SELECT intake.emit('w', '{}')");
wait_for(sub { slurp_file($node->logfile, $before) =~ /executor.* exited with exit code 1/ }, 'an executor has met it');
is($node->safe_psql('postgres', "SELECT state || attempts FROM intake.jobs WHERE event_id = $id"), 'ready0', 'it waits');
$node->safe_psql('postgres', 'ALTER TABLE intake.done ATTACH PARTITION intake.done_0 FOR VALUES FROM (0) TO (1000000)');
wait_for_sql($node, "SELECT state = 'done' FROM intake.jobs WHERE event_id = $id");
pass('and runs');

# Who keeps the supervisor from it delays others, but not for ever.
my $lock = $open->('LOCK TABLE intake.event IN SHARE UPDATE EXCLUSIVE MODE');
$jump->('event_id_seq', 40_000_000);
$start = time;
($code, $out, $err) = $emit->();
like($err, qr/"intake.event_40000000" has not been made in time.*HINT:/s, 'a lock on the log');
cmp_ok(time - $start, '<', 15, 'is not waited for without end');
is(post("$url/webhooks/src", body_of('locked'))->{status}, 503, 'the sender tries again');
is($lock->query("SELECT intake.emit('n', '{}') > 0"), 't', 'who holds the lock makes it himself');
$lock->query('COMMIT');
$lock->quit;
is(post("$url/webhooks/src", body_of('locked'))->{status}, 200, 'and all goes on');
stop_shim($url);
$node->stop;

# Without the library in shared_preload_libraries there is no supervisor.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->start;
$jump->('event_id_seq', 50_000_000);
is(($emit->())[1], 't', 'emit without a supervisor');
$node->stop;

done_testing();
