-- Hostile requests: each gets a decision, and none an error.
\set VERBOSITY terse
SET client_min_messages = error;
SELECT count(intake.create_source('h_' || n, n, secret => 'secret', public_url => 'https://example.com/h')) FROM unnest(ARRAY['github', 'stripe', 'recurly', 'livekit', 'persona', 'contentful', 'twilio']) n;
SELECT count(intake.create_source('h_svix', 'svix', secret => 'whsec_c2VjcmV0'));
SELECT count(intake.create_source('h_figma', 'figma', secret => 'secret'));
SELECT count(intake.create_source('h_graph', 'microsoft-graph', secret => 'secret'));
SELECT count(intake.create_source('h_adyen', 'adyen-item', secret => repeat('ab', 32)));
-- The public key is a text that everybody knows; it must not become the key of an HMAC.
\set pem '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsaCuEmd+X/JOfWoPW82z\nfwW2krUgV1wh1sO4D3LGi+kUHoyG6TzdO0y7hZNa1i2xVUfuRXsLrHJSYmKBhnGb\nu15aND+df3qTh9kLivxMCaHIaBgrcARVFc/oJQk4Zkh6CdDeKEP5JkkWHtS07tT4\nmurx2KqFFhKvh2iIEWlUtmQYsH+ILS3jFtLw5en6X6VQc6ExR6CbeSnGqDaZ/Wj9\n+nMG/a1v7iyBHK6vqCg2uM+hSF9owqYSNduCZeU8IKNJhEMTjlK2+GevktSvAkQI\n0aLe61jkOTLZsNo6x6W66N78dtwWLx3KNtl++14SJlMQTkBtborMdkRX+UvKdJXN\n/wIDAQAB\n-----END PUBLIC KEY-----'
SELECT count(intake.create_source('h_kinde', 'kinde', secret => E:'pem'));
CREATE FUNCTION judge(source text, headers bytea, body bytea DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answered int;
BEGIN
    SELECT a.status INTO answered FROM intake.receive(ARRAY['POST'::bytea], ARRAY[convert_to(source, 'UTF8')], ARRAY[''::bytea], ARRAY[headers], ARRAY[body], ARRAY['192.0.2.1']) a;
    RETURN concat_ws(' ', answered, CASE WHEN answered >= 400 THEN (SELECT r.reason FROM intake.rejections r ORDER BY r.id DESC LIMIT 1) END);
END $$;
CREATE FUNCTION b(text) RETURNS bytea LANGUAGE sql AS $$ SELECT convert_to($1, 'UTF8') $$;
CREATE FUNCTION b64url(text) RETURNS text LANGUAGE sql AS $$ SELECT translate(encode(b($1), 'base64'), E'+/=\n', '-_') $$;
CREATE FUNCTION jwt(header text, claims text, key text) RETURNS text LANGUAGE sql AS $$
    SELECT m || '.' || translate(encode(hmac(m, key, 'sha256'), 'base64'), E'+/=\n', '-_') FROM (SELECT b64url(header) || '.' || b64url(claims)) v(m) $$;

-- Large, and many.
SELECT judge('h_github', b('X-Hub-Signature-256: sha256=' || repeat('a', 200000) || E'\r\n'));
SELECT judge('h_stripe', b('Stripe-Signature: t=1' || repeat(',v1=00', 10000) || E'\r\n'));
SELECT judge('h_svix', b('svix-signature: ' || repeat('v1,AAAA ', 10000) || E'\r\n'));
SELECT judge('h_persona', b('Persona-Signature: ' || repeat('t=1,v1=00 ', 10000) || E'\r\n'));
SELECT judge('h_github', b(repeat(E'X-Hub-Signature-256: sha256=00\r\n', 5000)));
SELECT judge('h_contentful', b('x-contentful-signature: 00' || E'\r\n' || 'x-contentful-signed-headers: ' || repeat('x-contentful-signature,', 9000) || E'\r\nx-contentful-timestamp: 1000000000000\r\n'));
SELECT judge('h_twilio', b(E'X-Twilio-Signature: AAAA\r\n'), b(repeat('a=b&', 100000)));
SELECT judge('h_figma', '', b(repeat('[', 500000)));
SELECT judge('h_figma', '', b(repeat('{"passcode":', 200000)));
SELECT judge('h_graph', '', b('{"value":[' || repeat('{"clientState":"secret"},', 101) || '{}]}'));
SELECT judge('h_graph', '', b('{"value":[{"clientState":"secret"},{}]}'));
SELECT judge('h_adyen', '', b('{"notificationItems":[' || repeat('{"NotificationRequestItem":{}},', 5000) || '{}]}'));

-- JSON Web Tokens.
SELECT judge('h_livekit', b('Authorization: ' || jwt('{"alg":"HS256"}', format('{"sha256":"%s","exp":4102444800}', encode(sha256('{"id":"1"}'), 'base64')), 'secret') || E'\r\n'), '{"id":"1"}') AS genuine,
       judge('h_livekit', b('Authorization: ' || jwt('{"alg":"HS256"}', format('{"sha256":"%s","exp":4102444800}', encode(sha256('{"id":"1"}'), 'base64')), 'secret') || E'\r\n'), '{"id":"2"}') AS other_body;
SELECT h, judge('h_livekit', b('Authorization: ' || jwt(h, c, 'secret') || E'\r\n')) FROM (VALUES
    ('{"alg":"none"}', '{}'), ('{"alg":"None"}', '{}'), ('{"alg":"HS512"}', '{}'), ('{"alg":["HS256"]}', '{}'), ('{"alg":HS256}', '{}'), ('{"alg":"HS256","crit":["exp"]}', '{}'),
    ('{"alg":"HS256"}', '{"exp":1}'), ('{"alg":"HS256"}', '{"exp":"soon"}'), ('{"alg":"HS256"}', '{"exp":1e99}'), ('{"alg":"HS256"}', '{"nbf":4102444800}'), ('{"alg":"HS256"}', '[]'), ('{"alg":"HS256"}', '{}{}'), ('[]', '{}')) v(h, c);
SELECT judge('h_livekit', b('Authorization: ' || b64url('{"alg":"none"}') || '.' || b64url('{}') || E'.\r\n')) AS none,
       judge('h_livekit', b(E'Authorization: ..\r\n')) AS dots, judge('h_livekit', b(E'Authorization: a.b\r\n')) AS two,
       judge('h_livekit', b('Authorization: ' || repeat('a', 100000) || E'.b.c\r\n')) AS large;
SELECT judge('h_kinde', '', b(jwt('{"alg":"HS256"}', '{"event_id":"1"}', E:'pem'))) AS hs256_with_the_public_key,
       judge('h_kinde', '', b(jwt('{"alg":"RS256"}', '{"event_id":"1"}', E:'pem'))) AS rs256_with_an_hmac;

-- Junk in encodings and times.
SELECT s, judge('h_svix', b(format(E'svix-id: 1\r\nsvix-timestamp: %s\r\nsvix-signature: v1,%s\r\n', extract(epoch FROM now())::bigint, s))) FROM unnest(ARRAY['', '=', '====', 'AAA', 'A===', '-_-_', 'AA==AA==', 'AAAA AAAA', '%00']) s;
SELECT t, judge('h_svix', b(format(E'svix-id: 1\r\nsvix-timestamp: %s\r\nsvix-signature: v1,AAAA\r\n', t))) FROM unnest(ARRAY['', '-1', '+1', ' 1', '1e9', '0x1', '123456789012345678901234567890', '1700000000.5', '٣', '0']) t;
SELECT t, judge('h_recurly', b(format(E'recurly-signature: %s\r\n', t))) FROM unnest(ARRAY['', ',', '1', '-1,00', ',00', '1,', '123456789012345678901234567890,00']) t;

-- Headers: two of a kind, a NUL, no colon, no end, bytes that are no text.
SELECT judge('h_stripe', b(E'Stripe-Signature: t=1000000000,v1=00\r\nStripe-Signature: t=1000000001,v1=11\r\n'));
SELECT judge('h_github', b('X-Hub-Signature-256: sha256=') || '\x00' || b(E'\r\n'));
SELECT judge('h_github', b(E'X-Hub-Signature-256\r\n: x\r\n\r\n\n\n:\n'));
SELECT judge('h_github', b('X-Hub-Signature-256: sha256=00'));
SELECT judge('h_github', '\xff3a20fe0d0a');
SELECT judge('h_github', b(format(E'X-GitHub-Delivery: a\r\nX-GitHub-Delivery: b\r\nX-Latin: \r\nX-Hub-Signature-256: sha256=%s\r\n', encode(hmac('{}', 'secret', 'sha256'), 'hex'))) || '\x582d42696e3a20ff00fe0d0a');
SELECT key, headers FROM intake.events WHERE source = 'h_github';
SELECT judge('h_github', b(format(E'X-GitHub-Delivery: \r\nX-Hub-Signature-256: sha256=%s\r\n', encode(hmac('{"n":1}', 'secret', 'sha256'), 'hex'))), '{"n":1}');
SELECT judge('h_github', b('X-GitHub-Delivery: ') || '\xff' || b(format(E'\r\nX-Hub-Signature-256: sha256=%s\r\n', encode(hmac('{"n":1}', 'secret', 'sha256'), 'hex'))), '{"n":1}');
SELECT judge('h_github', b(format(E'X-GitHub-Delivery: %s\r\nX-Hub-Signature-256: sha256=%s\r\n', repeat('k', 1025), encode(hmac('{"n":1}', 'secret', 'sha256'), 'hex'))), '{"n":1}');

-- A flood of bad requests in one batch is a row.
SELECT count(*) FROM intake.receive(array_fill('POST'::bytea, ARRAY[1000]), array_fill('h_github'::bytea, ARRAY[1000]), array_fill(''::bytea, ARRAY[1000]),
    array_fill(''::bytea, ARRAY[1000]), array_fill('{}'::bytea, ARRAY[1000]), array_fill('192.0.2.1'::text, ARRAY[1000])) WHERE status = 403;
SELECT reason, requests FROM intake.rejections ORDER BY id DESC LIMIT 1;

-- Schemes that make no sense.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, require) VALUES ('bad_pattern', 'hmac', 'sha256', '{header:x}', 'hex', '{body}', '{{header:y,~[}}');
INSERT INTO intake.scheme (name, kind, algorithm, signature_from) VALUES ('bad_jwt', 'jwt', 'sha256', '{header:x}');
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, variants) VALUES ('bad_variant', 'hmac', 'sha256', '{header:x}', 'hex', '{body}', '[{"when": [["nowhere", "*"]], "message": "{body}"}]');
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message) VALUES ('bad_function', 'hmac', 'sha256', '{header:x}', 'hex', '{md5hex(body)}');
SELECT intake.create_source('bad', 'github', secret => 'secret-s', signature_from => 'nowhere');

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'h\_%';
DROP FUNCTION judge(text, bytea, bytea), b(text), b64url(text), jwt(text, text, text);
