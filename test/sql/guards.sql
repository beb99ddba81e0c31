-- What an event says of its sender, and what stops those who are none.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION signed(source text, body text, headers jsonb DEFAULT '{}') RETURNS SETOF intake.answer LANGUAGE sql AS $$
    SELECT * FROM intake.ingest(source, intake.sign(source, body::bytea, headers), body::bytea) $$;
CREATE FUNCTION status_of(answer intake.answer) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', answer.status, answer.body::jsonb ->> 'status') $$;

-- A captured body under a fresh id.
SELECT count(intake.create_source('hub', 'github', secret => 'secret-s'));
SELECT status_of(r) FROM signed('hub', '{"ref":"a"}', '{"X-GitHub-Delivery": "d-1", "X-GitHub-Event": "push"}') r;
SELECT status_of(r) FROM signed('hub', '{"ref":"a"}', '{"X-GitHub-Delivery": "d-1", "X-GitHub-Event": "push"}') r;
SELECT status_of(r) FROM signed('hub', '{"ref":"a"}', '{"X-GitHub-Delivery": "d-2", "X-GitHub-Event": "push"}') r;
SELECT status_of(r) FROM signed('hub', '{"ref":"b"}', '{"X-GitHub-Delivery": "d-3", "X-GitHub-Event": "push"}') r;
SELECT key FROM intake.events WHERE source = 'hub' ORDER BY id;
SELECT reason, detail ~ 'that of event [0-9]+, under another key' AS says_which, status FROM intake.rejections WHERE source = 'hub';
SELECT count(intake.create_source('hub2', 'github', secret => 'secret-s', replay_guard => false));
SELECT status_of(r) FROM signed('hub2', '{"ref":"a"}', '{"X-GitHub-Delivery": "d-1"}') r;
SELECT status_of(r) FROM signed('hub2', '{"ref":"a"}', '{"X-GitHub-Delivery": "d-2"}') r;
-- The key is in the signed body: no guard is needed.
SELECT count(intake.create_source('plainkey', 'hmac', secret => 'secret-s'));
SELECT status_of(r) FROM signed('plainkey', '{"data":{"id":1}}') r;
SELECT e.source, count(*) - count(DISTINCT e.id) AS guards FROM intake.event_key k JOIN intake.events e ON e.id = k.event_id WHERE e.source IN ('hub', 'hub2', 'plainkey') GROUP BY 1 ORDER BY 1;

-- Without an id.
SELECT status_of(r) FROM signed('plainkey', '{"data":{}}') r;
SELECT intake.alter_source('plainkey', missing_key => 'digest');
SELECT status_of(r) FROM signed('plainkey', '{"data":{}}') r;
SELECT status_of(r) FROM signed('plainkey', '{"data":{}}') r;
SELECT key = encode(sha256('{"data":{}}'), 'hex') AS is_digest FROM intake.events WHERE source = 'plainkey' ORDER BY id DESC LIMIT 1;

-- What the signature covers.
SELECT count(intake.create_source('tok', 'gitlab-token', secret => 's3cret-token'));
SELECT status_of(r) FROM signed('tok', '{"a":1}', '{"Idempotency-Key": "g-1", "X-Other": "has s3cret-token in it", "X-Fine": "yes"}') r;
SELECT intake.create_source('open', 'gumroad');
SELECT intake.create_source('open', 'hmac', secret => 'secret-s', verified => 'none');
SELECT count(intake.create_source('open', 'gumroad', verified => 'none'));
SELECT status_of(intake.ingest('open', '{}', 'sale_id=1&resource_name=sale'));
SELECT count(intake.create_source('free', 'none'));
SELECT status_of(intake.ingest('free', '{}', '{"id":"1"}'));
SELECT count(intake.create_source('gun', 'mailgun', secret => 'secret-s'));
SELECT status_of(intake.ingest('gun', '{}', convert_to(format('{"signature":{"timestamp":"1700000000","token":"t","signature":"%s"},"event-data":{"id":"m1","event":"opened"}}', encode(hmac('1700000000t', 'secret-s', 'sha256'), 'hex')), 'UTF8')));
SELECT status_of(intake.ingest('gun', '{}', convert_to(format('{"signature":{"timestamp":"1700000000","token":"t","signature":"%s"},"event-data":{"id":"m2","event":"forged"}}', encode(hmac('1700000000t', 'secret-s', 'sha256'), 'hex')), 'UTF8')));
SELECT e.source, e.key, e.type, e.verified, e.secret_id IS NOT NULL AS has_secret, e.headers FROM intake.events e WHERE e.source IN ('tok', 'open', 'free', 'gun') ORDER BY e.id;

