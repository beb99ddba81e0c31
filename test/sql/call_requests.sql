-- What intake.request, intake.call and intake.calls make, and what they refuse.
\set VERBOSITY terse

-- What is sent.
SELECT * FROM intake.request('https://x/');
SELECT method, headers, convert_from(body, 'UTF8') AS body FROM intake.request('https://x/', '{"a": "ä"}');
SELECT method, headers, convert_from(body, 'UTF8') AS body FROM intake.request('https://x/', 'null', headers => '{"content-type": "application/vnd.api+json", "Accept": "*/*"}', method => 'PATCH');
SELECT method, headers, convert_from(body, 'UTF8') AS body FROM intake.request('https://x/', '1', headers => '{"Accept": "*/*"}');
SELECT method, headers, body, auth, limits, timeout, options FROM intake.request('https://x/', raw => '\x00ff', auth => 'openai', limits => '{"openai-tokens": 0.5}', timeout => '24 hours', options => '{"accept": ["2xx", 404]}');

-- What comes next.
SELECT act, step, state, args, (requests[1]).url, cardinality(requests) AS n FROM intake.call('https://x/');
SELECT act, step, state, args, (requests[1]).options FROM intake.call('https://x/', step => 'sent', state => '{"a": 1}', options => '{"failed": "sorry", "retry_on": [429]}');
SELECT act, step, state, args, requests[2] FROM intake.calls(ARRAY[intake.request('https://x/'), intake.request('https://y/', '{}', timeout => '1 second')], 'both', 'null', '{"failed": "sorry"}');
SELECT cardinality(requests) FROM intake.calls((SELECT array_agg(intake.request('https://x/')) FROM generate_series(1, 1000)));

-- URLs, bodies, methods.
SELECT intake.call(NULL);
SELECT intake.calls(ARRAY[intake.request(NULL)]);
SELECT intake.request('https://user@x/');
SELECT intake.request('https://x/', '{}', raw => '\x00');
SELECT intake.request('https://x/', method => 'get');
SELECT intake.request('https://x/', method => E'GET / HTTP/1.1\r\nX: ');
SELECT intake.request('https://x/', method => 'CONNECT');
-- Times.
SELECT intake.request('https://x/', timeout => '999 ms');
SELECT intake.request('https://x/', timeout => '24 hours 1 us');
SELECT intake.request('https://x/', timeout => '-1 year 361 days');
SELECT timeout FROM intake.request('https://x/', timeout => NULL);
-- Headers.
SELECT intake.request('https://x/', headers => '[]');
SELECT intake.request('https://x/', headers => '{"X": "a\r\nY: b"}');
SELECT intake.request('https://x/', headers => '{"X\r\nY": "b"}');
SELECT intake.request('https://x/', headers => '{"X": "a\nb"}');
SELECT intake.request('https://x/', headers => '{"X": "ä"}');
SELECT intake.request('https://x/', headers => '{"X": 1}');
SELECT intake.request('https://x/', headers => '{"X": null}');
SELECT intake.request('https://x/', headers => '{"X": {"a": "b"}}');
SELECT intake.request('https://x/', headers => '{"X": "a", "x": "b"}');
SELECT intake.request('https://x/', headers => '{"": "a"}');
SELECT h AS header, intake.request('https://x/', headers => jsonb_build_object(h, 'x')) IS NULL FROM unnest('{Cookie,Authorization,Content-Type,User-Agent,Idempotency-Key}'::text[]) h;
DO $$
DECLARE
    h text;
BEGIN
    FOREACH h IN ARRAY '{Host,content-length,Transfer-Encoding,CONNECTION,Keep-Alive,TE,Trailer,Upgrade,HTTP2-Settings,Expect,Accept-Encoding,Proxy-Authorization}'::text[] LOOP
        BEGIN
            PERFORM intake.request('https://x/', headers => jsonb_build_object(h, 'x'));
            RAISE NOTICE '% is accepted', h;
        EXCEPTION WHEN invalid_parameter_value THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT intake.request('https://x/', headers => (SELECT jsonb_object_agg('x' || n, '') FROM generate_series(1, 101) n));
