-- Many sources: each is known by itself, and a change of one is a change of that one.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION sw_headers(secret text, id text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('X-Signature', encode(hmac('{}', secret, 'sha256'), 'hex'), 'X-Id', id) $$;
-- What a request that is signed with a secret gets.
CREATE FUNCTION sw_send(source text, secret text) RETURNS int LANGUAGE sql AS $$
    SELECT status FROM intake.ingest(source, sw_headers(secret, gen_random_uuid()::text), '{}') $$;
-- How often somebody has looked for the secrets of a source. What this process did is counted when
-- pg_stat_force_next_flush() has been called.
CREATE FUNCTION sw_looked() RETURNS bigint LANGUAGE sql AS
    $$ SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelid = 'intake.source_secret_source'::regclass $$;

SELECT count(DISTINCT intake.create_source('sw_' || n, 'hmac', secret => 'secret-' || n, key_from => 'header:x-id'))
FROM generate_series(1, 300) n;
SELECT sw_send('sw_' || n, 'secret-' || n) AS own, sw_send('sw_' || n, 'secret-' || n + 1) AS other, count(*)
FROM generate_series(1, 300) n GROUP BY 1, 2;

-- What one change costs is that source, and not the others.
SELECT pg_stat_force_next_flush();
SELECT sw_looked() AS before \gset
SELECT count(*) FILTER (WHERE sw_send('sw_' || n, 'secret-' || n) = 200) AS accepted FROM generate_series(1, 300) n;
SELECT pg_stat_force_next_flush();
SELECT sw_looked() - :before < 30 AS looked_for_a_few_without_a_change;
SELECT intake.rotate_secret('sw_7', 'secret-new', overlap => '0');
SELECT count(intake.create_source('sw_more', 'hmac', secret => 'secret-more', key_from => 'header:x-id'));
SELECT pg_stat_force_next_flush();
SELECT sw_looked() AS before \gset
SELECT count(*) FILTER (WHERE sw_send('sw_' || n, 'secret-' || n) = 200) AS accepted FROM generate_series(1, 300) n;
SELECT pg_stat_force_next_flush();
SELECT sw_looked() - :before < 30 AS looked_for_a_few_with_a_change;
SELECT sw_send('sw_7', 'secret-7') AS old, sw_send('sw_7', 'secret-new') AS new, sw_send('sw_more', 'secret-more') AS more;

-- Rows that somebody writes by hand count, too: a secret that is given to another source, ...
UPDATE intake.source_secret SET source_id = (SELECT id FROM intake.source WHERE name = 'sw_2')
WHERE source_id = (SELECT id FROM intake.source WHERE name = 'sw_1');
SELECT sw_send('sw_1', 'secret-1') AS was, sw_send('sw_2', 'secret-1') AS "is", sw_send('sw_2', 'secret-2') AS beside;
-- one that comes by COPY, ...
SELECT format($$printf '%%d\tcby-copy\n' %s$$, id) AS program FROM intake.source WHERE name = 'sw_1' \gset
COPY intake.source_secret (source_id, secret) FROM PROGRAM :'program';
SELECT sw_send('sw_1', 'by-copy') AS copied;
-- a table that is emptied, and not, ...
BEGIN;
TRUNCATE intake.source_secret;
SELECT sw_send('sw_3', 'secret-3') AS emptied;
ROLLBACK;
SELECT sw_send('sw_3', 'secret-3') AS after_all;
-- another name.
UPDATE intake.source SET name = 'sw_renamed' WHERE name = 'sw_4';
SELECT sw_send('sw_4', 'secret-4') AS old_name, sw_send('sw_renamed', 'secret-4') AS new_name;

-- What is undone was never there.
BEGIN;
SELECT intake.rotate_secret('sw_5', 'secret-never', overlap => '0');
SELECT sw_send('sw_5', 'secret-5') AS old, sw_send('sw_5', 'secret-never') AS new;
SAVEPOINT s;
SELECT intake.drop_source('sw_5');
SELECT sw_send('sw_5', 'secret-never') AS dropped;
ROLLBACK TO s;
SELECT sw_send('sw_5', 'secret-never') AS new;
ROLLBACK;
SELECT sw_send('sw_5', 'secret-5') AS old, sw_send('sw_5', 'secret-never') AS new;

-- A source that takes the name of another one, which was dropped.
SELECT intake.drop_source('sw_6');
SELECT sw_send('sw_6', 'secret-6') AS dropped;
SELECT count(intake.create_source('sw_6', 'hmac', secret => 'secret-six', key_from => 'header:x-id'));
SELECT sw_send('sw_6', 'secret-6') AS old, sw_send('sw_6', 'secret-six') AS new;

-- Sources that say the same share what is compiled of their scheme; one that says otherwise does not.
SELECT intake.alter_source('sw_8', key_from => 'header:x-other');
SELECT sw_send('sw_8', 'secret-8') AS no_key_there, sw_send('sw_9', 'secret-9') AS as_before;
INSERT INTO intake.scheme (name, kind, algorithm, encoding, message, signature_from, key_from)
SELECT 'sw_' || n, 'hmac', 'sha256', 'hex', '{body}', '{header:X-Signature}', 'header:x-id' FROM generate_series(1, 2) n;
SELECT count(intake.create_source('sw_own_' || n, 'sw_' || n % 2 + 1, secret => 'secret-own')) FROM generate_series(1, 4) n;
SELECT n, sw_send('sw_own_' || n, 'secret-own') FROM generate_series(1, 4) n;
UPDATE intake.scheme SET signature_from = '{header:X-Else}' WHERE name = 'sw_1';
SELECT n, sw_send('sw_own_' || n, 'secret-own') FROM generate_series(1, 4) n;
UPDATE intake.scheme SET signature_from = '{header:X-Signature}' WHERE name = 'sw_1';
SELECT n, sw_send('sw_own_' || n, 'secret-own') FROM generate_series(1, 4) n;

-- More pieces in one command than are told one by one.
INSERT INTO intake.source (name, scheme, key_from) SELECT 'sw_bulk_' || n, 'hmac', 'header:x-id' FROM generate_series(1, 1500) n;
INSERT INTO intake.source_secret (source_id, secret) SELECT id, 'cbulk' FROM intake.source WHERE name ~ '^sw_bulk_';
SELECT sw_send('sw_bulk_1', 'bulk'), sw_send('sw_bulk_1499', 'bulk'), sw_send('sw_bulk_1500', 'bulk');
UPDATE intake.source_secret SET secret = 'cmany' WHERE secret = 'cbulk';
SELECT sw_send('sw_bulk_' || n, 'bulk') AS old, sw_send('sw_bulk_' || n, 'many') AS new FROM unnest('{1,1499,1500}'::int[]) n;

-- Names that no source has, or can have; the internal source is none for requests.
SELECT a.status FROM unnest(ARRAY['sw_none', 'intake', '', E'sw_\\377', E'sw_10\\000', repeat('x', 5000)]::bytea[]) WITH ORDINALITY t(name, n),
    LATERAL intake.receive('{POST}', ARRAY[name], '{""}', '{""}', '{b}', '{""}') a ORDER BY n;

-- A trigger may ask for sources in the midst of a batch whose sources have changed.
SELECT intake.alter_source('sw_11', replay_guard => false);
CREATE FUNCTION sw_meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM intake.rotate_secret('sw_11', 'secret-meddled', overlap => '0');
    PERFORM intake.verify('sw_' || n, '{}', '{}') FROM generate_series(11, 20) n;
    RETURN NULL;
END $$;
CREATE TRIGGER meddle AFTER INSERT ON intake.event_key FOR EACH ROW EXECUTE FUNCTION sw_meddle();
ALTER TABLE intake.event_key ENABLE ALWAYS TRIGGER meddle;
SELECT a.status FROM (SELECT array_agg(convert_to('sw_11', 'UTF8')) AS sources, array_agg('POST'::bytea) AS methods, array_agg(''::bytea) AS empty,
        array_agg(convert_to(E'X-Id: meddle-' || n || E'\r\nX-Signature: ' || encode(hmac('{}', 'secret-11', 'sha256'), 'hex') || E'\r\n', 'UTF8')) AS headers,
        array_agg('{}'::bytea) AS bodies, array_agg(''::text) AS peers FROM generate_series(1, 3) n) b,
    LATERAL intake.receive(b.methods, b.sources, b.empty, b.headers, b.bodies, b.peers) a;
DROP TRIGGER meddle ON intake.event_key;
SELECT sw_send('sw_11', 'secret-11') AS old, sw_send('sw_11', 'secret-meddled') AS new;

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name ~ '^sw_';
DELETE FROM intake.source WHERE name ~ '^sw_';
DELETE FROM intake.scheme WHERE name ~ '^sw_';
DROP FUNCTION sw_headers, sw_send, sw_looked, sw_meddle;
