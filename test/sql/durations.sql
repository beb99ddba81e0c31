-- Intervals have bounds, and a row that cannot be read harms itself only.
\set VERBOSITY terse
SET client_min_messages = warning;
SET intervalstyle = postgres;

CREATE FUNCTION bounds_wait(condition text) RETURNS text LANGUAGE plpgsql AS $$
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
CREATE FUNCTION bounds_handler(job intake.job) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION said(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN format('%s %s (%s)', sqlstate, sqlerrm, detail);
END $$;
SELECT count(intake.create_source('bounds', 'hmac', secret => 'secret-x', key_from => 'header:x-id'));
SELECT count(intake.create_workflow('bounds', 'bounds_handler(intake.job)', type => 'nothing'));

-- Every interval that a function takes. What is negative in seconds only is found out.
SELECT value, parameter, said(format(statement, value))
FROM (VALUES
    ('backoff', $$SELECT intake.create_workflow('w', 'bounds_handler(intake.job)', type => 'nothing', backoff => %L)$$),
    ('backoff_max', $$SELECT intake.create_workflow('w', 'bounds_handler(intake.job)', type => 'nothing', backoff_max => %L)$$),
    ('timeout', $$SELECT intake.create_workflow('w', 'bounds_handler(intake.job)', type => 'nothing', timeout => %L)$$),
    ('alter backoff', $$SELECT intake.alter_workflow('bounds', backoff => %L)$$),
    ('alter backoff_max', $$SELECT intake.alter_workflow('bounds', backoff_max => %L)$$),
    ('alter timeout', $$SELECT intake.alter_workflow('bounds', timeout => %L)$$),
    ('tolerance', $$SELECT intake.create_source('w', 'hmac', tolerance => %L)$$),
    ('alter tolerance', $$SELECT intake.alter_source('bounds', tolerance => %L)$$),
    ('overlap', $$SELECT intake.rotate_secret('bounds', 'secret-y', overlap => %L)$$),
    ('within', $$SELECT intake.learn_secret('bounds', within => %L)$$),
    ('emit', $$SELECT intake.emit('bounds', '{}', delay => %L)$$),
    ('retry_in', $$SELECT intake.retry_in(%L)$$)) AS place(parameter, statement),
    (VALUES ('300000 years'), ('-1 year 361 days'), ('178000000 years 2147483647 days'), ('-1 us')) AS bad(value);
SELECT said($$SELECT intake.create_workflow('w', 'bounds_handler(intake.job)', timeout => '25 days')$$);
SELECT said($$SELECT intake.alter_workflow('bounds', timeout => '999 us')$$);
SELECT said($$SELECT intake.learn_secret('bounds', NULL)$$);
SELECT said($$SELECT intake.rotate_secret('bounds', 'secret-y', NULL)$$);
SELECT said($$SELECT intake.retry_in(NULL)$$);

-- The bounds themselves.
SELECT said($$SELECT intake.alter_workflow('bounds', backoff => '0', backoff_max => '10 years', timeout => '24 days')$$);
SELECT said($$SELECT intake.alter_workflow('bounds', backoff => '-1 day 24:00:01', timeout => '1 ms')$$);
SELECT said($$SELECT intake.alter_source('bounds', tolerance => '10 years')$$);

-- The tables have them too, for who writes there without the functions.
SELECT conrelid::regclass, said(format('INSERT INTO %s (%s) SELECT %s FROM %s LIMIT 1', conrelid::regclass,
    (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute a
     WHERE attrelid = conrelid AND attnum > 0),
    (SELECT string_agg(CASE WHEN a.attnum = k.attnum THEN '''300000 years'''
                            WHEN attname = 'id' THEN '-1' WHEN attname = 'name' THEN '''bounds2'''
                            ELSE quote_ident(attname) END, ', ' ORDER BY a.attnum)
     FROM pg_attribute a WHERE attrelid = conrelid AND a.attnum > 0), conrelid::regclass))
    ~ ('^23514 .*"' || conname || '"') AS refused, k.attname
FROM pg_attribute k JOIN pg_constraint ON conrelid = attrelid AND conkey = ARRAY[k.attnum]
WHERE conrelid IN ('intake.source'::regclass, 'intake.scheme'::regclass, 'intake.workflow'::regclass)
    AND atttypid = 'interval'::regtype AND contype = 'c'
ORDER BY 1, 3;
SELECT attrelid::regclass, attname FROM pg_attribute
WHERE attrelid::regclass::text ~ '^intake\.' AND atttypid = 'interval'::regtype AND attnum > 0 AND attname <> 'duration'
    AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = attrelid AND conkey = ARRAY[attnum]);

