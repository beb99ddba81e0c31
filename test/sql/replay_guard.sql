-- The replay guard: what was signed counts once, whatever the key, and keeps no genuine event out.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION sent(source text, headers jsonb, body text, query text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text) FROM intake.ingest(source, headers, convert_to(body, 'UTF8'), query) r $$;
-- Statuses of requests, and how many of them, in the order of the statuses.
CREATE FUNCTION tally(source text, headers jsonb, name text, ids text[], body text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s %s', n, s), ', ' ORDER BY s)
      FROM (SELECT s, count(*) AS n FROM unnest(ids) id, sent(source, headers || jsonb_build_object(name, id), body) s GROUP BY s) t $$;
-- A batch of requests to one source.
CREATE FUNCTION batch(source text, headers jsonb[], bodies text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text), ', ' ORDER BY r.n)
      FROM intake.receive(array_fill('POST'::bytea, ARRAY[cardinality(bodies)]), array_fill(source::bytea, ARRAY[cardinality(bodies)]), array_fill(''::bytea, ARRAY[cardinality(bodies)]),
          ARRAY(SELECT convert_to((SELECT string_agg(key || ': ' || value || E'\r\n', '') FROM jsonb_each_text(h)), 'UTF8') FROM unnest(headers) WITH ORDINALITY u(h, n) ORDER BY n),
          ARRAY(SELECT convert_to(b, 'UTF8') FROM unnest(bodies) WITH ORDINALITY u(b, n) ORDER BY n), array_fill(''::text, ARRAY[cardinality(bodies)]))
      WITH ORDINALITY r(status, content_type, headers, body, n) $$;
CREATE FUNCTION stored(source text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT e.key FROM intake.events e WHERE e.source = stored.source ORDER BY e.id $$;
-- Rows of event_key beyond one for each event.
CREATE FUNCTION guards(source text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) - count(DISTINCT e.id) FROM intake.events e JOIN intake.event_key k ON k.event_id = e.id WHERE e.source = guards.source $$;
CREATE FUNCTION base64url(bytes bytea) RETURNS text LANGUAGE sql AS $$ SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;
CREATE FUNCTION jwt(claims text) RETURNS text LANGUAGE sql AS $$
    SELECT t || '.' || base64url(hmac(t, 'secret', 'sha256')) FROM (SELECT base64url('{"alg":"HS256"}') || '.' || base64url(convert_to(claims, 'UTF8')) AS t) x $$;

-- A signed time, and an id that is not signed: made-up ids within the window are nothing new.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, timestamp_from, timestamp_unit, tolerance, key_from, missing_key) VALUES
    ('g-other', 'hmac', 'sha256', '{header:x-signature}', 'base64', '{body}{header:x-time}', 'header:x-time', 'iso8601', '600 s', 'header:x-id', 'digest');
SELECT count(intake.create_source('g-' || split_part(scheme, '-', -1), scheme, secret => 'a secret of 2026', public_url => 'https://example.com/in')) FROM unnest('{g-other,zendesk,linear,contentful,sanity}'::text[]) scheme;
CREATE TABLE cases AS SELECT *, format('{"webhookTimestamp":%s}', (extract(epoch FROM now()) * 1000)::bigint) AS body FROM (VALUES
    ('g-other', 'X-Id', '{}'), ('g-zendesk', 'X-Zendesk-Webhook-Invocation-Id', '{}'), ('g-linear', 'Linear-Delivery', '{}'),
    ('g-contentful', 'X-Contentful-Idempotency-Key', '{"X-Contentful-Signed-Headers": "x-contentful-timestamp"}'), ('g-sanity', 'Idempotency-Key', '{}')) t(source, header, given);
ALTER TABLE cases ADD signed jsonb, ADD again jsonb;
UPDATE cases SET signed = intake.sign(source, body::bytea, given::jsonb), again = intake.sign(source, body::bytea, given::jsonb, now() - interval '20 seconds');
SELECT source, tally(source, signed, header, '{id-1}', body) AS genuine, tally(source, signed, header, '{id-1,id-1}', body) AS repeated,
    tally(source, signed, header, ARRAY(SELECT 'made-up-' || i FROM generate_series(1, 20) i), body) AS made_up FROM cases ORDER BY 1;
