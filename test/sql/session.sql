-- What a handler leaves in its session, and what it defers to the commit.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA j_session;
SET search_path = j_session, public;
CREATE FUNCTION ended(w text, n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    counted bigint;
BEGIN
    FOR i IN 1..3000 LOOP
        -- Planned anew each time: a partition may have come.
        EXECUTE format('SELECT count(*) FROM intake.jobs WHERE workflow = %L AND state IN (''done'', ''dead'')', w) INTO counted;
        IF counted = n THEN RETURN 'yes'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no, ' || counted;
END $$;
CREATE FUNCTION states(w text) RETURNS TABLE (state text, count bigint, sqlstate text, error text) LANGUAGE sql AS $$
    SELECT j.state, count(*), d.sqlstate, split_part(d.error, E'\n', 1) FROM intake.jobs j LEFT JOIN intake.dead_letters d ON d.job_id = j.id
        WHERE j.workflow = w GROUP BY 1, 3, 4 ORDER BY 1, 3 $$;

-- Each job looks around before it makes a mess: of the kind that its event names, or of all kinds.
CREATE TABLE seen (workflow text, job_id bigint, kind text, found text, pid int DEFAULT pg_backend_pid());
CREATE TABLE numbered (id serial);
CREATE FUNCTION left_over() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text := '';
BEGIN
    IF to_regclass('pg_temp.litter') IS NOT NULL THEN found := found || ' temp'; END IF;
    IF EXISTS (SELECT FROM pg_proc WHERE pronamespace = pg_my_temp_schema()) THEN found := found || ' function'; END IF;
    IF EXISTS (SELECT FROM pg_prepared_statements) THEN found := found || ' prepared'; END IF;
    IF EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') THEN found := found || ' lock'; END IF;
    IF EXISTS (SELECT FROM pg_cursors WHERE name ~ 'litter') THEN found := found || ' cursor'; END IF;
    IF current_setting('j_session.litter', true) <> '' THEN found := found || ' setting'; END IF;
    IF current_setting('search_path') = 'nowhere' THEN found := found || ' path'; END IF;
    BEGIN
        found := found || ' currval ' || currval('j_session.numbered_id_seq');
    EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL;
    END;
    RETURN found;
END $$;
CREATE FUNCTION litter(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kind text := job.payload ->> 'kind';
    n text;
BEGIN
    INSERT INTO j_session.seen VALUES (job.workflow, job.id, kind, j_session.left_over());
    IF kind IN ('temp', 'all') THEN CREATE TEMP TABLE litter (x int UNIQUE); INSERT INTO litter VALUES (1); END IF;
    IF kind IN ('prepared', 'all') THEN EXECUTE 'PREPARE litter AS SELECT 1'; END IF;
    IF kind IN ('cursor', 'all') THEN
        EXECUTE 'DECLARE litter_held CURSOR WITH HOLD FOR SELECT generate_series(1, 100)';
        EXECUTE 'DECLARE litter_open CURSOR FOR SELECT 1';
    END IF;
    IF kind IN ('currval', 'all') THEN INSERT INTO j_session.numbered DEFAULT VALUES; END IF;
    IF kind IN ('setting', 'all') THEN PERFORM set_config('j_session.litter', 'x', false); END IF;
    IF kind IN ('lock', 'all') THEN PERFORM pg_advisory_lock(7001, (job.id % 1000)::int); END IF;
    IF kind IN ('function', 'all') THEN
        SET LOCAL search_path = pg_temp;
        CREATE FUNCTION pg_temp.litter() RETURNS int LANGUAGE sql AS 'SELECT 1';
        EXECUTE 'CREATE FUNCTION litter(int) RETURNS int LANGUAGE sql AS ''SELECT 1''';
    END IF;
    IF kind = 'fail' THEN
        EXECUTE 'PREPARE litter AS SELECT 1';
        IF job.workflow = 'j_alone' THEN PERFORM pg_advisory_lock(7001, 0); END IF;
        PERFORM nextval('j_session.numbered_id_seq');
        RAISE EXCEPTION 'failed';
    END IF;
END $$;
SELECT count(intake.create_workflow(w, 'litter(intake.job)', type => w, max_attempts => 1)) FROM unnest('{j_alone,j_together}'::text[]) w;
SELECT intake.alter_workflow('j_together', jobs_per_transaction => 16), intake.pause_workflow('j_together');
SELECT count(intake.emit('j_alone', jsonb_build_object('kind', kind)))
    FROM generate_series(1, 3), unnest('{temp,prepared,lock,cursor,currval,setting,function,all,fail,nothing}'::text[]) kind;
SELECT ended('j_alone', 30);
SELECT count(intake.emit('j_together', jsonb_build_object('kind', kind)))
    FROM generate_series(1, 3), unnest('{temp,prepared,cursor,currval,setting,function,fail,nothing}'::text[]) kind;
SELECT intake.resume_workflow('j_together');
SELECT ended('j_together', 24);
SELECT * FROM states('j_alone');
SELECT * FROM states('j_together');
SELECT workflow, kind, found FROM seen WHERE found <> '';
-- An executor that rests keeps no lock.
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7001;

-- Deferred triggers run within the timeout and with the settings of the handler.
CREATE TABLE deferring (job_id bigint, kind text);
CREATE TABLE fired (job_id bigint, kind text, litter text, path text, role text DEFAULT current_user);
CREATE FUNCTION on_deferring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO j_session.fired VALUES (new.job_id, new.kind, nullif(current_setting('j_session.of_handler', true), ''), current_setting('search_path'));
    CASE new.kind
        WHEN 'slow' THEN PERFORM pg_sleep(30);
        WHEN 'raise' THEN RAISE EXCEPTION 'deferred, and failed';
        WHEN 'set' THEN
            PERFORM set_config('search_path', 'nowhere', false), set_config('j_session.litter', 'x', false);
            SET default_transaction_read_only = on;
        WHEN 'again' THEN
            INSERT INTO j_session.deferring VALUES (new.job_id, 'plain');
        ELSE NULL;
    END CASE;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON deferring DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION on_deferring();
CREATE FUNCTION slow_rows() RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN NEXT 1; END $$;
CREATE FUNCTION defer(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kind text := job.payload ->> 'kind';
BEGIN
    INSERT INTO j_session.seen VALUES (job.workflow, job.id, kind, j_session.left_over());
    PERFORM set_config('j_session.of_handler', 'mine', false);
    IF kind = 'cursor' THEN
        EXECUTE 'DECLARE litter_first CURSOR WITH HOLD FOR SELECT 1';
        EXECUTE 'DECLARE litter CURSOR WITH HOLD FOR SELECT * FROM j_session.slow_rows()';
    ELSE INSERT INTO j_session.deferring VALUES (job.id, kind); END IF;
END $$;
TRUNCATE seen;
SELECT count(intake.create_workflow(w, 'defer(intake.job)', type => w, max_attempts => 1, timeout => '1 s')) FROM unnest('{j_defer,j_defer_shared}'::text[]) w;
SELECT intake.alter_workflow('j_defer_shared', jobs_per_transaction => 16), intake.pause_workflow('j_defer_shared');
SELECT count(intake.emit('j_defer', jsonb_build_object('kind', kind))) FROM generate_series(1, 2), unnest('{set,plain,again,raise,slow,cursor,plain}'::text[]) kind;
SELECT count(intake.emit('j_defer_shared', jsonb_build_object('kind', kind))) FROM generate_series(1, 2), unnest('{set,plain,again}'::text[]) kind;
SELECT ended('j_defer', 14);
SELECT intake.resume_workflow('j_defer_shared');
SELECT ended('j_defer_shared', 6);
SELECT count(intake.emit('j_defer_shared', jsonb_build_object('kind', kind))) FROM unnest('{set,plain,again,raise,slow,cursor,plain}'::text[]) kind;
SELECT ended('j_defer_shared', 13);
SELECT * FROM states('j_defer');
SELECT * FROM states('j_defer_shared');
SELECT workflow, kind, found FROM seen WHERE found <> '';
SELECT kind, litter, path = 'nowhere' AS lost, role = current_user AS owner, count(*) FROM fired JOIN intake.jobs j ON j.id = job_id WHERE workflow = 'j_defer' GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT kind, litter, path = 'nowhere' AS lost, count(*) FROM fired JOIN intake.jobs j ON j.id = job_id WHERE workflow = 'j_defer_shared' GROUP BY 1, 2, 3 ORDER BY 1;
SELECT max(attempts) FROM intake.jobs WHERE workflow = 'j_defer_shared';
-- An executor that writes nothing any more would show here.
SELECT count(intake.emit('j_defer', '{"kind": "plain"}')) FROM generate_series(1, 4);
SELECT ended('j_defer', 18);

-- Jobs run as the workflow's owner, whatever role its sessions begin with.
CREATE ROLE j_owner LOGIN;
CREATE ROLE j_other;
GRANT j_other TO j_owner;
ALTER ROLE j_owner SET role = j_other;
GRANT USAGE, CREATE ON SCHEMA j_session TO j_owner;
GRANT USAGE ON SCHEMA j_session TO j_other;
GRANT INSERT ON seen TO PUBLIC;
SELECT intake.grant_access('j_owner', 'admin');
CREATE FUNCTION whoami(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO j_session.seen VALUES (job.workflow, job.id, 'begin', current_user || ' ' || session_user);
    SET ROLE j_other;
    INSERT INTO j_session.seen VALUES (job.workflow, job.id, 'other', current_user || ' ' || session_user);
    RESET ROLE;
    INSERT INTO j_session.seen VALUES (job.workflow, job.id, 'end', current_user || ' ' || session_user);
    SET ROLE j_other;
END $$;
SET SESSION AUTHORIZATION j_owner;
SELECT intake.create_workflow('j_whoami', 'whoami(intake.job)', type => 'j_whoami', max_attempts => 1) > 0;
SELECT count(intake.emit('j_whoami', '{}')) FROM generate_series(1, 4);
RESET SESSION AUTHORIZATION;
SELECT ended('j_whoami', 4);
SELECT kind, found, count(*) FROM seen WHERE workflow = 'j_whoami' GROUP BY 1, 2 ORDER BY 1;

SELECT count(intake.drop_workflow(name)) FROM intake.workflows WHERE name IN ('j_alone', 'j_together', 'j_defer', 'j_defer_shared', 'j_whoami');
SET client_min_messages = error;
-- Nothing is left that names a role or a function that goes.
DELETE FROM intake.workflow WHERE name LIKE 'j\_%';
DROP OWNED BY j_owner, j_other;
DROP ROLE j_owner, j_other;
RESET search_path;
DROP SCHEMA j_session CASCADE;
