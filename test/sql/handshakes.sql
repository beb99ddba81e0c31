-- Challenges, each answered as its provider asks.
\set VERBOSITY terse
SET client_min_messages = error;
SELECT count(intake.create_source(n, n, secret => 'consumer_secret', verify_token => 'token', public_url => 'http://www.testendpoint.com/webhook'))
    FROM unnest(ARRAY['dropbox', 'line', 'linkedin', 'microsoft-graph', 'monday', 'nylas', 'okta', 'onfleet', 'slack', 'trello', 'twitch', 'woocommerce', 'x-twitter', 'xero']) n WHERE n <> 'onfleet';
SELECT count(intake.create_source('zoom', 'zoom', secret => 'zoom_secret_token_XYZ'));
SELECT count(intake.create_source('braintree', 'braintree', secret => 'integration_private_key', verify_token => 'integration_public_key'));
SELECT count(intake.create_source('ebay', 'ebay', verify_token => '71745723-d031-455c-bfa5-f90d11b4f20a', public_url => 'http://www.testendpoint.com/webhook'));
CREATE FUNCTION signed(source text, body text, headers jsonb DEFAULT '{}') RETURNS SETOF intake.answer LANGUAGE sql AS $$
    SELECT * FROM intake.ingest(source, intake.sign(source, body::bytea, headers), body::bytea) $$;

-- The published examples.
SELECT * FROM signed('zoom', '{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}');
SELECT * FROM intake.ingest('x-twitter', '{}', '', 'crc_token=d7f0a8d0-9d4a-4c53-8a7c-2f3c7f7a1f11&nonce=1', 'GET');
SELECT * FROM intake.ingest('braintree', '{}', '', 'bt_challenge=20f9f8ed05f77439fe955c977e4c8a53', 'GET');
SELECT * FROM intake.ingest('ebay', '{}', '', 'challenge_code=a8628072-3d33-45ee-9004-bee86830a22d', 'GET');
-- Echoes.
SELECT * FROM intake.ingest('dropbox', '{}', '', 'challenge=a%20b', 'GET');
SELECT * FROM intake.ingest('nylas', '{}', '', 'challenge=abc', 'GET');
SELECT * FROM intake.ingest('okta', '{"X-Okta-Verification-Challenge": "a\"b"}', '', '', 'GET');
SELECT * FROM intake.ingest('microsoft-graph', '{}', '', 'validationToken=a%20b%3Cscript%3E', 'POST');
SELECT * FROM intake.ingest('monday', '{}', '{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}');
SELECT * FROM intake.ingest('woocommerce', '{}', 'webhook_id=7');
SELECT status FROM intake.ingest('trello', '{}', '', '', 'HEAD');
-- Signed ones are verified first.
SELECT * FROM signed('slack', '{"type":"url_verification","challenge":"c1"}');
SELECT * FROM signed('twitch', '{"challenge":"c2"}', '{"Twitch-Eventsub-Message-Type": "webhook_callback_verification"}');
SELECT status FROM intake.ingest('twitch', '{"Twitch-Eventsub-Message-Type": "webhook_callback_verification"}', '{"challenge":"c2"}');
-- Xero sends wrong signatures on purpose, and wants exactly 401.
SELECT status, body FROM signed('xero', '{"events":[],"firstEventSequence":0}');
SELECT status, body FROM intake.ingest('xero', '{"X-Xero-Signature": "AAAA"}', '{"events":[],"firstEventSequence":0}');
SELECT status FROM signed('line', '{"destination":"U","events":[]}');
-- What is no challenge goes on to be verified.
SELECT status FROM intake.ingest('monday', '{}', '{"challenge":"x","event":{"id":1}}');
SELECT status FROM intake.ingest('dropbox', '{}', '', '', 'GET');

-- Secrets that a handshake teaches: the first one, and then none unless the operator says so.
SELECT count(intake.create_source(n, n)) FROM unnest(ARRAY['asana', 'notion']) n;
SELECT * FROM intake.ingest('asana', '{"X-Hook-Secret": "taught by asana"}', '{}');
SELECT * FROM intake.ingest('asana', '{"X-Hook-Secret": "taught by somebody else"}', '{}');
SELECT status FROM signed('asana', '{"events":[{"action":"added"}]}');
SELECT * FROM intake.ingest('notion', '{}', '{"verification_token":"taught by notion"}');
SELECT source, state, encrypted FROM intake.secrets WHERE source IN ('asana', 'notion') ORDER BY 1;
SELECT intake.reveal_secret('notion');
SELECT intake.reveal_secret('notion');
SELECT source, state FROM intake.secrets WHERE source = 'notion';
SELECT intake.learn_secret('asana');
SELECT status FROM intake.ingest('asana', '{"X-Hook-Secret": "a second webhook"}', '{}');
SELECT status FROM intake.ingest('asana', '{"X-Hook-Secret": "a third one"}', '{}');
SELECT secrets FROM intake.sources WHERE name = 'asana';
SELECT count(intake.create_source('closed', 'asana', secret => 'given'));
SELECT status FROM intake.ingest('closed', '{"X-Hook-Secret": "taught"}', '{}');
SELECT type, payload FROM intake.events WHERE type = 'source.secret_learned' AND payload ->> 'source' IN ('asana', 'notion') ORDER BY id;
-- What was taught is nowhere to be read.
SELECT count(*) FROM intake.rejections r WHERE r::text LIKE '%taught%';
SELECT count(*) FROM intake.events e WHERE e::text LIKE '%taught%';

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE scheme <> 'hmac';
DROP FUNCTION signed(text, text, jsonb);
