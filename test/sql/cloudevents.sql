-- CloudEvents in binary and in structured mode, with a token, a signature or nothing, and the handshake
-- by which their senders ask whether they may send.
\set VERBOSITY terse
SET client_min_messages = warning;

SELECT intake.create_source('ce-' || s, 'cloudevents-' || s, secret => CASE WHEN s !~ 'none' THEN 'secret-x' END,
    verified => CASE WHEN s ~ 'none' THEN 'none' END) > 0 AS created
    FROM unnest('{binary-token,binary-hmac,binary-none,structured-token,structured-hmac,structured-none}'::text[]) s;
CREATE FUNCTION ce_send(mode text, headers jsonb, body text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.status, r.body::jsonb ->> 'status') FROM intake.ingest('ce-' || mode, headers || CASE
        WHEN mode ~ 'token' THEN '{"Authorization": "Bearer secret-x"}'
        WHEN mode ~ 'hmac' THEN jsonb_build_object('X-Signature', encode(hmac(body, 'secret-x', 'sha256'), 'hex'))
        ELSE '{}' END, body::bytea) r $$;
CREATE FUNCTION ce_head(id text, source text DEFAULT '/sensors/1', type text DEFAULT 'com.example.read') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('ce-specversion', '1.0', 'ce-id', id, 'ce-source', source, 'ce-type', type, 'Content-Type', 'application/json') $$;
CREATE FUNCTION ce_body(id text, source text DEFAULT '/sensors/1', type text DEFAULT 'com.example.read', data text DEFAULT '1') RETURNS text LANGUAGE sql AS $$
    SELECT format('{"specversion":"1.0","id":"%s","source":"%s","type":"%s","data":%s}', id, source, type, data) $$;

-- Binary mode: the same again, another source, another id, another type of the same event.
SELECT m, ce_send('binary-' || m, ce_head('a'), '{"n":1}') AS first, ce_send('binary-' || m, ce_head('a'), '{"n":1}') AS again,
    ce_send('binary-' || m, ce_head('a', '/sensors/2'), '{"n":2}') AS source, ce_send('binary-' || m, ce_head('b'), '{"n":3}') AS id,
    ce_send('binary-' || m, ce_head('a', type => 'other'), '{"n":4}') AS type
    FROM unnest('{token,hmac,none}'::text[]) m;
SELECT key, type, verified, headers ->> 'ce-id' AS header, payload FROM intake.events WHERE source = 'ce-binary-hmac' ORDER BY id;
SELECT intake.find_event('ce-binary-hmac', '/sensors/2', 'a') = intake.find_event('ce-binary-hmac', '/sensors/2/a') AS same;
-- '/sensors/1' and 'a' are not '/sensors' and '1/a'.
SELECT ce_send('binary-token', ce_head('1/a', '/sensors'), '{"n":5}');
-- The headers are not signed, so that what was signed counts once for each type, under whatever id.
SELECT ce_send('binary-hmac', ce_head('forged'), '{"n":1}'), ce_send('binary-hmac', ce_head('forged', type => 'forged'), '{"n":1}');
SELECT reason, status FROM intake.rejections WHERE source = 'ce-binary-hmac';
-- With a token nothing is signed.
SELECT ce_send('binary-token', ce_head('c'), '{"n":1}');

-- What stands in headers is decoded: percents, and quotes.
SELECT ce_send('binary-none', ce_head('Euro%20%E2%82%AC', '"/a \"b\""', 'percent%25%20encoded'), 'text');
SELECT ce_send('binary-none', ce_head('Euro%20%e2%82%ac', '/a%20%22b%22', 'percent%25%20encoded'), 'text');
SELECT key, type, headers ->> 'ce-id' AS header, convert_from(body, 'UTF8') AS body FROM intake.events WHERE source = 'ce-binary-none' ORDER BY id DESC LIMIT 1;
SELECT ce_send('binary-none', ce_head('%ff'), ''), ce_send('binary-none', ce_head('a%00b'), ''), ce_send('binary-none', ce_head('a', '%ff'), '');
-- A CloudEvent has an id and a source.
SELECT ce_send('binary-none', ce_head('a') - 'ce-id', ''), ce_send('binary-none', ce_head('a') - 'ce-source', ''),
    ce_send('binary-none', ce_head(''), ''), ce_send('binary-none', '{}', ce_body('a'));
