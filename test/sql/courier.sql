-- What a courier and the database say to each other. The calls are rows that this test makes: how steps make
-- them is looked at in calls.sql.
\set VERBOSITY terse
SET client_min_messages = warning;

SELECT intake.emit('courier', '{}') > 0 AS there_is_an_event;
CREATE FUNCTION courier_handler(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT NULL';
SELECT intake.create_workflow('couriers', 'courier_handler(intake.job)', source => 'none', backoff => '0', max_attempts => 3) AS workflow \gset

-- A job that waits for calls, and its calls.
CREATE FUNCTION make_calls(job bigint, calls int, line bigint, options jsonb DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    INSERT INTO intake.calling SELECT job, (SELECT max(id) FROM intake.event), -w.id, 0, calls, job * 10 + 1 FROM intake.workflow w WHERE w.name = 'couriers' AND dropped_at IS NULL;
    INSERT INTO intake.call_request (job_id, call_id, workflow_id, line_id, n, step, single, method, scheme, host, port, target, headers, body,
                                milliseconds, idempotency_key, options, created_at)
        SELECT job, job * 10 + n, w.id, line, n, 'answered', calls = 1, 'POST', 'https', 'api.example.com', 443, '/v1?n=' || n,
               '{"Content-Type": "application/json"}', '{}', 60000, '00000000-0000-4000-8000-000000000000', options, now()
        FROM intake.workflow w, generate_series(1, calls) n WHERE w.name = 'couriers' AND dropped_at IS NULL;
    INSERT INTO intake.call_queue SELECT line, clock_timestamp(), r.call_id, job, r.workflow_id, 0, options IS NOT NULL
        FROM intake.call_request r WHERE r.job_id = job;
$$;
-- An exchange, in short.
CREATE FUNCTION swap(token bigint, most int, calls bigint[] DEFAULT '{}', statuses int[] DEFAULT '{}', headers text DEFAULT '',
                     body text DEFAULT '', error text DEFAULT NULL, bytes bigint DEFAULT 1000000)
    RETURNS TABLE (kind "char", call_id bigint, request text) LANGUAGE sql AS $$
    SELECT x.kind, x.call_id, concat_ws(' ', x.method, x.scheme, x.host, x.port, x.target) FROM intake.exchange(token, most, bytes,
        calls, ARRAY(SELECT c / 10 FROM unnest(calls) WITH ORDINALITY u(c, n) ORDER BY n), statuses,
        array_fill(convert_to(headers, 'UTF8'), ARRAY[cardinality(calls)]), array_fill(convert_to(body, 'UTF8'), ARRAY[cardinality(calls)]),
        array_fill(error, ARRAY[cardinality(calls)]), array_fill(1500::bigint, ARRAY[cardinality(calls)])) x
    WHERE x.kind <> 'w'
$$;
CREATE VIEW answers AS SELECT call_id, status, headers, convert_from(body, 'UTF8') AS body, error, duration FROM intake.call_response WHERE job_id > 990000;
CREATE VIEW tries AS SELECT call_id, attempt, sqlstate, error, status FROM intake.attempt WHERE job_id > 990000 AND call_id > 0;
CREATE FUNCTION place(call bigint) RETURNS text LANGUAGE sql AS $$
    SELECT 'queue, attempts ' || attempts FROM intake.call_queue WHERE call_id = call
    UNION ALL SELECT 'held, attempts ' || attempts FROM intake.call_held WHERE call_id = call
$$;
CREATE FUNCTION state(job bigint) RETURNS text LANGUAGE sql AS $$
    SELECT CASE state WHEN 'calling' THEN state ELSE 'goes on' END FROM intake.jobs WHERE id = job
$$;

-- A token.
SELECT intake.enter_courier('one') AS one \gset
SELECT :one > 0 AND :one < 2::bigint ^ 53 AS a_token;
SELECT intake.enter_courier(repeat('x', 201));
SELECT * FROM swap(:one + 1, 10);
SELECT intake.pause_workflow('couriers');

-- A call is taken once, with all that the courier is to send; not while its workflow is paused.
SELECT make_calls(990001, 1, 1);
SELECT * FROM swap(:one, 10);
SELECT intake.resume_workflow('couriers');
SELECT intake.enter_courier('two') AS two \gset
CALL intake.wait_for_calls(:one, '10 seconds');
SELECT * FROM swap(:one, 0);
SELECT kind, call_id, job_id, method, scheme, host, port, target, convert_from(headers, 'UTF8') AS headers, convert_from(body, 'UTF8') AS body,
       milliseconds, most_bytes FROM intake.exchange(:one, 10, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') WHERE kind = 'r';
SELECT kind, milliseconds < 60000 AS a_wait FROM intake.exchange(:one, 0, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT * FROM swap(:two, 10);
SELECT place(9900011);

-- An answer is taken from who holds the call, once. Then its job goes on.
SELECT * FROM swap(:two, 10, '{9900011}', '{200}');
SELECT state(990001);
SELECT * FROM swap(:one, 10, '{9900011,9900011,1}', '{200,200,200}', E'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX: 1\r\nx: 2\r\n', '{"a": 1}');
SELECT * FROM answers;
SELECT * FROM tries;
SELECT state(990001);
SELECT * FROM swap(:one, 10, '{9900011}', '{500}');
SELECT count(*) FROM answers;

-- A job of several calls goes on when the last one has ended.
SELECT make_calls(990002, 3, 1);
SELECT intake.enter_courier('three') AS three \gset
CALL intake.wait_for_calls(:one, '10 seconds');
SELECT * FROM swap(:one, 40, bytes => 1200) ORDER BY 2;
SELECT * FROM swap(:two, 40);
SELECT * FROM swap(:one, 0, '{9900021}', '{204}');
SELECT * FROM swap(:two, 0, '{9900023}', '{404}', '', 'no such thing');
SELECT state(990002);
SELECT * FROM swap(:one, 0, '{9900022}', '{201}');
SELECT state(990002);
SELECT call_id, status, error FROM answers WHERE call_id / 10 = 990002 ORDER BY 1;

-- What fails is tried again, and charged; with the last attempt it has failed for good.
SELECT make_calls(990003, 1, 2);
SELECT intake.leave_courier(:three);
SELECT intake.leave_courier(:three);
SELECT intake.enter_courier('three') AS three \gset
CALL intake.wait_for_calls(:one, '10 seconds');
SELECT * FROM swap(:one, 1);
SELECT * FROM swap(:one, 0, '{9900031}', '{500}', '', 'sorry');
SELECT place(9900031);
SELECT * FROM swap(:one, 1);
SELECT * FROM swap(:one, 0, '{9900031}', '{0}', '', '', 'released');
SELECT place(9900031);
SELECT * FROM swap(:one, 1);
SELECT * FROM swap(:one, 0, '{9900031}', '{0}', '', '', 'reset: after 3 bytes');
SELECT * FROM swap(:one, 1);
SELECT * FROM swap(:one, 0, '{9900031}', '{503}');
SELECT * FROM tries WHERE call_id = 9900031 ORDER BY attempt;
SELECT status, error FROM answers WHERE call_id = 9900031;
SELECT state(990003);

-- A courier that leaves gives back what it holds.
SELECT make_calls(990004, 1, 2);
SELECT intake.enter_courier('four') AS four \gset
CALL intake.wait_for_calls(:two, '10 seconds');
SELECT * FROM swap(:two, 1);
-- Or what it holds and does not name, where it names some.
SELECT * FROM swap(:two, 0, '{1}', '{0}', error => 'held');
SELECT place(9900041);
SELECT * FROM swap(:two, 1);
SELECT * FROM swap(:two, 0, '{9900041}', '{0}', error => 'held');
SELECT place(9900041);
SELECT intake.leave_courier(:two);
SELECT place(9900041);
CALL intake.wait_for_calls(:two, '10 seconds');
SELECT * FROM swap(:one, 1);

-- A job that is discarded takes its calls along; the courier is told to stop.
SELECT make_calls(990005, 1, 2);
SELECT intake.discard(990005, 'not wanted');
SELECT place(9900051);
SELECT intake.discard(990004, 'not wanted');
CALL intake.wait_for_calls(:one, '10 seconds');
SELECT * FROM swap(:one, 1);
SELECT * FROM swap(:one, 1, '{9900041}', '{500}');
SELECT place(9900041), error FROM answers WHERE call_id = 9900041;

-- What a courier held that was not seen for too long goes back, and is charged; its answers come too late.
SELECT make_calls(990006, 1, 3);
SELECT intake.enter_courier('lost') AS lost \gset
CALL intake.wait_for_calls(:lost, '10 seconds');
SELECT * FROM swap(:lost, 1);
UPDATE intake.courier SET until = now() - interval '1 second' WHERE name = 'lost';
SELECT intake.enter_courier('five') AS five \gset
DO $$ BEGIN
    FOR i IN 1..500 LOOP
        EXIT WHEN place(9900061) ~ 'queue';
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT place(9900061);
SELECT * FROM tries WHERE call_id = 9900061;
SELECT * FROM swap(:lost, 1, '{9900061}', '{200}');

BEGIN;
CALL intake.wait_for_calls(:one, '0');
ROLLBACK;
SELECT intake.exchange(:one, 1, 1, '{1}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT intake.leave_courier(t) FROM unnest(ARRAY[:one, :three, :four, :five]) t;
SELECT intake.drop_workflow('couriers', force => true);
DELETE FROM intake.done WHERE job_id > 990000;
DELETE FROM intake.discarded WHERE job_id > 990000;
DELETE FROM intake.call_request WHERE job_id > 990000;
DELETE FROM intake.call_response WHERE job_id > 990000;
DELETE FROM intake.attempt WHERE job_id > 990000;
SELECT (SELECT count(*) FROM intake.call_queue) AS queue, (SELECT count(*) FROM intake.call_held) AS held, (SELECT count(*) FROM intake.calling) AS calling;
DROP VIEW answers, tries;
DROP FUNCTION make_calls, swap, place, state;
DROP FUNCTION courier_handler;
