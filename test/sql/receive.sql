-- Requests: what is accepted, what is refused, and what is stored.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION hex(body bytea, secret text, algorithm text DEFAULT 'sha256') RETURNS text
    LANGUAGE sql AS $$ SELECT encode(hmac(body, secret::bytea, algorithm), 'hex') $$;
CREATE FUNCTION send(source text, body bytea, headers jsonb DEFAULT NULL) RETURNS text
    LANGUAGE sql AS $$
    SELECT r.status || coalesce(' ' || (r.body::jsonb ->> 'status'), '')
    FROM intake.ingest(source, coalesce(headers, jsonb_build_object('X-Signature', hex(body, 'secret'))), body) r $$;

SELECT intake.create_source('plain', 'hmac', secret => 'secret') > 0 AS created;

SELECT send('plain', '{"event":"a.b","data":{"id":"k1"}}');
SELECT send('plain', '{"event":"a.b","data":{"id":"k1"}}');
SELECT send('plain', '{"event":"a.c","data":{"id":7}}');
-- wrong, missing, truncated, upper case
SELECT send('plain', '{"data":{"id":"k2"}}', '{"X-Signature": "00"}');
SELECT send('plain', '{"data":{"id":"k2"}}', '{}');
SELECT send('plain', '{"data":{"id":"k2"}}', jsonb_build_object('X-Signature', left(hex('{"data":{"id":"k2"}}', 'secret'), 62)));
SELECT send('plain', '{"data":{"id":"k2"}}', jsonb_build_object('x-SIGNATURE', upper(hex('{"data":{"id":"k2"}}', 'secret'))));
-- no key, not JSON, a key that cannot be text
SELECT send('plain', '{"data":{}}'), send('plain', 'id=5'), send('plain', ''), send('plain', '{"data":{"id":""}}'),
    send('plain', '{"data":{"id":null}}'), send('plain', '{"data":{"id":["x"]}}'), send('plain', convert_to('{"data":{"id":"a\u0000b"}}', 'UTF8')),
    send('plain', convert_to(format('{"data":{"id":"%s"}}', repeat('x', 1025)), 'UTF8'));
SELECT send('nobody', 'x'), send('intake', 'x');
SELECT status, trim(E'\r\n' FROM headers) AS headers, body FROM intake.ingest('plain', '{}', '', '', 'GET');
SELECT status FROM intake.ingest('plain', '{}', '', '', 'PUT');

-- The bytes stored are the bytes sent, whatever they are; the key comes from a header here.
SELECT intake.create_source('bytes', 'hmac', secret => 'secret', key_from => 'header:x-id', type_from => 'header:x-type') > 0 AS created;
CREATE TABLE bodies (id text, body bytea);
INSERT INTO bodies VALUES
    ('whitespace', E' {\n\t"a" :  1 }\r\n'), ('nul', '\x7b00ff00'), ('u0000', convert_to('{"a":"\u0000"}', 'UTF8')),
    ('invalid utf-8', '\x22ff22'), ('lone surrogate', convert_to('{"a":"\ud800"}', 'UTF8')), ('empty', ''), ('form', 'a=1&b=%20'),
    ('bom', '\xefbbbf7b7d'), ('json', convert_to('{"a":[1,2.50,"\u00e9"]}', 'UTF8')), ('deep', convert_to(repeat('[', 999) || repeat(']', 999), 'UTF8')),
    ('too deep', convert_to(repeat('[', 100000), 'UTF8')), ('number', '1e999999'),
    ('large', convert_to('{"a":"' || repeat('x', 1024 * 1024 - 8) || '"}', 'UTF8'));
SELECT id, send('bytes', body, jsonb_build_object('X-Signature', hex(body, 'secret'), 'X-Id', id)) FROM bodies ORDER BY id;
SELECT b.id, length(e.body) AS bytes, e.body = b.body AS same, e.payload IS NOT NULL AS has_payload, left(e.payload::text, 30) AS payload
    FROM bodies b JOIN intake.events e ON e.source = 'bytes' AND e.key = b.id ORDER BY b.id;

