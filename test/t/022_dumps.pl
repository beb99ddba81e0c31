# What a dump of data alone does, and a restore under hostile default privileges.
use strict;
use warnings;
use Intake;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('dumps');
$node->safe_psql('postgres', q{
	CREATE FUNCTION works(job intake.job) RETURNS void LANGUAGE sql AS '';
	SELECT intake.create_workflow('works', 'works(intake.job)');
	SELECT intake.emit('n', '{"n": 1}', 'one'), intake.emit('n', '{"n": 2}')});
wait_for_sql($node, 'SELECT count(*) = 2 FROM intake.done');
my $everything = q{SELECT (SELECT string_agg(key || convert_from(body, 'UTF8'), ' ' ORDER BY id) FROM intake.event),
	intake.find_event('intake', 'one'), (SELECT count(*) FROM intake.done)};
my $before = $node->safe_psql('postgres', $everything);

# Data alone has the rows of the partitions, but not the partitions.
my $dump = $node->basedir . '/data';
command_ok([ 'pg_dump', '-Fc', '--data-only', '-n', 'intake', '-e', 'pg_intake', '-f', $dump, $node->connstr('postgres') ], 'pg_dump --data-only');
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION pg_intake CASCADE');
$node->safe_psql('fresh', q{CREATE FUNCTION works(job intake.job) RETURNS void LANGUAGE sql AS ''});
command_fails_like([ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', $node->connstr('fresh'), $dump ],
	qr/relation "intake.(done|event)_0" does not exist/, 'a restore without the partitions fails');
is($node->safe_psql('fresh', 'SELECT count(*) FROM intake.event_key'), '0', 'and leaves no keys behind');
$node->safe_psql('fresh', q{
	CREATE TABLE intake.event_0 PARTITION OF intake.event (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (1000000);
	CREATE TABLE intake.done_0 PARTITION OF intake.done (PRIMARY KEY (job_id)) FOR VALUES FROM (0) TO (1000000)});
command_ok([ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', $node->connstr('fresh'), $dump ], 'with them it works');
is($node->safe_psql('fresh', $everything), $before, 'events, keys and jobs are the same');
is($node->safe_psql('fresh', "SELECT intake.emit('n', '{}', 'one')"), $node->safe_psql('postgres', "SELECT intake.find_event('intake', 'one')"), 'and what comes again is known');
$node->stop;

done_testing();
