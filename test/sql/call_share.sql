-- One host gets a quarter of what couriers can make, however often its line has its turn in an exchange,
-- and also when answers come with the same exchange. The test is the courier.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE FUNCTION share_handler(job intake.job) RETURNS intake.next LANGUAGE sql AS $$
    SELECT CASE job.step WHEN 'start' THEN intake.calls(ARRAY(SELECT intake.request('https://share.example/') FROM generate_series(1, 500))) ELSE intake.done() END $$;
SELECT intake.create_workflow('share', 'share_handler(intake.job)', source => 'intake', type => 'share') > 0;
SELECT intake.emit('share', '{}') > 0;
DO $$ BEGIN
    FOR i IN 1..1000 LOOP
        EXIT WHEN (SELECT count(*) FROM intake.call_queue) = 500;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT intake.enter_courier('share') AS token \gset
CREATE TEMP TABLE taken AS SELECT call_id, job_id FROM intake.exchange(:token, 800, 10000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') WHERE kind = 'r';
SELECT count(*) FROM taken;
SELECT count(*) FILTER (WHERE kind = 'r') FROM intake.exchange(:token, 600, 10000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT count(*) FILTER (WHERE kind = 'r') FROM (SELECT array_agg(call_id) AS calls, array_agg(job_id) AS jobs, count(*)::int AS n FROM (SELECT * FROM taken LIMIT 150) t) a,
    intake.exchange(:token, 750, 10000000, calls, jobs, array_fill(200, ARRAY[n]), array_fill(''::bytea, ARRAY[n]), array_fill(''::bytea, ARRAY[n]),
                    array_fill(NULL::text, ARRAY[n]), array_fill(1::bigint, ARRAY[n]));
SELECT count(*) FROM intake.call_held WHERE courier = :token;
SELECT intake.leave_courier(:token);

-- Calls that are taken and given back in one transaction leave the line to others.
SELECT intake.enter_courier('share') AS token \gset
BEGIN;
TRUNCATE taken;
INSERT INTO taken SELECT call_id, job_id FROM intake.exchange(:token, 8, 10000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') WHERE kind = 'r';
SELECT count(*) FILTER (WHERE kind = 'r') FROM (SELECT array_agg(call_id) AS calls, array_agg(job_id) AS jobs, count(*)::int AS n FROM taken) a,
    intake.exchange(:token, 0, 0, calls, jobs, array_fill(200, ARRAY[n]), array_fill(''::bytea, ARRAY[n]), array_fill(''::bytea, ARRAY[n]),
                    array_fill(NULL::text, ARRAY[n]), array_fill(1::bigint, ARRAY[n]));
COMMIT;
SELECT count(*) FILTER (WHERE kind = 'r') FROM intake.exchange(:token, 8, 10000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('share', force => true);
DROP FUNCTION share_handler;
