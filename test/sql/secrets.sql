-- Secrets as providers show them, as people paste them, and as they decay.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION try_secret(scheme text, secret text, verify_token text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM intake.create_source('ms_tried', scheme, secret => secret, verify_token => verify_token, public_url => 'https://example.com/');
    PERFORM intake.drop_source('ms_tried');
    RETURN 'accepted';
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN CASE WHEN strpos(SQLERRM, trim(E' \n\r\t' FROM secret)) > 0 THEN 'shows the secret' ELSE SQLERRM END;
END $$;
CREATE FUNCTION status(source text, body text, headers jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer intake.answer := intake.ingest(source, coalesce(headers, intake.sign(source, convert_to(body, 'UTF8'))), convert_to(body, 'UTF8'));
BEGIN
    RETURN concat_ws(' ', answer.status, CASE WHEN answer.status >= 400 THEN (SELECT r.reason FROM intake.rejections r ORDER BY r.id DESC LIMIT 1) END);
END $$;
CREATE FUNCTION secrets_of(source text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM intake.secrets s WHERE s.source = secrets_of.source $$;

-- What came with copying is refused, and not shown.
SELECT n, try_secret('github', s) FROM unnest(ARRAY['s3cret', 's3cret ', ' s3cret', E's3cret\n', E's3cret\r\n', E'\ts3cret', E's3\ncret', U&'\00A0s3cret', U&'s3cret\200B', U&'\FEFFs3cret', 'with a space inside', 'gehört']) WITH ORDINALITY t(s, n);
SELECT scheme, try_secret(scheme, E'u:s3cret\n') FROM unnest(ARRAY['token', 'basic', 'hubspot-v1', 'livekit', 'easypost']) scheme;
SELECT try_secret('meta-whatsapp', 's3cret', E'tok3n\n') AS verify_token, try_secret('meta-whatsapp', 's3cret', 'tok3n') AS fine;
SELECT try_secret('wise', E'-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsaCuEmd+X/JOfWoPW82z\nfwW2krUgV1wh1sO4D3LGi+kUHoyG6TzdO0y7hZNa1i2xVUfuRXsLrHJSYmKBhnGb\nu15aND+df3qTh9kLivxMCaHIaBgrcARVFc/oJQk4Zkh6CdDeKEP5JkkWHtS07tT4\nmurx2KqFFhKvh2iIEWlUtmQYsH+ILS3jFtLw5en6X6VQc6ExR6CbeSnGqDaZ/Wj9\n+nMG/a1v7iyBHK6vqCg2uM+hSF9owqYSNduCZeU8IKNJhEMTjlK2+GevktSvAkQI\n0aLe61jkOTLZsNo6x6W66N78dtwWLx3KNtl++14SJlMQTkBtborMdkRX+UvKdJXN\n/wIDAQAB\n-----END PUBLIC KEY-----\n') AS a_public_key_has_lines;
SELECT intake.create_source('ms_rotated', 'github', secret => 's3cret') > 0;
SELECT intake.rotate_secret('ms_rotated', E's3cret2\n');
SELECT intake.add_secret('ms_rotated', ' s3cret3');
SELECT count(*) FROM intake.secrets WHERE source = 'ms_rotated';

-- whsec_ with and without the version before it, padded or not, of either alphabet.
SELECT s, try_secret('standardwebhooks', s) FROM unnest(ARRAY['whsec_+/+/+w==', 'v1,whsec_+/+/+w==', 'whsec_+/+/+w', 'v1,whsec_+/+/+w', '+/+/+w', 'whsec_-_-_-w', 'v2,whsec_+/+/+w==', 'whsec_+/-_+w==', 'whsec_+/+/+x==', 'whsec_+/+/+w=', 'whsec_+/+/+', 'v1,whsec_', 'v1,']) s;
SELECT intake.create_source('ms_supabase', 'supabase-auth-hooks', secret => 'v1,whsec_c2VjcmV0') > 0, intake.create_source('ms_plain', 'standardwebhooks', secret => 'whsec_c2VjcmV0') > 0;
SELECT status('ms_supabase', '{}', intake.sign('ms_plain', '{}')) AS same_key;
SELECT try_secret('airtable', 'c2VjcmV0MQ') AS unpadded, try_secret('airtable', 'c2VjcmV0MQ==') AS padded, try_secret('airtable', 'c2VjcmV0MR==') AS not_canonical;

-- EasyPost signs with the compatibility decomposition (NFKD) of the secret.
SELECT intake.create_source('ms_easypost', 'easypost', secret => 'ﬁschö①Ａ') > 0;
SELECT encode(convert_to(normalize('ﬁschö①Ａ', NFKD), 'UTF8'), 'hex');
SELECT status('ms_easypost', '{"id":"1"}', jsonb_build_object('X-Hmac-Signature', 'hmac-sha256-hex=' || encode(hmac('{"id":"1"}'::bytea, convert_to(normalize('ﬁschö①Ａ', NFKD), 'UTF8'), 'sha256'), 'hex'))) AS normalised,
       status('ms_easypost', '{"id":"2"}', jsonb_build_object('X-Hmac-Signature', 'hmac-sha256-hex=' || encode(hmac('{"id":"2"}'::bytea, convert_to('ﬁschö①Ａ', 'UTF8'), 'sha256'), 'hex'))) AS as_it_is,
       status('ms_easypost', '{"id":"3"}') AS as_we_sign;

-- One secret that is damaged closes its source, and no other; our fault, so the sender tries again.
SELECT intake.create_source('ms_good', 'github', secret => 's3cret') > 0, intake.create_source('ms_bad', 'github', secret => 's3cret') > 0;
SELECT status('ms_bad', '{"n":1}', intake.sign('ms_bad', '{"n":1}') || '{"X-GitHub-Delivery": "1"}') AS before;
UPDATE intake.source_secret SET secret = '\x78' WHERE source_id = (SELECT id FROM intake.source WHERE name = 'ms_bad');
SELECT status('ms_bad', '{"n":2}', intake.sign('ms_good', '{"n":2}') || '{"X-GitHub-Delivery": "2"}') AS bad, status('ms_good', '{"n":2}', intake.sign('ms_good', '{"n":2}') || '{"X-GitHub-Delivery": "2"}') AS good;
SELECT name, problem FROM intake.sources WHERE name IN ('ms_good', 'ms_bad') ORDER BY name;
-- One that is over is not missed.
UPDATE intake.source_secret SET expires_at = now() - interval '1 day' WHERE source_id = (SELECT id FROM intake.source WHERE name = 'ms_bad');
SELECT intake.add_secret('ms_bad', 's3cret') > 0;
SELECT status('ms_bad', '{"n":3}', intake.sign('ms_bad', '{"n":3}') || '{"X-GitHub-Delivery": "3"}') AS mended;

-- A handshake does not teach what nothing can be verified with, nor does one that is not answered.
SELECT intake.create_source('ms_asana', 'asana') > 0, intake.create_source('ms_notion', 'notion') > 0;
SELECT status('ms_notion', '{"verification_token":"s3cret\n"}', '{}');
SELECT secrets_of('ms_notion');
SELECT status('ms_asana', '{}', jsonb_build_object('X-Hook-Secret', E's3\u0001cret'));
SELECT secrets_of('ms_asana');
SELECT status('ms_notion', '{"verification_token":"s3cret"}', '{}');
SELECT secrets_of('ms_notion');

-- No source has more secrets than a request is tried with.
SELECT count(intake.add_secret('ms_rotated', 'another' || n)) FROM generate_series(1, 8) n;
SELECT intake.rotate_secret('ms_rotated', 'the tenth');
SELECT intake.rotate_secret('ms_rotated', 'the eleventh');
SELECT intake.add_secret('ms_rotated', 'the eleventh');
SELECT status('ms_rotated', '{"n":4}', jsonb_build_object('X-GitHub-Delivery', '4', 'X-Hub-Signature-256', 'sha256=' || encode(hmac('{"n":4}', 's3cret', 'sha256'), 'hex'))) AS the_first_verifies;
SELECT intake.rotate_secret('ms_rotated', 'the only one', overlap => '0');
SELECT intake.learn_secret('ms_notion');
SELECT count(intake.add_secret('ms_notion', 'another' || n)) FROM generate_series(1, 9) n;
SELECT status('ms_notion', '{"verification_token":"s3cret2"}', '{}');

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'ms\_%';
DROP FUNCTION try_secret(text, text, text), status(text, text, jsonb), secrets_of(text);
