-- What a handler may do with its argument, however large the body is: it is a value like any other.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA j_argument;
SET search_path = j_argument, public;
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
CREATE TABLE seen (handler text, large boolean, id text, bytes int, digest text);
CREATE TABLE kept (job intake.job);
CREATE FUNCTION see(handler text, job intake.job) RETURNS void LANGUAGE sql AS $$
    INSERT INTO j_argument.seen VALUES (handler, length(job.body) > 100000, job.payload->>'id', length(job.body), md5(job.body)) $$;
CREATE FUNCTION see_again(handler text, job intake.job) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    job.body := job.body || '';
    PERFORM j_argument.see(handler, job);
    RETURN handler;
END $$;

CREATE FUNCTION fields(job intake.job) RETURNS void LANGUAGE sql AS $$
    INSERT INTO j_argument.seen VALUES ('fields', length(job.body) > 100000, job.payload->>'id', length(job.body), md5(job.body)) $$;
CREATE FUNCTION fields_plpgsql(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    body bytea := job.body;
    payload jsonb := job.payload;
BEGIN
    INSERT INTO j_argument.seen VALUES ('fields_plpgsql', length(body) > 100000, payload->>'id', length(job.body), md5(body));
END $$;
-- Passed on, twice, to functions that may own what they get.
CREATE FUNCTION passed(job intake.job) RETURNS void LANGUAGE sql AS $$
    SELECT j_argument.see_again('passed 1', job), j_argument.see_again('passed 2', job);
    SELECT j_argument.see_again('passed 3', job) $$;
CREATE FUNCTION passed_atomic(job intake.job) RETURNS text LANGUAGE sql BEGIN ATOMIC
    SELECT j_argument.see_again('passed_atomic 1', job) || j_argument.see_again('passed_atomic 2', job); END;
CREATE FUNCTION passed_plpgsql(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    other intake.job := job;
BEGIN
    PERFORM j_argument.see_again('passed_plpgsql 1', job), j_argument.see_again('passed_plpgsql 2', job);
    job.body := 'another';
    PERFORM j_argument.see('passed_plpgsql 3', other);
    IF job.body <> 'another' THEN RAISE 'it has not changed'; END IF;
END $$;
-- As one value: stored, in an array, as JSON, through a cursor and through an exception.
CREATE FUNCTION whole(job intake.job) RETURNS void LANGUAGE sql AS $$
    INSERT INTO j_argument.kept VALUES (job);
    SELECT j_argument.see('whole 1', j) FROM unnest(ARRAY[job, job]) j LIMIT 1;
    INSERT INTO j_argument.seen SELECT 'whole 2', length(r->>'body') > 100000, r->'payload'->>'id', length((r->>'body')::bytea), md5((r->>'body')::bytea) FROM to_jsonb(job) r $$;
CREATE FUNCTION whole_plpgsql(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    j intake.job;
BEGIN
    INSERT INTO j_argument.kept VALUES (job);
    BEGIN
        job.body := '';
        RAISE 'undone';
    EXCEPTION WHEN raise_exception THEN
        FOR j IN SELECT (job).* LOOP job := j; END LOOP;
    END;
    PERFORM j_argument.see('whole_plpgsql', (SELECT k.job FROM j_argument.kept k WHERE (k.job).id = (whole_plpgsql.job).id));
END $$;
SELECT name, count(intake.create_workflow('a_' || name, (name || '(intake.job)')::regprocedure, type => 'j_argument', max_attempts => 1))
    FROM unnest('{fields,fields_plpgsql,passed,passed_atomic,passed_plpgsql,whole,whole_plpgsql}'::text[]) name GROUP BY 1 ORDER BY 1;
SELECT intake.emit('j_argument', '{"id": "small"}') > 0 AS small,
    intake.emit('j_argument', jsonb_build_object('id', 'large', 'list', (SELECT jsonb_agg(md5(n::text)) FROM generate_series(1, 20000) n))) > 0 AS large;
SELECT wait_for($$count(*) = 14 FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE e.type = 'j_argument' AND j.state IN ('done', 'dead')$$);
SELECT workflow, error FROM intake.dead_letters WHERE workflow LIKE 'a\_%' ORDER BY 1, 2;
SELECT handler, large, s.id, s.bytes = length(e.body) AS size, digest = md5(e.body) AS same
    FROM seen s JOIN intake.event e ON e.id = (SELECT id FROM intake.events WHERE type = 'j_argument' AND (length(body) > 100000) = s.large)
    ORDER BY 1, 2;
SELECT count(*), bool_and((k.job).body = e.body AND (k.job).payload = e.payload) AS same FROM kept k JOIN intake.events e ON e.id = (k.job).event_id;
SELECT count(intake.drop_workflow(name)) FROM intake.workflows WHERE name LIKE 'a\_%';
DROP SCHEMA j_argument CASCADE;
