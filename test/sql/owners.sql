-- Whose workflows are, and what they run: both are kept by oid, so a rename changes nothing.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_intake_l LOGIN;
CREATE ROLE regress_intake_l_other LOGIN;
CREATE ROLE regress_intake_l_nologin;
GRANT regress_intake_l_other, regress_intake_l_nologin TO regress_intake_l;
SELECT intake.grant_access('regress_intake_l', 'admin'), intake.grant_access('regress_intake_l_other', 'admin');
CREATE SCHEMA regress_intake_l;
GRANT USAGE ON SCHEMA regress_intake_l TO PUBLIC;
CREATE FUNCTION regress_intake_l.handler(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE VIEW seen AS SELECT name, owner, handler, state FROM intake.workflows WHERE name IN ('l', 'l2') ORDER BY name;
GRANT SELECT ON seen TO PUBLIC;
CREATE VIEW told AS SELECT refobjid::regrole AS role FROM pg_shdepend WHERE objid = 'intake.workflow'::regclass
    AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND objsubid = (SELECT attnum FROM pg_attribute WHERE attrelid = objid AND attname = 'owner') ORDER BY 1;

SET ROLE regress_intake_l;
SELECT intake.create_workflow('l', 'regress_intake_l.handler(intake.job)', source => 'nothing') > 0 AS created;
RESET ROLE;
SELECT * FROM seen;

-- Renamed, both of them, and moved: whoever may change it still may.
ALTER ROLE regress_intake_l RENAME TO regress_intake_l_new;
ALTER FUNCTION regress_intake_l.handler(intake.job) RENAME TO "Renamed";
ALTER FUNCTION regress_intake_l."Renamed"(intake.job) SET SCHEMA public;
SELECT * FROM seen;
SET ROLE regress_intake_l_new;
SELECT intake.pause_workflow('l'), intake.resume_workflow('l'), intake.alter_workflow('l', type => 'x');

-- A role that is made with the old name has no part in it.
RESET ROLE;
CREATE ROLE regress_intake_l LOGIN;
SELECT intake.grant_access('regress_intake_l', 'admin');
SET ROLE regress_intake_l;
SELECT intake.pause_workflow('l');
UPDATE intake.workflow SET paused = true WHERE name = 'l';
SELECT intake.drop_workflow('l');
RESET ROLE;
SELECT * FROM seen;
DROP OWNED BY regress_intake_l;
DROP ROLE regress_intake_l;

-- The owner cannot be dropped, nor by DROP OWNED.
DROP OWNED BY regress_intake_l_new;
SELECT * FROM told;
DROP ROLE regress_intake_l_new;
-- Who has a workflow and no right to its table may use it all the same.
SET ROLE regress_intake_l_new;
DROP OWNED BY regress_intake_l_new;
RESET ROLE;
SELECT * FROM told;
SELECT intake.grant_access('regress_intake_l_new', 'admin');

-- Given away, and by REASSIGN OWNED.
SET ROLE regress_intake_l_new;
SELECT intake.give_workflow('l', 'postgres');
SELECT intake.give_workflow('l', 'regress_intake_l_nologin');
SELECT intake.give_workflow('l', NULL);
SELECT intake.give_workflow('l', 'regress_intake_l_other');
SELECT * FROM seen;
SET ROLE regress_intake_l_other;
SELECT intake.give_workflow('l', 'regress_intake_l_new');
UPDATE intake.workflow SET owner_oid = 'regress_intake_l_new'::regrole WHERE name = 'l';
REASSIGN OWNED BY regress_intake_l_new TO regress_intake_l_other;
RESET ROLE;
SELECT * FROM told;
REASSIGN OWNED BY regress_intake_l_other TO regress_intake_l_new;
SELECT * FROM seen;
SELECT * FROM told;
BEGIN;
SELECT intake.drop_workflow('l');
SELECT * FROM told;
ROLLBACK;
SELECT * FROM told;

-- What it needs may be taken away; it says so.
ALTER ROLE regress_intake_l_new NOLOGIN;
SELECT * FROM seen;
ALTER ROLE regress_intake_l_new LOGIN;
DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$;
SELECT * FROM seen;
SELECT intake.resume_workflow('l');
DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO PUBLIC', current_database()); END $$;
REVOKE EXECUTE ON FUNCTION "Renamed"(intake.job) FROM PUBLIC;
SELECT * FROM seen;
SELECT intake.resume_workflow('l');
GRANT EXECUTE ON FUNCTION "Renamed"(intake.job) TO PUBLIC;
SELECT * FROM seen;
DROP FUNCTION "Renamed"(intake.job);
SELECT * FROM seen;
SELECT intake.resume_workflow('l');
SELECT intake.pause_workflow('l');
SELECT * FROM seen;
CREATE FUNCTION regress_intake_l.again(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT';
SET ROLE regress_intake_l_new;
SELECT intake.alter_workflow('l', 'regress_intake_l.again(intake.job)'), intake.resume_workflow('l');
SELECT * FROM seen;
RESET ROLE;
SELECT * FROM seen;

-- An orphan. Nobody drops such a role any more; but a superuser who edits the catalogue may.
DROP OWNED BY regress_intake_l_new;
DELETE FROM pg_shdepend WHERE refobjid = 'regress_intake_l_new'::regrole AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND objid = 'intake.workflow'::regclass
    AND objsubid = (SELECT attnum FROM pg_attribute WHERE attrelid = objid AND attname = 'owner');
DROP ROLE regress_intake_l_new;
SELECT * FROM seen;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SET ROLE regress_intake_l_other;
SELECT intake.create_workflow('l2', 'regress_intake_l.again(intake.job)', source => 'nothing') > 0 AS created;
SELECT intake.pause_workflow('l2'), intake.alter_workflow('l2', type => 'y'), intake.resume_workflow('l2');
UPDATE intake.workflow SET paused = true WHERE name = 'l';
SELECT intake.drop_workflow('l');
RESET ROLE;
-- A member of the role that owns the extension is an administrator.
CREATE ROLE regress_intake_l_dba;
DO $$ BEGIN EXECUTE format('GRANT %I TO regress_intake_l_dba', current_user); END $$;
SET ROLE regress_intake_l_dba;
SELECT intake.pause_workflow('l'), intake.alter_workflow('l', type => 'z', handler => 'regress_intake_l.again(intake.job)');
SELECT intake.resume_workflow('l');
SELECT intake.give_workflow('l', 'regress_intake_l_nologin');
SELECT intake.give_workflow('l', 'regress_intake_l_other'), intake.resume_workflow('l');
RESET ROLE;
SELECT * FROM seen;
SELECT * FROM told;

-- A handler in a temporary schema is that of another session next.
CREATE FUNCTION pg_temp.handler(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT';
\set VERBOSITY sqlstate
SELECT count(intake.create_workflow('l3', p.oid::regprocedure)) FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema();
SELECT replace(:'LAST_ERROR_MESSAGE', nspname, 'pg_temp_N') FROM pg_namespace WHERE oid = pg_my_temp_schema();
SELECT count(intake.alter_workflow('l2', p.oid::regprocedure)) FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema();
\set VERBOSITY terse

-- What was set is cleared by a null.
SELECT intake.alter_workflow('l2', filter => '$.a', max_attempts => 3, source => 's');
SELECT source, type, filter, max_attempts FROM intake.workflows WHERE name = 'l2';
SELECT intake.alter_workflow('l2', options => '{"filter": null, "max_attempts": null, "source": null, "type": null}', max_attempts => 4);
SELECT source, type, filter, max_attempts FROM intake.workflows WHERE name = 'l2';
SELECT intake.alter_workflow('l2', options => '{"filter": "$.a"}');
SELECT intake.alter_workflow('l2', options => '{"owner": null}');

-- A scheme that a source uses stays.
INSERT INTO intake.scheme (name, kind, signature_from) VALUES ('l_scheme', 'token', '{header:x}');
SELECT intake.create_source('l_source', 'l_scheme', secret => 'secret-x') > 0 AS created;
DELETE FROM intake.scheme WHERE name = 'l_scheme';
UPDATE intake.scheme SET name = 'l_renamed' WHERE name = 'l_scheme';
UPDATE intake.scheme SET description = 'no rename' WHERE name = 'l_scheme';
-- One that is gone all the same, after a restore: nothing is let in, and every other source works.
UPDATE intake.source SET scheme = 'l_gone' WHERE name = 'l_source';
SELECT intake.source_problem('l_source');
SELECT scheme, key_from FROM intake.sources WHERE name = 'l_source';
SELECT (intake.ingest('l_source', '{"X": "x"}', 'x')).status;
SELECT reason, detail FROM intake.rejections WHERE source = 'l_source';
SELECT intake.drop_source('l_source');
DELETE FROM intake.scheme WHERE name = 'l_scheme';

SELECT intake.drop_workflow('l'), intake.drop_workflow('l2');
SELECT * FROM told;
DROP VIEW seen, told;
DROP FUNCTION regress_intake_l.again(intake.job);
DROP SCHEMA regress_intake_l;
DROP OWNED BY regress_intake_l_other, regress_intake_l_nologin, regress_intake_l_dba;
DROP ROLE regress_intake_l_other, regress_intake_l_nologin, regress_intake_l_dba;
