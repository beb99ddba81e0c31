-- Default privileges of a database open nothing of the extension.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_intake_curious;
\set this_database :DBNAME
CREATE DATABASE intake_access;
\c intake_access
SET client_min_messages = warning;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO regress_intake_curious, PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO regress_intake_curious WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_intake_curious WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_intake_curious;
CREATE EXTENSION pg_intake CASCADE;
CREATE FUNCTION works(job intake.job) RETURNS void LANGUAGE sql AS '';
SELECT intake.create_source('src', 'hmac', secret => 'nobody reads this') > 0, intake.create_workflow('works', 'works(intake.job)') > 0, intake.emit('n', '{}') > 0;
SELECT count(setval('intake.event_id_seq', 600000));
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
-- A job that is delayed wakes the supervisor, which makes the next partition.
SELECT intake.emit('n', '{}', delay => '1 ms') > 0;
SELECT wait_until('count(*) = 3 FROM pg_class WHERE relname IN (''event_0'', ''event_1000000'', ''done_0'')') AS partitions_are_made;

-- Nobody but the owner has a privilege on any object, but that everybody may name types.
CREATE FUNCTION granted() RETURNS TABLE (object text, grantee text, privilege text) LANGUAGE sql AS $$
    SELECT o.object, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type FROM (
        SELECT 'schema', nspowner, nspacl FROM pg_namespace WHERE nspname = 'intake'
        UNION ALL SELECT oid::regclass::text, relowner, relacl FROM pg_class WHERE relnamespace = 'intake'::regnamespace
        UNION ALL SELECT attrelid::regclass || '.' || attname, relowner, attacl FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'intake'::regnamespace
        UNION ALL SELECT oid::regprocedure::text, proowner, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace = 'intake'::regnamespace
        UNION ALL SELECT oid::regtype::text, typowner, typacl FROM pg_type WHERE typnamespace = 'intake'::regnamespace AND typrelid IN (0, (SELECT oid FROM pg_class WHERE relkind = 'c' AND oid = typrelid))
    ) o(object, owner, acl), aclexplode(o.acl) a
    WHERE a.grantee <> o.owner AND NOT (a.privilege_type = 'USAGE' AND a.grantee = 0 AND o.object IN ('intake.job', 'intake.answer', 'intake.next', 'intake.request', 'intake.response')) $$;
SELECT * FROM granted();
SELECT count(*) > 1 AS some_partitions FROM pg_class WHERE relnamespace = 'intake'::regnamespace AND relispartition AND relkind = 'r';
SET ROLE regress_intake_curious;
SELECT secret FROM intake.source_secret;
SELECT body FROM intake.event_0;
RESET ROLE;

-- Where every table is published, rows of each can be changed and deleted.
SET client_min_messages = error;
CREATE PUBLICATION everything FOR ALL TABLES;
RESET client_min_messages;
DO $$
DECLARE
    name regclass;
BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'intake'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('DELETE FROM %s WHERE false', name);
    END LOOP;
END $$;
DROP PUBLICATION everything;

\c :this_database
DROP DATABASE intake_access;
DROP ROLE regress_intake_curious;
