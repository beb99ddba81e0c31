-- Whoever has got the access of a courier can take calls, and answer those that he holds. He cannot end the
-- server, keep calls from others by a transaction that he half undoes, or have others' calls taken for lost.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE stolen_courier LOGIN;
SELECT intake.grant_access('stolen_courier', 'courier');
CREATE FUNCTION stolen_handler(job intake.job) RETURNS intake.next LANGUAGE sql AS $$
    SELECT intake.calls(ARRAY[intake.request('https://stolen.example/1'), intake.request('https://other.example/2')]) $$;
SELECT intake.create_workflow('stolen', 'stolen_handler(intake.job)', source => 'intake', type => 'stolen') > 0;
CREATE PROCEDURE wait_until(condition text) LANGUAGE plpgsql AS $$
DECLARE
    met boolean;
BEGIN
    FOR i IN 1..1000 LOOP
        EXECUTE 'SELECT ' || condition INTO met;
        EXIT WHEN met;
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
    IF NOT met THEN
        RAISE EXCEPTION 'never: %', condition;
    END IF;
END $$;
SELECT intake.emit('stolen', '{}') > 0;
CALL wait_until('2 = (SELECT count(*) FROM intake.call_queue)');

-- Who chooses hosts must not find two that mean the same line: it is a hash that nobody can choose.
SELECT count(*) FROM intake.call_queue JOIN intake.call_request r USING (job_id, call_id)
WHERE call_queue.line_id = ('x' || left(encode(sha256(convert_to(format('%s %s 0 %s', r.workflow_id, port, host), 'UTF8')), 'hex'), 16))::bit(64)::bigint;

-- No argument that is null ends the server, of whatever function.
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('%s intake.%I(%s)', CASE prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, proname,
                      (SELECT string_agg('NULL::' || t::regtype, ', ') FROM unnest(proargtypes) t))
        FROM pg_proc WHERE pronamespace = 'intake'::regnamespace AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
             AND NOT proisstrict AND prorettype <> ALL (ARRAY['trigger', 'event_trigger']::regtype[])
    LOOP
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
END $$;
CALL intake.wait_for_calls(NULL, NULL);
CALL intake.wait_for_calls(1, NULL);

-- What was undone is not told: the calls are there for others.
SET ROLE stolen_courier;
SELECT intake.enter_courier('stolen') AS stolen \gset
BEGIN;
SAVEPOINT before;
SELECT intake.exchange(:stolen, 10, 100000, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
ROLLBACK TO before;
SELECT intake.leave_courier(:stolen);
ROLLBACK TO before;
COMMIT;
BEGIN;
DECLARE later CURSOR FOR SELECT kind FROM intake.exchange(:stolen, 10, 100000, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SAVEPOINT before;
FETCH later;
ROLLBACK;
BEGIN;
SELECT kind, call_id > 0 AS a_call FROM intake.exchange(:stolen, 10, 100000, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
PREPARE TRANSACTION 'stolen';
ROLLBACK;
SELECT kind, call_id > 0 AS a_call FROM intake.exchange(:stolen, 10, 100000, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
RESET ROLE;

-- More couriers than the supervisor remembers: those that are there keep what they hold.
SELECT intake.leave_courier(:stolen);
DO $$ BEGIN PERFORM intake.enter_courier('many ' || n) FROM generate_series(1, 1100) n; END $$;
SELECT max(token) AS last, min(token) AS first FROM intake.courier \gset
SELECT kind FROM intake.exchange(:last, 1, 100000, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT kind FROM intake.exchange(:first, 1, 100000, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
UPDATE intake.courier SET until = now() - interval '1 second' WHERE token = :first;
SELECT intake.enter_courier('looked after') > 0;
CALL wait_until('0 = (SELECT count(*) FROM intake.call_held WHERE courier = ' || :first || ')');
SELECT count(*) FROM intake.call_held WHERE courier = :last;
SELECT count(*), min(error) FROM intake.attempt WHERE workflow_id = (SELECT id FROM intake.workflow WHERE name = 'stolen' AND dropped_at IS NULL);

-- A cancel that was told in a transaction that was undone is told again. Else the courier would neither
-- stop the call nor ever wait.
SELECT count(intake.discard(job_id, 'a test')) FROM intake.call_held WHERE courier = :last;
BEGIN;
SELECT kind FROM intake.exchange(:last, 0, 0, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
ROLLBACK;
SELECT kind FROM intake.exchange(:last, 0, 0, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT kind FROM intake.exchange(:last, 0, 0, '{}', '{}', '{}', '{}', '{}', '{}', '{}');

SELECT intake.drop_workflow('stolen', force => true);
SELECT intake.leave_courier(:last);
DELETE FROM intake.courier;
DROP FUNCTION stolen_handler;
DROP PROCEDURE wait_until;
SELECT intake.revoke_access('stolen_courier');
DROP ROLE stolen_courier;
