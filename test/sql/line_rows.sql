-- A line has a row only while something is the matter with it.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION line_handler(job intake.job) RETURNS intake.next LANGUAGE sql AS $$
    SELECT CASE job.step WHEN 'start' THEN intake.call('https://line.example.com') ELSE intake.done() END
$$;
SELECT intake.create_workflow('line', 'line_handler(intake.job)', source => 'intake', type => 'line', backoff => '0') > 0 AS made;
CREATE TABLE line_taken (call_id bigint, job_id bigint);
-- Takes so many calls, as soon as they are there.
CREATE PROCEDURE take(token bigint, calls int) LANGUAGE plpgsql AS $$
DECLARE
    taken int := 0;
BEGIN
    FOR i IN 1..1000 LOOP
        INSERT INTO line_taken SELECT x.call_id, x.job_id
            FROM intake.exchange(token, 1000, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x WHERE x.kind = 'r';
        COMMIT;
        SELECT count(*) INTO taken FROM line_taken;
        EXIT WHEN taken >= calls;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
-- Answers the first of what was taken.
CREATE FUNCTION answer(token bigint, status int, header text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM line_taken WHERE call_id = (SELECT min(call_id) FROM line_taken) RETURNING *)
    SELECT x.kind::text FROM gone, intake.exchange(token, 0, 0, ARRAY[call_id], ARRAY[job_id], ARRAY[status], ARRAY[header::bytea], ARRAY[NULL::bytea], ARRAY[NULL::text], ARRAY[1::bigint]) x
$$;
CREATE VIEW lines AS SELECT held_until > now() AS held, suspended_at, kind, cardinality(calls) AS calls FROM intake.line WHERE host = 'line.example.com:443';
SELECT intake.enter_courier('line') AS token \gset
SELECT count(intake.emit('line', '{}')) FROM generate_series(1, 4);
CALL take(:token, 4);

-- One that was asked to wait does so, whoever is accepted meanwhile; and that is over when a later one is.
SELECT answer(:token, 429, E'Retry-After: 1000\r\n');
SELECT answer(:token, 200);
SELECT * FROM lines;
UPDATE intake.line SET held_until = now() WHERE host = 'line.example.com:443';
SELECT answer(:token, 200);
SELECT * FROM lines;

-- A failure counts until one is accepted.
SELECT answer(:token, 503);
SELECT * FROM lines;
CALL take(:token, 1);
SELECT answer(:token, 200);
SELECT * FROM lines;

SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('line', force => true);
DROP VIEW lines;
DROP TABLE line_taken;
DROP FUNCTION line_handler, answer;
DROP PROCEDURE take;
