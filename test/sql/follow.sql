-- Tools that copy a table while it is used (pg_repack) follow it by row triggers that are ENABLE
-- ALWAYS. Whatever the engine writes to its tables, their copy has it. No other trigger is fired.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA r_follow;
CREATE TABLE r_follow.said (by name);
CREATE FUNCTION r_follow.follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'INSERT' THEN
        EXECUTE format('INSERT INTO r_follow.%I SELECT ($1).*', tg_argv[0]) USING new;
        RETURN new;
    END IF;
    EXECUTE format('DELETE FROM r_follow.%I c WHERE c.ctid = (SELECT min(d.ctid) FROM r_follow.%1$I d WHERE d::text = ($1)::text)', tg_argv[0]) USING old;
    IF NOT EXISTS (SELECT FROM r_follow.said WHERE by = current_user) THEN
        INSERT INTO r_follow.said VALUES (current_user);
    END IF;
    RETURN old;
END $$;
CREATE FUNCTION r_follow.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE FUNCTION r_follow.tables() RETURNS SETOF text LANGUAGE sql AS
    $$ SELECT unnest('{event,event_key,queue,running,delayed,suspect,done,discarded,dead_letter,attempt}'::text[]) $$;
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT r_follow.tables() LOOP
        EXECUTE format('LOCK TABLE intake.%I IN SHARE ROW EXCLUSIVE MODE', t);
        EXECUTE format('CREATE TABLE r_follow.%I AS TABLE intake.%1$I', t);
        EXECUTE format('CREATE TRIGGER follow AFTER INSERT OR UPDATE OR DELETE ON intake.%I FOR EACH ROW EXECUTE FUNCTION r_follow.follow(%1$L)', t);
        EXECUTE format('ALTER TABLE intake.%I ENABLE ALWAYS TRIGGER follow', t);
        EXECUTE format('CREATE TRIGGER refuse BEFORE INSERT OR DELETE ON intake.%I FOR EACH ROW EXECUTE FUNCTION r_follow.refuse()', t);
        EXECUTE format('CREATE TRIGGER refuse_after AFTER INSERT OR DELETE ON intake.%I FOR EACH ROW EXECUTE FUNCTION r_follow.refuse()', t);
        EXECUTE format('CREATE TRIGGER refuse_statement AFTER INSERT OR DELETE ON intake.%I EXECUTE FUNCTION r_follow.refuse()', t);
        EXECUTE format('ALTER TABLE intake.%I ENABLE ALWAYS TRIGGER refuse_statement', t);
    END LOOP;
END $$;
CREATE PROCEDURE r_follow.drop_triggers(names text[]) LANGUAGE plpgsql AS $$
DECLARE
    t text;
    trigger text;
BEGIN
    FOR t IN SELECT r_follow.tables() LOOP
        FOREACH trigger IN ARRAY names LOOP
            EXECUTE format('DROP TRIGGER %I ON intake.%I', trigger, t);
        END LOOP;
    END LOOP;
END $$;
-- The rows that a table has and its copy has not, or the other way round.
CREATE FUNCTION r_follow.differences() RETURNS TABLE (t text, n bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR t IN SELECT r_follow.tables() LOOP
        EXECUTE format('SELECT count(*) FROM (SELECT x::text, count(*) FROM intake.%I x GROUP BY 1) a FULL JOIN (SELECT y::text, count(*) FROM r_follow.%1$I y GROUP BY 1) b ON a = b WHERE a IS NULL OR b IS NULL', t) INTO n;
        IF n > 0 THEN RETURN NEXT; END IF;
    END LOOP;
END $$;
CREATE FUNCTION r_follow.ended(jobs bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    counted bigint;
BEGIN
    FOR i IN 1..3000 LOOP
        -- Planned anew each time: a partition may have come.
        EXECUTE 'SELECT count(*) FROM intake.jobs WHERE workflow LIKE ''r_follow%'' AND state IN (''done'', ''dead'')' INTO counted;
        IF counted = jobs THEN RETURN 'yes'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no, ' || counted;
END $$;

CREATE FUNCTION r_follow.handle(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF job.payload ? 'dies' THEN PERFORM intake.fail_permanently('as told'); END IF;
    IF job.payload ? 'fails' AND job.attempt = 1 THEN RAISE EXCEPTION 'once'; END IF;
END $$;
SELECT count(intake.create_workflow(w, 'r_follow.handle(intake.job)', type => w, backoff => '1 ms')) FROM unnest('{r_follow_alone,r_follow_together}'::text[]) w;
SELECT intake.alter_workflow('r_follow_together', jobs_per_transaction => 16);
SELECT count(intake.emit(w, p)) FROM generate_series(1, 10), unnest('{r_follow_alone,r_follow_together}'::text[]) w,
    unnest(ARRAY['{}', '{"fails": 1}', '{"dies": 1}']::jsonb[]) p;
SELECT r_follow.ended(60);
SELECT * FROM r_follow.differences();
-- The same key twice.
SELECT count(DISTINCT intake.emit('r_follow_alone', '{}', key => 'r_follow')) FROM generate_series(1, 3);
-- What repairs is SQL.
CALL r_follow.drop_triggers('{refuse,refuse_after,refuse_statement}');
SELECT intake.replay_dead_letters(workflow => 'r_follow_alone');
SELECT r_follow.ended(61);
SELECT * FROM r_follow.differences();
-- It runs as the extension's owner, wherever the engine writes.
SELECT DISTINCT by = (SELECT extowner::regrole::name FROM pg_extension WHERE extname = 'pg_intake') AS as_owner FROM r_follow.said;
SELECT count(*) AS attempts FROM r_follow.attempt, intake.workflow w WHERE w.id = workflow_id AND w.name LIKE 'r_follow%';

CALL r_follow.drop_triggers('{follow}');
SELECT count(intake.drop_workflow(w)) FROM unnest('{r_follow_alone,r_follow_together}'::text[]) w;
DROP SCHEMA r_follow CASCADE;
