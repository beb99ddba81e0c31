-- Callbacks: a URL that signals a key, once.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA callbacks;
SET search_path = callbacks, public;
CREATE FUNCTION url(key text, options jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT intake.callback_url(jsonb_populate_record(NULL::intake.job, '{"id": 1}'), key, options) $$;
CREATE FUNCTION used(url text, body text DEFAULT '', headers text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', a.status, a.content_type, a.headers, a.body)
    FROM intake.callback(convert_to(regexp_replace(url, '^.*/', ''), 'UTF8'), convert_to(headers, 'UTF8'), convert_to(body, 'UTF8')) a $$;
CREATE FUNCTION brought(key text) RETURNS jsonb LANGUAGE sql AS $$
    DELETE FROM intake.signal s WHERE s.key = brought.key RETURNING s.payload $$;

-- Where the shim is must be known.
SELECT url('k');
SET pg_intake.public_url = 'hooks.example.com';
SELECT url('k');
SET pg_intake.public_url = 'https://user@example.com';
SELECT url('k');
SET pg_intake.public_url = 'https://example.com/?x=';
SELECT url('k');
SET pg_intake.public_url = 'https://hooks.example.com/';
SELECT regexp_replace(url('k'), '[A-Za-z0-9_-]{43}$', 'TOKEN');
SET pg_intake.public_url = 'http://127.0.0.1:8080/deep/er';
SELECT regexp_replace(url('k'), '[A-Za-z0-9_-]{43}$', 'TOKEN');
SELECT count(DISTINCT url('k')) FROM generate_series(1, 1000);
SELECT count(*), count(DISTINCT token_digest), bool_and(octet_length(token_digest) = 32 AND key = 'k' AND job_id = 1) AS same,
    max(expires_at) BETWEEN now() + interval '6 days 23 hours' AND now() + interval '7 days 1 minute' AS for_a_week FROM intake.callback;
DELETE FROM intake.callback;
SELECT url(NULL);
SELECT url('');
SELECT url(repeat('é', 101));
SELECT url('k', '{"expire": "1 day"}');
SELECT url('k', '{"expires": "soon"}');
SELECT url('k', '{"expires": "-1 s"}');
SELECT url('k', '{"expires": "11 years"}');
SELECT length(url('k', NULL));
SELECT count(*) FROM intake.callback;

-- It works once.
SELECT url('once') AS url \gset
SELECT used(:'url', '{"approved": true}'), brought('once');
SELECT used(:'url', '{"approved": true}'), brought('once');
SELECT count(*) FROM intake.callback;
-- Two URLs of one key: the first one wins.
SELECT url('two') AS yes, url('two') AS no \gset
SELECT used(:'yes', '"yes"');
SELECT used(:'no', '"no"');
SELECT used(:'no', '"no"');
SELECT brought('two');
-- Unknown, used, expired: the same answer.
SELECT url('k', '{"expires": "0"}') AS url \gset
SELECT used(:'url'), used('x'), used(''), used(:'url' || 'x'), (intake.callback(NULL, NULL, NULL)).status;
SELECT count(*) FROM intake.callback;
SELECT url('k', '{"expires": "1 hour"}') AS url \gset
SELECT count(*) FROM intake.callback;
UPDATE intake.callback SET expires_at = now();
SELECT used(:'url'), brought('k');

-- What it brings: JSON, a form, or nothing.
CREATE FUNCTION brings(body text, headers text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    url text := callbacks.url('brings');
    answer text := callbacks.used(url, body, headers);
BEGIN
    RETURN format('%s %s, then %s', answer, callbacks.brought('brings'), left(callbacks.used(url, ''), 3));
END $$;
SELECT brings(body) FROM unnest(ARRAY['', '{"a": [1, null]}', ' "text" ', 'null', '5', 'no JSON', '{"a": 1', '{"a": "\u0000"}', 'a=b', '<html>']) body;
DELETE FROM intake.signal;
SELECT brings(body, E'Host: x\r\ncontent-TYPE: application/x-www-form-urlencoded\r\n') FROM unnest(ARRAY['a=b&c=d%20e+f', 'a=1&a=2', '%C3%A4=%E2%82%AC', 'a', '&&', 'payload=%7B%7D', 'a=%00', 'a=%FF', '%FF=a']) body;
DELETE FROM intake.signal;
SELECT h, brings('a=b', E'Host: x\r\n' || h || E'\r\n') FROM unnest(ARRAY['Content-Type: application/x-www-form-urlencoded; charset=utf-8', 'Content-Type:application/x-www-form-urlencoded',
    'Content-Type: application/x-www-form-urlencodedx', 'X-Content-Type: application/x-www-form-urlencoded', 'Content-Type: application/json']) h;
DELETE FROM intake.signal;
SELECT left(brings(to_jsonb(repeat('x', n))::text), 40) FROM unnest(ARRAY[1024 * 1024 - 8, 1024 * 1024 - 7, 1024 * 1024 - 2, 1024 * 1024 - 1]) n;
DELETE FROM intake.signal;
-- Many fields are too many.
SELECT brings(repeat('a=b&', 10001), E'Content-Type: application/x-www-form-urlencoded\r\n');
-- What was not used is used later.
DELETE FROM intake.signal;
SELECT url('later') AS url \gset
SELECT used(:'url', 'no JSON'), brought('later');
SELECT used(:'url', '{}'), brought('later');

-- Those that have expired leave when others come, some at a time.
DELETE FROM intake.callback;
SELECT count(url('old ' || n, '{"expires": "0"}')) FROM generate_series(1, 2) n;
INSERT INTO intake.callback SELECT sha256(n::text::bytea), 'old', 1, now() - interval '1 day' FROM generate_series(1, 25) n;
SELECT count(url('new')) FROM generate_series(1, 3);
SELECT DISTINCT key FROM intake.callback;

-- A token made in a transaction that is undone never was.
BEGIN;
SELECT url('undone') AS url \gset
ROLLBACK;
SELECT used(:'url');

-- Who may: handlers make them, the shim uses them.
CREATE ROLE regress_callbacks;
GRANT USAGE ON SCHEMA callbacks TO regress_callbacks;
SELECT intake.grant_access('regress_callbacks', 'worker');
SET ROLE regress_callbacks;
SELECT length(url('by a worker'));
SELECT used('x');
SELECT count(*) FROM intake.callback;
SELECT intake.make_token();
SET pg_intake.public_url = 'https://evil.example.com';
RESET ROLE;
SELECT intake.revoke_access('regress_callbacks'), intake.grant_access('regress_callbacks', 'gateway');
SET ROLE regress_callbacks;
SELECT used('x');
SELECT url('x');
SELECT intake.signal('x');
RESET ROLE;
SELECT intake.revoke_access('regress_callbacks');
REVOKE USAGE ON SCHEMA callbacks FROM regress_callbacks;
DROP ROLE regress_callbacks;
DELETE FROM intake.callback;
DROP SCHEMA callbacks CASCADE;
