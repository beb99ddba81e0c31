-- Every preset: it can be used as it ships, and what is signed for it verifies.
\set VERBOSITY terse
SET client_min_messages = error;
SELECT count(intake.drop_source(name)) >= 0 AS dropped FROM intake.sources;
CREATE FUNCTION secret_for(scheme intake.scheme) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN scheme.kind IN ('ed25519', 'ecdsa', 'rsa', 'none') THEN NULL
                WHEN scheme.kind = 'jwt' AND scheme.algorithm NOT LIKE 'HS%' THEN NULL
                WHEN scheme.kind = 'basic' THEN 'user:password'
                WHEN scheme.key LIKE 'base64%' THEN encode('0123456789abcdef0123456789abcdef', 'base64')
                WHEN scheme.key = 'hex' THEN repeat('ab', 32)
                ELSE 'a secret of 2026' END $$;
CREATE TABLE tried (name text PRIMARY KEY, outcome text, changed boolean);
DO $$
DECLARE
    scheme intake.scheme;
    json text := format('{"id":"e1","type":"t","webhookTimestamp":%s}', (extract(epoch FROM now()) * 1000)::bigint);
    body text;
    headers jsonb;
BEGIN
    FOR scheme IN SELECT * FROM intake.scheme c WHERE c.preset AND c.kind <> 'internal' ORDER BY c.name LOOP
        body := CASE WHEN scheme.content LIKE 'form:%' THEN split_part(substr(scheme.content, 6), ',', 1) || '=[]' WHEN scheme.message LIKE '%form_sorted%' THEN 'id=e1&type=t' ELSE json END;
        PERFORM intake.create_source(scheme.name, scheme.name, secret_for(scheme), verify_token => 'token',
            public_url => 'https://hooks.example.com/in', verified => CASE WHEN scheme.kind = 'none' THEN 'none' END);
        IF secret_for(scheme) IS NULL THEN
            CONTINUE;
        END IF;
        BEGIN
            headers := intake.sign(scheme.name, body::bytea);
            INSERT INTO tried VALUES (scheme.name, intake.verify_explain(scheme.name, headers, body::bytea),
                                      intake.verify(scheme.name, headers, (body || ' ')::bytea));
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            INSERT INTO tried VALUES (scheme.name, sqlerrm);
        END;
    END LOOP;
END $$;
SELECT count(*) > 150 AS most_verify FROM tried WHERE outcome = 'ok';
-- Those whose signature is a part of the body, so that no headers can sign any body.
SELECT * FROM tried WHERE outcome <> 'ok' ORDER BY name COLLATE "C";
-- Those that do not say what the body is: another body verifies, and the events say so.
SELECT t.name, c.kind FROM tried t JOIN intake.scheme c USING (name) WHERE t.changed AND c.kind NOT IN ('token', 'basic') ORDER BY t.name COLLATE "C";
SELECT s.name, intake.source_problem(s.name) FROM intake.sources s WHERE intake.source_problem(s.name) IS NOT NULL;
-- What is signed for another time is too old, wherever a time is signed and has a window.
SELECT count(*) > 50 AS windows, count(*) FILTER (WHERE intake.verify(t.name, intake.sign(t.name, '{"id":1}', at => now() - interval '1 hour'), '{"id":1}')) AS old_ones_that_verify
    FROM tried t JOIN intake.scheme c USING (name) WHERE t.outcome = 'ok' AND c.tolerance IS NOT NULL AND c.timestamp_from NOT LIKE 'json:%';

-- No preset of a sender that can be met with a forged challenge keeps a door open.
SELECT (intake.ingest('zoom', '{}', '{"event":"endpoint.url_validation","payload":{"plainToken":"x"}}')).status AS unsigned_zoom,
       (intake.ingest('x-twitter', '{}', '', 'crc_token=%7B%22a%22%3A1%7D', 'GET')).status AS json_as_crc,
       (intake.ingest('braintree', '{}', '', 'bt_challenge=PHhtbD4=', 'GET')).status AS base64_as_challenge,
       (intake.ingest('linkedin', '{}', '', 'challengeCode=hmacsha256%3D%7B%7D', 'GET')).status AS message_as_code;
SELECT r.status, r.body::jsonb ->> 'status' AS stored FROM (VALUES ('{"event":"endpoint.url_validation","payload":{"plainToken":"v0:1:{}"}}')) t(b),
    intake.ingest('zoom', intake.sign('zoom', b::bytea), b::bytea) r;
SELECT split_part(body, '|', 2) AS mac FROM intake.ingest('braintree', '{}', '', 'bt_challenge=20f9f8ed05f77439fe955c977e4c8a53', 'GET') \gset
-- The answer to a challenge signs that challenge as a payload, which no payload looks like.
SELECT intake.verify_explain('braintree', '{}', convert_to('bt_signature=k%7C' || :'mac' || '&bt_payload=20f9f8ed05f77439fe955c977e4c8a53', 'UTF8'));

SELECT count(intake.drop_source(name)) > 150 AS dropped FROM intake.sources;
DROP TABLE tried;
DROP FUNCTION secret_for(intake.scheme);