-- Any data, and none.
SELECT ce_send('binary-none', ce_head('png'), E'\x01\x02'), ce_send('binary-none', ce_head('empty'), '');

-- Structured mode.
SELECT m, ce_send('structured-' || m, '{}', ce_body('a')) AS first, ce_send('structured-' || m, '{}', ce_body('a')) AS again,
    ce_send('structured-' || m, '{}', ce_body('a', '/sensors/2')) AS source, ce_send('structured-' || m, '{}', ce_body('b')) AS id,
    ce_send('structured-' || m, '{}', ce_body('a', type => 'other')) AS type
    FROM unnest('{token,hmac,none}'::text[]) m;
SELECT key, type, verified, payload -> 'data' AS data FROM intake.events WHERE source = 'ce-structured-hmac' ORDER BY id;
-- All of it is signed, headers say nothing, and the same data under another id is news.
SELECT ce_send('structured-hmac', ce_head('header'), ce_body('c')), ce_send('structured-hmac', ce_head('header'), ce_body('d'));
SELECT ce_send('structured-none', '{}', '{"specversion":"1.0","source":"/s","type":"t"}'), ce_send('structured-none', '{}', '{"specversion":"1.0","id":"a","type":"t"}'),
    ce_send('structured-none', '{}', ce_body('')), ce_send('structured-none', '{}', ''), ce_send('structured-none', ce_head('a'), 'text');
-- A batch may be empty, which is nothing to refuse; a body may not.
SELECT ce_send('structured-none', '{}', '[]'), ce_send('structured-none', '{}', '');
-- A batch is no event, unless it is split.
SELECT ce_send('structured-none', '{}', format('[%s,%s]', ce_body('e'), ce_body('f')));
SELECT intake.alter_source('ce-structured-none', options => '{"split": true}');
SELECT ce_send('structured-none', '{}', format('[%s,%s,%s]', ce_body('a'), ce_body('e'), ce_body('f'))), ce_send('structured-none', '{}', ce_body('f')),
    ce_send('structured-none', '{}', ce_body('g')), ce_send('structured-none', '{}', format('[%s,%s]', ce_body('g'), ce_body('h')));
SELECT key, type, position FROM intake.events WHERE source = 'ce-structured-none' ORDER BY id DESC LIMIT 7;
-- Source and id together are the id of an event, which ends with no window.
SELECT intake.alter_source('ce-structured-none', options => '{"dedup_window": "0"}');
SELECT ce_send('structured-none', '{}', format('[%s,%s]', ce_body('g'), ce_body('h')));
SELECT count(*) FILTER (WHERE position > 0) AS events, count(*) FILTER (WHERE position = 0) AS deliveries FROM intake.events WHERE source = 'ce-structured-none' AND delivery_id >= (SELECT max(delivery_id) FROM intake.events WHERE source = 'ce-structured-none');
SELECT intake.record('ce-structured-none', NULL, NULL, ce_body('h')::jsonb) = intake.find_event('ce-structured-none', '/sensors/1', 'h') AS known;

-- May I send? Whoever asks is told so; what comes then is verified.
SELECT s.name, r.* FROM intake.sources s, intake.ingest(s.name, '{"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}', '', method => 'OPTIONS') r
    WHERE s.name LIKE 'ce-%' ORDER BY s.name;
