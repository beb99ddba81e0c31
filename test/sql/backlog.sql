-- A workflow whose jobs wait for many calls begins no other job; those that go on do. The test is the courier.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA backlog;
SET search_path = backlog, public;
ALTER SYSTEM SET pg_intake.max_waiting_calls = 3;
SELECT pg_reload_conf();
CREATE FUNCTION wait_for(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1..1000 LOOP
        EXECUTE 'SELECT ' || condition INTO holds;
        IF holds THEN RETURN 'yes'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no: ' || condition;
END $$;
SELECT wait_for($$current_setting('pg_intake.max_waiting_calls') = '3'$$);
CREATE FUNCTION handler(job intake.job) RETURNS intake.next LANGUAGE sql AS $$
    SELECT CASE job.step
        WHEN 'start' THEN intake.call('https://backlog.example.com/', '1', step => 'asked')
        WHEN 'asked' THEN intake.sleep('0', 'slept')
        ELSE intake.done() END $$;
CREATE FUNCTION plain(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT intake.create_workflow('backlog', 'handler(intake.job)', type => 'backlog') > 0 AND intake.create_workflow('backlog plain', 'plain(intake.job)', type => 'backlog') > 0;
CREATE TABLE taken (call_id bigint, job_id bigint);
CREATE VIEW rooms AS SELECT state, count(*) FROM intake.jobs WHERE workflow = 'backlog' GROUP BY 1 ORDER BY 1;
-- Takes calls and answers some of them.
CREATE FUNCTION answer(token bigint, calls int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
    jobs bigint[];
BEGIN
    INSERT INTO taken SELECT x.call_id, x.job_id FROM intake.exchange(token, 1000, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x WHERE x.kind = 'r';
    WITH gone AS (DELETE FROM taken WHERE call_id IN (SELECT call_id FROM taken ORDER BY call_id LIMIT calls) RETURNING *)
        SELECT array_agg(call_id), array_agg(job_id) INTO ids, jobs FROM gone;
    RETURN count(*) - 1 FROM intake.exchange(token, 0, 0, ids, jobs, array_fill(200, ARRAY[calls]), array_fill(''::bytea, ARRAY[calls]), array_fill('{}'::bytea, ARRAY[calls]),
        array_fill(NULL::text, ARRAY[calls]), array_fill(1000::bigint, ARRAY[calls]));
END $$;
SELECT intake.enter_courier('backlog') AS token \gset

SELECT count(intake.emit('backlog', '{}')) FROM generate_series(1, 3);
SELECT wait_for($$count(*) = 3 FROM intake.jobs WHERE workflow = 'backlog' AND state = 'calling'$$);
SELECT count(intake.emit('backlog', '{}')) FROM generate_series(1, 4);
-- Those of another workflow run, and these do not.
SELECT wait_for($$count(*) = 7 FROM intake.jobs WHERE workflow = 'backlog plain' AND state = 'done'$$);
SELECT * FROM rooms;
SELECT DISTINCT intake.explain_job(id) FROM intake.jobs WHERE workflow = 'backlog' AND state = 'ready';
-- One that comes now waits behind them.
SELECT intake.emit('backlog', '{}') > 0;
SELECT wait_for($$count(*) = 8 FROM intake.jobs WHERE workflow = 'backlog plain' AND state = 'done'$$);
SELECT * FROM rooms;
-- A job goes on, and ends; others begin in its place, and in the end all have.
SELECT wait_for($$count(*) = 3 FROM intake.calls WHERE workflow = 'backlog' AND state = 'waiting'$$);
SELECT answer(:token, 1);
SELECT wait_for($$count(*) = 1 FROM intake.jobs WHERE workflow = 'backlog' AND state = 'done'$$);
SELECT wait_for($$count(*) >= 3 FROM intake.jobs WHERE workflow = 'backlog' AND state = 'calling'$$);
SELECT count(*) > 2 AS others_wait FROM intake.jobs WHERE workflow = 'backlog' AND state = 'ready';
SELECT answer(:token, 3);
SELECT wait_for($$count(*) >= 3 FROM intake.jobs WHERE workflow = 'backlog' AND state = 'calling'$$);
SELECT answer(:token, 3);
SELECT wait_for($$count(*) >= 1 FROM intake.jobs WHERE workflow = 'backlog' AND state = 'calling'$$);
SELECT wait_for($$count(*) = 0 FROM intake.jobs WHERE workflow = 'backlog' AND state = 'ready'$$);
ALTER SYSTEM RESET pg_intake.max_waiting_calls;
SELECT pg_reload_conf();
SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('backlog', force => true), intake.drop_workflow('backlog plain');
DROP SCHEMA backlog CASCADE;
