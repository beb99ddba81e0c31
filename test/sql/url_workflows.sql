-- Workflows with a URL: what they send, what becomes of the answer, and who may have one. The test is the
-- courier.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;

-- What cannot be sent is refused when it is configured.
CREATE FUNCTION url_handler(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION url_nothing(job intake.job) RETURNS jsonb LANGUAGE sql RETURN NULL::jsonb;
SELECT intake.create_workflow('url');
SELECT intake.create_workflow('url', 'url_handler(intake.job)', url => 'https://api.example.com/');
SELECT intake.create_workflow('url', 'url_handler(intake.job)', auth => 'url-secret');
SELECT intake.create_workflow('url', url => 'ftp://api.example.com/');
SELECT intake.create_workflow('url', url => 'https://api.example.com/', limits => '[]');
SELECT intake.create_workflow('url', url => 'https://api.example.com/', timeout => '100 ms');
SELECT intake.create_workflow('url', url => 'https://api.example.com/', auth => 'url-secret');
SELECT intake.create_secret('url-secret', 'keep-me-secret', '{other.example.com,hooks.example.com}') > 0 AS created;
SELECT intake.create_workflow('url', url => 'https://api.example.com/', auth => 'url-secret');
SELECT intake.create_workflow('url', url => 'https://api.example.com/', request => 'url_handler(intake.job)');

CREATE TABLE url_event (id bigint);
CREATE FUNCTION url_emit(payload jsonb, key text DEFAULT NULL) RETURNS boolean LANGUAGE sql AS $$
    INSERT INTO url_event SELECT intake.emit('url.made', payload, key => 'url-' || key) RETURNING id > 0
$$;
-- The job of the last event.
CREATE FUNCTION url_last() RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM intake.jobs WHERE event_id = (SELECT max(id) FROM url_event) $$;
CREATE FUNCTION url_wait(wanted text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    seen text;
BEGIN
    FOR i IN 1..500 LOOP
        SELECT state INTO seen FROM intake.jobs WHERE id = url_last();
        EXIT WHEN seen = wanted;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN seen;
END $$;
CREATE TABLE url_taken (call_id bigint, job_id bigint, line text);
-- Takes what there is, ids and times aside.
CREATE FUNCTION url_take(token bigint) RETURNS SETOF text LANGUAGE sql AS $$
    WITH taken AS (
        INSERT INTO url_taken SELECT x.call_id, x.job_id, concat_ws(' ', x.method, x.scheme, x.host, x.port, x.target,
                regexp_replace(convert_from(x.headers, 'UTF8'), '[0-9a-f-]{36}', 'a key'), convert_from(x.body, 'UTF8'), x.milliseconds)
            FROM intake.exchange(token, 1000, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x WHERE x.kind = 'r' RETURNING line)
    SELECT regexp_replace(regexp_replace(line, '(_id": )\d+', '\1N', 'g'), '(received_at": )"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', '\1"..."') FROM taken
$$;
CREATE FUNCTION url_answer(token bigint, status int, body text) RETURNS void LANGUAGE sql AS $$
    SELECT count(*) FROM intake.exchange(token, 0, 0, (SELECT array_agg(call_id) FROM url_taken), (SELECT array_agg(job_id) FROM url_taken),
        ARRAY[status], '{"X: y"}', ARRAY[convert_to(body, 'UTF8')], '{NULL}', '{1000}');
    DELETE FROM url_taken;
$$;
SELECT intake.enter_courier('url') AS token \gset

-- The event goes out as JSON, and a JSON answer is the result.
SELECT intake.create_workflow('url', url => 'https://api.example.com/in?key=not-shown', source => 'intake', type => 'url.*', backoff => '0',
                              max_attempts => 2, timeout => '5 s', limits => '{"some": 1}') > 0 AS created;
SELECT kind, handler, url, auth, limits, state FROM intake.workflows WHERE name = 'url';
SELECT url_emit('{"a": [1, "\u00e4"]}', key => 'one') AS emitted;
SELECT url_wait('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT url_take(:token);
SELECT url_answer(:token, 200, '{"id": 7}');
SELECT url_wait('done');
SELECT state, step, steps, result FROM intake.jobs WHERE id = url_last();
SELECT step, n, method, url, state, status FROM intake.calls WHERE job_id = url_last();

-- An answer that is no JSON is none. Nor is one that is empty.
SELECT url_emit('{}', key => 'two') AS emitted;
SELECT url_wait('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT count(*) FROM url_take(:token);
SELECT url_answer(:token, 204, '');
SELECT url_wait('done');
SELECT state, result FROM intake.jobs WHERE id = url_last();

-- It is made again, with the same key and body, and fails for good as any call does. A replay asks anew.
SELECT url_emit('null', key => 'three') AS emitted;
SELECT url_wait('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT url_take(:token);
SELECT url_answer(:token, 500, 'later');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT count(*) FROM url_take(:token);
SELECT url_answer(:token, 400, 'never');
SELECT url_wait('dead');
SELECT step, attempts, sqlstate, error FROM intake.dead_letters WHERE job_id = url_last();
SELECT status, sqlstate, error FROM intake.attempts WHERE job_id = url_last() AND call_id IS NOT NULL ORDER BY attempt;
SELECT intake.replay(url_last());
SELECT url_wait('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT count(*) FROM url_take(:token);
SELECT url_answer(:token, 200, '[]');
SELECT url_wait('done');
SELECT result, (SELECT count(DISTINCT idempotency_key) FROM intake.call_request WHERE job_id = url_last()) AS keys FROM intake.jobs WHERE id = url_last();

-- A body that is no JSON.
SELECT jsonb_pretty(intake.as_json(jsonb_populate_record(NULL::intake.job, jsonb_build_object('id', 1, 'received_at', '2026-11-30 12:00+01',
    'body', '\x' || repeat('00', 60)))));

-- The URL, the secret and what is sent can be changed, and the kind cannot.
SELECT intake.alter_workflow('url', 'url_handler(intake.job)');
SELECT intake.alter_workflow('url', url => 'gopher://x/');
SELECT intake.alter_workflow('url', auth => 'url-secret');
SELECT intake.alter_workflow('url', timeout => '2 days');
SELECT intake.alter_workflow('url', request => 'url_handler(intake.job)');
CREATE FUNCTION url_request(job intake.job) RETURNS intake.request LANGUAGE sql
    RETURN intake.request(job.payload ->> 'url', '{"own": true}', headers => '{"X-Own": "1"}', method => 'PUT', timeout => CAST(job.payload ->> 'timeout' AS interval));
SELECT intake.alter_workflow('url', url => 'https://hooks.example.com', auth => 'url-secret', request => 'url_request(intake.job)');
SELECT kind, handler, url, auth, limits FROM intake.workflows WHERE name = 'url';
SELECT url_emit('{}') AS emitted;
SELECT url_wait('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT url_take(:token);
SELECT url_answer(:token, 200, 'true');
-- What a request says itself, it says: its secret may not go there.
SELECT url_emit('{"url": "https://elsewhere.example.com/", "timeout": "9 s"}') AS emitted;
SELECT url_wait('dead');
SELECT step, sqlstate, error FROM intake.dead_letters WHERE job_id = url_last();
SELECT intake.alter_workflow('url', options => '{"auth": null, "limits": null}');
SELECT intake.replay(url_last());
SELECT url_wait('calling');
CALL intake.wait_for_calls(:token, '10 seconds');
SELECT url_take(:token);
SELECT url_answer(:token, 200, '{}');
SELECT url_wait('done');
-- None is an error.
SELECT intake.alter_workflow('url', request => 'url_nothing(intake.job)');
SELECT url_emit('"x"') AS emitted;
SELECT url_wait('dead');
SELECT step, sqlstate, error FROM intake.dead_letters WHERE job_id = url_last();
SELECT intake.alter_workflow('url', options => '{"request": "url_request(intake.job)"}');
SELECT intake.alter_workflow('url', options => '{"colour": null}');
SELECT intake.alter_workflow('url', options => '{"request": null}');
SELECT handler, auth, limits FROM intake.workflows WHERE name = 'url';
SELECT intake.create_workflow('url_plain', 'url_handler(intake.job)', source => 'intake', type => 'none') > 0 AS created;
SELECT intake.alter_workflow('url_plain', url => 'https://hooks.example.com');
SELECT intake.alter_workflow('url_plain', request => 'url_request(intake.job)');
SELECT intake.alter_workflow('url_plain', auth => 'url-secret');
SELECT kind, url FROM intake.workflows WHERE name = 'url_plain';

-- What alerts say.
SELECT type, intake.as_text(jsonb_populate_record(NULL::intake.job, jsonb_build_object('source', source, 'type', type, 'payload', payload))) ->> 'text'
FROM (VALUES ('intake', 'job.dead', '{"workflow": "pay", "error": "a < b & <!channel>", "job_id": 17, "attempts": 8}'::jsonb),
             ('intake', 'job.dead', '{"workflow": "pay", "step": "sent", "error": "no", "job_id": 17, "attempts": 8}'),
             ('intake', 'calls.suspended', '{"workflow": "pay", "host": "api.example.com:443", "kind": "5xx", "error": "503"}'),
             ('intake', 'calls.resumed', '{"workflow": "pay", "host": "api.example.com:443"}'),
             ('intake', 'source.secret_learned', '{"source": "x"}'),
             ('shop', 'job.dead', '{"own": 1}'), ('shop', NULL, NULL)) v(source, type, payload);

-- The owner must have caller, and the secret.
CREATE ROLE url_owner LOGIN;
CREATE ROLE url_admin LOGIN;
SELECT intake.grant_access('url_admin', 'admin'), intake.grant_access('url_owner', 'worker');
SELECT intake.give_workflow('url', 'url_owner');
SELECT intake.grant_access('url_owner', 'caller');
SELECT intake.alter_workflow('url', auth => 'url-secret', url => 'https://hooks.example.com');
SELECT intake.give_workflow('url', 'url_owner');
SELECT intake.grant_secret('url-secret', 'url_owner'), intake.give_workflow('url', 'url_owner');
SELECT owner, state FROM intake.workflows WHERE name = 'url';
SELECT intake.revoke_access('url_owner', 'caller');
SELECT state FROM intake.workflows WHERE name = 'url';
SELECT intake.resume_workflow('url');
SET ROLE url_admin;
SELECT intake.create_workflow('url_other', url => 'https://hooks.example.com', auth => 'url-secret');
SELECT intake.create_workflow('url_other', url => 'https://hooks.example.com', source => 'none') > 0 AS created;
RESET ROLE;

-- A copy sends nothing, and says what it lacks.
UPDATE intake.workflow SET database_identity = 'elsewhere' WHERE name IN ('url', 'url_other');
SELECT name, kind, handler, url, auth, state FROM intake.workflows WHERE name IN ('url', 'url_other') ORDER BY name;
SET client_min_messages = notice;
SELECT intake.resume_workflows();
SET client_min_messages = warning;
SELECT intake.grant_access('url_owner', 'caller'), intake.revoke_secret('url-secret', 'url_owner');
SELECT intake.resume_workflow('url');
SELECT intake.grant_secret('url-secret', 'url_owner'), intake.resume_workflow('url');
SELECT name, kind, handler, url, auth, state FROM intake.workflows WHERE name IN ('url', 'url_other') ORDER BY name;

SELECT intake.drop_workflow(name, force => true) FROM intake.workflows WHERE name ~ '^url';
SELECT intake.leave_courier(:token), intake.drop_call_secret('url-secret'), intake.revoke_access('url_owner'), intake.revoke_access('url_admin');
DELETE FROM intake.dead_letter d WHERE d.workflow ~ '^url';
DROP TABLE url_taken, url_event;
DROP FUNCTION url_handler(intake.job), url_nothing(intake.job), url_request(intake.job), url_last(), url_emit(jsonb, text), url_wait(text), url_take(bigint), url_answer(bigint, int, text);
DROP ROLE url_owner;
DROP ROLE url_admin;
