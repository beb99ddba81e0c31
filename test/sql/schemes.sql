-- A scheme that no source can use is refused when it is stored: one that cannot be understood, and one
-- whose signatures cover bytes that could be read in two ways.
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE FUNCTION s_store(name text, scheme jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    why text;
BEGIN
    INSERT INTO intake.scheme SELECT (jsonb_populate_record(NULL::intake.scheme, jsonb_build_object('name', 's_' || s_store.name, 'kind', 'hmac',
        'algorithm', 'sha256', 'key', 'raw', 'signature_from', '["header:x-signature"]'::jsonb, 'format', 'plain', 'encoding', 'hex', 'message', '{body}',
        'borders', 'firm', 'variants', '[]'::jsonb, 'handshake', '[]'::jsonb, 'key_class', 'event', 'missing_key', 'digest', 'dedup_window', '7 days', 'reject_status', 403, 'preset', false) || scheme)).*;
    RETURN 'stored';
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
    RETURN why;
END $$;

-- What is said.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message) VALUES ('s_two', 'hmac', 'sha256', '{header:x}', 'hex', '{header:x-id}.{body}');
\set VERBOSITY terse

-- What cannot be understood: the row, a variant, a handshake.
SELECT n, s_store(n, s) FROM (VALUES
    ('variable', '{"message": "{nothing}"}'::jsonb), ('message', '{"message": null}'), ('encoding', '{"encoding": null}'), ('place', '{"signature_from": ["nowhere"]}'),
    ('pattern', '{"require": [["header:y", "~["]]}'), ('key', '{"key": "rot13"}'), ('time', '{"message": "{timestamp}{body}"}'), ('key_from', '{"key_from": "x"}'),
    ('type_from', '{"type_from": "$.a | y"}'), ('kind', '{"kind": "jwt"}'), ('variant', '{"variants": [{"when": [["query:a", "*"]], "message": "{nothing}"}]}'),
    ('when', '{"variants": [{"when": 5}]}'), ('scalar', '{"variants": [5]}'), ('interval', '{"variants": [{"when": [["query:a", "*"]], "tolerance": "soon"}]}'),
    ('handshake', '{"handshake": [{"method": "GET", "body": "{nothing}"}]}'), ('status', '{"handshake": [{"method": "GET", "status": "fine"}]}'),
    ('verified', '{"verified": "none"}')) v(n, s) ORDER BY n;

-- What can be read in two ways, and the same with a border.
SELECT n, s_store(n, s) FROM (VALUES
    ('01', '{"message": "{header:x-id}.{timestamp}.{body}", "timestamp_from": "header:x-time", "timestamp_unit": "s"}'::jsonb),
    ('02', '{"message": "{header:x-id}.{timestamp}.{body}", "timestamp_from": "header:x-time", "timestamp_unit": "s", "require": [["header:x-id", "~^[^.]{1,256}$"]]}'),
    ('03', '{"message": "{body}{header:x-id}"}'),
    ('04', '{"message": "{body}{header:x-id}", "content": "json", "require": [["header:x-id", "~^[a-z]{1,9}$"]]}'),
    ('05', '{"kind": "hash", "message": "{secret}{body}"}'),
    ('06', '{"kind": "hash", "message": "{secret}{body}", "content": "json"}'),
    ('07', '{"kind": "hash", "message": "{body}{secret}"}'),
    ('08', '{"message": "{header:a}{header:b}"}'),
    ('09', '{"message": "{header:a}{header:b}", "borders": "loose"}'),
    ('10', '{"variants": [{"when": [["query:a", "*"]], "message": "{header:x-id}"}]}'),
    ('11', '{"handshake": [{"method": "GET", "require": [["query:crc", "*"]], "body": "{hmachex(query:crc)}"}]}'),
    ('12', '{"handshake": [{"method": "GET", "require": [["query:crc", "~^[a-z]{1,9}$"]], "body": "{hmachex(query:crc)}"}], "content": "json"}')) v(n, s) ORDER BY n;
SELECT name, verified, content FROM (SELECT name, coalesce(verified, '-') AS verified, content FROM intake.scheme WHERE name LIKE 's\_%') s ORDER BY name;

-- An update is asked, too, by the name that the row has then; what was there stays.
SELECT s_store('mine', '{}');
UPDATE intake.scheme SET message = '{header:a}{body}' WHERE name = 's_mine';
UPDATE intake.scheme SET name = 's_yours', message = '{nothing}' WHERE name = 's_mine';
UPDATE intake.scheme SET name = 's_yours', description = 'the same' WHERE name = 's_mine';
SELECT name, message, description FROM intake.scheme WHERE name IN ('s_mine', 's_yours');
BEGIN;
UPDATE intake.scheme SET tolerance = '1 minute' WHERE name = 'stripe';
SELECT tolerance FROM intake.scheme WHERE name = 'stripe';
ROLLBACK;
UPDATE intake.scheme SET message = '{header:a}{body}' WHERE name = 'stripe';
-- What is copied in, as a dump is, is asked as well; all or nothing.
COPY intake.scheme (name, kind, algorithm, signature_from, encoding, message) FROM stdin;
s_good	hmac	sha256	{header:x}	hex	{body}
s_bad	hmac	sha256	{header:x}	hex	{header:a}{body}
\.
SELECT count(*) FROM intake.scheme WHERE name IN ('s_good', 's_bad');

-- Who may insert needs no other right, and what is on the search_path changes nothing.
CREATE ROLE regress_intake_scheme;
GRANT USAGE ON SCHEMA intake TO regress_intake_scheme;
GRANT INSERT ON intake.scheme TO regress_intake_scheme;
CREATE SCHEMA s_evil;
GRANT USAGE ON SCHEMA s_evil TO regress_intake_scheme;
CREATE FUNCTION s_evil.scheme_problem(text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
CREATE FUNCTION s_evil.jsonb_array_elements(jsonb) RETURNS SETOF jsonb LANGUAGE sql AS 'SELECT NULL::jsonb WHERE false';
CREATE FUNCTION s_evil.s_same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR s_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = s_evil.s_same);
SET ROLE regress_intake_scheme;
SET search_path = s_evil, pg_catalog;
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, preset) VALUES ('s_evil', 'hmac', 'sha256', '{header:x}', 'hex', '{header:a}{body}', true);
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, variants, preset)
    VALUES ('s_evil', 'hmac', 'sha256', '{header:x}', 'hex', '{body}', '[{"when": [["query:a", "*"]], "message": "{header:x-id}"}]', true);
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, preset) VALUES ('s_evil', 'hmac', 'sha256', '{header:x}', 'hex', '{body}', true);
SELECT intake.scheme_problem('s_evil');
RESET search_path;
RESET ROLE;
SELECT intake.scheme_problem('s_evil') IS NULL AS fine, intake.scheme_problem('s_nobody') AS nobody, intake.scheme_problem('internal') IS NULL AS internal;
DROP SCHEMA s_evil CASCADE;
REVOKE ALL ON SCHEMA intake FROM regress_intake_scheme;
REVOKE ALL ON intake.scheme FROM regress_intake_scheme;
DROP ROLE regress_intake_scheme;

-- What the extension brings, a source can use.
SELECT name, intake.scheme_problem(name) AS problem FROM intake.scheme WHERE preset AND intake.scheme_problem(name) IS NOT NULL ORDER BY name;
DELETE FROM intake.scheme WHERE name LIKE 's\_%';
DROP FUNCTION s_store;
