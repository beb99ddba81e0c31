-- Places of a body that change between the tries of one delivery: another try is no second event, and what differs anywhere else is one.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION sent(source text, body text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text) FROM intake.ingest(source, intake.sign(source, convert_to(body, 'UTF8')), convert_to(body, 'UTF8')) r $$;
CREATE FUNCTION sent_as_it_is(source text, body text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text) FROM intake.ingest(source, '{}', convert_to(body, 'UTF8')) r $$;
-- A source of a scheme that is the preset, but knows its events by their content, without the preset's places.
CREATE FUNCTION varying(preset text) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO intake.scheme SELECT r.* FROM intake.scheme c, jsonb_populate_record(c, jsonb_build_object('name', 'v-' || $1, 'preset', false, 'key_from', null, 'missing_key', 'digest')) r WHERE c.name = $1;
    SELECT count(intake.create_source('v-' || $1, 'v-' || $1, secret => 'a secret of 24 characters', public_url => 'https://example.com/hook')) $$;

-- What providers change from try to try.
SELECT varying('stripe');
SELECT sent('v-stripe', format('{"id":"%s","object":"event","pending_webhooks":%s,"type":"charge.succeeded"}', id, n)) FROM (VALUES (1, 'evt_1', 2), (2, 'evt_1', 1), (3, 'evt_2', 1), (4, 'evt_2', 0), (5, 'evt_1', 0)) t(i, id, n) ORDER BY i;
SELECT varying('line');
SELECT sent('v-line', format('{"destination":"U1","events":[{"webhookEventId":"%s","deliveryContext":{"isRedelivery":%s},"type":"follow"},{"webhookEventId":"b","deliveryContext":{"isRedelivery":%2$s}}]}', id, r)) FROM (VALUES (1, 'a', 'false'), (2, 'a', 'true'), (3, 'c', 'true'), (4, 'c', 'false')) t(i, id, r) ORDER BY i;
SELECT varying('intercom');
SELECT sent('v-intercom', format('{"type":"notification_event","id":"%s","delivery_status":"%s","delivery_attempts":%s,"delivered_at":%s,"first_sent_at":1700000000}', id, s, n, d)) FROM (VALUES (1, 'notif_1', 'pending', 1, 0), (2, 'notif_1', 'retry', 2, 1700000060), (3, 'notif_2', 'retry', 2, 1700000060)) t(i, id, s, n, d) ORDER BY i;
SELECT varying('hubspot-v3');
SELECT sent('v-hubspot-v3', format('[{"eventId":%s,"attemptNumber":%s},{"eventId":9,"attemptNumber":%2$s}]', id, n)) FROM (VALUES (1, 1, 0), (2, 1, 1), (3, 1, 9), (4, 2, 9)) t(i, id, n) ORDER BY i;
SELECT varying('mux');
SELECT sent('v-mux', format('{"type":"video.asset.ready","id":"%s","attempts":%s,"data":{"attempts":1}}', id, a)) FROM (VALUES (1, 'a', '[]'), (2, 'a', '[{"webhook_id":1,"response_status_code":500}]'), (3, 'b', '[]')) t(i, id, a) ORDER BY i;
SELECT varying('mailgun');
SELECT sent_as_it_is('v-mailgun', format('{"signature":{"timestamp":"%s","token":"%s","signature":"%s"},"event-data":{"id":"%s"}}', t, k, encode(hmac(t || k, 'a secret of 24 characters', 'sha256'), 'hex'), id)) FROM (VALUES (1, 'm1', '1700000000', 'k1'), (2, 'm1', '1700000060', 'k2'), (3, 'm2', '1700000060', 'k3')) t(i, id, t, k) ORDER BY i;
-- Its signature covers no more than time and token: another body under it is a replay.
SELECT sent_as_it_is('v-mailgun', format('{"signature":{"timestamp":"1700000000","token":"k1","signature":"%s"},"event-data":{"id":"forged"}}', encode(hmac('1700000000k1', 'a secret of 24 characters', 'sha256'), 'hex')));
SELECT reason FROM intake.rejections WHERE source = 'v-mailgun';
INSERT INTO intake.scheme (name, kind, missing_key, volatile) SELECT 'v-items', 'none', 'digest', volatile FROM intake.scheme WHERE name = 'sendgrid';
SELECT count(intake.create_source('v-sendgrid', 'v-items', verified => 'none'));
SELECT sent_as_it_is('v-sendgrid', format('[{"email":"a@example.com","event":"%s","sg_event_id":"%s","sg_message_id":"m","timestamp":1700000000}]', e, id)) FROM (VALUES (1, 'delivered', 'x'), (2, 'delivered', 'y'), (3, 'open', 'y')) t(i, e, id) ORDER BY i;

-- The digest is that of the body with null there; a list that is empty changes nothing.
SELECT e.key = encode(sha256('[{"email":"a@example.com","event":"open","sg_event_id":null,"sg_message_id":"m","timestamp":1700000000}]'), 'hex') AS is_of_the_copy, convert_from(body, 'UTF8') LIKE '%"y"%' AS is_stored_whole FROM intake.events e WHERE source = 'v-sendgrid' ORDER BY id DESC LIMIT 1;
SELECT count(intake.create_source('v-none', 'none', missing_key => 'digest'));
SELECT sent_as_it_is('v-none', '{"a":1}');
SELECT key = encode(sha256('{"a":1}'), 'hex') AS is_of_the_body FROM intake.events WHERE source = 'v-none';

