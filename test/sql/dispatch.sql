-- Which workflows an event is for. What the session knows of them is compared with what their rows
-- say, before and after they change in every way.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION dispatch_handler(job intake.job) RETURNS void LANGUAGE sql AS '';
SELECT count(intake.create_source('dispatch.' || name, 'none', key_from => 'header:x-id', type_from => 'header:x-type'))
FROM unnest('{a,b,ab}'::text[]) name;
SELECT intake.create_source('dispatch.untyped', 'none', key_from => 'header:x-id') > 0;

-- An event, and its jobs for workflows of this test.
CREATE SEQUENCE dispatch_key;
CREATE FUNCTION dispatch_part(name text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT ('x' || left(md5(name), 4))::bit(16)::int % 7 $$;
CREATE FUNCTION dispatch_send(source text, type text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF source = 'intake' THEN
        RETURN intake.emit(type, '{"n": 2}');
    END IF;
    RETURN (intake.ingest(source, jsonb_strip_nulls(jsonb_build_object('X-Id', nextval('dispatch_key'), 'X-Type', type)),
        '{"n": 2}')).body::jsonb ->> 'event_id';
END $$;
CREATE FUNCTION dispatch_jobs(event bigint) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(j.workflow ORDER BY j.workflow) FROM intake.jobs j
    WHERE j.event_id = event AND j.workflow ~ '^dispatch ' $$;

-- What the rows say.
CREATE FUNCTION dispatch_glob(pattern text, value text) RETURNS boolean LANGUAGE sql AS $$
    SELECT pattern = '*' OR coalesce(value LIKE
        replace(replace(regexp_replace(pattern, '[\\%_]', '\\\&', 'g'), '*', '%'), '?', '_'), false) $$;
CREATE FUNCTION dispatch_expected(source text, type text) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(w.name ORDER BY w.name) FROM intake.workflows w
    WHERE w.name ~ '^dispatch ' AND dispatch_glob(w.source, dispatch_expected.source)
      AND dispatch_glob(w.type, dispatch_expected.type)
      AND (w.filter IS NULL OR '{"n": 2}'::jsonb @? w.filter) $$;

-- All events that differ from what the rows say, and how many jobs there were.
CREATE TABLE dispatch_sent (source text, type text, event bigint);
CREATE FUNCTION dispatch_compare(OUT events bigint, OUT jobs bigint, OUT wrong text[]) LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM dispatch_sent;
    INSERT INTO dispatch_sent SELECT s.source, t.type, dispatch_send(s.source, t.type)
        FROM unnest('{intake,dispatch.a,dispatch.b,dispatch.ab}'::text[]) s(source),
             unnest('{a,b,a.b,a.bb,a.c,abcdefghij,abcdefghik,"x*","a?"}'::text[]) t(type)
        UNION ALL SELECT 'dispatch.untyped', NULL, dispatch_send('dispatch.untyped', NULL);
    WITH made AS MATERIALIZED (SELECT j.event_id, array_agg(j.workflow ORDER BY j.workflow) AS jobs
        FROM intake.jobs j WHERE j.workflow ~ '^dispatch ' GROUP BY j.event_id)
    SELECT count(*), sum(cardinality(m.jobs)), array_agg(s.source || ' ' || coalesce(s.type, '')) FILTER
            (WHERE m.jobs IS DISTINCT FROM dispatch_expected(s.source, s.type))
        INTO events, jobs, wrong FROM dispatch_sent s LEFT JOIN made m ON m.event_id = s.event;
END $$;

-- Every pair of patterns, some of them with a filter.
SELECT count(intake.create_workflow(format('dispatch %s %s', s, t), 'dispatch_handler(intake.job)', source => s, type => t,
    filter => CASE WHEN (length(s) + length(t)) % 4 = 0 THEN '$.n ? (@ > 1)' WHEN (length(s) + length(t)) % 4 = 1 THEN '$.n ? (@ > 2)' END::jsonpath))
FROM unnest('{*,**,intake,dispatch.a,dispatch.b,dispatch.?,dispatch.*,dispatch,*.ab,"",i*,?ntake}'::text[]) s,
     unnest('{*,**,a,b,a.b,a.*,a.??,?,abcdefghij,abcdefghi?,abcdefgh*,"*j","","a?","x*",A,a%}'::text[]) t;
SELECT * FROM dispatch_compare();

-- Dropped, renamed sources and types, patterns that become names and names that become patterns, filters
-- that come and go; paused ones get their jobs, which wait.
SELECT count(intake.drop_workflow(name, force => true)) FROM intake.workflows WHERE name ~ '^dispatch ' AND dispatch_part(name) = 0;
SELECT * FROM dispatch_compare();
SELECT count(intake.alter_workflow(name, source => CASE source WHEN '*' THEN 'dispatch.a' WHEN 'dispatch.a' THEN 'dispatch.b'
    WHEN 'dispatch.b' THEN 'dispatch.*' WHEN 'dispatch.*' THEN '*' WHEN 'intake' THEN 'i?take' ELSE 'intake' END))
FROM intake.workflows WHERE name ~ '^dispatch ' AND dispatch_part(name) IN (1, 2);
SELECT * FROM dispatch_compare();
SELECT count(intake.alter_workflow(name, type => CASE type WHEN '*' THEN 'a' WHEN 'a' THEN 'a.*' WHEN 'a.*' THEN 'b' ELSE '*' END))
FROM intake.workflows WHERE name ~ '^dispatch ' AND dispatch_part(name) IN (2, 3);
SELECT count(intake.alter_workflow(name, options => '{"filter": null}')) FROM intake.workflows WHERE name ~ '^dispatch ' AND dispatch_part(name) = 4;
SELECT count(intake.pause_workflow(name)) FROM intake.workflows WHERE name ~ '^dispatch ' AND dispatch_part(name) = 5;
SELECT * FROM dispatch_compare();
-- A source that is there again under another name, or for the first time.
SELECT intake.drop_source('dispatch.a');
SELECT intake.create_source('dispatch.a', 'none', key_from => 'header:x-id', type_from => 'header:x-type') > 0;
SELECT * FROM dispatch_compare();
-- As a dump brings them: they get their jobs, which wait.
UPDATE intake.workflow SET database_identity = 'elsewhere' WHERE name ~ '^dispatch ' AND dropped_at IS NULL AND dispatch_part(name) = 6;
SELECT * FROM dispatch_compare();
SELECT count(DISTINCT state) FROM intake.workflows WHERE name ~ '^dispatch ' AND dispatch_part(name) = 6;
SELECT count(*) > 0 FROM intake.jobs j JOIN intake.workflows w ON w.name = j.workflow WHERE w.name ~ '^dispatch ' AND w.state = 'restored' AND j.state = 'ready';

-- What is rolled back is unknown again, in a subtransaction, too.
BEGIN;
UPDATE intake.workflow SET source = 'dispatch.b', type = '*' WHERE name ~ '^dispatch ' AND dropped_at IS NULL;
SELECT * FROM dispatch_compare();
SAVEPOINT a;
UPDATE intake.workflow SET dropped_at = now() WHERE name ~ '^dispatch ' AND dropped_at IS NULL AND dispatch_part(name) = 1;
SELECT * FROM dispatch_compare();
ROLLBACK TO a;
SELECT * FROM dispatch_compare();
ROLLBACK;
SELECT * FROM dispatch_compare();

-- Without the indexes, or with one that is not whole, the rows are found in the table.
ALTER INDEX intake.workflow_source RENAME TO workflow_source_away;
ALTER INDEX intake.workflow_patterns RENAME TO workflow_patterns_away;
\c
SET client_min_messages = warning;
SELECT * FROM dispatch_compare();
ALTER INDEX intake.workflow_source_away RENAME TO workflow_source;
ALTER INDEX intake.workflow_patterns_away RENAME TO workflow_patterns;

-- In one command, more than are told one by one.
SELECT count(intake.drop_workflow(name, force => true)) FROM intake.workflows WHERE name ~ '^dispatch ';
SELECT * FROM dispatch_compare();
INSERT INTO intake.workflow (name, handler, source, type, paused)
SELECT 'dispatch ' || n, intake.handler_name('dispatch_handler'::regproc), CASE n % 3 WHEN 0 THEN '*' WHEN 1 THEN 'intake' ELSE 'dispatch.' || n END, 'type.' || n, true
FROM generate_series(1, 1200) n;
SELECT dispatch_jobs(dispatch_send('intake', 'type.' || n)) FROM generate_series(1194, 1200) n;
UPDATE intake.workflow SET type = type || '.new' WHERE name ~ '^dispatch ' AND dropped_at IS NULL;
SELECT dispatch_jobs(dispatch_send('intake', 'type.' || n || '.new')) FROM generate_series(1194, 1200) n;

-- What it costs: how many rows of the table an event has the session read.
CREATE FUNCTION dispatch_reads(type text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    counted text := $c$ SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_all_tables WHERE relid = 'intake.workflow'::regclass $c$;
    before bigint;
    after bigint;
BEGIN
    EXECUTE counted INTO before;
    PERFORM intake.emit(type, '{}');
    EXECUTE counted INTO after;
    RETURN after - before;
END $$;
SELECT dispatch_reads('type.3.new'), dispatch_reads('nothing');
-- One that changed, one that is new, one that is dropped, and one of a source that is not known here.
SELECT intake.alter_workflow('dispatch 3', type => 'type.three');
SELECT dispatch_reads('type.three'), dispatch_reads('type.three');
SELECT intake.create_workflow('dispatch new', 'dispatch_handler(intake.job)', source => 'intake', type => 'new') > 0;
SELECT dispatch_reads('new'), dispatch_reads('new');
SELECT intake.drop_workflow('dispatch new', force => true);
SELECT dispatch_reads('new'), dispatch_reads('new');
SELECT intake.alter_workflow('dispatch 5', type => 'five');
SELECT dispatch_reads('new'), dispatch_reads('new');
-- A role that changes concerns no row.
ALTER ROLE CURRENT_USER SET work_mem = '4MB';
SELECT dispatch_reads('type.6.new');
ALTER ROLE CURRENT_USER RESET work_mem;
-- A session that begins reads what is for this source, and not the 400 of others.
\c
SET client_min_messages = warning;
SELECT dispatch_reads('nothing') BETWEEN 800 AND 900 AS reads, dispatch_reads('nothing');

-- Many handlers: more than a process keeps prepared, each of which is called, and once more.
UPDATE intake.workflow SET dropped_at = now() WHERE name ~ '^dispatch ' AND dropped_at IS NULL;
CREATE SCHEMA dispatch;
CREATE TABLE dispatch.effect (n int, event bigint);
DO $$ BEGIN
    FOR n IN 1..300 LOOP
        EXECUTE format('CREATE FUNCTION dispatch.h%s(job intake.job) RETURNS void LANGUAGE sql AS ''INSERT INTO dispatch.effect VALUES (%s, job.event_id)''', n, n);
        PERFORM intake.create_workflow('dispatch ' || n, format('dispatch.h%s(intake.job)', n)::regprocedure, source => 'intake', type => 'many');
    END LOOP;
END $$;
CREATE FUNCTION dispatch_wait(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1..6000 LOOP
        EXECUTE 'SELECT ' || condition INTO holds;
        IF holds THEN RETURN 'yes'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no: ' || condition;
END $$;
SELECT count(intake.emit('many', '{}')) FROM generate_series(1, 3);
SELECT dispatch_wait('count(*) = 900 FROM dispatch.effect');
-- One that is replaced is called as it is now, and one that another workflow is given, too.
CREATE OR REPLACE FUNCTION dispatch.h7(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO dispatch.effect VALUES (-7, job.event_id)';
SELECT intake.alter_workflow('dispatch 8', handler => 'dispatch.h7(intake.job)');
SELECT intake.emit('many', '{}') > 0;
SELECT dispatch_wait('count(*) = 1200 FROM dispatch.effect');
SELECT n, count(*) FROM dispatch.effect WHERE n IN (-7, 6, 7, 8) GROUP BY n ORDER BY n;

SELECT count(intake.drop_workflow(name, force => true)) FROM intake.workflows WHERE name ~ '^dispatch ';
SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name ~ '^dispatch\.';
DROP SCHEMA dispatch CASCADE;
DROP TABLE dispatch_sent;
DROP SEQUENCE dispatch_key CASCADE;
DROP FUNCTION dispatch_handler, dispatch_part, dispatch_send, dispatch_jobs, dispatch_glob, dispatch_expected, dispatch_compare, dispatch_reads, dispatch_wait;
