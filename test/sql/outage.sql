-- What an outage does: calls wait, nothing is charged, a probe goes, and a success lets all go on.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION outage_handler(job intake.job) RETURNS intake.next LANGUAGE sql AS $$
    SELECT CASE job.step WHEN 'start' THEN intake.call('https://out.example.com/v1?secret=1') ELSE intake.done(job.input) END
$$;
SELECT intake.create_workflow('outage', 'outage_handler(intake.job)', source => 'intake', type => 'outage', backoff => '0', max_attempts => 2) > 0 AS made;
CREATE FUNCTION ask(jobs int) RETURNS bigint LANGUAGE sql AS $$ SELECT count(intake.emit('outage', '{}')) FROM generate_series(1, jobs) $$;
CREATE FUNCTION wait_for(wanted text, jobs bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    seen text;
    there bigint;
BEGIN
    FOR i IN 1..300 LOOP
        SELECT string_agg(n || ' ' || state, ', '), max(n) FILTER (WHERE state = wanted) INTO seen, there
            FROM (SELECT state, count(*) AS n FROM intake.calls WHERE workflow = 'outage' GROUP BY state ORDER BY state) c;
        EXIT WHEN there = jobs;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN seen;
END $$;
CREATE TABLE outage_taken (call_id bigint, job_id bigint);
CREATE FUNCTION take(token bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH taken AS (
        INSERT INTO outage_taken SELECT x.call_id, x.job_id
            FROM intake.exchange(token, 1000, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x WHERE x.kind = 'r' RETURNING call_id)
    SELECT count(*) FROM taken
$$;
-- Answers so many of what was taken.
CREATE FUNCTION answer(token bigint, calls int, status int, header text DEFAULT '', error text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM outage_taken WHERE call_id IN (SELECT call_id FROM outage_taken ORDER BY call_id LIMIT calls) RETURNING *)
    SELECT count(*) FROM intake.exchange(token, 0, 0, (SELECT array_agg(call_id ORDER BY call_id) FROM gone),
        (SELECT array_agg(job_id ORDER BY call_id) FROM gone), (SELECT array_agg(status) FROM gone),
        (SELECT array_agg(convert_to(header, 'UTF8')) FROM gone), (SELECT array_agg('{}'::bytea) FROM gone),
        (SELECT array_agg(error) FROM gone), (SELECT array_agg(1000::bigint) FROM gone));
$$;
CREATE VIEW events AS SELECT type, payload FROM intake.events WHERE source = 'intake' AND type ~ '^calls\.' AND payload ->> 'workflow' = 'outage' ORDER BY id;
SELECT intake.enter_courier('outage') AS token \gset

-- Nineteen jobs whose calls fail in one way are charged; with one more, all wait, and are given back what that cost.
SELECT ask(25);
SELECT wait_for('waiting', 25);
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT take(:token);
SELECT answer(:token, 19, 0, error => 'connect: no route');
SELECT attempts, count(*) FROM intake.calls WHERE workflow = 'outage' GROUP BY 1 ORDER BY 1;
SELECT answer(:token, 1, 0, error => 'connect: no route');
SELECT wait_for('suspended', 20);
SELECT suspended_hosts, suspended_since > now() - '1 minute'::interval AS just_now, state FROM intake.workflows WHERE name = 'outage';
SELECT attempts, count(*) FROM intake.calls WHERE workflow = 'outage' GROUP BY 1 ORDER BY 1;
SELECT * FROM events;
-- What is under way and fails is not charged.
SELECT answer(:token, 4, 0, error => 'timeout');
SELECT wait_for('suspended', 24);
SELECT take(:token);
SELECT regexp_replace(intake.explain_job(job_id), '\d{4}-[-0-9 :.+]*\d|\w{3} \w{3} [0-9: .]+\w+', 'THEN', 'g') FROM intake.calls WHERE workflow = 'outage' AND state = 'suspended' ORDER BY call_id LIMIT 1;
-- A probe is one call; the next one is another job's.
UPDATE intake.line SET probe_at = now() WHERE host = 'out.example.com:443';
SELECT count(intake.open_line(id)) FROM intake.line WHERE host = 'out.example.com:443';
SELECT take(:token), take(:token);
SELECT probes, probe_at > now() + '100 seconds' AS later FROM intake.line WHERE host = 'out.example.com:443';
CREATE TABLE outage_probe AS SELECT call_id FROM outage_taken ORDER BY call_id DESC LIMIT 1;
DELETE FROM outage_taken WHERE call_id NOT IN (SELECT call_id FROM outage_probe) RETURNING 'held still' AS one;
SELECT answer(:token, 1, 503);
SELECT wait_for('suspended', 24);
UPDATE intake.line SET probe_at = now() WHERE host = 'out.example.com:443';
SELECT count(intake.open_line(id)) FROM intake.line WHERE host = 'out.example.com:443';
SELECT take(:token);
SELECT count(*) AS the_same FROM outage_taken JOIN outage_probe USING (call_id);
-- A success lets all go.
SELECT answer(:token, 1, 200);
SELECT * FROM events OFFSET 1;
SELECT suspended_hosts, suspended_since FROM intake.workflows WHERE name = 'outage';
SELECT count(*) FROM intake.line;
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT take(:token);
SELECT attempts, count(*) FROM intake.calls WHERE workflow = 'outage' GROUP BY 1 ORDER BY 1;

-- Retry-After holds the line, and charges nothing.
SELECT answer(:token, 1, 429, E'Retry-After: 1000\r\n');
SELECT wait_for('held', 1);
SELECT attempts, due_at > now() + '900 seconds' AS later FROM intake.calls WHERE workflow = 'outage' AND state = 'held';
SELECT answer(:token, 22, 200);
SELECT wait_for('held', 1);
SELECT take(:token);
SELECT intake.resume_calls('outage', 'nowhere:1'), intake.resume_calls('outage');

-- Where the other side wants money, one is enough.
SELECT ask(2);
SELECT wait_for('waiting', 3);
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT take(:token);
SELECT answer(:token, 1, 402);
SELECT wait_for('suspended', 1);
SELECT intake.resume_calls('outage', 'out.example.com:443');

-- A job that is too old to wait is a dead letter, and its calls are not made.
SELECT intake.alter_workflow('outage', options => '{"expires": "0.05 s"}');
SELECT ask(1);
SELECT wait_for('failed', 1);
SELECT error FROM intake.calls WHERE workflow = 'outage' AND state = 'failed';

SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('outage', force => true);
SELECT (SELECT count(*) FROM intake.call_queue) AS queue, (SELECT count(*) FROM intake.call_held) AS held, (SELECT count(*) FROM intake.calling) AS calling, (SELECT count(*) FROM intake.line) AS lines;
DROP VIEW events;
DROP TABLE outage_taken, outage_probe;
DROP FUNCTION outage_handler, ask, wait_for, take, answer;
