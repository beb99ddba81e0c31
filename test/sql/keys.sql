-- Keys and secrets under which anybody could sign, and texts that have more than one key in them, are refused wherever they are given.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION try(scheme text, secret text, verify_token text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM intake.create_source('sk_tried', scheme, secret => secret, verify_token => verify_token, public_url => 'https://example.com/');
    PERFORM intake.drop_source('sk_tried');
    RETURN 'accepted';
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN CASE WHEN length(secret) > 4 AND strpos(SQLERRM, secret) > 0 THEN 'shows the secret' ELSE regexp_replace(SQLERRM, '^source "sk_tried" would reject everything: ', '') END;
END $$;
CREATE FUNCTION reason(source text, headers jsonb, body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer intake.answer := intake.ingest(source, headers, convert_to(body, 'UTF8'));
BEGIN
    RETURN concat_ws(' ', answer.status, (SELECT r.reason || ': ' || r.detail FROM intake.rejections r WHERE answer.status >= 400 ORDER BY r.id DESC LIMIT 1));
END $$;

-- Secrets that are guessed by trying.
SELECT scheme, secret, try(scheme, secret) FROM unnest(ARRAY['github', 'token', 'hubspot-v1', 'livekit', 'braintree']) scheme, unnest(ARRAY['x', 'xyz', 'hush']) secret;
SELECT secret, try('standardwebhooks', secret) FROM unnest(ARRAY['whsec_', 'whsec_aA==', 'whsec_aGV5', 'whsec_aHVzaA==', 'aHVzaA==']) secret;
SELECT secret, try('adyen-item', secret) FROM unnest(ARRAY['00', '001122', '00112233', '00112233 ', '00112233zz']) secret;
SELECT secret, try('basic', secret) FROM unnest(ARRAY[':', 'user', 'user:', ':password', 'u:pas', 'u:pass']) secret;
SELECT n, try('github', secret) FROM unnest(ARRAY['    ', U&'\3000\3000\3000', U&'secret\2009', U&'\2060secret', U&'sec\0085ret', E'-----BEGIN PUBLIC KEY-----\nAAAA']) WITH ORDINALITY t(secret, n);
SELECT token, try('meta-whatsapp', 'the secret', token) FROM unnest(ARRAY['x', 'xyz', 'hush']) token;

-- One key, and nothing else.
\set pem '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsaCuEmd+X/JOfWoPW82zfwW2krUgV1wh1sO4D3LGi+kUHoyG6TzdO0y7hZNa1i2xVUfuRXsLrHJSYmKBhnGbu15aND+df3qTh9kLivxMCaHIaBgrcARVFc/oJQk4Zkh6CdDeKEP5JkkWHtS07tT4murx2KqFFhKvh2iIEWlUtmQYsH+ILS3jFtLw5en6X6VQc6ExR6CbeSnGqDaZ/Wj9+nMG/a1v7iyBHK6vqCg2uM+hSF9owqYSNduCZeU8IKNJhEMTjlK2+GevktSvAkQI0aLe61jkOTLZsNo6x6W66N78dtwWLx3KNtl++14SJlMQTkBtborMdkRX+UvKdJXN/wIDAQAB\n-----END PUBLIC KEY-----\n'
\set n 'saCuEmd-X_JOfWoPW82zfwW2krUgV1wh1sO4D3LGi-kUHoyG6TzdO0y7hZNa1i2xVUfuRXsLrHJSYmKBhnGbu15aND-df3qTh9kLivxMCaHIaBgrcARVFc_oJQk4Zkh6CdDeKEP5JkkWHtS07tT4murx2KqFFhKvh2iIEWlUtmQYsH-ILS3jFtLw5en6X6VQc6ExR6CbeSnGqDaZ_Wj9-nMG_a1v7iyBHK6vqCg2uM-hSF9owqYSNduCZeU8IKNJhEMTjlK2-GevktSvAkQI0aLe61jkOTLZsNo6x6W66N78dtwWLx3KNtl--14SJlMQTkBtborMdkRX-UvKdJXN_w'
SELECT try('wise', :'pem') AS one, try('wise', :'pem' || :'pem') AS two, try('wise', :'pem' || 'text') AS text_behind, try('wise', 'text' || :'pem') AS text_before, try('wise', E' \n' || :'pem' || E' \r\n') AS space;
CREATE FUNCTION jwk(n text, e text, more text DEFAULT '') RETURNS text LANGUAGE sql AS $$ SELECT format('{"kty":"RSA","n":"%s","e":"%s"%s}', n, e, more) $$;
SELECT try('shipstation-v2', jwk(:'n', 'AQAB')) AS one, try('shipstation-v2', jwk(:'n', 'AQAB') || jwk(:'n', 'AQAB')) AS two, try('shipstation-v2', jwk(:'n', 'AQAB') || ' text') AS text_behind, try('shipstation-v2', jwk(:'n', 'AQAB', ',"n":"AAAA"')) AS twice, try('shipstation-v2', jwk(:'n', 'AQAB', ',"d":"AAAA"')) AS private;
SELECT e, try('shipstation-v2', jwk(:'n', e)) FROM unnest(ARRAY['AQ', 'Ag', 'Aw', 'AQAA', 'AQAB', 'AQAAAAAAAAAB']) e;
SELECT bits, try('shipstation-v2', jwk(rtrim(translate(encode(decode(repeat('ff', bits / 8), 'hex'), 'base64'), E'+/\n', '-_'), '='), 'AQAB')) FROM unnest(ARRAY[512, 1024, 2048, 16392]) bits;
-- A set: what is not for the scheme is passed over, what is for it and bad spoils it.
SELECT try('shipstation-v2', format('{"keys":[{"kty":"EC"},%s,%s]}', jwk('AQAB', 'AQ', ',"use":"enc"'), jwk(:'n', 'AQAB'))) AS others, try('shipstation-v2', format('{"keys":[%s,%s]}', jwk(:'n', 'AQAB'), jwk(:'n', 'AQ'))) AS one_bad, try('shipstation-v2', format('{"keys":[%s]} x', jwk(:'n', 'AQAB'))) AS text_behind, try('shipstation-v2', '{"keys":[{"kty":"EC"}]}') AS none;

-- Points of Ed25519 of small order, in every form.
CREATE FUNCTION forms(point text) RETURNS TABLE (form text, problem text) LANGUAGE sql AS $$
    SELECT 'hex', try('discord', point)
    UNION ALL SELECT 'base64', try('telnyx', encode(decode(point, 'hex'), 'base64'))
    UNION ALL SELECT 'info', try('discord', '302a300506032b6570032100' || point)
    UNION ALL SELECT 'pem', try('discord', E'-----BEGIN PUBLIC KEY-----\n' || encode(decode('302a300506032b6570032100' || point, 'hex'), 'base64') || E'\n-----END PUBLIC KEY-----')
    UNION ALL SELECT 'jwk', try('discord', format('{"kty":"OKP","crv":"Ed25519","x":"%s"}', rtrim(translate(encode(decode(point, 'hex'), 'base64'), '+/', '-_'), '=')))
    UNION ALL SELECT 'whpk', try('standardwebhooks-v1a', 'whpk_' || encode(decode(point, 'hex'), 'base64')) $$;
SELECT * FROM forms('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
SELECT * FROM forms('0100000000000000000000000000000000000000000000000000000000000000');
SELECT point, f.problem, count(*) FROM unnest(ARRAY[
    '0100000000000000000000000000000000000000000000000000000000000080', 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    '0000000000000000000000000000000000000000000000000000000000000000', '0000000000000000000000000000000000000000000000000000000000000080',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    '0200000000000000000000000000000000000000000000000000000000000000']) point, forms(point) f GROUP BY point, f.problem ORDER BY point COLLATE "C";

-- Points of ECDSA: at infinity, beside the curve, of another curve.
SELECT try('sendgrid', 'MBkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDAgAA') AS infinity,
       try('sendgrid', '{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}') AS beside,
       try('sendgrid', 'MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEdOyiK7/jmocPMIHzPf6dZTNL1RMHykp6dyaY8uB9q2ZPJMmOLbudQVB386MSwZRWU3nfbYzD2K0CRSCIr1GdCQ==') AS secp256k1;

-- Wherever a secret is given: the same.
SELECT intake.create_source('sk_one', 'github', secret => 'the first one') > 0, intake.create_source('sk_two', 'meta-whatsapp', secret => 'the first one', verify_token => 'the token') > 0;
SELECT intake.rotate_secret('sk_one', 'x');
SELECT intake.add_secret('sk_one', 'xyz');
SELECT intake.alter_source('sk_two', verify_token => 'xyz');
SELECT name, problem, secrets FROM intake.sources WHERE name LIKE 'sk\_%' ORDER BY name;

-- A handshake teaches nothing worse.
SELECT intake.create_source('sk_notion', 'notion') > 0, intake.create_source('sk_asana', 'asana') > 0;
SELECT reason('sk_notion', '{}', '{"verification_token":"xyz"}'), reason('sk_asana', '{"X-Hook-Secret": "xyz"}', '{}');
SELECT count(*) FROM intake.secrets WHERE source IN ('sk_notion', 'sk_asana');
SELECT reason('sk_notion', '{}', '{"verification_token":"hush"}'), reason('sk_asana', '{"X-Hook-Secret": "hush"}', '{}');
SELECT count(*) FROM intake.secrets WHERE source IN ('sk_notion', 'sk_asana');

-- One that stands there already, as from a dump: it verifies nothing and the source says why, until it is replaced.
INSERT INTO intake.source_secret (source_id, secret) SELECT id, intake.seal('x') FROM intake.source WHERE name = 'sk_one';
SELECT problem FROM intake.sources WHERE name = 'sk_one';
SELECT reason('sk_one', jsonb_build_object('X-GitHub-Delivery', '1', 'X-Hub-Signature-256', 'sha256=' || encode(hmac('{}', 'x', 'sha256'), 'hex')), '{}');
\set VERBOSITY default
SELECT intake.rotate_secret('sk_one', 'a better one');
\set VERBOSITY terse
SELECT intake.rotate_secret('sk_one', 'a better one', overlap => '0');
SELECT problem, secrets FROM intake.sources WHERE name = 'sk_one';
SELECT reason('sk_one', intake.sign('sk_one', '{}') || '{"X-GitHub-Delivery": "2"}', '{}');

-- Tokens: one form each.
CREATE FUNCTION base64url(bytes bytea) RETURNS text LANGUAGE sql AS $$ SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;
CREATE FUNCTION token(header text, claims text, behind text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT t.content || '.' || base64url(hmac(convert_to(t.content, 'UTF8'), 'the secret', 'sha256')) || behind FROM (SELECT base64url(convert_to(header, 'UTF8')) || '.' || base64url(convert_to(claims, 'UTF8'))) t(content) $$;
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, prefix, key_from) VALUES ('sk_jwt', 'jwt', 'HS256', '{header:authorization}', 'Bearer ', 'jwt:/jti');
SELECT intake.create_source('sk_jwt', 'sk_jwt', secret => 'the secret') > 0;
SELECT header, claims, behind, intake.verify_explain('sk_jwt', jsonb_build_object('Authorization', 'Bearer ' || token(header, claims, behind)), '{}') FROM (VALUES
    ('{"alg":"HS256"}', '{"jti":"1"}', ''), ('{"alg":"HS256"}', '{"jti":"1"}', '='), ('{"alg":"HS256"}', '{"jti":"1"}', '.x'),
    ('{"alg":"hs256"}', '{"jti":"1"}', ''), ('{"alg":"none"}', '{"jti":"1"}', ''), ('{"alg":"none","alg":"HS256"}', '{"jti":"1"}', ''),
    ('{"alg":"HS256","crit":["x"]}', '{"jti":"1"}', ''), ('{"alg":"HS256","b64":false}', '{"jti":"1"}', ''), ('{"alg":"HS256","kid":7}', '{"jti":"1"}', ''),
    ('{"alg":"HS256"}', '{"jti":"1","jti":"2"}', ''), ('{"alg":"HS256"}', '{"jti":"1","exp":1700000000.0e9}', ''), ('{"alg":"HS256"}', '{"jti":"1"}x', '')) t(header, claims, behind);

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'sk\_%';
DELETE FROM intake.scheme WHERE name = 'sk_jwt';
DROP FUNCTION try(text, text, text), reason(text, jsonb, text), jwk(text, text, text), forms(text), token(text, text, text), base64url(bytea);
