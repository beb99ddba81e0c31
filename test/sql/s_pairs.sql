-- A condition of a scheme that nobody would look at is refused: a location without its test, or a name that is written wrong.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION s_store(require text[] DEFAULT NULL, variants jsonb DEFAULT '[]', handshake jsonb DEFAULT '[]') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    why text;
    name text;
BEGIN
    INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, content, missing_key, require, variants, handshake)
        VALUES ('s_pairs', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', 'json', 'digest', s_store.require, s_store.variants, s_store.handshake);
    DELETE FROM intake.scheme c WHERE c.name = 's_pairs';
    RETURN 'stored';
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL, name = CONSTRAINT_NAME;
    RETURN coalesce(nullif(name, ''), why);
END $$;

SELECT s_store('{header:b}'), s_store('{header:b,c,header:d}'), s_store('{{header:b,c},{header:d,*}}');
SELECT s_store(variants => '[{"when": [["header:b"]], "message": "x{body}"}]'), s_store(variants => '[{"wen": [["header:b", "c"]], "message": "x{body}"}]'),
    s_store(variants => '[{"when": [["header:b", "c"]], "require": ["header:d"], "message": "x{body}"}]'), s_store(variants => '[{"when": [["header:b", "c"]], "message": "x{body}"}]');
SELECT s_store(handshake => '[{"method": "GET", "require": [["query:a"]], "body": "{query:b}"}]'), s_store(handshake => '[{"method": "GET", "requires": [["query:a", "b"]]}]'),
    s_store(handshake => '[{"method": "GET", "json": [["a"]]}]'), s_store(handshake => '[{"method": "GET", "require": [["query:a", "b"]], "json": [["a", "{query:c}"]]}]');
DROP FUNCTION s_store;