-- What a handler asks for with WH002: too long is ten years, less than nothing is no wish.
CREATE FUNCTION bounds_later(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'later' USING ERRCODE = 'WH002', DETAIL = job.payload ->> 'delay';
END $$;
SELECT count(intake.create_workflow('bounds_later', 'bounds_later(intake.job)', type => 'bounds_later', backoff => '1 h'));
SELECT count(intake.emit('bounds_later', jsonb_build_object('delay', d)))
FROM unnest(ARRAY['300000 years', '178000000 years 2147483647 days', '-1 year 361 days', '1 year']) d;
SELECT bounds_wait('count(*) = 4 FROM intake.jobs WHERE workflow = ''bounds_later'' AND state = ''delayed'' AND attempts = 1');
SELECT e.payload ->> 'delay' AS wanted, round(extract(epoch FROM run_at - now()) / 86400, -1) AS days
FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE workflow = 'bounds_later' ORDER BY 1;
SELECT intake.drop_workflow('bounds_later', force => true);

-- Rows that were written past all of that: the workflow's jobs wait, the source refuses, the
-- views say why, and everybody else goes on.
SELECT count(intake.create_workflow('sound', 'bounds_handler(intake.job)', type => 'sound'));
SELECT count(intake.create_workflow('broken' || n, 'bounds_handler(intake.job)', type => 'sound')) FROM generate_series(1, 6) n;
SELECT count(intake.create_source('sound', 'hmac', secret => 'secret-x', key_from => 'header:x-id'));
SELECT count(intake.create_source('broken' || n, 'hmac', secret => 'secret-x', key_from => 'header:x-id')) FROM generate_series(1, 2) n;
BEGIN;
CREATE TABLE bounds_constraint AS
    SELECT conrelid::regclass AS relation, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE contype = 'c' AND conrelid IN ('intake.source'::regclass, 'intake.workflow'::regclass)
        AND conname ~ 'backoff|timeout|attempts|per_transaction|tolerance';
DO $$
DECLARE
    command text;
BEGIN
    FOR command IN SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', relation, conname) FROM bounds_constraint LOOP
        EXECUTE command;
    END LOOP;
END $$;
ALTER TABLE intake.workflow ALTER timeout DROP NOT NULL;
UPDATE intake.workflow SET backoff_max = '300000 years' WHERE name = 'broken1';
UPDATE intake.workflow SET backoff = '-1 year 361 days' WHERE name = 'broken2';
UPDATE intake.workflow SET timeout = '178000000 years 2147483647 days' WHERE name = 'broken3';
UPDATE intake.workflow SET timeout = NULL WHERE name = 'broken4';
UPDATE intake.workflow SET max_attempts = 0 WHERE name = 'broken5';
UPDATE intake.workflow SET jobs_per_transaction = 100000 WHERE name = 'broken6';
UPDATE intake.source SET tolerance = '300000 years' WHERE name = 'broken1';
UPDATE intake.source SET tolerance = '-1 year 361 days' WHERE name = 'broken2';
COMMIT;
SELECT intake.emit('sound', '{}') > 0;
SELECT name, state FROM intake.workflows WHERE name ~ '^(sound|broken)' ORDER BY name;
SELECT name, problem FROM intake.sources WHERE name ~ '^(sound|broken)' ORDER BY name;
SELECT bounds_wait('count(*) = 1 FROM intake.jobs WHERE workflow = ''sound'' AND state = ''done''');
SELECT workflow, state FROM intake.jobs WHERE workflow ~ '^broken' ORDER BY workflow;
SELECT name, status FROM intake.sources,
    intake.ingest(name, jsonb_build_object('X-Signature', encode(hmac('{}', 'secret-x', 'sha256'), 'hex'), 'X-Id', '1'), '{}')
    WHERE name ~ '^(sound|broken)' ORDER BY name;
SELECT source, reason, detail FROM intake.rejections WHERE source ~ '^broken' ORDER BY source;

-- What is put right runs.
SELECT intake.alter_workflow(name, backoff => '1 s', backoff_max => '1 h', timeout => '1 min', max_attempts => 8,
    jobs_per_transaction => 1) FROM intake.workflows WHERE name ~ '^broken' ORDER BY name;
SELECT intake.alter_source('broken1', tolerance => '1 min'), intake.alter_source('broken2', tolerance => '1 min');
SELECT bounds_wait('count(*) = 6 FROM intake.jobs WHERE workflow ~ ''^broken'' AND state = ''done''');
SELECT name, state FROM intake.workflows WHERE name ~ '^(sound|broken)' ORDER BY name;
SELECT name, problem FROM intake.sources WHERE name ~ '^(sound|broken)' ORDER BY name;

ALTER TABLE intake.workflow ALTER timeout SET NOT NULL;
DO $$
DECLARE
    command text;
BEGIN
    FOR command IN SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', relation, conname, definition) FROM bounds_constraint LOOP
        EXECUTE command;
    END LOOP;
END $$;
SELECT intake.drop_workflow(name) FROM intake.workflows WHERE name ~ '^(sound|broken|bounds)';
SELECT intake.drop_source(name) FROM intake.sources WHERE name ~ '^(sound|broken|bounds)';
DROP TABLE bounds_constraint;
DROP FUNCTION bounds_handler, bounds_later, bounds_wait, said;
