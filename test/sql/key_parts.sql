-- Keys of several places: what the sender calls a thing, and what tells the events of it apart.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION sent(source text, body text, headers jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text) FROM intake.ingest(source, intake.sign(source, convert_to(body, 'UTF8'), headers), convert_to(body, 'UTF8')) r $$;

-- A message and its later unsending: two events; each again: none.
SELECT count(intake.create_source('kp', 'hmac', secret => 'a secret', key_from => '$.id + $.status', type_from => '$.type'));
SELECT sent('kp', format('{"id":"m1","status":"%s"}', s)) FROM unnest('{delivered,seen,delivered,seen}'::text[]) s;
-- Borders between parts do not move, absent is not empty, and neither is the word for it.
SELECT sent('kp', b) FROM unnest(ARRAY['{"id":"a","status":"bc"}', '{"id":"ab","status":"c"}', '{"id":"abc"}', '{"id":"abc","status":""}', '{"id":"abc","status":null}', '{"id":"abc","status":"null"}',
    '{"id":"a/b","status":"c"}', '{"id":"a","status":"b/c"}', '{"id":1,"status":true}', '{"id":"1","status":"true"}']) WITH ORDINALITY t(b, n) ORDER BY n;
SELECT key, convert_from(body, 'UTF8') AS body FROM intake.events WHERE source = 'kp' ORDER BY id;
-- What stands at a later place and can be no part leaves no key, and is not taken for nothing.
SELECT sent('kp', b) FROM unnest(ARRAY['{"id":"o","status":{"a":1}}', '{"id":"o","status":["a"]}', '{"id":"o","status":"\u0000"}', '{"id":"","status":"a"}', '{"status":"a"}', '{"id":{"a":1},"status":"a"}']) WITH ORDINALITY t(b, n) ORDER BY n;
SELECT intake.alter_source('kp', missing_key => 'digest');
SELECT sent('kp', b) FROM unnest(ARRAY['{"id":"o","status":{"a":1}}', '{"id":"o","status":{"a":2}}', '{"id":"o","status":{"a":1}}']) WITH ORDINALITY t(b, n) ORDER BY n;
-- Its length is that of what is shown.
SELECT intake.alter_source('kp', missing_key => 'reject');
SELECT n, sent('kp', format('{"id":"%s","status":"%s"}', repeat('i', n), repeat('s', 500))) FROM unnest(ARRAY[523, 524]) n;

-- Found by its parts, and as it is shown: of two parts, or where no part has a slash in it.
SELECT e.key, convert_from(f.body, 'UTF8') AS as_shown FROM intake.events e LEFT JOIN intake.event f ON f.id = intake.find_event('kp', e.key) WHERE e.source = 'kp' AND length(e.key) < 20 ORDER BY e.id;
SELECT convert_from(body, 'UTF8') AS found FROM intake.event WHERE id = intake.find_event('kp', 'a/b', 'c');
SELECT convert_from(body, 'UTF8') AS found FROM intake.event WHERE id = intake.find_event('kp', 'a', 'b/c');
SELECT convert_from(body, 'UTF8') AS found FROM intake.event WHERE id = intake.find_event('kp', 'abc', NULL);
SELECT convert_from(body, 'UTF8') AS found FROM intake.event WHERE id = intake.find_event('kp', 'abc', '');
SELECT intake.find_event('kp', 'abc'), intake.find_event('kp', NULL), intake.find_event('kp', NULL, 'c'), intake.find_event('kp', VARIADIC '{}'), intake.find_event('kp', 'a', 'b', 'c', 'd', 'e', 'f', 'g'), intake.find_event('kp', '///'), intake.find_event('kp', 'a/b/c/d/e/f/g');

-- Alternatives: the first one whose first part is there; + binds tighter. The digest may be a part, or stand alone.
SELECT intake.alter_source('kp', key_from => '$.a + $.b | $.c + digest | header:x-id + $.d | digest');
SELECT sent('kp', b, h) FROM (VALUES ('{"a":1}', '{}'::jsonb), ('{"a":1,"b":2}', '{}'), ('{"a":1,"b":2,"c":3}', '{}'), ('{"b":2,"c":3}', '{}'), ('{"b":4,"c":3}', '{}'), ('{"b":4,"c":3}', '{}'), ('{"b":2,"d":5}', '{"X-Id": "h"}'), ('{"b":3,"d":5}', '{"X-Id": "h"}'), ('{"b":3}', '{}'), ('{"b":3}', '{}')) t(b, h);
SELECT regexp_replace(key, '[0-9a-f]{64}', '<digest>') AS key, convert_from(body, 'UTF8') AS body FROM intake.events WHERE source = 'kp' ORDER BY id DESC LIMIT 6;
SELECT key = '3/' || encode(sha256(body), 'hex') AS is_of_the_content, intake.find_event('kp', key) = id AS found FROM intake.events WHERE source = 'kp' AND key LIKE '3/%' ORDER BY id;

-- What is no key says so.
SELECT p, (SELECT intake.create_source('kp2', 'hmac', key_from => p) > 0) FROM unnest(ARRAY['$["a+b"] + $.c']) p;
CREATE FUNCTION refused(p text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM intake.alter_source('kp2', key_from => p); RETURN 'taken'; EXCEPTION WHEN invalid_parameter_value THEN RETURN SQLERRM; END $$;
SELECT p, refused(p) FROM unnest(ARRAY['$.a+$.b', '$.a +', '+ $.a', '$.a + + $.b', '$.a + nothing', 'digest:', 'digest + digest', '$.a + $.b + $.c + $.d + $.e + $.f', '$.a + $.b + $.c + $.d + $.e + $.f + $.g', '$.a | $.b | $.c | $.d | $.e | $.f | digest']) WITH ORDINALITY t(p, n) ORDER BY n;
SELECT intake.alter_source('kp2', type_from => 'digest');

-- Headers that are parts are made up by sign, and only the first of a name is stored.
SELECT intake.alter_source('kp2', key_from => 'header:x-id + header:x-topic');
SELECT count(intake.rotate_secret('kp2', 'a secret'));
SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(intake.sign('kp2', '{}')) k;
SELECT (intake.ingest('kp2', intake.sign('kp2', '{}') || '{"x-id": ["1", "2"], "x-topic": ["t", "u"]}', '{}')).status;
SELECT key, headers -> 'x-id' AS x_id, headers -> 'x-topic' AS x_topic FROM intake.events WHERE source = 'kp2';

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'kp%';
DROP FUNCTION sent(text, text, jsonb), refused(text);
