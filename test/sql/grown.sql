-- What requests leave in tables is found by index, though it was planned while these were empty: when a
-- secret was used last, once a minute, and what was refused.
\set VERBOSITY terse
SET client_min_messages = warning;

-- What a request to source gr_N gets.
CREATE FUNCTION gr_send(n int) RETURNS int LANGUAGE sql AS $$
    SELECT status FROM intake.ingest('gr_' || n, jsonb_build_object('X-Signature', encode(hmac('{}', 'secret-' || n, 'sha256'), 'hex'),
        'X-Id', gen_random_uuid()), '{}') $$;
CREATE VIEW gr_used AS SELECT source, last_used_at FROM intake.secrets WHERE source LIKE 'gr\_%';
-- How often all rows of a table were read. What this process did is counted when pg_stat_force_next_flush() has been called.
CREATE FUNCTION gr_read(tab regclass) RETURNS bigint LANGUAGE sql AS
    $$ SELECT seq_scan FROM pg_stat_user_tables WHERE relid = tab $$;

SELECT count(intake.create_source('gr_' || n, 'hmac', secret => 'secret-' || n, key_from => 'header:x-id')) FROM generate_series(1, 50) n;

-- Uses of secrets.
TRUNCATE intake.secret_use;
ANALYZE intake.secret_use;
SELECT pg_stat_force_next_flush();
SELECT gr_read('intake.secret_use') AS before \gset
SELECT gr_send(n) AS status, count(*) FROM generate_series(1, 50) n GROUP BY 1;
SELECT pg_stat_force_next_flush();
SELECT gr_read('intake.secret_use') - :before AS read;
SELECT count(last_used_at) AS used FROM gr_used;

-- Another process records a use where the minute is over, and leaves the others alone.
SELECT now() AS start \gset
UPDATE intake.secret_use SET last_used_at = timestamptz :'start' - interval '10 s';
UPDATE intake.secret_use SET last_used_at = timestamptz :'start' - interval '70 s'
    WHERE secret_id IN (SELECT id FROM intake.secrets WHERE source IN ('gr_3', 'gr_8'));
\c
SELECT gr_send(n) AS status, count(*) FROM generate_series(1, 50) n GROUP BY 1;
SELECT source FROM gr_used WHERE last_used_at >= :'start' ORDER BY 1;
SELECT count(*) AS as_before FROM gr_used WHERE last_used_at = timestamptz :'start' - interval '10 s';

-- Within its minute a process does not look again.
DELETE FROM intake.secret_use;
SELECT gr_send(1);
SELECT count(last_used_at) AS used FROM gr_used;
\c
SELECT gr_send(1);
SELECT count(last_used_at) AS used FROM gr_used;

-- Rejections.
TRUNCATE intake.rejection;
ANALYZE intake.rejection;
SELECT pg_stat_force_next_flush();
SELECT gr_read('intake.rejection') AS before \gset
SELECT (intake.ingest('gr_' || n, '{}', '{}')).status, count(*) FROM generate_series(1, 20) n GROUP BY 1;
SELECT pg_stat_force_next_flush();
SELECT gr_read('intake.rejection') - :before AS read;
SELECT count(DISTINCT source) FROM intake.rejections WHERE source LIKE 'gr\_%';

SET client_min_messages = warning;
SELECT count(intake.drop_source('gr_' || n)) FROM generate_series(1, 50) n;
DROP FUNCTION gr_send, gr_read;
DROP VIEW gr_used;
