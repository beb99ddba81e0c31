-- Genuine deliveries in each of the forms that their senders document or use: none is refused.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION mac(message text) RETURNS text LANGUAGE sql AS $$
    SELECT encode(hmac(convert_to(message, 'UTF8'), 'a secret of 2026', 'sha256'), 'hex') $$;
CREATE FUNCTION sent(source text, headers jsonb, body text, query text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(r.body::jsonb ->> 'status', r.status::text) FROM intake.ingest(source, headers, convert_to(body, 'UTF8'), query) r $$;
SELECT count(intake.create_source('w-' || name, name, secret => 'a secret of 2026'))
FROM unnest('{klaviyo,lob,mercadopago,recurly,twitch}'::text[]) name;

-- Times: each sender has one form at a time, but not always the same one.
SELECT t AS klaviyo, sent('w-klaviyo', jsonb_build_object('klaviyo-timestamp', t, 'klaviyo-signature', mac(b || t)), b)
FROM unnest('{1700000000,"Tue, 14 Apr 2026 03:50:12 GMT",2026-04-13T22:49:36+00:00}'::text[]) t, format('{"data":[],"sent":%s}', to_json(t)) b;
SELECT t AS lob, sent('w-lob', jsonb_build_object('lob-signature-timestamp', t, 'lob-signature', mac(t || '.' || b)), b)
FROM unnest('{1700000000,1700000000123}'::text[]) t, format('{"id":%s}', to_json(t)) b;
SELECT t AS mercadopago, sent('w-mercadopago', jsonb_build_object('x-request-id', 'r' || t, 'x-signature',
    format('ts=%s,v1=%s', t, mac(format('id:ord01jq4s4;request-id:r%s;ts:%s;', t, t)))), '{}', 'data.id=ORD01JQ4S4&type=order')
FROM unnest('{1742505638,1742505638683}'::text[]) t;
SELECT u AS recurly, sent('w-recurly', jsonb_build_object('recurly-signature', format('%s,%s,%s', t, mac('another'), mac(t || '.' || b))), b)
FROM unnest('{1,1000}'::int[]) u, concat((extract(epoch FROM now()) * u)::bigint) t, format('{"id":%s}', u) b;

-- A time has one form at a time still: what was signed in one cannot be cut into another.
SELECT sent('w-lob', jsonb_build_object('lob-signature-timestamp', t, 'lob-signature', mac('1700000001.1234.{}')), b) AS moved
FROM (VALUES ('1700000001', '1234.{}'), ('1700000001.1234', '{}'), ('17000000011234', '{}')) v(t, b);
SELECT sent('w-recurly', jsonb_build_object('recurly-signature', format('%s,%s', t, mac(t || '.{}'))), '{}') AS old
FROM unnest('{1700000000,1700000000123}'::text[]) t;

-- An identifier may have whatever cannot be taken for the beginning of the time behind it.
SELECT id AS twitch, sent('w-twitch', jsonb_build_object('twitch-eventsub-message-id', id, 'twitch-eventsub-message-timestamp', t,
    'twitch-eventsub-message-signature', 'sha256=' || mac(id || t || '{}')), '{}')
FROM unnest('{befa7b53-d79d-478f-86b9-120f112b044e,T1nR5Zk+lgY7/2HlC7_hZV-l6NqM=}'::text[]) id,
    to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"123Z"') t;

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'w-%';
DROP FUNCTION mac(text), sent(text, jsonb, text, text);
