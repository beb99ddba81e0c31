-- What a body must be: what key and type are read from, as the scheme says, or as the source does.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION s_send(source text, body bytea, headers jsonb DEFAULT '{}') RETURNS text
    LANGUAGE sql AS $$
    SELECT r.status || coalesce(' ' || (r.body::jsonb ->> 'status'), '')
    FROM intake.ingest(source, jsonb_build_object('X-Signature', encode(hmac(body, 'secret', 'sha256'), 'hex')) || headers, body) r $$;
CREATE FUNCTION s_why() RETURNS TABLE (reason text, detail text, status int)
    LANGUAGE sql AS $$ SELECT r.reason, r.detail, r.status FROM intake.rejections r ORDER BY r.id DESC LIMIT 1 $$;
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, content, key_from, missing_key)
    SELECT 's_' || n, 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', content, key_from, 'digest'
    FROM (VALUES ('json', 'json', 'header:x-id'), ('form', 'form:id,type', 'form:id'), ('any', 'any', '$.id'), ('unsaid', NULL, NULL)) v(n, content, key_from);
SELECT count(intake.create_source('s-' || n, 's_' || n, secret => 'secret')) FROM unnest('{json,form,any,unsaid}'::text[]) n;

-- As the scheme says.
SELECT s_send('s-json', '{}'), s_send('s-json', '\xefbbbf0a5b5d'), s_send('s-json', convert_to('{"a":"\u0000"}', 'UTF8'));
SELECT s_send('s-json', 'true');
SELECT * FROM s_why();
SELECT s_send('s-json', '{"id":1}{"id":2}');
SELECT * FROM s_why();
SELECT s_send('s-json', '\x7b2261223a22ff227d');
SELECT * FROM s_why();
SELECT s_send('s-json', '');
SELECT * FROM s_why();
SELECT s_send('s-form', 'id=1&type=a'), s_send('s-form', 'type=b');
SELECT s_send('s-form', 'id=2&id=3');
SELECT * FROM s_why();
SELECT s_send('s-form', 'id=2&other=3');
SELECT * FROM s_why();
SELECT s_send('s-form', '{"id":1}');
SELECT * FROM s_why();
SELECT s_send('s-form', 'id=1 2');
SELECT * FROM s_why();
SELECT s_send('s-any', '\x00ff'), s_send('s-any', '');
SELECT key FROM intake.events WHERE source = 's-form' AND type IS NULL AND length(key) < 10 ORDER BY key;

-- Content any: what is no JSON has nothing at a place in JSON; its key is its digest here.
SELECT s_send('s-any', '{"id":"x"}'), s_send('s-any', '{"id":"y"} '), s_send('s-any', '{"id":"z"'), s_send('s-any', '{"id":"w"} {}');
SELECT CASE WHEN length(key) = 64 THEN 'a digest' ELSE key END AS key, payload FROM intake.events WHERE source = 's-any' ORDER BY id;

-- As the places of key and type tell, those of the source over those of the scheme.
SELECT s_send('s-unsaid', 'anything');
SELECT intake.alter_source('s-unsaid', type_from => '$.type');
SELECT s_send('s-unsaid', 'anything else');
SELECT intake.alter_source('s-unsaid', type_from => 'form:type');
SELECT s_send('s-unsaid', 'type=a'), s_send('s-unsaid', '{"type":"a"}');
SELECT intake.alter_source('s-unsaid', type_from => '$.type | form:type');
SELECT s_send('s-unsaid', 'type=b'), s_send('s-unsaid', '{"type":"b"}'), s_send('s-unsaid', '{"a":"&type=c&"}'), s_send('s-unsaid', '{"type":"d"');
SELECT type, convert_from(body, 'UTF8') AS body FROM intake.events WHERE source = 's-unsaid' ORDER BY id;
SELECT type_from, content FROM intake.sources WHERE name = 's-unsaid';

