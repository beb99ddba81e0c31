-- The header traceparent of an event: what handlers get, and what their calls are sent with. The test is the
-- courier.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE TABLE trace_log (key text, traceparent text);
CREATE FUNCTION trace_handler(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trace_log VALUES (job.payload #>> '{data,id}', job.traceparent);
    job.headers := '{}';                                           -- what it had of the event is gone
    RETURN intake.calls(ARRAY[intake.request('https://api.example.com/' || (job.payload #>> '{data,id}')),
                              intake.request('https://api.example.com/own', headers => '{"Traceparent": "mine"}')]);
END $$;
SELECT intake.create_source('traced', 'hmac', secret => 'secret') IS NOT NULL AS made;
SELECT intake.create_workflow('traced', 'trace_handler(intake.job)', source => 'traced') > 0 AS made;
CREATE FUNCTION trace_send(id int, headers jsonb) RETURNS int LANGUAGE sql AS $$
    SELECT r.status FROM (SELECT convert_to(format('{"data": {"id": "%s"}}', id), 'UTF8')) b(body),
        intake.ingest('traced', headers || jsonb_build_object('X-Signature', encode(hmac(b.body, 'secret', 'sha256'), 'hex')), b.body) r $$;

-- By the first number: what W3C Trace Context allows, and what it does not.
SELECT n, trace_send(n, jsonb_build_object('traceparent', said)) FROM (VALUES
    (1, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
    (2, '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-ff'),
    (3, 'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-what.the.future.brings'),
    (4, ''),
    (5, '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01'),
    (6, 'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
    (7, '00-00000000000000000000000000000000-b7ad6b7169203331-01'),
    (8, '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01'),
    (9, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more'),
    (10, 'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more'),
    (11, '00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01'),
    (12, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0')) v(n, said);
SELECT trace_send(13, '{}');

DO $$ BEGIN
    FOR i IN 1..500 LOOP
        EXIT WHEN (SELECT count(*) FROM intake.calls WHERE workflow = 'traced') = 26;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT * FROM trace_log ORDER BY key::int;

-- Each call is a span of its own; one that the handler has named stays.
SELECT intake.enter_courier('tracing') AS token \gset
CREATE TABLE trace_taken AS
    SELECT x.target, lower((m).name) AS name, (m).value
    FROM intake.exchange(:token, 200, 10000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x,
        LATERAL (SELECT split_part(l, ': ', 1) AS name, split_part(l, ': ', 2) AS value
                 FROM regexp_split_to_table(convert_from(x.headers, 'UTF8'), '\r\n') l) m
    WHERE x.kind = 'r';
SELECT target, regexp_replace(value, '-[0-9a-f]{16}-', '-a span-') AS traceparent FROM trace_taken
    WHERE name = 'traceparent' AND target <> '/own' ORDER BY target;
SELECT count(*), count(DISTINCT value) FROM trace_taken WHERE name = 'traceparent' AND target = '/own';
SELECT count(DISTINCT substring(value FROM 37 FOR 16)) FILTER (WHERE substring(value FROM 37 FOR 16) NOT IN ('b7ad6b7169203331', '00f067aa0ba902b7')) AS spans
    FROM trace_taken WHERE name = 'traceparent' AND target <> '/own';
SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('traced', force => true), intake.drop_source('traced');