SELECT source, tally(source, signed - header, 'X-Other', '{x}', body) AS without_id FROM cases WHERE source <> 'g-linear' ORDER BY 1;
-- The sender tries again with a fresh time: one event, and what was signed for it is used up, too.
SELECT source, tally(source, again, header, '{id-1}', body) AS retried, tally(source, again, header, '{made-up,id-1,made-up-2}', body) AS made_up FROM cases WHERE source <> 'g-linear' ORDER BY 1;
-- News with the same body, signed at another time.
SELECT source, tally(source, intake.sign(source, body::bytea, given::jsonb, now() - interval '10 seconds'), header, '{id-2}', body) AS news FROM cases WHERE source <> 'g-linear' ORDER BY 1;
SELECT source, ARRAY(SELECT stored(source)) AS stored, guards(source) FROM cases ORDER BY 1;
SELECT source, count(*) FILTER (WHERE reason = 'replayed') AS replayed, count(*) FILTER (WHERE reason <> 'replayed') AS others FROM intake.rejections r JOIN cases c USING (source) GROUP BY 1 ORDER BY 1;
DROP TABLE cases;

-- Whatever preset signs content: nobody makes another event of it by another header where the id stands. (A token of Atlassian binds no body; Sentry's is its type, of which a content may have eight.)
CREATE TABLE presets AS
    SELECT DISTINCT ON (c.name) c.name, m[1] AS header FROM intake.scheme c, regexp_matches(c.key_from, 'header:([a-z0-9-]+)', 'g') m WHERE c.preset AND c.kind IN ('hmac', 'hash', 'jwt') AND (c.algorithm NOT SIMILAR TO '(RS|ES|Ed)%') ORDER BY c.name, m[1];
SELECT count(intake.create_source('g-p-' || name, name, secret => encode('0123456789abcdef0123456789abcdef', 'base64'), public_url => 'https://example.com/in', verify_token => 'token')) > 20 AS many FROM presets;
CREATE FUNCTION made_up(name text, header text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    source text := 'g-p-' || name;
    body text := CASE WHEN (SELECT message LIKE '%form_sorted%' FROM intake.scheme c WHERE c.name = made_up.name) THEN 'id=e1&type=t' ELSE format('{"id":"e1","webhookTimestamp":%s}', (extract(epoch FROM now()) * 1000)::bigint) END;
    headers jsonb := (SELECT jsonb_object_agg(lower(key), value) FROM jsonb_each(intake.sign(source, body::bytea, jsonb_build_object(header, 'its-id-1', 'x-contentful-signed-headers', 'x-contentful-timestamp'))));
BEGIN
    RETURN concat_ws(', ', sent(source, headers, body), sent(source, headers, body), sent(source, headers || jsonb_build_object(header, 'made-up-1'), body));
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN 'not signed here';
END $$;
SELECT outcome, count(*) > 5 AS several, string_agg(name, ' ') FILTER (WHERE outcome NOT LIKE 'accepted, already_accepted, %' OR outcome LIKE '%, accepted') AS which
    FROM (SELECT name, made_up(name, header) COLLATE "C" AS outcome FROM presets) t GROUP BY 1 ORDER BY 1;
DROP TABLE presets;
DROP FUNCTION made_up(text, text);

-- However long content verifies.
SELECT count(intake.create_source('g-month', 'zendesk', secret => 'secret', tolerance => '30 days'));
CREATE TABLE capture AS SELECT intake.sign('g-month', '{}', at => now() - interval '20 days') AS headers;
SELECT tally('g-month', headers, 'X-Zendesk-Webhook-Invocation-Id', '{id-1,id-1}', '{}') AS genuine,
    tally('g-month', headers, 'X-Zendesk-Webhook-Invocation-Id', ARRAY(SELECT 'made-up-' || i FROM generate_series(1, 20) i), '{}') AS made_up FROM capture;
DROP TABLE capture;

-- Tokens that bind the body, with an end and without one.
SELECT count(intake.create_source('g-token', 'qstash', secret => 'secret', public_url => 'https://example.com/q'));
CREATE FUNCTION pushed(body text, more text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('Upstash-Signature', jwt(format('{"iss":"Upstash","sub":"https://example.com/q","body":"%s"%s}', base64url(sha256(body::bytea)), more))) $$;
SELECT tally('g-token', pushed('{"n":1}', ''), 'Upstash-Message-Id', '{m-1,m-1,made-up,made-up-2}', '{"n":1}') AS without_end;
SELECT tally('g-token', pushed('{"n":2}', ',"exp":9999999999'), 'Upstash-Message-Id', '{m-2,m-2,made-up,made-up-2}', '{"n":2}') AS with_end;
SELECT stored('g-token');
SELECT guards('g-token');
-- A token that binds no body is for many requests.
SELECT count(intake.create_source('g-bearer', 'monday', secret => 'secret', public_url => 'https://example.com/m'));
SELECT sent('g-bearer', jsonb_build_object('Authorization', jwt(format('{"aud":"https://example.com/m","exp":%s}', extract(epoch FROM now())::bigint + 60))), format('{"event":{"triggerUuid":"%s","type":"t"}}', i)) FROM generate_series(1, 3) i;
-- Without an end it would be good for any body, for ever: it counts once.
SELECT sent('g-bearer', jsonb_build_object('Authorization', jwt('{"aud":"https://example.com/m"}')), format('{"event":{"triggerUuid":"%s","type":"t"}}', i)) FROM generate_series(4, 6) i;
SELECT guards('g-bearer');
SELECT DISTINCT e.source, e.verified FROM intake.events e WHERE e.source IN ('g-token', 'g-bearer') ORDER BY 1;

-- A CRC-32 binds nothing: another body with the same one is a replay, whatever id it has.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, timestamp_from, timestamp_unit, require, key_from) VALUES
    ('g-crc', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{header:x-transmission}|{timestamp}|{crc32(body)}', 'header:x-time', 's', '{header:x-transmission,"~^[^|]{1,100}$"}', '$.id');
SELECT count(intake.create_source('g-crc', 'g-crc', secret => 'secret'));
CREATE TABLE capture AS SELECT intake.sign('g-crc', '{"id":"klfyglqiab","amount":1}', '{"X-Transmission": "t-1"}') AS headers;
SELECT sent('g-crc', headers, '{"id":"klfyglqiab","amount":1}') AS genuine, sent('g-crc', headers, '{"id":"etrskyxzqs","amount":9}') AS other_body, sent('g-crc', headers, '{"id":"klfyglqiab","amount":1}') AS repeated FROM capture;
SELECT key, verified FROM intake.events WHERE source = 'g-crc';
DROP TABLE capture;

-- A part in lower case: its variants are one to the signature, and other keys.
SELECT count(intake.create_source('g-lower', 'mercadopago', secret => 'secret', key_from => 'query:data.id', public_url => 'https://example.com/mp'));
CREATE FUNCTION paid(id text, at bigint) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('X-Request-Id', 'r-' || at, 'X-Signature', format('ts=%s,v1=%s', at, encode(hmac(format('id:%s;request-id:r-%s;ts:%s;', lower(id), at, at), 'secret', 'sha256'), 'hex'))) $$;
SELECT sent('g-lower', paid('AbC1', 1796000001), '{}', 'data.id=' || id) FROM unnest('{AbC1,AbC1,abc1,ABC1,aBc1}'::text[]) id;
SELECT sent('g-lower', paid('AbC2', 1796000002), '{}', 'data.id=AbC2');
SELECT stored('g-lower');

-- Items that are signed each by itself count each once.
SELECT count(intake.create_source('g-items', 'adyen-item', secret => repeat('ab', 32)));
CREATE FUNCTION items(VARIADIC names text[]) RETURNS text LANGUAGE sql AS $$
    SELECT json_build_object('notificationItems', json_agg(json_build_object('NotificationRequestItem', json_build_object('pspReference', name, 'merchantAccountCode', 'm', 'merchantReference', 'r',
        'amount', json_build_object('value', 100, 'currency', 'EUR'), 'eventCode', 'AUTHORISATION', 'success', 'true',
        'additionalData', json_build_object('hmacSignature', encode(hmac(convert_to(name || '::m:r:100:EUR:AUTHORISATION:true', 'UTF8'), decode(repeat('ab', 32), 'hex'), 'sha256'), 'base64')))) ORDER BY n))::text
      FROM unnest(names) WITH ORDINALITY t(name, n) $$;
-- The provider's answer says nothing, so the events are counted.
CREATE FUNCTION grows(source text, VARIADIC bodies text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := (SELECT count(*) FROM intake.events e WHERE e.source = grows.source);
BEGIN
    PERFORM batch(source, array_fill('{"A": "b"}'::jsonb, ARRAY[cardinality(bodies)]), bodies);
    RETURN (SELECT count(*) FROM intake.events e WHERE e.source = grows.source) - before;
END $$;
SELECT names, grows('g-items', items(VARIADIC names::text[])) FROM unnest('{"{a}","{a}","{a,a}","{b,a}","{a,b}","{b}","{a,b,a,b}","{c,b,a}","{c}","{b,c}","{d}"}'::text[]) names;
SELECT count(*) AS events, guards('g-items') FROM intake.events WHERE source = 'g-items';
-- The same in one batch, as often as it comes. A forged item spoils all, and uses nothing up.
SELECT count(intake.create_source('g-batch', 'adyen-item', secret => repeat('ab', 32)));
SELECT grows('g-batch', items('a'), items('a', 'a'), items('b', 'a'), items('a', 'b'), items('b'), items('a')) BETWEEN 1 AND 2 AS one_or_two;
SELECT grows('g-batch', items('a'), items('a', 'a'), items('b', 'a'), items('a', 'b'), items('b'), items('a'));
SELECT grows('g-batch', items('a'), items('b', 'b'), items('b', 'z'), items('z', 'b'));
SELECT grows('g-batch', replace(items('y', 'x'), '"x"', '"forged"')), grows('g-batch', items('y'));
-- A hundred at most.
SELECT grows('g-batch', items(VARIADIC ARRAY(SELECT 'i' || i FROM generate_series(1, 100) i))), grows('g-batch', items(VARIADIC ARRAY(SELECT 'i' || i FROM generate_series(100, 1, -1) i))),
    grows('g-batch', items('i50', 'i7')), grows('g-batch', items(VARIADIC ARRAY(SELECT 'j' || i FROM generate_series(1, 101) i)));

-- The key that is a digest does not see the time, and what stood before it does not flow into what stood behind it.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, timestamp_from, timestamp_unit, content, borders, missing_key) VALUES
    ('g-middle', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{header:x-a}{timestamp}{body}', 'header:x-time', 's', 'any', 'loose', 'digest');
SELECT count(intake.create_source('g-middle', 'g-middle', secret => 'secret'));
SELECT sent('g-middle', intake.sign('g-middle', body::bytea, jsonb_build_object('X-A', a), at), body)
    FROM (VALUES ('x1', 'y', now()), ('x', '1y', now() - interval '1 second'), ('x1', 'y', now() - interval '2 seconds')) t(a, body, at);
SELECT count(intake.create_source('g-undated', 'g-other', secret => 'secret'));
SELECT sent('g-undated', intake.sign('g-undated', '{}', at => at) - 'x-id', '{}') FROM (VALUES (now()), (now() - interval '9 seconds')) t(at);
-- Loose borders: moved parts are the same bytes, and what is verified is where they come from.
SELECT intake.alter_source('g-middle', key_from => 'header:x-a');
CREATE TABLE capture AS SELECT intake.sign('g-middle', '7961234567 is my number', '{"X-A": "id-"}', '2026-11-30 00:00Z') AS headers;
SELECT sent('g-middle', headers, '7961234567 is my number') AS genuine, sent('g-middle', headers || jsonb_build_object('X-A', 'id-' || (headers ->> 'x-time'), 'x-time', '7961234567'), ' is my number') AS moved,
    sent('g-middle', headers, '7961234567 is my number') AS repeated FROM capture;
DROP TABLE capture;
SELECT DISTINCT verified FROM intake.events WHERE source = 'g-middle';

-- What does not bind the body as a whole is remembered for ever: a token, a CRC-32, loose borders, items.
UPDATE intake.event e SET received_at = received_at - interval '1 year' FROM intake.source s WHERE s.id = e.source_id AND s.name IN ('g-bearer', 'g-crc', 'g-middle', 'g-items', 'g-token');
SELECT sent('g-bearer', jsonb_build_object('Authorization', jwt('{"aud":"https://example.com/m"}')), '{"event":{"triggerUuid":"7","type":"t"}}');
SELECT grows('g-items', items('d')), grows('g-items', items('a', 'b'));
SELECT sent('g-middle', intake.sign('g-middle', '7961234567 is my number', '{"X-A": "id-"}', '2026-11-30 00:00Z') || '{"X-A": "id-2"}', '7961234567 is my number') AS is_signed_otherwise,
    sent('g-middle', headers || jsonb_build_object('X-A', 'id-' || (headers ->> 'x-time'), 'x-time', '7961234567'), ' is my number') AS moved FROM intake.sign('g-middle', '7961234567 is my number', '{"X-A": "id-"}', '2026-11-30 00:00Z') headers;
-- What does is for a week: a token with its body.
SELECT tally('g-token', pushed('{"n":1}', ''), 'Upstash-Message-Id', '{m-3,m-4}', '{"n":1}');

-- The guard keeps no genuine event out. What comes under a key that is known uses no content up,
SELECT count(intake.create_source('g-last', 'github', secret => 'a secret'));
CREATE FUNCTION hub(id text, body text) RETURNS jsonb LANGUAGE sql AS $$ SELECT intake.sign('g-last', body::bytea, jsonb_build_object('X-GitHub-Delivery', id, 'X-GitHub-Event', 'push')) $$;
SELECT sent('g-last', hub('d-1', '{"n":1}'), '{"n":1}') AS genuine, sent('g-last', hub('d-1', '{"n":2}'), '{"n":2}') AS captured_under_a_known_key, sent('g-last', hub('d-2', '{"n":2}'), '{"n":2}') AS genuine;
-- nor what is beside it in the batch,
SELECT string_agg(s, ', ' ORDER BY s) FROM unnest(string_to_array(batch('g-last', ARRAY[hub('d-3', '{"n":3}'), hub('d-3', '{"n":4}')], ARRAY['{"n":3}', '{"n":4}']), ', ')) s;
SELECT string_agg(s, ' ' ORDER BY s) AS the_other_one FROM (VALUES (sent('g-last', hub('d-4', '{"n":3}'), '{"n":3}')), (sent('g-last', hub('d-5', '{"n":4}'), '{"n":4}'))) t(s);
SELECT batch('g-last', ARRAY[hub('d-6', '{"n":6}'), hub('d-6', '{"n":7}'), hub('d-7', '{"n":7}'), hub('d-8', '{"n":7}')], ARRAY['{"n":6}', '{"n":7}', '{"n":7}', '{"n":7}']);
SELECT count(*) AS events, count(DISTINCT body) AS bodies, guards('g-last') FROM intake.events WHERE source = 'g-last';
SELECT count(*) AS dangling FROM intake.event_key k LEFT JOIN intake.event e ON e.id = k.event_id WHERE e.id IS NULL AND k.event_id > (SELECT min(id) FROM intake.events WHERE source = 'g-last');
-- nor does a delivery that was cut elsewhere: it does not verify.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, timestamp_from, timestamp_unit, tolerance, content, require, key_from) VALUES
    ('g-firm', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{header:x-id}.{timestamp}.{body}', 'header:x-time', 's', '10 years', 'any', '{header:x-id,"~^[^.]{1,100}$"}', 'header:x-id');
SELECT count(intake.create_source('g-firm', 'g-firm', secret => 'a secret'));
CREATE TABLE capture AS SELECT *, intake.sign('g-firm', body::bytea, '{"X-Id": "id-1"}') AS headers FROM (VALUES ('{"text":"Bob.1796598921.x"}')) t(body);
SELECT sent('g-firm', headers || jsonb_build_object('X-Id', format('id-1.%s.{"text":"Bob', headers ->> 'x-time'), 'x-time', '1796598921'), 'x"}') AS cut_elsewhere, sent('g-firm', headers, body) AS genuine, sent('g-firm', headers, body) AS repeated FROM capture;
SELECT stored('g-firm');
SELECT guards('g-firm');
DROP TABLE capture;

-- Who does not want it.
SELECT count(intake.create_source('g-off', 'g-other', secret => 'a secret', replay_guard => false));
SELECT tally('g-off', intake.sign('g-off', '{}'), 'X-Id', '{a,b,a}', '{}');
SELECT guards('g-off');
SELECT intake.alter_source('g-off', replay_guard => true);
SELECT tally('g-off', intake.sign('g-off', '{}'), 'X-Id', '{c,d,e}', '{}');

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'g-%';
DELETE FROM intake.scheme WHERE name LIKE 'g-%';
DROP FUNCTION sent(text, jsonb, text, text), tally(text, jsonb, text, text[], text), batch(text, jsonb[], text[]), stored(text), guards(text), base64url(bytea), jwt(text),
    pushed(text, text), paid(text, bigint), items(text[]), grows(text, text[]), hub(text, text);