SELECT r.status, r.headers FROM intake.ingest('ce-binary-token', '{"WebHook-Request-Origin": "a\u00e9"}', '', method => 'OPTIONS') r;
SELECT r.status, r.headers FROM intake.ingest('ce-binary-token', jsonb_build_object('WebHook-Request-Origin', repeat('o', 5000)), '', method => 'OPTIONS') r;
SELECT r.status, r.headers FROM intake.ingest('ce-binary-token', '{}', '', method => 'OPTIONS') r;
SELECT r.status, r.headers FROM intake.ingest('ce-nobody', '{"WebHook-Request-Origin": "eventgrid.azure.net"}', '', method => 'OPTIONS') r;
SELECT r.status, r.headers FROM intake.ingest('ce-binary-token', '{}', '', method => 'GET') r;
-- A value makes no second line.
SELECT convert_from(r.headers::bytea, 'UTF8') !~ 'X-Evil: ' AS clean, r.status FROM intake.receive('{OPTIONS}', '{ce-binary-token}', '{""}',
    ARRAY[E'WebHook-Request-Origin: a\rX-Evil: 1\r\n'::bytea], '{""}', '{""}') r;

-- Event Grid's own schema.
SELECT intake.create_source('eg', 'azure-event-grid', secret => 'secret-x') > 0 AS created;
CREATE FUNCTION eg_send(body text, query text DEFAULT 'code=secret-x') RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.status, r.body::jsonb - 'event_id') FROM intake.ingest('eg', '{}', body::bytea, query) r $$;
SELECT eg_send('[{"id":"v","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6","validationUrl":"https://x"}}]', '');
SELECT eg_send('[{"id":"1","eventType":"Microsoft.Storage.BlobCreated","data":{"validationCode":"512d38b6"}}]', 'code=secret-y');
SELECT eg_send('[{"id":"1","eventType":"Microsoft.Storage.BlobCreated","data":{}}]'), eg_send('[{"id":"1","eventType":"Microsoft.Storage.BlobCreated","data":{}}]'),
    eg_send('[{"id":"1","eventType":"Microsoft.Storage.BlobCreated","data":{}},{"id":"2","eventType":"Microsoft.Storage.BlobDeleted","data":{}}]');

-- Headers of handshakes: at most 8 lines, each by itself.
CREATE FUNCTION ce_scheme(name text, lines int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO intake.scheme (name, kind, handshake) VALUES (name, 'none', jsonb_build_array(jsonb_build_object('method', 'GET',
        'headers', (SELECT string_agg(format('X-%s: {query:v}', i), E'\n') FROM generate_series(1, lines) i)))) $$;
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT ce_scheme('ce-lines', 9);
SELECT ce_scheme('ce-lines', 8);
SELECT intake.create_source('ce-lines', 'ce-lines', verified => 'none') > 0 AS created;
SELECT status, headers FROM intake.ingest('ce-lines', '{}', '', 'v=1', 'GET');
SELECT status, headers FROM intake.ingest('ce-lines', '{}', '', 'v=1%0d%0aX-Evil:1', 'GET');
-- What is decoded is no part of what is signed.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message) VALUES ('ce-message', 'hmac', 'sha256', '{header:x-s}', 'hex', '{ce:id}.{body}');
-- What is signed as it is written needs no guard for what it says.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, require, key_from)
    VALUES ('ce-signed', 'hmac', 'sha256', '{header:x-s}', 'hex', '{header:ce-id}.{body}', '{{header:ce-id,~^[^.]+$}}', 'ce:id');
SELECT intake.create_source('ce-signed', 'ce-signed', secret => 'secret-x') > 0 AS created;
SELECT r.status FROM intake.ingest('ce-signed', jsonb_build_object('ce-id', 'a%20b', 'x-s', encode(hmac('a%20b.{}', 'secret-x', 'sha256'), 'hex')), '{}') r;
SELECT count(*) AS keys FROM intake.event_key k WHERE k.event_id = intake.find_event('ce-signed', 'a b');

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name ~ '^(ce-|eg$)';
DELETE FROM intake.scheme WHERE name LIKE 'ce-%';
DROP FUNCTION ce_send(text, jsonb, text), ce_head(text, text, text), ce_body(text, text, text, text), eg_send(text, text), ce_scheme(text, int);