-- What jsonb takes, payload takes, and the other way round.
CREATE FUNCTION takes(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN PERFORM $1::jsonb; RETURN true; EXCEPTION WHEN others THEN RETURN false; END $$;
SELECT t FROM unnest(ARRAY['{}', '[]', '1', '-1.5e-3', '"x"', 'null', ' true ', '{"a":1,"a":2}', '[1,]', '{,}', '01', '1.', '.1', '+1',
    '1e5', '1E+5', '1e131071', '1e131072', '1e-16383', '1e-16384', '-0', '""', '"\u00e9"', '"\ud83d\ude00"', '"\ud83d"', '"\ude00"', '"\u0000"',
    '"\x"', '"', '{"a"}', '{"a":}', '{1:2}', '[[]', '{} {}', 'tru', 'nullx', '"tab	tab"', E'\u00a01', E'[\n]', '', ' ', '0.00000000000000000001', '1e', '-']) t
    WHERE takes(t) IS DISTINCT FROM (intake.payload(convert_to(t, 'UTF8')) IS NOT NULL)
       OR (takes(t) AND t::jsonb IS DISTINCT FROM intake.payload(convert_to(t, 'UTF8')));

-- Headers: lower case, joined, not UTF-8 read as ISO 8859-1, credentials gone.
SELECT (intake.ingest('bytes', jsonb_build_object('X-Signature', hex('h', 'secret'), 'X-Id', 'h', 'X-Type', 'T', 'Authorization', 'Bearer s',
    'Cookie', 's', 'Proxy-Authorization', 's', 'Accept', '["a", "b"]'::jsonb, 'Content-Length', 1), 'h')).status;
SELECT type, headers FROM intake.events WHERE source = 'bytes' AND key = 'h';
SELECT intake.ingest('bytes', '{"a": "b\r\nx: y"}', 'h');
SELECT intake.ingest('bytes', '[1]', 'h');

-- A key is found: long, short, not ASCII, only in its source, as event_key says that it is stored; after a source was made again, what it has.
CREATE TABLE keys AS SELECT unnest(ARRAY['k', 'evt_1NG8Du2eZvKYlo2CUI79vXWy', 'Schlüssel-🔑', repeat('x', 1024)]) AS key;
SELECT count(intake.create_source('twin', 'none', key_from => 'header:x-id', type_from => 'header:x-type'));
SELECT DISTINCT (intake.ingest(name, jsonb_build_object('X-Signature', hex(convert_to(key, 'UTF8'), 'secret'), 'X-Id', key), convert_to(key, 'UTF8'))).status FROM keys, unnest(ARRAY['bytes', 'twin']) name;
SELECT e.source, count(*), bool_and(intake.find_event(e.source, e.key) = e.id) AS found, bool_and(EXISTS (SELECT FROM intake.event_key k WHERE k.event_id = e.id AND (k.head, k.digest) =
        (('x' || encode(substr(convert_to(e.key, 'UTF8') || '\x0000000000000000', 1, 8), 'hex'))::bit(64)::bigint, encode(substr(sha256(int4send(s.id) || convert_to(e.key, 'UTF8')), 1, 16), 'hex')::uuid))) AS as_documented
    FROM intake.events e JOIN keys USING (key) JOIN intake.source s ON s.name = e.source GROUP BY 1 ORDER BY 1;
SELECT intake.find_event('bytes', 'none'), intake.find_event('nobody', 'k'), intake.find_event('bytes', ''), intake.find_event(NULL, 'k');
SELECT intake.drop_source('twin');
SELECT intake.find_event('twin', 'k') = max(id) AS of_the_dropped FROM intake.events WHERE source = 'twin' AND key = 'k';
SELECT count(intake.create_source('twin', 'none', key_from => 'header:x-id', type_from => 'header:x-type'));
SELECT (intake.ingest('twin', '{"X-Id": "k"}', 'again')).status;
SELECT intake.find_event('twin', 'k') = max(id) AS of_the_new, count(*) FROM intake.events WHERE source = 'twin' AND key = 'k';
SELECT intake.emit('found', '{}', 'k') > 0 AS emitted;
SELECT source, key, type FROM intake.events WHERE id = intake.find_event('intake', 'k');
SELECT intake.drop_source('twin');

-- A batch: one bad request harms only itself; a key twice in a batch is one event.
SELECT status, content_type, regexp_replace(body, '[0-9]+', 'N') AS body FROM intake.receive(
    ARRAY['POST', 'POST', 'POST', '\xff', 'POST']::bytea[], ARRAY['bytes', '\xff00', 'bytes', 'bytes', 'bytes']::bytea[], ARRAY['', '', '', '', '']::bytea[],
    ARRAY[convert_to('x-signature: ' || hex('q', 'secret') || E'\r\nx-id: q1\r\n', 'UTF8'), '\x00', '\xffff', '',
          convert_to('x-signature: ' || hex('q', 'secret') || E'\nx-id: q1\n', 'UTF8')],
    ARRAY['q', '', 'x', '', 'q']::bytea[], ARRAY['192.0.2.1', '', '::1', '', '192.0.2.1']);
-- Larger batches, without and with keys that are there already, or that are in the batch twice.
CREATE FUNCTION body(n int, first int, distinct_keys int) RETURNS bytea LANGUAGE sql AS $$ SELECT convert_to('m' || first / 1000 * 1000 + n % distinct_keys, 'UTF8') $$;
CREATE FUNCTION send_many(first int, last int, distinct_keys int) RETURNS TABLE (status int, answer text, answers bigint, ids bigint) LANGUAGE sql AS $$
    SELECT a.status, a.body::jsonb ->> 'status', count(*), count(DISTINCT a.body::jsonb ->> 'event_id') FROM intake.receive(
        array_fill('POST'::bytea, ARRAY[last - first + 1]), array_fill('bytes'::bytea, ARRAY[last - first + 1]), array_fill(''::bytea, ARRAY[last - first + 1]),
        (SELECT array_agg(convert_to(format(E'x-signature: %s\r\nx-id: many%s\r\n', hex(body(n, first, distinct_keys), 'secret'), first / 1000 * 1000 + n % distinct_keys), 'UTF8') ORDER BY n) FROM generate_series(first, last) n),
        (SELECT array_agg(body(n, first, distinct_keys) ORDER BY n) FROM generate_series(first, last) n),
        array_fill(''::text, ARRAY[last - first + 1])) a GROUP BY 1, 2 ORDER BY 1, 2 $$;
SELECT * FROM send_many(1, 200, 1000);
SELECT * FROM send_many(101, 300, 1000);
SELECT * FROM send_many(301, 400, 1000);
SELECT * FROM send_many(401, 433, 1000);
SELECT * FROM send_many(2000, 2199, 150);
SELECT count(*), count(DISTINCT key), count(DISTINCT id), bool_and(key = 'many' || substr(convert_from(body, 'UTF8'), 2)) AS own_bodies,
    bool_and((SELECT count(*) FROM intake.event_key k WHERE k.event_id = e.id) = 2 AND intake.find_event('bytes', e.key) = e.id) AS a_key_and_a_guard_each FROM intake.events e WHERE source = 'bytes' AND key LIKE 'many%';
SELECT count(*) FROM intake.receive('{}', '{}', '{}', '{}', '{}', '{}');
SELECT intake.receive('{POST}', '{}', '{}', '{}', '{}', '{}');
SELECT intake.receive('{NULL}', '{a}', '{a}', '{a}', '{a}', '{a}');
SELECT source, reason, detail, status, requests FROM intake.rejections ORDER BY id;
