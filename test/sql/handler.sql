-- What a handler gets, and how far its statements run.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA j_handler;
SET search_path = j_handler, public;
CREATE FUNCTION wait_for(condition text) RETURNS text LANGUAGE plpgsql AS $$
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
CREATE FUNCTION ended(w text, n int) RETURNS text LANGUAGE sql AS $$
    SELECT wait_for(format('count(*) = %s FROM intake.jobs WHERE workflow = %L AND state IN (''done'', ''dead'')', n, w)) $$;

-- A body in SQL runs as far as a call of the function does: the last SELECT ends at its first row
-- where the function returns one; what stands before runs to its end, and so does RETURNING.
CREATE TABLE touched (handler text, n int);
CREATE FUNCTION touch(handler text, n int) RETURNS int LANGUAGE sql AS $$ INSERT INTO j_handler.touched VALUES (handler, n) RETURNING n $$;
CREATE FUNCTION one_select(job intake.job) RETURNS int LANGUAGE sql AS $$ SELECT j_handler.touch('one_select', n) FROM generate_series(1, 5) n $$;
CREATE FUNCTION two_selects(job intake.job) RETURNS int LANGUAGE sql AS $$
    SELECT j_handler.touch('two_selects ä', n) FROM generate_series(1, 5) n;
    SELECT j_handler.touch('two_selects', job.attempt + n) FROM generate_series(1, 5) n; -- the last one
$$;
CREATE FUNCTION nothing(job intake.job) RETURNS void LANGUAGE sql AS $$ SELECT j_handler.touch('nothing', n) FROM generate_series(1, 5) n $$;
CREATE FUNCTION many(job intake.job) RETURNS SETOF int LANGUAGE sql AS $$ SELECT j_handler.touch('many', n) FROM generate_series(1, 5) n $$;
CREATE FUNCTION gives_back(job intake.job) RETURNS int LANGUAGE sql AS $$ INSERT INTO j_handler.touched SELECT 'gives_back', n FROM generate_series(1, 5) n RETURNING n $$;
CREATE FUNCTION modifying(job intake.job) RETURNS int LANGUAGE sql AS $$
    WITH x AS (INSERT INTO j_handler.touched SELECT 'modifying', n FROM generate_series(1, 5) n RETURNING n) SELECT j_handler.touch('modifying', n) FROM x $$;
CREATE FUNCTION no_row(job intake.job) RETURNS int LANGUAGE sql AS $$ INSERT INTO j_handler.touched VALUES ('no_row', 1); SELECT 1 WHERE false $$;
SELECT name, count(intake.create_workflow('j_' || name, (name || '(intake.job)')::regprocedure, type => 'j_touch', max_attempts => 1))
    FROM unnest('{one_select,two_selects,nothing,many,gives_back,modifying,no_row}'::text[]) name GROUP BY 1 ORDER BY 1;
SELECT intake.emit('j_touch', '{}') > 0;
SELECT wait_for($$count(*) = 7 FROM intake.jobs WHERE event_id = (SELECT max(id) FROM intake.events WHERE type = 'j_touch') AND state IN ('done', 'dead')$$);
CREATE TABLE as_workflow AS SELECT handler, count(*), array_agg(n ORDER BY n) FROM touched GROUP BY 1;
TRUNCATE touched;
-- The same, called.
CREATE FUNCTION call_all(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM one_select(job), two_selects(job), nothing(job), gives_back(job), modifying(job), no_row(job);
    PERFORM many(job);
END $$;
SELECT call_all(jsonb_populate_record(NULL::intake.job, '{"id": 1, "event_id": 1, "key": "k", "body": "x", "payload": {}, "attempt": 1, "max_attempts": 1, "lease": 1}'));
SELECT * FROM as_workflow ORDER BY handler;
SELECT handler, count(*), array_agg(n ORDER BY n) FROM touched GROUP BY 1 EXCEPT SELECT * FROM as_workflow;
SELECT count(intake.drop_workflow('j_' || name)) FROM unnest('{one_select,two_selects,nothing,many,gives_back,modifying,no_row}'::text[]) name;

-- The type intake.job may have more attributes than the library knows.
CREATE TABLE got (job_id bigint, more text, payload jsonb);
CREATE FUNCTION get(job intake.job) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO j_handler.got VALUES (job.id, to_jsonb(job) ->> 'more', job.payload); END $$;
SELECT intake.create_workflow('j_get', 'get(intake.job)', type => 'j_get') > 0;
ALTER TYPE intake.job ADD ATTRIBUTE more text, ADD ATTRIBUTE and_more int;
SELECT intake.emit('j_get', '{"n": 1}') > 0;
SELECT ended('j_get', 1);
SELECT more, payload FROM got;
ALTER TYPE intake.job DROP ATTRIBUTE more, DROP ATTRIBUTE and_more;
SELECT intake.drop_workflow('j_get');

-- So may intake.answer.
SELECT count(intake.create_source('j_answers', 'hmac', secret => 'secret-s'));
ALTER TYPE intake.answer ADD ATTRIBUTE more text;
SELECT status, body, more FROM intake.ingest('j_answers', '{"X-Signature": "00"}', 'x');
SELECT status, more FROM intake.receive('{POST}'::text[]::bytea[], '{j_answers}'::text[]::bytea[], '{""}', '{""}', '{x}'::text[]::bytea[], '{""}');
ALTER TYPE intake.answer DROP ATTRIBUTE more;
ALTER TYPE intake.answer ALTER ATTRIBUTE status TYPE text;
SELECT status FROM intake.ingest('j_answers', '{"X-Signature": "00"}', 'x');
SELECT status FROM intake.receive('{POST}'::text[]::bytea[], '{j_answers}'::text[]::bytea[], '{""}', '{""}', '{x}'::text[]::bytea[], '{""}');
ALTER TYPE intake.answer ALTER ATTRIBUTE status TYPE int;
SELECT status FROM intake.ingest('j_answers', '{"X-Signature": "00"}', 'x');
SELECT intake.drop_source('j_answers');
RESET search_path;
SET client_min_messages = error;
-- Nothing is left that names a function that goes.
DELETE FROM intake.workflow WHERE name LIKE 'j\_%';
DROP SCHEMA j_handler CASCADE;
