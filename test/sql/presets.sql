-- The presets, with requests signed here.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT count(intake.create_source(n, n, secret => 'secret')) FROM unnest(ARRAY['github', 'stripe', 'slack', 'shopify', 'linear', 'gitlab-token']) n;
SELECT count(intake.create_source(n, n, secret => 'whsec_c2VjcmV0')) FROM unnest(ARRAY['svix', 'standardwebhooks']) n;
SELECT intake.create_source('whatsapp', 'meta-whatsapp', secret => 'secret', verify_token => 'verify me') > 0 AS created;

CREATE FUNCTION mac(content text, coding text) RETURNS text LANGUAGE sql AS $$ SELECT encode(hmac(content, 'secret', 'sha256'), coding) $$;
CREATE FUNCTION now_s(shift int DEFAULT 0) RETURNS text LANGUAGE sql AS $$ SELECT (floor(extract(epoch FROM now())) + shift)::bigint::text $$;

CREATE TABLE sent (source text, shift int, headers jsonb, body text);
INSERT INTO sent SELECT 'github', 0, jsonb_build_object('X-Hub-Signature-256', 'sha256=' || mac(b, 'hex'), 'X-GitHub-Delivery', 'd-1', 'X-GitHub-Event', 'push'), b FROM (VALUES ('{"ref":"main"}')) v(b);
INSERT INTO sent SELECT 'shopify', 0, jsonb_build_object('X-Shopify-Hmac-Sha256', mac(b, 'base64'), 'X-Shopify-Webhook-Id', 'w-1', 'X-Shopify-Topic', 'orders/paid'), b FROM (VALUES ('{"id":1}')) v(b);
INSERT INTO sent SELECT 'gitlab-token', 0, '{"X-Gitlab-Token": "secret", "Idempotency-Key": "g-1", "X-Gitlab-Event": "Push Hook"}', '{}';
INSERT INTO sent SELECT 'whatsapp', 0, jsonb_build_object('X-Hub-Signature-256', 'sha256=' || mac(b, 'hex')), b
    FROM (VALUES ('{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[{"id":"wamid.1"}]}}]}]}')) v(b);
INSERT INTO sent SELECT 'stripe', s, jsonb_build_object('Stripe-Signature', format('t=%s,v1=%s,v0=junk', now_s(s), mac(now_s(s) || '.' || b, 'hex'))), b
    FROM (VALUES ('{"id":"evt_1","type":"payment_intent.succeeded"}')) v(b), unnest(ARRAY[0, -299, -301, 299, 302]) s;
INSERT INTO sent SELECT 'slack', s, jsonb_build_object('X-Slack-Signature', 'v0=' || mac('v0:' || now_s(s) || ':' || b, 'hex'), 'X-Slack-Request-Timestamp', now_s(s)), b
    FROM (VALUES ('{"event_id":"Ev1","event":{"type":"message"}}')) v(b), unnest(ARRAY[0, -301]) s;
INSERT INTO sent SELECT p, s, jsonb_build_object(p1 || '-id', 'm-1', p1 || '-timestamp', now_s(s), p1 || '-signature', 'v1,AAAA v1,' || mac('m-1.' || now_s(s) || '.' || b, 'base64')), b
    FROM (VALUES ('{"type":"user.created"}')) v(b), (VALUES ('svix', 'svix'), ('standardwebhooks', 'webhook')) p(p, p1), unnest(ARRAY[0, -301]) s;
INSERT INTO sent SELECT 'linear', s, jsonb_build_object('Linear-Signature', mac(b, 'hex'), 'Linear-Delivery', 'l-1', 'Linear-Event', 'Issue'), b
    FROM (SELECT s, format('{"webhookTimestamp":%s000}', now_s(s)) FROM unnest(ARRAY[0, -62]) s) v(s, b);

SELECT source, shift, intake.verify_explain(source, headers, body::bytea) LIKE 'ok' AS verifies,
       intake.verify(source, headers, (body || ' ')::bytea) AS verifies_changed
    FROM sent ORDER BY source, shift;
SELECT source, (intake.ingest(source, headers, body::bytea)).status FROM sent WHERE shift = 0 ORDER BY source;
SELECT source, key, type FROM intake.events WHERE source IN (SELECT source FROM sent) ORDER BY source;

-- At the time it was sent, an old request verifies.
SELECT intake.verify(source, headers, body::bytea, at => now() - interval '301 seconds') FROM sent WHERE source = 'stripe' AND shift = -301;

-- Meta's challenge.
SELECT * FROM intake.ingest('whatsapp', '{}', '', 'hub.mode=subscribe&hub.verify_token=verify+me&hub.challenge=12%2034', 'GET');
SELECT * FROM intake.ingest('whatsapp', '{}', '', 'hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1', 'GET');
SELECT * FROM intake.ingest('whatsapp', '{}', '', '', 'GET');
-- Slack's, which is signed.
SELECT r.* FROM (VALUES ('{"type":"url_verification","challenge":"c1"}')) v(b),
    intake.ingest('slack', jsonb_build_object('X-Slack-Signature', 'v0=' || mac('v0:' || now_s() || ':' || b, 'hex'), 'X-Slack-Request-Timestamp', now_s()), b::bytea) r;
SELECT * FROM intake.ingest('slack', '{}', '{"type":"url_verification","challenge":"c1"}');

-- Two secrets while one is rotated.
SELECT intake.rotate_secret('github', 'another');
SELECT intake.verify(source, headers, body::bytea) FROM sent WHERE source = 'github';
SELECT secrets FROM intake.sources WHERE name = 'github';
SELECT intake.rotate_secret('github', 'a third one', overlap => '0');
SELECT regexp_replace(intake.verify_explain(source, headers, body::bytea), '(secret|at) [0-9].*', '\1 ...') FROM sent WHERE source = 'github';
SELECT secrets FROM intake.sources WHERE name = 'github';

-- A scheme of one's own.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, require, key_from)
    VALUES ('mine', 'hmac', 'sha512', '{header:x-mine}', 'base64', '{header:x-id}:{body}', '{{header:x-id,"~^[^:]{1,100}$"}}', 'header:x-id');
SELECT intake.create_source('mine', 'mine', secret => 'secret') > 0 AS created;
SELECT (intake.ingest('mine', jsonb_build_object('X-Mine', translate(encode(hmac('7:x', 'secret', 'sha512'), 'base64'), E'\n', ''), 'X-Id', '7'), 'x')).status;
SELECT intake.verify_explain('mine', '{"X-Mine": "AAAA"}', 'x');
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message) VALUES ('broken', 'hmac', 'sha256', '{header:x}', 'hex', '{nothing}');