-- Several secrets, and which one matched.
SELECT count(intake.create_source('many', 'hmac', secret => 'secret-one'));
SELECT intake.add_secret('many', 'secret-two') > 0 AS added;
SELECT intake.add_secret('many', 'future', valid_from => now() + interval '1 day') > 0 AS added;
SELECT intake.add_secret('many', 'past', valid_from => '-infinity', expires_at => '2020-01-01Z') > 0 AS added;
SELECT intake.add_secret('many', 'secret-bad', valid_from => now(), expires_at => now());
SELECT s, regexp_replace(intake.verify_explain('many', jsonb_build_object('X-Signature', encode(hmac('{"data":{"id":1}}', s, 'sha256'), 'hex')), '{"data":{"id":1}}'), '(secret|at|before) [0-9].*', '\1 ...')
    FROM unnest(ARRAY['secret-one', 'secret-two', 'future', 'past', 'none']) s;
SELECT status_of(intake.ingest('many', jsonb_build_object('X-Signature', encode(hmac('{"data":{"id":1}}', 'secret-two', 'sha256'), 'hex')), '{"data":{"id":1}}'));
SELECT x.state, x.last_used_at IS NOT NULL AS used, e.id IS NOT NULL AS has_event FROM intake.secrets x LEFT JOIN intake.events e ON e.secret_id = x.id WHERE x.source = 'many' ORDER BY x.id;
SELECT intake.drop_secret(max(id)) FROM intake.secrets WHERE source = 'many' AND state = 'expired';
SELECT state FROM intake.secrets WHERE source = 'many' ORDER BY id;
SELECT intake.drop_secret(-1);

-- Addresses.
SELECT count(intake.create_source('fenced', 'hmac', secret => 'secret-s', allowed_peers => '{192.0.2.0/24,2001:db8::/32}'));
SELECT p, (intake.ingest('fenced', intake.sign('fenced', '{"data":{"id":1}}'), '{"data":{"id":1}}', peer => p)).status FROM unnest(ARRAY['192.0.2.9', '::ffff:192.0.2.9', '2001:db8::1', '192.0.3.1', 'junk', NULL]) p;
SELECT intake.alter_source('fenced', allowed_peers => '{}');
SELECT (intake.ingest('fenced', intake.sign('fenced', '{"data":{"id":1}}'), '{"data":{"id":1}}')).status;

-- Explanations show both ends of what is signed, and no secret.
SELECT intake.verify_explain('many', '{"X-Signature": "00"}', '{"data":{"id":"the body is shown at its ends only, here"}}');
SELECT count(intake.create_source('v1', 'hubspot-v1', secret => 'not to be shown'));
SELECT intake.verify_explain('v1', '{"X-HubSpot-Signature": "00"}', '{}');
SELECT intake.verify_explain('hub', '{"X-Hub-Signature-256": "sha1=00"}', '{}');
SELECT status FROM intake.ingest('many', '{"X-Request-Id": "r-17"}', '{}', peer => '192.0.2.1');
SELECT reason, detail, request_id, peer FROM intake.rejections WHERE source = 'many' ORDER BY id DESC LIMIT 1;

-- Signing: what was given stays; what cannot be signed says why.
SELECT intake.sign('hub', '{}', '{"X-GitHub-Delivery": "mine", "X-GitHub-Event": "ping"}') - 'X-GitHub-Delivery' - 'X-GitHub-Event' = jsonb_build_object('x-hub-signature-256', 'sha256=' || encode(hmac('{}', 'secret-s', 'sha256'), 'hex')) AS right_headers;
SELECT count(intake.create_source('disc', 'discord', secret => '79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664'));
SELECT intake.sign('disc', '{}');
SELECT intake.sign('gun', '{}');
SELECT intake.sign('nobody', '{}');
SELECT intake.curl('plainkey', '{"it''s":1}');
SELECT intake.curl('plainkey', '\x00ff', url => 'http://localhost/x');
-- PEM that is none, a private key, a key of another kind, a short one.
SELECT intake.create_source('bad', 'wise', secret => E'-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----');
SELECT intake.create_source('bad', 'wise', secret => E'-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----');
SELECT intake.create_source('bad', 'discord', secret => '79b5');
SELECT intake.create_source('bad', 'plaid', secret => '{"kty":"RSA"}');
SELECT intake.create_source('bad', 'plaid', secret => '{"keys":[]}');

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name IN ('hub', 'hub2', 'plainkey', 'tok', 'open', 'free', 'gun', 'many', 'fenced', 'v1', 'disc');
DROP FUNCTION signed(text, text, jsonb), status_of(intake.answer);
