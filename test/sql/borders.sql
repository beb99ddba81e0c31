-- Who has a genuine request cuts what was signed elsewhere: nothing is stored for it, and the genuine one still is.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION sent(source text, headers jsonb, body bytea, query text DEFAULT '', method text DEFAULT 'POST') RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text) FROM intake.ingest(source, headers, body, query, method) r $$;
CREATE FUNCTION sent(source text, headers jsonb, body text, query text DEFAULT '', method text DEFAULT 'POST') RETURNS text LANGUAGE sql AS $$
    SELECT sent(source, headers, convert_to(body, 'UTF8'), query, method) $$;
-- Outcomes, and how many of each.
CREATE FUNCTION tally(outcomes text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s %s', n, o), ', ' ORDER BY o COLLATE "C") FROM (SELECT o, count(*) AS n FROM unnest(outcomes) o GROUP BY o) t $$;
CREATE FUNCTION stored(source text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', e.key, e.type), ', ' ORDER BY e.id) FROM intake.events e WHERE e.source = stored.source $$;
CREATE FUNCTION reasons(source text) RETURNS text LANGUAGE sql AS $$
    SELECT tally(array_agg(r.reason)) FROM intake.rejections r WHERE r.source = reasons.source $$;
-- The header of that name of what a source would be sent.
CREATE FUNCTION header(signed jsonb, name text) RETURNS text LANGUAGE sql AS $$ SELECT value FROM jsonb_each_text(signed) WHERE lower(key) = lower(name) $$;

-- Standard Webhooks: a customer's text becomes the time, what stands before it the id, also a week later.
SELECT count(intake.create_source('u-standard', 'standardwebhooks', secret => 'whsec_' || encode('0123456789abcdef0123456789abcdef', 'base64')));
SELECT format('{"type":"comment","text":"Bob.%s.x.%s.{\"type\":\"paid\"}"}', extract(epoch FROM now())::bigint, extract(epoch FROM now())::bigint + 100) AS body \gset
SELECT intake.sign('u-standard', convert_to(:'body', 'UTF8'), '{"webhook-id": "msg_1"}') AS signed \gset
SELECT header(:'signed', 'webhook-id') || '.' || header(:'signed', 'webhook-timestamp') || '.' || :'body' AS content, header(:'signed', 'webhook-signature') AS signature \gset
SELECT tally(ARRAY(SELECT sent('u-standard', jsonb_build_object('webhook-id', left(:'content', id - 1), 'webhook-timestamp', substr(:'content', id + 1, digits), 'webhook-signature', :'signature'), substr(:'content', id + digits + 2))
    FROM generate_series(2, length(:'content') - 12) id, generate_series(9, 13) digits WHERE substr(:'content', id, 1) = '.' AND NOT (id = 6 AND digits = 10))) AS moved;
SELECT sent('u-standard', :'signed', :'body') AS genuine, sent('u-standard', :'signed', :'body') AS repeated, stored('u-standard');
SELECT reasons('u-standard');

-- Framer: the id behind the body. Every other cut of one delivery, before the genuine one.
SELECT count(intake.create_source('u-framer', 'framer', secret => 'a secret of 2026'));
SELECT intake.sign('u-framer', '{"name":"Bob","text":"{}"}', '{"framer-webhook-submission-id": "id-1"}') AS signed, '{"name":"Bob","text":"{}"}id-1' AS content \gset
SELECT tally(ARRAY(SELECT sent('u-framer', jsonb_build_object('framer-webhook-submission-id', substr(:'content', n + 1), 'framer-signature', header(:'signed', 'framer-signature')), left(:'content', n))
    FROM generate_series(0, length(:'content')) n WHERE n <> length(:'content') - 4)) AS moved;
SELECT sent('u-framer', :'signed', '{"name":"Bob","text":"{}"}') AS genuine, stored('u-framer');

-- Twitch and Sinch: between id and time, and between body and nonce.
SELECT count(intake.create_source(name, substr(name, 3), secret => 'a secret of 2026')) FROM unnest('{u-twitch,u-sinch}'::text[]) name;
SELECT intake.sign('u-twitch', '{"a":"b"}', '{"twitch-eventsub-message-id": "id-1"}') AS twitch, intake.sign('u-sinch', '{"a":"b.c.d"}', '{"x-sinch-webhook-signature-nonce": "n-1"}') AS sinch \gset
SELECT 'id-1' || header(:'twitch', 'twitch-eventsub-message-timestamp') || '{"a":"b"}' AS content, length(header(:'twitch', 'twitch-eventsub-message-timestamp')) AS length \gset
SELECT tally(ARRAY(SELECT sent('u-twitch', jsonb_build_object('twitch-eventsub-message-id', left(:'content', id), 'twitch-eventsub-message-timestamp', substr(:'content', id + 1, digits), 'twitch-eventsub-message-signature', header(:'twitch', 'twitch-eventsub-message-signature')), substr(:'content', id + digits + 1))
    FROM generate_series(1, 12) id, generate_series(15, 30) digits WHERE (id, digits) <> (4, :length))) AS twitch,
    tally(ARRAY(SELECT sent('u-sinch', jsonb_build_object('x-sinch-webhook-signature-nonce', nonce, 'x-sinch-webhook-signature-timestamp', header(:'sinch', 'x-sinch-webhook-signature-timestamp'), 'x-sinch-webhook-signature', header(:'sinch', 'x-sinch-webhook-signature')), body)
    FROM (VALUES ('c.d"}.n-1', '{"a":"b'), ('d"}.n-1', '{"a":"b.c')) t(nonce, body))) AS sinch;
SELECT sent('u-twitch', :'twitch', '{"a":"b"}') AS twitch, sent('u-sinch', :'sinch', '{"a":"b.c.d"}') AS sinch;

-- HubSpot v1 signs a digest that begins with the secret: who knows it continues it.
SELECT count(intake.create_source('u-hubspot', 'hubspot-v1', secret => 'a secret of 2026'));
CREATE FUNCTION padding(length int) RETURNS bytea LANGUAGE sql AS $$
    SELECT '\x80'::bytea || decode(repeat('00', (119 - length % 64) % 64), 'hex') || int8send(8 * length) $$;
CREATE FUNCTION continued(body text, suffix text) RETURNS text LANGUAGE sql AS $$
    SELECT sent('u-hubspot', jsonb_build_object('x-hubspot-signature', encode(digest('a secret of 2026'::bytea || b, 'sha256'), 'hex')), b)
      FROM (SELECT body::bytea || padding(16 + length(body)) || suffix::bytea AS b) t $$;
SELECT tally(ARRAY(SELECT continued('[{"subscriptionType":"a"}]', suffix) FROM unnest(ARRAY['', '[{"subscriptionType":"forged"}]', ' ', ']', E'\n']) suffix)) AS continued;
SELECT sent('u-hubspot', intake.sign('u-hubspot', '[{"subscriptionType":"a"}]'), '[{"subscriptionType":"a"}]') AS genuine, reasons('u-hubspot');

-- X answers a challenge with a signature; what a challenge may be is no event.
SELECT count(intake.create_source('u-x', 'x-twitter', secret => 'a secret of 2026'));
CREATE FUNCTION challenged(challenge text, body text) RETURNS text LANGUAGE sql AS $$
    SELECT r.status || CASE r.status WHEN 200 THEN ', ' || sent('u-x', jsonb_build_object('x-twitter-webhooks-signature', r.body::jsonb ->> 'response_token'), challenged.body) ELSE '' END
      FROM intake.ingest('u-x', '{}', '', 'crc_token=' || challenge, 'GET') r $$;
SELECT challenge, challenged(replace(replace(challenge, '{', '%7B'), '"', '%22'), challenge) FROM unnest(ARRAY['true', 'null', '1', '[]', '{}', '"a"']) challenge;
SELECT sent('u-x', intake.sign('u-x', '{"for_user_id":"1"}'), '{"for_user_id":"1"}') AS genuine, reasons('u-x');

-- Twilio: the form in the query, and text that looks like bodySHA256.
SELECT count(intake.create_source('u-twilio', 'twilio', secret => 'a secret of 2026', public_url => 'https://example.com/in?tenant=1'));
SELECT 'Body=' || replace(body, '&', '%26') AS form, 'tenant=1Body' || body AS query, intake.sign('u-twilio', convert_to('Body=' || replace(body, '&', '%26'), 'UTF8')) AS signed
    FROM (SELECT '&bodySHA256=' || encode(digest('{"forged":true}', 'sha256'), 'hex') || '&' AS body) t \gset
SELECT sent('u-twilio', :'signed', '{"forged":true}', :'query') AS body_by_text, sent('u-twilio', :'signed', '', :'query') AS form_in_query, sent('u-twilio', :'signed', :'form') AS without_query,
    sent('u-twilio', :'signed', :'form', 'tenant=2') AS other_tenant;
SELECT sent('u-twilio', :'signed', :'form', 'tenant=1') AS genuine, sent('u-twilio', :'signed'::jsonb || '{"i-twilio-idempotency-token": "made-up"}', :'form', 'tenant=1') AS again,
    sent('u-twilio', :'signed', replace(:'form', 'Body=', 'B=ody'), 'tenant=1') AS fields_moved;
SELECT verified, count(*) FROM intake.events WHERE source = 'u-twilio' GROUP BY 1;
SELECT reasons('u-twilio');
-- JSON, bound by the query: in its place behind public_url only.
SELECT 'bodySHA256=' || encode(digest('{"a":1}', 'sha256'), 'hex') AS hash \gset
SELECT sent('u-twilio', jsonb_build_object('x-twilio-signature', encode(hmac('https://example.com/in?' || q, 'a secret of 2026', 'sha1'), 'base64')), '{"a":1}', q) AS json FROM (VALUES ('tenant=1&' || :'hash'), (:'hash' || '&tenant=1'), ('tenant=1&x=y&' || :'hash'), ('tenant=1&' || :'hash' || '&x=y')) t(q);

-- Adyen: the same items again, in other numbers, and colons of the merchant's reference moved.
SELECT count(intake.create_source('u-adyen', 'adyen-item', secret => '00112233445566778899aabbccddeeff'));
CREATE FUNCTION item(psp text, reference text, account text DEFAULT 'Shop', eventcode text DEFAULT 'AUTHORISATION') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('NotificationRequestItem', jsonb_build_object('pspReference', psp, 'merchantAccountCode', account, 'merchantReference', reference, 'amount', '{"value":1000,"currency":"EUR"}'::jsonb, 'eventCode', eventcode, 'success', 'true',
        'additionalData', jsonb_build_object('hmacSignature', encode(hmac(convert_to(concat_ws(':', psp, '', account, reference, '1000', 'EUR', eventcode, 'true'), 'UTF8'), '\x00112233445566778899aabbccddeeff', 'sha256'), 'base64')))) $$;
CREATE FUNCTION items(VARIADIC items jsonb[]) RETURNS text LANGUAGE sql AS $$ SELECT jsonb_build_object('live', 'false', 'notificationItems', to_jsonb(items))::text $$;
SELECT sent('u-adyen', '{}', items(item('PSP1', 'Order:7:a'), item('PSP2', 'Order:8'))) AS genuine, sent('u-adyen', '{}', items(item('PSP1', 'Order:7:a'))) AS one, sent('u-adyen', '{}', items(item('PSP2', 'Order:8'), item('PSP2', 'Order:8'))) AS twice,
    sent('u-adyen', '{}', items(item('PSP2', 'Order:8'), item('PSP1', 'Order:7:a'))) AS turned, sent('u-adyen', '{}', items(item('PSP3', 'Order:9'), item('PSP1', 'Order:7:a'))) AS with_news;
SELECT sent('u-adyen', '{}', items(jsonb_set(item('PSP4', 'A:Order:7', 'Shop'), '{NotificationRequestItem}', item('PSP4', 'A:Order:7', 'Shop') -> 'NotificationRequestItem' || '{"merchantAccountCode":"Shop:A","merchantReference":"Order:7"}'))) AS moved,
    sent('u-adyen', '{}', items(item('PSP4', 'A:Order:7'))) AS genuine;
SELECT count(*) AS events, verified FROM intake.events WHERE source = 'u-adyen' GROUP BY 2;
SELECT reasons('u-adyen');

-- Mailgun, Mercado Pago, Contentful, Braintree.
SELECT count(intake.create_source(name, substr(name, 3), secret => 'a secret of 2026', public_url => 'https://example.com/in', verify_token => 'public-key')) FROM unnest('{u-mailgun,u-mercadopago,u-contentful,u-braintree}'::text[]) name;
CREATE FUNCTION mail(stamp text, token text) RETURNS text LANGUAGE sql AS $$
    SELECT sent('u-mailgun', '{}', format('{"signature":{"timestamp":"%s","token":"%s","signature":"%s"},"event-data":{"id":"%s","event":"opened"}}', stamp, token, encode(hmac(stamp || token, 'a secret of 2026', 'sha256'), 'hex'), stamp)) $$;
SELECT mail('170000000', '01234abcdef') AS shorter, mail('17000000001', '234abcdef') AS longer, mail('1700000000', '1234abcdef') AS genuine;
CREATE FUNCTION paid(id text, request text) RETURNS text LANGUAGE sql AS $$
    SELECT sent('u-mercadopago', jsonb_build_object('x-request-id', request, 'x-signature', 'ts=1700000000,v1=' || encode(hmac('id:1;request-id:2;request-id:3;ts:1700000000;', 'a secret of 2026', 'sha256'), 'hex')), '{"action":"payment.updated"}', 'data.id=' || id) $$;
SELECT paid('1%3Brequest-id:2', '3') AS moved, paid('1', '2;request-id:3') AS moved_back;
CREATE FUNCTION published(list text, headers jsonb, content text) RETURNS text LANGUAGE sql AS $$
    SELECT sent('u-contentful', headers || jsonb_build_object('x-contentful-signed-headers', list, 'x-contentful-timestamp', coalesce(headers ->> 'x-contentful-timestamp', stamp), 'x-contentful-signature', encode(hmac(format(E'POST\n/in\n%s\n{"a":1}', replace(content, 'NOW', stamp)), 'a secret of 2026', 'sha256'), 'hex')), '{"a":1}')
      FROM (SELECT (extract(epoch FROM now()) * 1000)::bigint::text AS stamp) t $$;
SELECT published('x-a,x-contentful-timestamp', '{"x-a": "1"}', 'x-a:1;x-contentful-timestamp:NOW') AS genuine, published('x-a,x-b,x-contentful-timestamp', '{"x-a": "1", "x-b": "2"}', 'x-a:1;x-b:2;x-contentful-timestamp:NOW') AS another,
    published('x-a,x-contentful-timestamp', '{"x-a": "1;x-b:3"}', 'x-a:1;x-b:3;x-contentful-timestamp:NOW') AS moved, published('x-a', '{"x-a": "1"}', 'x-a:1') AS time_unsigned;
CREATE FUNCTION charged(payload text, more text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT sent('u-braintree', '{}', format('bt_signature=key%%7C%s&bt_payload=%s%s', encode(hmac(convert_to(payload, 'UTF8'), digest('a secret of 2026', 'sha1'), 'sha1'), 'hex'), replace(replace(replace(payload, '+', '%2B'), E'\n', '%0A'), '=', '%3D'), more)) $$;
SELECT charged(encode(convert_to(repeat('<notification/>', 1000), 'UTF8'), 'base64') || E'\n') AS long, charged(encode('a notification that is short, and more', 'base64'), '&bt_payload=') AS twice, charged(encode('a notification that is short, and more', 'base64'), '&kind=forged') AS other_field,
    charged('20f9f8ed05f77439fe955c977e4c8a53') AS challenge;

-- AWS SNS: another topic that the same certificate signs, and parts folded into others.
SELECT count(intake.create_source('u-sns', 'aws-sns', verify_token => 'arn:aws:sns:us-east-1:123456789012:orders', secret => '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAssHIVD/7PFjQVXx6oN3H
ogWGvLhRMNMtJubabHlEmh+fw+82keYEk4Jgq6Rnz+FIC0FHiguG7Q2GB6ogCsAD
sSTPpotz+n6MrqdYqrcaqiipybButVopJDEA/hHHAypBiwsYBREGSZiyRPLa5JPO
CYn30yGwz2HTLXrLGjU38QDLcHeRNz6O8sX8UJ26eevZ7bCdpoN4rt0lM1fqZ1cC
7CA2jURHIxNW7CQeY5KL6DLSsftaKKZWr3cwUewWus+tqT3unTvk9fa9LNsSdc+R
l/blFtOfPrbjKUKxioj5KDaZO7JF8R46JFCCqlNy/TkxB7nVmDut3zfx288OzHFx
awIDAQAB
-----END PUBLIC KEY-----'));
CREATE TABLE notification AS SELECT '{"Type":"Notification","MessageId":"da41e39f-ea4d-435a-b922-c6aae3915ebe","TopicArn":"arn:aws:sns:us-east-1:123456789012:orders","Subject":"test","Message":"a\nMessageId\nBob\nTimestamp\n2012-04-25T21:49:25.719Z\n","Timestamp":"2012-04-25T21:49:25.719Z","SignatureVersion":"2","SigningCertURL":"https://sns.us-east-1.amazonaws.com/SimpleNotificationService.pem"}'::jsonb AS fields, 'XRoIUMNj/ItkPF8K9KejQwDKhrNukwabZJw2DyYeLEHSjsb+A1k50Swiv2P7w5pHIpbIIZ5PYdTf6jaxUEd+CiAscCseSLpKl4C9YWngrMx9sKajy2XPC515T8Hey6mNsGgj2Q2bTyn7ksxUzPPO7YkI+YT/fzEtlgD0XGkdO5oSwD3b60ZuLLcwxegbccNAeIXIo4m99si+E0jljGcBEuflRVoKTtx/0F/04tPgziXL7NLnZyYb0O7QOEC9toU+ikmrufmalIvJHJYZWETRob5LH0OfDoPrg5/B0h1sB9dMT3sbn7h6iBTqi5weVE5/vzk/MtCIwHCFBxkaFxp3/A==' AS signature;
SELECT sent('u-sns', '{}', (fields - 'Subject' || '{"MessageId":"da41e39f-ea4d-435a-b922-c6aae3915ebe\nSubject\ntest"}' || jsonb_build_object('Signature', signature))::text) AS folded,
    sent('u-sns', '{}', (fields - 'Subject' || '{"Message":"a","MessageId":"Bob","Timestamp":"2012-04-25T21:49:25.719Z\n\nMessageId\nda41e39f-ea4d-435a-b922-c6aae3915ebe\nSubject\ntest\nTimestamp\n2012-04-25T21:49:25.719Z"}' || jsonb_build_object('Signature', signature))::text) AS early,
    sent('u-sns', '{}', (fields || '{"MessageId":"11111111-ea4d-435a-b922-c6aae3915ebe","TopicArn":"arn:aws:sns:us-east-1:999999999999:mine","Signature":"MYJNmJ8FA9WZuXRf0jDBRdQAgdqK3jdGHzq9dpDQI1455I30l/TiO9voSVRGUk5fkQRTzYQuYa8tZyfsLJut7zgw8e+FzbiQGl6nyejFDbrSMvLCWruh8mlKbsO17O/HdJqnyM/NxA5agdEaI34sdCvWPMooUz5goXeR5AXlCXQt+93B5V81KJG20/0K2FUAX3qLhWektc578X8Z4msxpiEzUhKGTGhWcBRM4pqk7bSjqnE8tTILYsCt1CzYYVPzVLzHjgnq20mTbrenOZjvNbzlrDIxE5bb072ARUwGhmzz9PUhZZnzE0Xl0AymGeCjK2YJT9s+5eNK84TZ1lXWPA=="}')::text) AS other_topic FROM notification;
SELECT sent('u-sns', '{}', (fields || jsonb_build_object('Signature', signature))::text) AS genuine, sent('u-sns', '{}', (fields || '{"MessageAttributes":{}}' || jsonb_build_object('Signature', signature))::text) AS with_attributes FROM notification;
SELECT reasons('u-sns'), verified, count(*) FROM intake.events WHERE source = 'u-sns' GROUP BY verified;
DROP TABLE notification;
SELECT intake.create_source('u-sns2', 'aws-sns', secret => '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAssHIVD/7PFjQVXx6oN3H
ogWGvLhRMNMtJubabHlEmh+fw+82keYEk4Jgq6Rnz+FIC0FHiguG7Q2GB6ogCsAD
sSTPpotz+n6MrqdYqrcaqiipybButVopJDEA/hHHAypBiwsYBREGSZiyRPLa5JPO
CYn30yGwz2HTLXrLGjU38QDLcHeRNz6O8sX8UJ26eevZ7bCdpoN4rt0lM1fqZ1cC
7CA2jURHIxNW7CQeY5KL6DLSsftaKKZWr3cwUewWus+tqT3unTvk9fa9LNsSdc+R
l/blFtOfPrbjKUKxioj5KDaZO7JF8R46JFCCqlNy/TkxB7nVmDut3zfx288OzHFx
awIDAQAB
-----END PUBLIC KEY-----') IS NOT NULL AS created, sent('u-sns2', '{}', '{"Type":"Notification","SignatureVersion":"2","Signature":"AAAA"}') AS without_topic, reasons('u-sns2');

-- PayPal's CRC-32 binds no body: what was captured is good for nothing more.
SELECT count(intake.create_source('u-paypal', 'paypal', verify_token => '1JE4291016473214C', secret => '-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAssHIVD/7PFjQVXx6oN3H
ogWGvLhRMNMtJubabHlEmh+fw+82keYEk4Jgq6Rnz+FIC0FHiguG7Q2GB6ogCsAD
sSTPpotz+n6MrqdYqrcaqiipybButVopJDEA/hHHAypBiwsYBREGSZiyRPLa5JPO
CYn30yGwz2HTLXrLGjU38QDLcHeRNz6O8sX8UJ26eevZ7bCdpoN4rt0lM1fqZ1cC
7CA2jURHIxNW7CQeY5KL6DLSsftaKKZWr3cwUewWus+tqT3unTvk9fa9LNsSdc+R
l/blFtOfPrbjKUKxioj5KDaZO7JF8R46JFCCqlNy/TkxB7nVmDut3zfx288OzHFx
awIDAQAB
-----END PUBLIC KEY-----'));
SELECT '{"paypal-transmission-id": "69cd13f0-d67a-11e5-baa3-778b53f4ae55", "paypal-transmission-time": "2016-02-18T20:01:35Z", "paypal-transmission-sig": "jMgcb6UXXp61yn975tVOSD8+n1RGHomQ+ctvi54TZ26aUyxRre8e0hpPTzpmX7scFfD/fqgOKb+kQkHiq4hujhSo67A8xJtPCCV/3V/vlotR58H/Zvu9X9gjq1imTfxRynUnXq20efnIDHe+VSVDuV3m9Zqw4XLVzB+FgkUOmAijJtkjLN6/r5LgJUoJq6exkfI+EgkBeOfEo1UJeeRfnNPm364VmEeIbtCbkskDdQdO/aVjFG+ViK7Tdk9gX0x2ZSiLij58+0sxob89faH9Y30eEzb3r1MP0tSKnW1IIOLCDljdSMr+93+aWvNtNwZVPawv6YLG9vJnheJGkwh+4w=="}' AS signed \gset
SELECT sent('u-paypal', :'signed'::jsonb || '{"paypal-transmission-id": "69cd13f0-d67a-11e5-baa3-778b53f4ae55|2016", "paypal-transmission-time": "02-18T20:01:35Z"}', '{"id":"WH-1","event_type":"PAYMENT.SALE.COMPLETED"}') AS moved;
SELECT sent('u-paypal', :'signed', '{"id":"WH-1","event_type":"PAYMENT.SALE.COMPLETED"}') AS genuine, sent('u-paypal', :'signed', '{"id":"WH-2","event_type":"FORGED","pad":"ccccacaaccaccacaaacacaacacaaaacaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}') AS same_crc, stored('u-paypal');
SELECT verified, count(*) FROM intake.events WHERE source = 'u-paypal' GROUP BY 1;

-- What is refused says so when it is defined, unless it is said to be loose.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message) VALUES ('u-split', 'hmac', 'sha256', '{header:x-sig}', 'hex', '{header:x-id}{body}');
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, borders) VALUES ('u-split', 'hmac', 'sha256', '{header:x-sig}', 'hex', '{header:x-id}{body}', 'loose');
SELECT count(intake.create_source('u-split', 'u-split', secret => 'a secret of 2026', key_from => 'header:x-id'));
SELECT tally(ARRAY(SELECT sent('u-split', jsonb_build_object('x-sig', encode(hmac('id-1{"a":1}', 'a secret of 2026', 'sha256'), 'hex'), 'x-id', left('id-1{"a":1}', n)), substr('id-1{"a":1}', n + 1)) FROM generate_series(1, 10) n)) AS loose;

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'u-%';
DELETE FROM intake.scheme WHERE name = 'u-split';
DO $$
DECLARE f record;
BEGIN
    FOR f IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = ANY ('{sent,tally,stored,reasons,header,padding,continued,challenged,item,items,mail,paid,published,charged}') LOOP
        EXECUTE format('DROP FUNCTION %s', f.name);
    END LOOP;
END $$;
