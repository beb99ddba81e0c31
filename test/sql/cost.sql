-- What one request may cost: hostile ones are refused with a reason of their own, soon, and can be
-- cancelled.
\set VERBOSITY terse
SET client_min_messages = error;
SELECT count(intake.create_source('cost_' || n, n, secret => 'secret', public_url => 'https://example.com/h')) FROM unnest(ARRAY['twilio', 'mandrill', 'persona']) n;
SELECT count(intake.create_source('cost_braintree', 'braintree', secret => 'secret', verify_token => 'public'));
SELECT count(intake.create_source('cost_discord', 'discord', secret => '79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664'));
SELECT intake.add_secret('cost_twilio', 'second') > 0;
CREATE FUNCTION judge(source text, headers text, body text, query text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answered int;
    began timestamptz := clock_timestamp();
BEGIN
    SELECT a.status INTO answered FROM intake.receive(ARRAY['POST'::bytea], ARRAY[convert_to(source, 'UTF8')], ARRAY[convert_to(query, 'UTF8')], ARRAY[convert_to(headers, 'UTF8')], ARRAY[convert_to(body, 'UTF8')], ARRAY['192.0.2.1']) a;
    IF clock_timestamp() - began > interval '20 seconds' THEN
        RETURN 'it took ' || clock_timestamp() - began;
    END IF;
    RETURN concat_ws(' ', answered, (SELECT r.reason FROM intake.rejections r ORDER BY r.id DESC LIMIT 1));
END $$;
-- Megabytes of memory contexts that requests have left in this session.
CREATE FUNCTION held() RETURNS int LANGUAGE sql AS $$
    SELECT (sum(total_bytes) / 1048576)::int FROM pg_backend_memory_contexts WHERE name LIKE 'pg_intake request%' $$;

-- Fields.
SELECT judge('cost_twilio', E'X-Twilio-Signature: AAAA\r\n', repeat('a&', 12000000));
SELECT judge('cost_twilio', E'X-Twilio-Signature: AAAA\r\n', repeat('&', 12000000));
SELECT judge('cost_mandrill', E'X-Mandrill-Signature: AAAA\r\n', repeat('a=b&', 10001));
SELECT judge('cost_mandrill', E'X-Mandrill-Signature: AAAA\r\n', repeat('a=b&', 9999));
SELECT judge('cost_twilio', E'X-Twilio-Signature: AAAA\r\n', '', repeat('a&', 20000));
SELECT judge('cost_braintree', '', repeat('bt_signature=k%7C00&', 101) || 'bt_payload=' || repeat('%61', 300000));
SELECT held() <= 1 AS nothing_is_kept;

-- Signatures by a private key.
SELECT judge('cost_discord', repeat(E'X-Signature-Ed25519: ' || repeat('0', 128) || E'\r\n', 9) || E'X-Signature-Timestamp: 1700000000\r\n', '{}');
SELECT judge('cost_discord', repeat(E'X-Signature-Ed25519: ' || repeat('0', 128) || E'\r\n', 8) || E'X-Signature-Timestamp: 1700000000\r\n', '{}');
SELECT judge('cost_discord', repeat(E'X-Signature-Ed25519: ' || repeat('0', 128) || E'\r\n', 100) || E'X-Signature-Timestamp: 1700000000\r\n', repeat('x', 10000000));

-- Times, each of which needs a digest of its own; and more secrets than a request may cost.
SELECT judge('cost_persona', 'Persona-Signature: ' || (SELECT string_agg(format('t=%s,v1=00', extract(epoch FROM now())::bigint - n), ' ') FROM generate_series(1, 100) n) || E'\r\n', repeat('x', 8000000));
SELECT held() <= 1 AS nothing_is_kept;

-- A statement is cancelled in the middle of a verification.
SET statement_timeout = '5ms';
SELECT judge('cost_persona', 'Persona-Signature: ' || (SELECT string_agg(format('t=%s,v1=00', extract(epoch FROM now())::bigint - n), ' ') FROM generate_series(1, 100) n) || E'\r\n', repeat('x', 8000000));
RESET statement_timeout;
SELECT judge('cost_persona', E'Persona-Signature: t=1000000000,v1=00\r\n', 'x');
SELECT held() <= 1 AS nothing_is_kept;

-- Expressions that could take for ever.
CREATE FUNCTION store_pattern(n text, pattern text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    why text;
BEGIN
    INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, require)
        VALUES ('cost_' || n, 'hmac', 'sha256', '{header:x}', 'hex', '{body}', ARRAY[ARRAY['header:y', '~' || pattern]]);
    RETURN 'stored';
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
    RETURN why;
END $$;
SELECT n, store_pattern(n, pattern)
    FROM (VALUES ('back', '^(a*)*\1$'), ('many', '((a{1,1000}){1,1000}){1,1000}'), ('long', repeat('a', 501)), ('fine', '^(a{1,100}|b){2}$')) v(n, pattern);
SELECT intake.create_source('cost_fine', 'cost_fine', secret => 'secret-s') > 0;

-- Items that are signed each by itself carry their own signatures.
SELECT signature_from, each FROM intake.scheme WHERE name = 'adyen-item';

-- What verify_explain shows has no verify_token in it, and no digest of one.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message) VALUES ('cost_token', 'hmac', 'sha256', '{header:x}', 'hex', '{token}|{body}|{sha256hex(token)}');
SELECT count(intake.create_source('cost_token', 'cost_token', secret => 'secret-s', verify_token => 'hush-hush'));
SELECT explained, explained ~ 'hush' AS shows, explained ~ encode(sha256('{token}|{}|' || encode(sha256('{token}'), 'hex')::bytea), 'hex') AS is_of_the_mark
FROM intake.verify_explain('cost_token', '{"X": "00"}', '{}') explained;
SELECT intake.verify_explain('cost_token', intake.sign('cost_token', '{}'), '{}');

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'cost\_%';
DELETE FROM intake.scheme WHERE name LIKE 'cost\_%' AND name NOT IN (SELECT scheme FROM intake.source);
DROP FUNCTION judge(text, text, text, text), held();