-- As the source says.
SELECT intake.alter_source('s-unsaid', options => '{"content": "json"}');
SELECT s_send('s-unsaid', 'type=e'), s_send('s-unsaid', '{"type":"e"}');
SELECT intake.alter_source('s-unsaid', type_from => '$.type', options => '{"content": "any"}');
SELECT s_send('s-unsaid', 'type=f');
SELECT content FROM intake.sources WHERE name = 's-unsaid';
SELECT intake.alter_source('s-unsaid', options => '{"content": null}');
SELECT s_send('s-unsaid', 'type=g');
SELECT content FROM intake.sources WHERE name = 's-unsaid';
SELECT count(intake.create_source('s-own', 'github', secret => 'secret-x', options => '{"content": "form"}'));
SELECT content FROM intake.sources WHERE name = 's-own';
-- It is one of three, and what the scheme says stands.
SELECT intake.alter_source('s-own', options => '{"content": "xml"}');
SELECT intake.alter_source('s-own', options => '{"content": "form:a"}');
SELECT intake.alter_source('s-own', options => '{"content": 5}');
SELECT intake.alter_source('s-own', options => '{"content": ["any"]}');
SELECT intake.alter_source('s-own', options => '["content"]');
SELECT intake.create_source('s-other', 'github', secret => 'secret-x', options => '{"contents": "any"}');
SELECT intake.create_source('s-other', 'github', secret => 'secret-x', options => '{"tolerance": null}');
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT intake.alter_source('s-json', options => '{"content": "any"}');
SELECT intake.create_source('s-other', 's_any', secret => 'secret-x', options => '{"content": "json"}');
\set VERBOSITY terse
SELECT content FROM intake.sources WHERE name = 's-own';

-- It is asked for behind the signature: before, nothing is told, and verify does not ask.
SELECT s_send('s-json', 'no', '{"X-Signature": "00"}');
SELECT reason FROM s_why();
SELECT intake.verify_explain('s-json', jsonb_build_object('X-Signature', encode(hmac('no', 'secret', 'sha256'), 'hex')), 'no');
SELECT intake.verify('s-json', jsonb_build_object('X-Signature', encode(hmac('no', 'secret', 'sha256'), 'hex')), 'no');
-- Tokens, basic and nothing at all: the same.
SELECT count(intake.create_source('s-none', 'none')), count(intake.create_source('s-token', 'token', secret => 'token'));
SELECT s_send('s-none', '{"id":1}'), s_send('s-none', '{"id":1'), s_send('s-token', '{"id":1}', '{"Authorization": "Bearer token"}'),
    s_send('s-token', 'id=1', '{"Authorization": "Bearer token"}');
-- A handshake that is signed is no event.
SELECT count(intake.create_source('s-slack', 'slack', secret => 'secret'));
SELECT status, body FROM intake.sign('s-slack', '{"type":"url_verification","challenge":"c"}') h, intake.ingest('s-slack', h, '{"type":"url_verification","challenge":"c"}');
-- Forms and JSON, where both come.
SELECT (intake.ingest('s-slack', intake.sign('s-slack', body), body)).status FROM unnest(ARRAY['command=%2Fx&text={"type":"a"}', '{"event_id":"E1","event":{"type":"&command=y&"}}']::bytea[]) body;
SELECT key = 'E1' AS is_named, type FROM intake.events WHERE source = 's-slack' ORDER BY id;

-- More levels than jsonb holds are stored; a payload is there for what begins with a mark of UTF-8.
SELECT s_send('s-json', convert_to(repeat('[', 1001) || repeat(']', 1001), 'UTF8')), s_send('s-json', '\xefbbbf7b2261223a317d');
SELECT s_send('s-json', convert_to(repeat('[', 70000) || repeat(']', 70000), 'UTF8'));
SELECT * FROM s_why();
SELECT length(body), payload FROM intake.events WHERE source = 's-json' AND length(body) IN (9, 10, 2002) ORDER BY id;
-- A filter sees what a handler does.
CREATE FUNCTION s_handler(job intake.job) RETURNS void LANGUAGE sql AS '';
SELECT count(intake.create_workflow('s_filter', 's_handler(intake.job)', source => 's-json', filter => '$.filtered'));
SELECT intake.pause_workflow('s_filter');
SELECT s_send('s-json', '{"filtered":1}'), s_send('s-json', '\xefbbbf7b2266696c7465726564223a327d'), s_send('s-json', convert_to('{"filtered":3,"a":"\u0000"}', 'UTF8')), s_send('s-json', '{"other":1}');
SELECT replace(convert_from(e.body, 'UTF8'), U&'\FEFF', '<BOM>') AS body FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE j.workflow = 's_filter' ORDER BY e.id;
SELECT intake.drop_workflow('s_filter', force => true);
SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 's-%';
DELETE FROM intake.scheme WHERE name LIKE 's\_%';
