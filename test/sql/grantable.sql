-- The list that grant_access loops over: what it may say, and who may change it.
\set VERBOSITY terse
SET client_min_messages = warning;

-- A line names one object of the schema.
SELECT access, privilege FROM intake.grantable
    WHERE privilege !~ '^(USAGE ON SCHEMA intake|EXECUTE ON (FUNCTION|PROCEDURE) intake\.[a-z_]+|SELECT ON intake\.[a-z_]+)$' AND privilege !~ ' ON (SEQUENCE )?intake\.workflow(_id_seq)?$';
SELECT proname FROM pg_proc WHERE pronamespace = 'intake'::regnamespace GROUP BY 1 HAVING count(*) > 1;
SELECT privilege FROM intake.grantable GROUP BY 1 HAVING count(*) > 1;

-- What the two get that are not people; and nobody gets a table, but for the workflows of admins.
SELECT access, privilege FROM intake.grantable WHERE access IN ('gateway', 'worker') ORDER BY 1, 2;
CREATE ROLE grants_admin;
SELECT intake.grant_access('grants_admin', 'gateway'), intake.grant_access('grants_admin', 'admin');
SELECT relname FROM pg_class WHERE relnamespace = 'intake'::regnamespace AND relkind IN ('r', 'p', 'S')
    AND has_any_column_privilege('grants_admin', oid, 'SELECT, INSERT, UPDATE, REFERENCES') ORDER BY 1;
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'intake'::regnamespace AND has_function_privilege('grants_admin', oid, 'EXECUTE')
    AND proname IN ('grant_access', 'revoke_access', 'privileges_of', 'unseal', 'job_enqueue', 'announce', 'tend_workflows');

-- Nobody but the owner writes or reads the list, with whatever rights on tables.
CREATE ROLE grants_writer;
GRANT pg_write_all_data, pg_read_all_data TO grants_writer;
GRANT ALL ON ALL TABLES IN SCHEMA intake TO grants_writer;
SET ROLE grants_writer;
INSERT INTO intake.grantable VALUES ('worker', 'SELECT ON intake.source_secret');
\copy intake.grantable FROM /dev/null
WITH changed AS (UPDATE intake.grantable SET privilege = 'SELECT ON intake.source_secret' RETURNING 1) SELECT count(*) FROM changed;
WITH gone AS (DELETE FROM intake.grantable RETURNING 1) SELECT count(*) FROM gone;
SELECT count(*) FROM intake.grantable;
RESET ROLE;
SET ROLE grants_admin;
SELECT * FROM intake.grantable;
RESET ROLE;

-- Without the list nothing is granted, and no revocation says that it was done.
BEGIN;
SET LOCAL ROLE grants_writer;
TRUNCATE intake.grantable;
RESET ROLE;
SAVEPOINT empty;
SELECT intake.grant_access('grants_admin', 'worker');
ROLLBACK TO empty;
SELECT intake.revoke_access('grants_admin');
ROLLBACK;
REVOKE ALL ON ALL TABLES IN SCHEMA intake FROM grants_writer;
SELECT intake.revoke_access('grants_admin');
DROP ROLE grants_writer, grants_admin;

-- What is neither internal nor a trigger's is for somebody; these are the owner's.
SELECT p.oid::regprocedure FROM pg_proc p
    WHERE p.pronamespace = 'intake'::regnamespace AND p.prorettype <> 'trigger'::regtype AND obj_description(p.oid) !~ '^Internal'
      AND NOT EXISTS (SELECT FROM intake.grantable g WHERE g.privilege IN ('EXECUTE ON FUNCTION intake.' || p.proname, 'EXECUTE ON PROCEDURE intake.' || p.proname))
    ORDER BY 1;
SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'intake'::regnamespace AND c.relkind = 'v'
      AND NOT EXISTS (SELECT FROM intake.grantable g WHERE g.privilege = 'SELECT ON intake.' || c.relname)
    ORDER BY 1;
