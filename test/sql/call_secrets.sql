-- Secrets of calls: who manages them, what they can be, where they may go; and what roles, dumps and
-- commands about roles do to grants.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE secrets_a;
CREATE ROLE secrets_b;
CREATE ROLE secrets_none;
CREATE ROLE secrets_team;
SELECT intake.grant_access(r, 'admin') FROM unnest('{secrets_a,secrets_b,secrets_team}'::regrole[]) r;
SELECT intake.grant_access('secrets_none', 'caller');
CREATE VIEW shown AS SELECT name, place, hosts, roles, managers, restored FROM intake.call_secrets WHERE name LIKE 's\_%' ORDER BY name;
GRANT SELECT ON shown TO PUBLIC;

-- Who creates one manages it.
SET ROLE secrets_a;
SELECT intake.create_secret('s_openai', 'sk-s3cret', '{API.openai.com}') > 0;
SELECT intake.create_secret('s_maps', 's3cret', '{maps.example.com:8443, maps.example.com}', 'query:key') > 0;
SELECT intake.create_secret('s_slack', 'https://hooks.example.com/services/T/s3cret', place => 'url') > 0;
SELECT intake.create_secret('s_out', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', '{[2001:DB8::7]}', 'standard-webhooks') > 0;
RESET ROLE;
SELECT * FROM shown;

-- What a secret can be. No error shows it.
CREATE FUNCTION try_secret(value text, hosts text[] DEFAULT '{x}', place text DEFAULT 'bearer', name text DEFAULT 's_tried') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM intake.create_secret(name, value, hosts, place);
    PERFORM intake.drop_call_secret(name);
    RETURN 'accepted';
EXCEPTION WHEN invalid_parameter_value OR null_value_not_allowed OR duplicate_object THEN
    RETURN CASE WHEN value <> '' AND strpos(SQLERRM, value) > 0 THEN 'shows the secret' ELSE SQLERRM END;
END $$;
SELECT v, try_secret(v) FROM unnest(ARRAY[NULL, '', 'abc', 'sk-1234', 'sk 1234', E'sk-1234\n', E'sk-1\r\nX: y', 'sk-ä1234', '-----BEGIN PRIVATE KEY-----']) v;
SELECT p, try_secret('user:pass', place => p) FROM unnest(ARRAY[NULL, 'bearer', 'basic', 'header:X-Api-Key', 'header:Host', E'header:X\nY', 'query:key', 'query:a=b', 'cookie', 'Bearer', 'url', 'standard-webhooks']) p;
SELECT try_secret('passw0rd', place => 'basic') AS basic, try_secret('whsec_!', place => 'standard-webhooks') AS webhooks, try_secret('https://u:p@x/y', place => 'url') AS url;
SELECT h, try_secret('sk-1234', h) FROM (VALUES (NULL::text[]), ('{}'), ('{NULL}'), ('{*.example.com}'), ('{https://x}'), ('{127.1}'), ('{x:0}'), ('{x,y:8443}')) t(h);
SELECT try_secret('https://x/y', '{x}', 'url') AS same, try_secret('https://x/y', '{z}', 'url') AS other, try_secret('https://x:8443/y', NULL, 'url') AS none;
SELECT n, try_secret('sk-1234', name => n) FROM unnest(ARRAY[NULL, '', 'a b', 'a/b', '-a', 's_openai', repeat('a', 101)]) n;
SELECT try_secret(repeat('a', 8000)) AS fits, try_secret(repeat('a', 8001)) AS does_not;
SELECT intake.create_secret('s_tried', 'sk-1234', '{x}', options => '{"x": 1}');

-- Nobody else manages it, whoever the function was called through.
SET ROLE secrets_b;
SELECT intake.alter_secret('s_openai', 'sk-other');
SELECT intake.drop_call_secret('s_openai');
SELECT intake.grant_secret('s_openai', 'secrets_b');
SELECT intake.revoke_secret('s_openai', 'secrets_a');
SELECT intake.create_secret_as('secrets_a'::regrole, 's_forged', 'sk-1234', '{x}', 'bearer', '{}');
SELECT intake.grant_secret_as('secrets_a'::regrole, 's_openai', 'secrets_b', '{}');
SELECT count(*) FROM intake.call_secret;
SELECT count(*) FROM intake.call_secret_grant;
SELECT secret FROM intake.call_secret;
RESET ROLE;
CREATE SCHEMA secrets_trap AUTHORIZATION secrets_b;
SET ROLE secrets_b;
CREATE FUNCTION secrets_trap.grab() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ SELECT intake.grant_secret('s_openai', 'secrets_b') $$;
GRANT USAGE ON SCHEMA secrets_trap TO secrets_a;
SET ROLE secrets_a;
SELECT secrets_trap.grab();
RESET ROLE;
SELECT secrets_trap.grab();
DROP SCHEMA secrets_trap CASCADE;
SET ROLE secrets_none;
SELECT intake.create_secret('s_mine', 'sk-1234', '{x}');
SELECT intake.grant_secret('s_openai', 'secrets_none');
RESET ROLE;

-- Granting, and letting others manage.
SET ROLE secrets_a;
SELECT intake.grant_secret('s_openai', 'secrets_none'), intake.grant_secret('s_openai', 'secrets_team', '{"manage": true}');
SELECT intake.grant_secret('s_openai', 'secrets_none', '{"manage": "yes"}');
SELECT intake.grant_secret('s_openai', 'secrets_none', '{"mange": true}');
SELECT intake.grant_secret('s_none', 'secrets_none');
SELECT intake.grant_secret('s_openai', 4000000000::oid::regrole);
SELECT roles, managers FROM shown WHERE name = 's_openai';
SELECT intake.grant_secret('s_openai', 'secrets_a');
SELECT roles, managers FROM shown WHERE name = 's_openai';
RESET ROLE;
GRANT secrets_team TO secrets_b;
SET ROLE secrets_b;
SELECT intake.revoke_secret('s_openai', 'secrets_none');
SELECT intake.revoke_secret('s_openai', 'secrets_none');
RESET ROLE;
ALTER ROLE secrets_b NOINHERIT;
REVOKE secrets_team FROM secrets_b;
GRANT secrets_team TO secrets_b;
SET ROLE secrets_b;
SELECT intake.grant_secret('s_openai', 'secrets_none');
RESET ROLE;
ALTER ROLE secrets_b INHERIT;

-- Where it goes is changed together with what it is.
SET ROLE secrets_a;
SELECT intake.alter_secret('s_maps', hosts => '{evil.example}');
SELECT intake.alter_secret('s_maps', hosts => '{maps.example.com, evil.example}');
SELECT intake.alter_secret('s_maps', place => 'bearer');
SELECT intake.alter_secret('s_maps', hosts => '{}');
SELECT intake.alter_secret('s_maps', hosts => '{MAPS.example.com}');
SELECT place, hosts FROM shown WHERE name = 's_maps';
SELECT intake.alter_secret('s_maps', 'another', '{evil.example}', 'bearer');
SELECT place, hosts FROM shown WHERE name = 's_maps';
SELECT intake.alter_secret('s_maps', 'ano ther');
SELECT intake.alter_secret('s_slack', 'https://hooks.example.org/x', '{hooks.example.com}');
SELECT intake.alter_secret('s_slack', 'https://hooks.example.org/x');
SELECT place, hosts FROM shown WHERE name = 's_slack';
SELECT intake.alter_secret('s_maps', 'third', options => '{"x": 1}');
RESET ROLE;
SELECT changed_at IS NOT NULL AS changed, encrypted FROM intake.call_secrets WHERE name IN ('s_maps', 's_openai') ORDER BY name;

-- A role with a secret is not dropped; a new name is written for the next dump.
SELECT intake.grant_secret('s_openai', 'secrets_none');
SELECT intake.revoke_access('secrets_none');
\set VERBOSITY default
DROP ROLE secrets_none;
\set VERBOSITY terse
ALTER ROLE secrets_none RENAME TO secrets_new;
SELECT roles FROM shown WHERE name = 's_openai';
SELECT intake.tend_workflows();
SELECT role FROM intake.call_secret_grant WHERE role LIKE 'secrets\_n%';
SELECT intake.revoke_secret('s_openai', 'secrets_new');
DROP ROLE secrets_new;
-- DROP OWNED takes a secret away, as it does privileges; REASSIGN OWNED moves the right to manage it.
CREATE ROLE secrets_gone;
SELECT intake.grant_secret('s_openai', 'secrets_gone');
DROP OWNED BY secrets_gone;
DROP ROLE secrets_gone;
SELECT roles FROM shown WHERE name = 's_openai';
REASSIGN OWNED BY secrets_a TO secrets_b;
SELECT name, roles, managers FROM shown;
DROP OWNED BY secrets_a;
DROP ROLE secrets_a;
SELECT name, roles, managers FROM shown;
SELECT intake.drop_call_secret('s_maps');
SELECT count(*) FROM intake.call_secret_grant g WHERE NOT EXISTS (SELECT FROM intake.call_secret s WHERE s.id = g.secret_id);

-- A grant that comes with a dump counts no more: it was made elsewhere, or the role is another one.
BEGIN;
CREATE TEMP TABLE dumped AS SELECT * FROM intake.call_secret_grant;
DELETE FROM intake.call_secret_grant;
INSERT INTO intake.call_secret_grant SELECT secret_id, role, role_oid, manages, 'another database', granted_at FROM dumped;
SELECT name, roles, managers, restored FROM shown;
SET LOCAL ROLE secrets_b;
SAVEPOINT refused;
SELECT intake.drop_call_secret('s_openai');
ROLLBACK TO refused;
RESET ROLE;
SELECT intake.grant_secret(name, format('%I', role)::regrole) FROM intake.call_secrets, unnest(restored) role WHERE name = 's_openai';
SELECT name, roles, managers, restored FROM shown;
DELETE FROM intake.call_secret_grant;
INSERT INTO intake.call_secret_grant SELECT secret_id, 'secrets_other', role_oid, manages, database_identity, granted_at FROM dumped;
SELECT name, roles, restored FROM shown;
DELETE FROM intake.call_secret_grant;
INSERT INTO intake.call_secret_grant SELECT * FROM dumped;
SELECT name, roles, restored FROM shown;
ROLLBACK;

SELECT count(intake.drop_call_secret(name)) FROM intake.call_secrets WHERE name LIKE 's\_%';
SELECT intake.drop_call_secret('s_openai');
SELECT intake.revoke_access('secrets_b'), intake.revoke_access('secrets_team');
DROP VIEW shown;
DROP FUNCTION try_secret(text, text[], text, text);
DROP ROLE secrets_b, secrets_team;
