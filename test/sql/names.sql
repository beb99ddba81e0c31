-- Names of handlers are the same for every session, whatever it sets.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA "q Odd";
CREATE FUNCTION "q Odd".handler(job intake.job) RETURNS void LANGUAGE sql AS '';
SET quote_all_identifiers = on;
SELECT count(intake.create_workflow('q', '"q Odd".handler(intake.job)', type => 'nothing'));
SELECT handler FROM intake.workflow WHERE name = 'q';
SELECT intake.pause_workflow('q'), intake.alter_workflow('q', handler => '"q Odd".handler(intake.job)');
SELECT w.handler, s.handler = w.handler AS shown FROM intake.workflow w JOIN intake.workflows s USING (id) WHERE w.name = 'q';

-- As a dump brings it, to a database where that is set, or is not.
UPDATE intake.workflow SET database_identity = NULL WHERE name = 'q';
SELECT intake.resume_workflow('q');
SELECT handler, handler_oid IS NOT NULL AS bound FROM intake.workflow WHERE name = 'q';
RESET quote_all_identifiers;
SELECT handler, state FROM intake.workflows WHERE name = 'q';
SELECT intake.drop_workflow('q');
DROP SCHEMA "q Odd" CASCADE;

-- A scheme of one's own takes the place of a preset of its name, as a dump brings it, unless that is used.
BEGIN;
SET LOCAL client_min_messages = notice;
COPY intake.scheme (name, kind, signature_from) FROM stdin;
github	token	{header:x}
q_own	token	{header:x}
\.
SELECT name, kind, preset FROM intake.scheme WHERE name IN ('github', 'q_own') ORDER BY name;
ROLLBACK;
SELECT name, kind, preset FROM intake.scheme WHERE name IN ('github', 'q_own') ORDER BY name;
BEGIN;
SELECT count(intake.create_source('q', 'github', secret => 'secret-x'));
INSERT INTO intake.scheme (name, kind, signature_from) VALUES ('github', 'token', '{header:x}');
ROLLBACK;