-- A digest as a part of a key leaves them out, too.
SELECT intake.alter_source('v-stripe', key_from => '$.id + digest');
SELECT sent('v-stripe', format('{"id":"evt_9","pending_webhooks":%s,"type":"%s"}', n, t)) FROM (VALUES (1, 2, 'a'), (2, 1, 'a'), (3, 1, 'b')) t(i, n, t) ORDER BY i;

-- Forms.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, missing_key, volatile) VALUES ('v-form', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', 'digest', '{form:try,$.try}');
SELECT count(intake.create_source('v-form', 'v-form', secret => 'a secret'));
SELECT b, sent('v-form', b) FROM unnest(ARRAY['try=1&a=b', 'try=2&a=b', 't%72y=&a=b', 't%72y=5&a=b', 'try=1&a=c', 'try=1&try=2&a=b', 'try=1&try=3&a=b', '{"try":1}', '{"try":2}', '{"try":{"a":[1]}}', '{ "try":2}', '{"try":1,"try":2}', '{"try":1,"try":3}', '{"try":1', '{"try":2'])  WITH ORDINALITY t(b, n) ORDER BY n;

-- A header that is signed.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, missing_key, require, volatile) VALUES ('v-header', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{header:x-nonce}.{header:x-day}.{body}', 'digest', '{header:x-nonce,"~^[a-z]{1,9}$",header:x-day,"~^[a-z]{1,9}$"}', '{header:x-nonce}');
SELECT count(intake.create_source('v-header', 'v-header', secret => 'a secret'));
SELECT substring(r.body from '"status":"(\w+)"') FROM (VALUES (1, 'a', 'mo', '{"a":1}'), (2, 'b', 'mo', '{"a":1}'), (3, 'b', 'tu', '{"a":1}'), (4, 'c', 'tu', '{"a":2}')) t(i, nonce, day, b), intake.ingest('v-header', intake.sign('v-header', b::bytea, jsonb_build_object('X-Nonce', nonce, 'X-Day', day)), b::bytea) r ORDER BY i;

-- JSON in a field of a form, and fields beside it.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, missing_key, json_from, volatile) VALUES ('v-field', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', 'digest', 'form:payload', '{$.try,form:at}');
SELECT count(intake.create_source('v-field', 'v-field', secret => 'a secret'));
SELECT b, sent('v-field', b) FROM unnest(ARRAY['at=1&payload=%7B%22try%22:1,%22a%22:1%7D', 'at=2&payload=%7B%22try%22:%5B1%5D,%22a%22:1%7D', 'at=2&payload=%7B%22try%22:2,%22a%22:2%7D', 'at=2&payload={%22try%22:2,%22a%22:2%7D', 'at=2&payload=%7B%22try%22:2,%22a%22:2%7D&b=1', '{"try":1,"at":1}', '{"try":2,"at":1}', '{"try":2,"at":2}']) WITH ORDINALITY t(b, n) ORDER BY n;

-- Signed anew, with the signature and its time in the body, which the message does not have. Another body under one signature is a replay.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, missing_key, timestamp_from, timestamp_unit) VALUES ('v-inside', 'hmac', 'sha256', '{json:/sig}', 'hex', '{timestamp}.{json:/who}', 'digest', 'json:/at', 's');
UPDATE intake.scheme SET content = 'json', require = '{json:/who,"~^[a-z]{1,9}$"}' WHERE name = 'v-inside';
SELECT count(intake.create_source('v-inside', 'v-inside', secret => 'a secret'));
SELECT sent_as_it_is('v-inside', format('{"who":"bob","at":%s,"what":"%s","sig":"%s"}', at, what, encode(hmac(at || '.bob', 'a secret', 'sha256'), 'hex'))) FROM (VALUES (1, '1700000000', 'a'), (2, '1700000060', 'a'), (3, '1700000120', 'b'), (4, '1700000120', 'c')) t(i, at, what) ORDER BY i;

-- What is no place in the body is refused, and a variant has no list of its own.
CREATE FUNCTION refused(places text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN UPDATE intake.scheme SET volatile = places WHERE name = 'v-unused'; RETURN 'taken'; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$;
INSERT INTO intake.scheme (name, kind) VALUES ('v-unused', 'none');
SELECT p, refused(p::text[]) FROM unnest(ARRAY['{$.a,json:/a/b,form:x,header:x}', '{}', '{headers:x-*}', '{$.a | $.b}', '{$}', '{a}', '{NULL}', '{jwt:/a}', '{query:a}', '{json:a}', '{$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a,$.a}']) WITH ORDINALITY t(p, n) ORDER BY n;
UPDATE intake.scheme SET variants = '[{"when": [["header:x", "*"]], "volatile": ["$.a"]}]' WHERE name = 'v-unused';

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'v-%';
DELETE FROM intake.scheme WHERE name LIKE 'v-%';
DROP FUNCTION sent(text, text), sent_as_it_is(text, text), varying(text), refused(text[]);
