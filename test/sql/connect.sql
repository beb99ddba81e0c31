-- Atlassian Connect: a token says for which method, path and query it is (qsh).
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION b64url(bytes bytea) RETURNS text LANGUAGE sql AS $$ SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_') $$;
-- The header with a token for a canonical request.
CREATE FUNCTION token(canonical text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('Authorization', 'JWT ' || content || '.' || b64url(hmac(content, 'shared', 'sha256')))
    FROM (SELECT b64url('{"alg":"HS256"}') || '.' || b64url(convert_to(jsonb_build_object('iss', 'key', 'qsh', encode(sha256(convert_to(canonical, 'UTF8')), 'hex'))::text, 'UTF8'))) v(content) $$;
SELECT intake.create_source('mc', 'atlassian-connect', secret => 'shared', public_url => 'https://addon.example.com/webhooks/mc') > 0;

SELECT intake.verify_explain('mc', token('POST&/webhooks/mc&'), '{}');
SELECT canonical, intake.verify('mc', token(canonical), '{}', url) FROM (VALUES
    ('POST&/webhooks/mc&', 'https://addon.example.com/webhooks/mc'),
    ('POST&/webhooks/mc&', 'https://addon.example.com/webhooks/mc/'),
    ('POST&/webhooks/mc&', 'https://addon.example.com/webhooks/mc?jwt=abc'),
    ('POST&/&', 'https://addon.example.com'),
    ('POST&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param',
     'https://addon.example.com/path/to/service?zee_last=param&repeated=parameter+1&first=param&repeated=parameter%202'),
    ('POST&/a&b=%2A,~&c=', 'https://addon.example.com/a?c&b=~&b=*'),
    ('POST&/a%26b&x=%C3%A9', 'https://addon.example.com/a&b?x=%c3%a9'),
    ('GET&/webhooks/mc&', 'https://addon.example.com/webhooks/mc'),
    ('POST&/webhooks/other&', 'https://addon.example.com/webhooks/mc'),
    ('POST&/webhooks/mc&', 'https://addon.example.com/webhooks/mc?a=b'),
    ('POST&/webhooks/mc&a=b', 'https://addon.example.com/webhooks/mc')) v(canonical, url);
SELECT intake.verify('mc', token('PUT&/webhooks/mc&'), '{}', method => 'put') AS method_is_upper_case;
SELECT intake.verify_explain('mc', token('GET&/webhooks/mc&'), '{}');
SELECT (intake.ingest('mc', token('POST&/webhooks/mc&user_id=me'), '{"webhookEvent":"e"}', 'user_id=me')).status AS with_the_query_that_came,
       (intake.ingest('mc', token('POST&/webhooks/mc&user_id=me'), '{"webhookEvent":"e"}', 'user_id=you')).status AS with_another;
SELECT intake.verify('mc', intake.sign('mc', '{}'), '{}') AS as_we_sign;

-- An app whose base URL has a path.
SELECT intake.alter_source('mc', public_url => 'https://addon.example.com/app/webhooks/mc', verify_token => 'https://addon.example.com/app');
SELECT intake.verify('mc', token('POST&/webhooks/mc&'), '{}') AS under_the_base, intake.verify('mc', token('POST&/app/webhooks/mc&'), '{}') AS the_whole_path;
SELECT intake.alter_source('mc', verify_token => 'https://addon.example.com/ap');
SELECT intake.verify('mc', token('POST&p/webhooks/mc&'), '{}') AS half_a_step;
SELECT intake.alter_source('mc', verify_token => 'https://other.example.com');
SELECT intake.verify('mc', token('POST&/app/webhooks/mc&'), '{}') AS under_another_base;

-- Without a URL nothing verifies.
SELECT intake.create_source('mc_bare', 'atlassian-connect', secret => 'shared') > 0;
SELECT intake.verify_explain('mc_bare', token('POST&/webhooks/mc&'), '{}');
SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'mc%';
DROP FUNCTION token(text), b64url(bytea);
