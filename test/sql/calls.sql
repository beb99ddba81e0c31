-- Calls of steps: what a handler asks for, what is sent, and what the next step gets. The test is the courier.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE TABLE calls_log (at int GENERATED ALWAYS AS IDENTITY, step text, input jsonb, responses text, error text);
CREATE FUNCTION calls_handler(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
DECLARE
    returned intake.next;
BEGIN
    INSERT INTO calls_log (step, input, responses, error) SELECT job.step, job.input,
        (SELECT string_agg(concat_ws(' ', r.status, r.headers, r.payload, r.error), ' | ') FROM unnest(job.responses) r), job.last_error;
    CASE job.step
    WHEN 'start' THEN
        EXECUTE format('SELECT (n).* FROM (SELECT %s) x(n)', job.payload ->> 'next') INTO returned;
        RETURN returned;
    WHEN 'answered', 'sorry' THEN
        RETURN intake.done(jsonb_build_object('input', job.input, 'state', job.state));
    END CASE;
END $$;
SELECT intake.create_workflow('calls', 'calls_handler(intake.job)', source => 'intake', type => 'calls', backoff => '0', max_attempts => 2) > 0 AS made;

CREATE FUNCTION ask(next text) RETURNS void LANGUAGE sql AS $$ SELECT intake.emit('calls', jsonb_build_object('next', next)) $$;
-- The state of the newest job, when it is that one, or after three seconds.
CREATE FUNCTION wait_until(wanted text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    seen text;
BEGIN
    FOR i IN 1..300 LOOP
        SELECT state INTO seen FROM intake.jobs WHERE workflow = 'calls' ORDER BY id DESC LIMIT 1;
        EXIT WHEN seen = wanted;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN seen;
END $$;
CREATE TABLE calls_taken (call_id bigint, job_id bigint, line text);
-- Takes what is there.
CREATE FUNCTION take(token bigint) RETURNS SETOF text LANGUAGE sql AS $$
    WITH taken AS (
        INSERT INTO calls_taken SELECT x.call_id, x.job_id, concat_ws(' ', x.method, x.scheme, x.host, x.port, x.target,
                regexp_replace(convert_from(x.headers, 'UTF8'), '[0-9a-f-]{36}', 'a key'), convert_from(x.body, 'UTF8'), x.milliseconds)
            FROM intake.exchange(token, 1000, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x WHERE x.kind = 'r' RETURNING call_id, line)
    SELECT line FROM taken ORDER BY call_id
$$;
-- Answers everything that was taken, in order.
CREATE FUNCTION answer(token bigint, statuses int[], bodies text[]) RETURNS void LANGUAGE sql AS $$
    SELECT count(*) FROM intake.exchange(token, 0, 0, (SELECT array_agg(call_id ORDER BY call_id) FROM calls_taken),
        (SELECT array_agg(job_id ORDER BY call_id) FROM calls_taken), statuses,
        (SELECT array_agg('Content-Type: application/json'::bytea) FROM calls_taken),
        (SELECT array_agg(convert_to(b, 'UTF8') ORDER BY n) FROM unnest(bodies) WITH ORDINALITY u(b, n)),
        (SELECT array_agg(NULL::text) FROM calls_taken), (SELECT array_agg(1000::bigint) FROM calls_taken));
    DELETE FROM calls_taken;
$$;
SELECT intake.enter_courier('calls') AS token \gset

-- A call, and the step that gets its answer.
SELECT ask($$intake.call('https://API.example.com/v1/chat?a=1', '{"q": 1}', state => '"kept"', headers => '{"X-A": "b"}')$$);
SELECT wait_until('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT take(:token);
SELECT answer(:token, '{200}', '{"{\"a\": 1}"}');
SELECT wait_until('done');
SELECT step, input, responses, error FROM calls_log ORDER BY at;
SELECT result FROM intake.jobs WHERE workflow = 'calls' ORDER BY id DESC LIMIT 1;
TRUNCATE calls_log;

-- Several: the step gets all, in their order.
SELECT ask($$intake.calls(ARRAY[intake.request('http://a.example.com/1'), intake.request('http://b.example.com:81/2', method => 'DELETE', timeout => '2 s'),
    intake.request('http://a.example.com/3', raw => 'x', options => '{"accept": [500]}')])$$);
SELECT wait_until('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT take(:token);
SELECT answer(:token, '{200,404,500}', '{not JSON,"",[3]}');
SELECT wait_until('done');
SELECT step, input, responses, error FROM calls_log ORDER BY at;
TRUNCATE calls_log;

-- One that fails for good is a dead letter, or what the step for it makes of it.
SELECT ask($$intake.call('https://api.example.com/v1/chat?key=not-shown', '{}')$$);
SELECT wait_until('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT count(*) FROM take(:token);
SELECT answer(:token, '{400}', '{what?}');
SELECT wait_until('dead');
SELECT sqlstate, error, step FROM intake.dead_letters WHERE workflow = 'calls';
SELECT ask($$intake.call('https://api.example.com/v1/chat', '{}', options => '{"failed": "sorry"}')$$);
SELECT wait_until('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT count(*) FROM take(:token);
SELECT answer(:token, '{400}', '{what?}');
SELECT wait_until('done');
SELECT step, input, responses, error FROM calls_log ORDER BY at;
TRUNCATE calls_log;

-- Each attempt of a call is a row.
SELECT ask($$intake.call('https://api.example.com/v1/chat')$$);
SELECT wait_until('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT count(*) FROM take(:token);
SELECT answer(:token, '{500}', '{""}');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT count(*) FROM take(:token);
SELECT answer(:token, '{204}', '{""}');
SELECT wait_until('done');
SELECT a.attempt, a.sqlstate, a.error, a.status, a.duration FROM intake.attempts a JOIN intake.jobs j ON j.id = a.job_id
    WHERE a.workflow = 'calls' AND j.state = 'done' AND a.call_id > 0 ORDER BY a.call_id DESC, a.attempt DESC LIMIT 2;

-- What cannot be is an error of the step, and nothing was sent.
TRUNCATE calls_log;
SELECT format('SELECT ask(%L)', n) FROM (VALUES
    ($$row('call', 'answered', NULL, NULL, ARRAY[row('POST', 'ftp://x', NULL, NULL, NULL, NULL, NULL, NULL)::intake.request])::intake.next$$),
    ($$row('call', 'answered', NULL, NULL, ARRAY[NULL]::intake.request[])::intake.next$$),
    ($$row('calls', 'answered', NULL, NULL, '{}')::intake.next$$),
    ($$row('call', 'answered', NULL, NULL, NULL)::intake.next$$),
    ($$intake.call('https://x.example.com', options => '{"accept": "all"}')$$),
    ($$intake.call('https://x.example.com', options => '{"retry_on": [77]}')$$),
    ($$intake.call('https://x.example.com', auth => 'nobody''s')$$),
    ($$row('calls', 'answered', NULL, NULL, array_fill(intake.request('https://x.example.com'), ARRAY[1001]))::intake.next$$)) v(n) \gexec
DO $$ BEGIN
    FOR i IN 1..300 LOOP
        EXIT WHEN (SELECT count(*) FROM intake.dead_letters WHERE workflow = 'calls') = 9;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT sqlstate, error FROM intake.dead_letters WHERE workflow = 'calls' ORDER BY job_id OFFSET 1;
SELECT count(*) FROM take(:token);

-- The right to call is the owner's.
CREATE ROLE calls_role LOGIN;
GRANT calls_role TO CURRENT_USER;
GRANT ALL ON calls_log TO calls_role;
SELECT intake.grant_access('calls_role', 'worker');
SELECT intake.give_workflow('calls', 'calls_role');
SELECT ask($$row('call', 'answered', NULL, NULL, ARRAY[row('POST', 'https://x.example.com', NULL, NULL, NULL, NULL, NULL, NULL)::intake.request])::intake.next$$);
SELECT wait_until('dead');
SELECT sqlstate, error FROM intake.dead_letters WHERE workflow = 'calls' ORDER BY job_id DESC LIMIT 1;
SELECT intake.grant_access('calls_role', 'caller');
SELECT intake.replay(job_id) FROM intake.dead_letters WHERE workflow = 'calls' ORDER BY job_id DESC LIMIT 1;
SELECT wait_until('calling');

-- A job that is discarded: its calls are not made.
SELECT intake.discard(id, 'no') FROM intake.jobs WHERE workflow = 'calls' AND state = 'calling';
SELECT count(*) FROM take(:token);
SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('calls');
DROP TABLE calls_log, calls_taken;
DROP FUNCTION calls_handler, ask, wait_until, take, answer;
SELECT intake.revoke_access('calls_role');
DROP ROLE calls_role;
