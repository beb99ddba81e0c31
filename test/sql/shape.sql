-- Tables that somebody has altered: what is added is respected, what cannot be filled is an error.
\set VERBOSITY terse
SET client_min_messages = warning;
\set this_database :DBNAME
CREATE DATABASE intake_shape;
\c intake_shape
SET client_min_messages = warning;
CREATE EXTENSION pg_intake CASCADE;
CREATE FUNCTION wait_until(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1..3000 LOOP
        EXECUTE 'SELECT ' || condition INTO holds;
        IF holds THEN RETURN 'yes'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no: ' || condition;
END $$;
CREATE FUNCTION at_rest() RETURNS text LANGUAGE sql AS $$
    SELECT wait_until('count(*) = 0 FROM intake.jobs WHERE state NOT IN (''done'', ''dead'')') $$;
CREATE FUNCTION send(id text) RETURNS int LANGUAGE sql AS $$
    SELECT status FROM intake.ingest('open', jsonb_build_object('x-id', id), convert_to('{"n": 1}', 'UTF8')) $$;
CREATE FUNCTION works(job intake.job) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION fails(job intake.job) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
SELECT intake.create_source('open', 'none', key_from => 'header:x-id') > 0, intake.create_workflow('works', 'works(intake.job)') > 0,
    intake.create_workflow('fails', 'fails(intake.job)', source => 'open', max_attempts => 2, backoff => '1 ms') > 0;
SELECT send('before');
SELECT at_rest();

-- The numbers in intake.h are those of the tables, and of their partitions.
SELECT c.relname, intake.table_problem(c.oid) FROM pg_class c
    WHERE c.relnamespace = 'intake'::regnamespace AND c.relkind IN ('r', 'p') AND intake.table_problem(c.oid) IS NOT NULL ORDER BY 1;

-- Columns are filled with their defaults.
CREATE DOMAIN short AS text DEFAULT 'from the domain' CHECK (length(VALUE) < 20);
ALTER TABLE intake.event ADD COLUMN note text DEFAULT 'x', ADD COLUMN at timestamptz DEFAULT clock_timestamp(), ADD COLUMN nothing int, ADD COLUMN word short;
ALTER TABLE intake.event_key ADD COLUMN n bigserial;
ALTER TABLE intake.queue ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE intake.running ADD COLUMN by_whom name NOT NULL DEFAULT current_user;
ALTER TABLE intake.done ADD COLUMN ok boolean NOT NULL DEFAULT true;
ALTER TABLE intake.delayed ADD COLUMN note text;
ALTER TABLE intake.attempt ADD COLUMN note text DEFAULT 'attempted';
ALTER TABLE intake.dead_letter ADD COLUMN path text DEFAULT current_setting('search_path');
SELECT send('added'), intake.emit('added', '{"n": 2}') > 0;
SELECT at_rest();
SELECT note, at IS NOT NULL, nothing, word FROM intake.event ORDER BY id;
SELECT count(DISTINCT n) FROM intake.event_key;
SELECT ok, count(*) FROM intake.done GROUP BY 1;
SELECT note, count(*) FROM intake.attempt GROUP BY 1;
SELECT DISTINCT path FROM intake.dead_letter ORDER BY 1;
SELECT send('before'), send('added');
SELECT at_rest();
ALTER TABLE intake.event DROP COLUMN note, DROP COLUMN at, DROP COLUMN nothing, DROP COLUMN word;
ALTER TABLE intake.done DROP COLUMN ok;
SELECT send('dropped');
SELECT at_rest();

-- Constraints and indexes hold, for the row that breaks them.
ALTER TABLE intake.event ADD CONSTRAINT no_bad CHECK (key <> 'bad');
DELETE FROM intake.event WHERE type IS NULL;
ALTER TABLE intake.event ALTER COLUMN type SET NOT NULL;
SELECT send('without a type'), intake.emit('with', '{}', 'good') > 0;
SELECT intake.emit('with', '{}', 'bad');
ALTER TABLE intake.event DROP CONSTRAINT no_bad;
ALTER TABLE intake.event ALTER COLUMN type DROP NOT NULL;
CREATE UNIQUE INDEX one_of_a_type ON intake.event_0 (type) WHERE type = 'one';
SELECT intake.emit('one', '{}') > 0;
SELECT intake.emit('one', '{}');
DROP INDEX intake.one_of_a_type;

-- What cannot be filled is refused, and nothing is lost.
CREATE FUNCTION refused(change text, back text) RETURNS TABLE (status int, error text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE change;
    refused.status := send('refused ' || clock_timestamp());
    BEGIN
        PERFORM intake.emit('refused', '{}', 'refused ' || clock_timestamp());
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        refused.error := SQLERRM;
    END;
    EXECUTE back;
    RETURN NEXT;
END $$;
SELECT * FROM refused('ALTER TABLE intake.event ADD COLUMN size int GENERATED ALWAYS AS (length(body)) STORED', 'ALTER TABLE intake.event DROP COLUMN size');
SELECT * FROM refused('ALTER TABLE intake.queue RENAME COLUMN attempts TO tries', 'ALTER TABLE intake.queue RENAME COLUMN tries TO attempts');
SELECT * FROM refused('ALTER TABLE intake.event_key ALTER COLUMN digest TYPE text', 'ALTER TABLE intake.event_key ALTER COLUMN digest TYPE uuid USING digest::uuid');
SELECT * FROM refused('ALTER TABLE intake.event_key DROP CONSTRAINT event_key_pkey', 'ALTER TABLE intake.event_key ADD CONSTRAINT event_key_pkey PRIMARY KEY (head, digest)');
SELECT * FROM refused('ALTER TABLE intake.event_key ALTER COLUMN event_id DROP NOT NULL', 'ALTER TABLE intake.event_key ALTER COLUMN event_id SET NOT NULL');
SELECT * FROM refused('ALTER TABLE intake.queue ADD CONSTRAINT to_workflow FOREIGN KEY (lane) REFERENCES intake.workflow', 'ALTER TABLE intake.queue DROP CONSTRAINT to_workflow');
SELECT * FROM refused('ALTER TABLE intake.queue ADD CONSTRAINT later UNIQUE (job_id) DEFERRABLE', 'ALTER TABLE intake.queue DROP CONSTRAINT later');
SELECT * FROM refused('ALTER TABLE intake.event ADD COLUMN must int NOT NULL DEFAULT 1; ALTER TABLE intake.event ALTER COLUMN must DROP DEFAULT', 'ALTER TABLE intake.event DROP COLUMN must');
SELECT send('refused');

-- A job whose room cannot be used waits, uncharged.
ALTER TABLE intake.done RENAME COLUMN attempts TO tries;
SELECT intake.emit('waits', '{}') AS waits \gset
-- The executor has ended, and the next one is started later and later.
SELECT wait_until('bool_or(ready > 0 AND executors = 0 AND waiting_since < clock_timestamp() - interval ''0.3 s'') FROM intake.owners') AS claim_failed;
SELECT state, attempts FROM intake.jobs WHERE event_id = :waits;
ALTER TABLE intake.done RENAME COLUMN tries TO attempts;
SELECT at_rest();

-- A partition whose columns stand elsewhere, or that has no key.
CREATE TABLE intake.event_1000000 (body bytea NOT NULL, id bigint PRIMARY KEY, received_at timestamptz NOT NULL, source_id int NOT NULL,
    secret_id int, verified "char" NOT NULL, key text COLLATE "C" NOT NULL, type text COLLATE "C", headers jsonb NOT NULL,
    delivery_id bigint, position int);
CREATE TABLE intake.event_2000000 (LIKE intake.event);
ALTER TABLE intake.event ATTACH PARTITION intake.event_1000000 FOR VALUES FROM (1000000) TO (2000000);
ALTER TABLE intake.event ATTACH PARTITION intake.event_2000000 FOR VALUES FROM (2000000) TO (3000000);
SELECT count(setval('intake.event_id_seq', 1000001));
SELECT * FROM refused('SELECT', 'SELECT');
SELECT count(setval('intake.event_id_seq', 2000001));
SELECT * FROM refused('SELECT', 'SELECT');
ALTER TABLE intake.event_2000000 ADD PRIMARY KEY (id);
SELECT send('second partition');

-- A column that was dropped and made again stands elsewhere.
SELECT * FROM refused('ALTER TABLE intake.event_key DROP COLUMN event_id; ALTER TABLE intake.event_key ADD COLUMN event_id bigint NOT NULL DEFAULT 0', 'SELECT');

\c :this_database
DROP DATABASE intake_shape;