SELECT intake.request('https://x/', headers => (SELECT jsonb_object_agg('x' || n, repeat('a', 8000)) FROM generate_series(1, 9) n));
SELECT intake.request('https://x/', headers => jsonb_build_object('X', repeat('a', 8001)));
-- Limits and options.
SELECT intake.request('https://x/', limits => '["a"]');
SELECT intake.request('https://x/', limits => '{"a": 0}');
SELECT intake.request('https://x/', limits => '{"a": "1"}');
SELECT intake.request('https://x/', limits => (SELECT jsonb_object_agg(n, 1) FROM generate_series(1, 17) n));
SELECT intake.request('https://x/', options => '{"acept": [404]}');
SELECT intake.request('https://x/', options => '[]');
SELECT o AS options, intake.request('https://x/', options => jsonb_build_object('accept', o)) IS NULL FROM unnest(ARRAY['[]', '[404]', '[404, "404", "5xx"]']::jsonb[]) o;
SELECT intake.request('https://x/', options => '{"accept": 404}');
SELECT intake.request('https://x/', options => '{"accept": {"a": 404}}');
SELECT intake.request('https://x/', options => '{"accept": [99]}');
SELECT intake.request('https://x/', options => '{"accept": [404.0]}');
SELECT intake.request('https://x/', options => '{"accept": [1e2, 600]}');
SELECT intake.request('https://x/', options => '{"retry_on": ["6xx"]}');
SELECT intake.request('https://x/', options => '{"retry_on": ["4x4"]}');
SELECT intake.request('https://x/', options => '{"retry_on": [[404]]}');
SELECT intake.request('https://x/', options => '{"retry_on": [null]}');
SELECT intake.call('https://x/', options => '{"faild": "x"}');
SELECT intake.call('https://x/', options => '{"failed": 1}');
SELECT intake.call('https://x/', options => '{"failed": ""}');
SELECT intake.call('https://x/', options => '1');
SELECT intake.call('https://x/', step => '');
SELECT intake.call('https://x/', step => repeat('a', 101));
-- How many, and how much.
SELECT intake.calls(NULL);
SELECT intake.calls('{}');
SELECT intake.calls('{NULL}');
SELECT intake.calls((SELECT array_agg(intake.request('https://x/')) FROM generate_series(1, 1001)));
SELECT intake.calls(ARRAY[intake.request('https://x/')], options => '{"accept": [404]}');
SELECT intake.request('https://x/', raw => convert_to(repeat('a', 64 * 1024 * 1024 + 1), 'UTF8'));
SELECT intake.calls(ARRAY[r, r]) FROM (SELECT intake.request('https://x/', raw => convert_to(repeat('a', 32 * 1024 * 1024 + 1), 'UTF8')) OFFSET 0) t(r);
-- A row that was made by hand is looked at as well.
SELECT intake.calls(ARRAY[ROW('GET', 'https://x/', '{"Host": "y"}', NULL, NULL, NULL, NULL, NULL)::intake.request]);
SELECT intake.calls(ARRAY[ROW(NULL, 'https://u@x/', NULL, NULL, NULL, NULL, NULL, NULL)::intake.request]);
SELECT intake.calls(ARRAY[ROW(NULL, 'https://x/', NULL, NULL, NULL, NULL, '2 days', NULL)::intake.request]);
SELECT act FROM intake.calls(ARRAY[ROW(NULL, 'https://x/', NULL, NULL, NULL, NULL, NULL, NULL)::intake.request]);

-- They are for those who may make calls.
CREATE ROLE calls_worker;
CREATE ROLE calls_caller;
SELECT intake.grant_access('calls_worker', 'worker'), intake.grant_access('calls_caller', 'caller');
SET ROLE calls_worker;
SELECT intake.call('https://x/');
SET ROLE calls_caller;
SELECT act FROM intake.call('https://x/');
SELECT intake.emit('x', '{}');
RESET ROLE;
SELECT intake.revoke_access('calls_worker'), intake.revoke_access('calls_caller');
DROP ROLE calls_worker, calls_caller;
