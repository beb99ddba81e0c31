-- A host gives back what it was sent: in an error page, a redirect, a message. The secret of the call is
-- not to be seen in what is kept of that, whatever its place is.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA echo;
SET search_path = echo, public;
CREATE FUNCTION echo_handler(job intake.job) RETURNS intake.next LANGUAGE sql AS $$
    SELECT CASE job.step WHEN 'start' THEN intake.call('https://echo.example/x', auth => job.payload ->> 'auth', options => job.payload -> 'options')
                         ELSE intake.done() END $$;
SELECT intake.create_workflow('echo', 'echo_handler(intake.job)', source => 'intake', type => 'echo', max_attempts => 1) > 0;
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
SELECT intake.create_secret('echo-bearer', 'sk-bearer/n3ver"seen', '{echo.example}') > 0,
       intake.create_secret('echo-basic', 'someone:basic-n3ver-seen', '{echo.example}', 'basic') > 0,
       intake.create_secret('echo-header', 'header-n3ver-seen', '{echo.example}', 'header:X-Key') > 0,
       intake.create_secret('echo-query', 'query n3ver/seen', '{echo.example}', 'query:key') > 0,
       intake.create_secret('echo-url', 'https://echo.example/services/T0/url-n3ver-seen-0123', place => 'url') > 0,
       intake.create_secret('echo-short', 'status', '{echo.example}', 'header:X-Short') > 0;
SELECT count(intake.emit('echo', jsonb_build_object('auth', 'echo-' || place, 'options', options)))
FROM unnest('{bearer,basic,header,query,url,short}'::text[]) place, unnest('{"{\"accept\": [\"2xx\", 302]}","{}"}'::jsonb[]) options;
CALL wait_until('12 = (SELECT count(*) FROM intake.call_queue JOIN intake.call_request r USING (job_id, call_id) WHERE r.auth LIKE ''echo-%'')');

-- What is sent: as it is, as JSON, and as JSON with each slash escaped. The one that is not accepted fails.
SELECT intake.enter_courier('echo') AS echo \gset
CREATE TABLE sent AS SELECT x.* FROM intake.exchange(:echo, 100, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x JOIN intake.call_request r USING (call_id)
    WHERE x.kind = 'r' AND r.auth LIKE 'echo-%';
SELECT count(*) FROM sent;
CREATE VIEW echoes AS SELECT call_id, job_id, convert_to(concat_ws(E'\r\n', 'HTTP/1.1 302 Found', 'Location: https://echo.example' || target || '/',
        'X-Said: ' || replace(convert_from(s.headers, 'UTF8'), E'\r\n', ' '), ''), 'UTF8') AS headers,
    convert_to(concat_ws(' ', m, 'status', to_json(m), replace(to_json(m)::text, '/', '\/')), 'UTF8') AS body
FROM sent s, concat_ws(' ', target, convert_from(s.headers, 'UTF8')) m;
SELECT count(*) FROM echoes WHERE convert_from(body, 'UTF8') ~ 'n3ver|c29tZW9u';
SELECT kind FROM intake.exchange(:echo, 0, 0, (SELECT array_agg(call_id ORDER BY call_id) FROM echoes), (SELECT array_agg(job_id ORDER BY call_id) FROM echoes),
    (SELECT array_agg(302 ORDER BY call_id) FROM echoes), (SELECT array_agg(headers ORDER BY call_id) FROM echoes),
    (SELECT array_agg(body ORDER BY call_id) FROM echoes), (SELECT array_agg(NULL::text ORDER BY call_id) FROM echoes), (SELECT array_agg(1::bigint) FROM echoes));
CREATE VIEW kept AS
    SELECT 'headers' AS what, r.headers::text AS kept FROM intake.call_response r JOIN sent USING (call_id)
    UNION ALL SELECT 'body', convert_from(r.body, 'UTF8') FROM intake.call_response r JOIN sent USING (call_id)
    UNION ALL SELECT 'error', r.error FROM intake.call_response r JOIN sent USING (call_id)
    UNION ALL SELECT 'attempt', a.error FROM intake.attempt a JOIN sent USING (call_id)
    UNION ALL SELECT 'dead letter', d.error FROM intake.dead_letter d JOIN sent USING (job_id);
CALL wait_until('6 = (SELECT count(*) FROM intake.dead_letter JOIN sent USING (job_id))');
SELECT what, count(kept), count(*) FILTER (WHERE kept ~ '\*{8}') AS with_stars, count(*) FILTER (WHERE kept ~ 'n3ver|c29tZW9u') AS with_a_secret
FROM kept GROUP BY what ORDER BY what COLLATE "C";
-- What is beside it stays, and so does all of an answer that only has what anybody says.
SELECT split_part(auth, '-', 2) AS auth, regexp_replace(convert_from(r.body, 'UTF8'), '[0-9a-f-]{36}', 'KEY', 'g') AS body
FROM intake.call_response r JOIN intake.call_request USING (job_id, call_id) JOIN sent USING (call_id)
WHERE r.error IS NULL AND auth IN ('echo-url', 'echo-short') ORDER BY auth;

-- An error of a courier is of a host, too.
SELECT intake.emit('echo', '{"auth": "echo-header"}') > 0;
CALL wait_until('1 = (SELECT count(*) FROM intake.call_queue JOIN intake.call_request r USING (job_id, call_id) WHERE r.auth LIKE ''echo-%'')');
SELECT x.call_id, x.job_id FROM intake.exchange(:echo, 100, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x JOIN intake.call_request r USING (call_id)
    WHERE x.kind = 'r' AND r.auth LIKE 'echo-%' \gset
SELECT kind FROM intake.exchange(:echo, 0, 0, ARRAY[:call_id], ARRAY[:job_id], '{0}', '{NULL}', '{NULL}', '{protocol: it said header-n3ver-seen}', '{1}');
SELECT error FROM intake.call_response WHERE call_id = :call_id;

SELECT intake.leave_courier(:echo);
SELECT intake.drop_workflow('echo', force => true);
SELECT count(intake.drop_call_secret(name)) FROM intake.call_secrets WHERE name LIKE 'echo-%';
DROP SCHEMA echo CASCADE;
RESET search_path;
