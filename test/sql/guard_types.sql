-- Content whose type is not signed: a few types may have it, each once.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION sent(source text, body text, headers jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text) FROM intake.ingest(source, intake.sign(source, convert_to(body, 'UTF8'), headers), convert_to(body, 'UTF8')) r $$;
CREATE FUNCTION shop(id text, topic text, body text) RETURNS text LANGUAGE sql AS $$ SELECT sent('gt', body, jsonb_strip_nulls(jsonb_build_object('X-Shopify-Webhook-Id', id, 'X-Shopify-Topic', topic))) $$;
-- A batch of such requests, {id,topic} each.
CREATE FUNCTION batch(body text, VARIADIC requests text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text), ', ' ORDER BY r.n)
      FROM intake.receive(array_fill('POST'::bytea, ARRAY[cardinality(requests)]), array_fill('gt'::bytea, ARRAY[cardinality(requests)]), array_fill(''::bytea, ARRAY[cardinality(requests)]),
          ARRAY(SELECT convert_to((SELECT string_agg(key || ': ' || value || E'\r\n', '') FROM jsonb_each_text(intake.sign('gt', convert_to(body, 'UTF8'), jsonb_build_object('x-shopify-webhook-id', split_part(q, ' ', 1), 'x-shopify-topic', split_part(q, ' ', 2))))), 'UTF8')
                FROM unnest(requests) WITH ORDINALITY u(q, n) ORDER BY n), array_fill(convert_to(body, 'UTF8'), ARRAY[cardinality(requests)]), array_fill(''::text, ARRAY[cardinality(requests)]))
      WITH ORDINALITY r(status, content_type, headers, body, n) $$;
CREATE FUNCTION guards(source text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) - count(DISTINCT e.id) FROM intake.events e JOIN intake.event_key k ON k.event_id = e.id WHERE e.source = guards.source $$;

-- One order, created and paid at once: two events with one body. Each again is none, under whatever id.
SELECT count(intake.create_source('gt', 'shopify', secret => 'a secret'));
SELECT shop('w1', 'orders/create', '{"id":1}'), shop('w2', 'orders/paid', '{"id":1}');
SELECT shop('w1', 'orders/create', '{"id":1}'), shop('w2', 'orders/paid', '{"id":1}'), shop('w3', 'orders/create', '{"id":1}'), shop('w4', 'orders/paid', '{"id":1}');
SELECT key, type FROM intake.events WHERE source = 'gt' ORDER BY id;
SELECT reason, sum(requests) AS requests, min(regexp_replace(detail, '\d+', 'N')) AS detail FROM intake.rejections WHERE source = 'gt' GROUP BY 1;
-- A known id with another type stores nothing, and uses no type up.
SELECT shop('w1', 'orders/cancelled', '{"id":1}'), shop('w5', 'orders/cancelled', '{"id":1}');
-- Eight types, no type being one of them; the ninth is a replay.
SELECT n, shop('e' || n, 'made/up-' || n, '{"id":2}') FROM generate_series(1, 7) n;
SELECT shop('e8', NULL, '{"id":2}') AS the_eighth, shop('e9', 'made/up-9', '{"id":2}') AS the_ninth, shop('e10', NULL, '{"id":2}') AS again, shop('e11', 'made/up-3', '{"id":2}') AS again;
SELECT count(*) AS events, guards('gt') FROM intake.events WHERE source = 'gt';
-- All at once.
SELECT batch('{"id":3}', 'a1 create', 'a2 paid', 'a3 create', 'a4 paid', 'a1 create', 'a5 shipped');
SELECT batch('{"id":3}', 'a6 create', 'a7 paid', 'a8 shipped', 'a9 refunded', 'a10 refunded', 'a2 paid');
SELECT key, type FROM intake.events WHERE source = 'gt' AND key LIKE 'a%' ORDER BY type COLLATE "C";
SELECT batch('{"id":4}', VARIADIC ARRAY(SELECT format('b%s t%s', n, n) FROM generate_series(1, 20) n)) ~ '^(accepted, ){8}(already_accepted(, )?){12}$' AS eight;
-- The slots of one content are neighbours, and differ in the last byte.
SELECT count(DISTINCT k.head) AS heads, count(DISTINCT left(k.digest::text, 34)) AS digests, string_agg(right(k.digest::text, 2), ' ' ORDER BY k.digest) AS slots
    FROM intake.event_key k JOIN intake.events e ON e.id = k.event_id WHERE e.source = 'gt' AND e.key ~ '^b\d' AND k.head <> (('x' || encode(substr(convert_to(e.key, 'UTF8') || '\x0000000000000000', 1, 8), 'hex'))::bit(64)::bigint);

-- A slot whose window is over is for news, of any type; those beside it stand.
UPDATE intake.event SET received_at = received_at - interval '8 days' WHERE key IN ('e1', 'e3');
SELECT shop('f1', 'made/up-2', '{"id":2}') AS still_known, shop('f2', 'made/up-4', '{"id":2}') AS still_known, shop('f3', 'made/up-3', '{"id":2}') AS news, shop('f4', 'made/up-3', '{"id":2}') AS known;
SELECT shop('f5', 'made/up-9', '{"id":2}') AS news, shop('f6', 'made/up-1', '{"id":2}') AS full_again;

-- Where the type is signed, content is of one type: a body, or an item that says it itself.
SELECT count(intake.create_source('gt-body', 'box', secret => 'a secret')), count(intake.create_source('gt-items', 'adyen-item', secret => repeat('ab', 32)));
SELECT sent('gt-body', '{"trigger":"t"}', jsonb_build_object('Box-Delivery-Id', id)) FROM unnest('{x1,x2}'::text[]) id;
CREATE FUNCTION item(name text, code text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('NotificationRequestItem', jsonb_build_object('pspReference', name, 'merchantAccountCode', 'm', 'merchantReference', 'r', 'amount', jsonb_build_object('value', 100, 'currency', 'EUR'), 'eventCode', code, 'success', 'true',
        'additionalData', jsonb_build_object('hmacSignature', encode(hmac(convert_to(name || '::m:r:100:EUR:' || code || ':true', 'UTF8'), decode(repeat('ab', 32), 'hex'), 'sha256'), 'base64')))) $$;
CREATE FUNCTION deliver(VARIADIC items jsonb[]) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM intake.ingest('gt-items', '{}', convert_to(jsonb_build_object('notificationItems', to_jsonb(items))::text, 'UTF8'));
    RETURN (SELECT count(*) FROM intake.events WHERE source = 'gt-items');
END $$;
SELECT deliver(item('a', 'AUTHORISATION'), item('b', 'CAPTURE')) AS events, deliver(item('b', 'CAPTURE'), item('a', 'AUTHORISATION')) AS regrouped, deliver(item('b', 'CAPTURE')) AS alone;
-- A type that a source reads from elsewhere is looked at in the same way; without a guard there is none.
SELECT count(intake.create_source('gt-off', 'shopify', secret => 'a secret', replay_guard => false)), count(intake.create_source('gt-from', 'shopify', secret => 'a secret', type_from => '$.topic'));
SELECT sent(s, '{"topic":"t"}', jsonb_build_object('X-Shopify-Webhook-Id', n, 'X-Shopify-Topic', 't' || n)) FROM unnest('{gt-off,gt-from}'::text[]) s, generate_series(1, 2) n ORDER BY s DESC, n;
SELECT guards('gt-off'), guards('gt-from');

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'gt%';
DROP FUNCTION shop(text, text, text), batch(text, text[]), guards(text), item(text, text), deliver(jsonb[]), sent(text, text, jsonb);
