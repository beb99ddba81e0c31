-- Sources and workflows: made, changed, dropped, and refused.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT intake.create_source('s', 'nothing', secret => 'x');
SELECT intake.create_source('bad name', 'hmac', secret => 'x');
SELECT intake.create_source('s', 'hmac', secret => '');
SELECT intake.create_source('s', 'svix', secret => 'whsec_!');
SELECT intake.create_source('s', 'hmac', secret => 'x', key_from => 'nowhere');
SELECT intake.create_source('s', 'hmac', secret => 'x', on_dead_duplicate => 'explode');
SELECT intake.create_source('s', 'internal');
SELECT count(*) FROM intake.sources WHERE name = 's';

-- Without a secret everything is refused.
SELECT intake.create_source('s', 'hmac') > 0 AS created;
SELECT (intake.ingest('s', jsonb_build_object('X-Signature', encode(hmac('x', '', 'sha256'), 'hex')), 'x')).status;
SELECT secrets FROM intake.sources WHERE name = 's';
SELECT intake.create_source('s', 'hmac');
SELECT intake.rotate_secret('s', 'x');
SELECT intake.rotate_secret('s', NULL);
SELECT intake.rotate_secret('nobody', 'x');
SELECT intake.alter_source('s', key_from => 'header:id', tolerance => '1 hour');
SELECT intake.alter_source('s', key_from => 'nowhere');
SELECT key_from, type_from, tolerance FROM intake.sources WHERE name = 's';
SELECT intake.alter_source('intake'), 1;
SELECT intake.drop_source('s');
SELECT intake.drop_source('s');
SELECT (intake.ingest('s', '{}', 'x')).status;
SELECT intake.create_source('s', 'hmac', secret => 'y') > 0 AS created;

CREATE FUNCTION handler(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION other(text) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE PROCEDURE procedure(job intake.job) LANGUAGE sql AS 'SELECT';
SELECT intake.create_workflow('w');
SELECT intake.create_workflow('w', 'other(text)');
SELECT intake.create_workflow('w', 'procedure(intake.job)');
SELECT intake.create_workflow('w', 'nobody(intake.job)');
SELECT intake.create_workflow('w', 'handler(intake.job)', max_attempts => 0);
SELECT intake.create_workflow('w', 'handler(intake.job)', timeout => '0');
SELECT intake.create_workflow('w', 'handler(intake.job)', source => 'nothing-*') > 0 AS created;
SELECT intake.create_workflow('w', 'handler(intake.job)');
SELECT intake.alter_workflow('w', type => 'a.*', max_attempts => 3);
SELECT intake.pause_workflow('w');
SELECT name, handler, source, type, max_attempts, state FROM intake.workflows;
SELECT intake.resume_workflow('w');
SELECT state FROM intake.workflows;
SELECT intake.pause_workflow('nobody');
SELECT intake.drop_workflow('w');
SELECT intake.drop_workflow('w');

-- Who owns a workflow.
CREATE ROLE regress_intake_admin LOGIN;
CREATE ROLE regress_intake_other LOGIN;
CREATE ROLE regress_intake_nologin;
SELECT intake.grant_access('regress_intake_admin', 'admin'), intake.grant_access('regress_intake_other', 'admin'), intake.grant_access('regress_intake_nologin', 'admin');
SELECT intake.grant_access('regress_intake_admin', 'emperor');
SET ROLE regress_intake_admin;
SELECT intake.create_workflow('mine', 'public.handler(intake.job)', source => 'nothing') > 0 AS created;
SELECT owner, handler FROM intake.workflows;
INSERT INTO intake.workflow (name, owner, handler) VALUES ('stolen', 'postgres', 'public.handler(intake.job)');
UPDATE intake.workflow SET owner = 'postgres';
SELECT intake.grant_access('regress_intake_admin', 'admin');
SELECT * FROM intake.source_secret;
SELECT intake.create_source('admins', 'hmac', secret => 'x') > 0 AS created;
SET ROLE regress_intake_other;
SELECT intake.alter_workflow('mine', type => 'x');
SELECT intake.drop_workflow('mine', force => true);
UPDATE intake.workflow SET handler = 'public.handler(intake.job)' WHERE name = 'mine';
SET ROLE regress_intake_nologin;
SELECT intake.create_workflow('nologin', 'public.handler(intake.job)');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION handler(intake.job) FROM PUBLIC;
SET ROLE regress_intake_other;
SELECT intake.create_workflow('not mine', 'public.handler(intake.job)');
RESET ROLE;
SELECT intake.drop_workflow('mine');
DROP OWNED BY regress_intake_admin, regress_intake_other, regress_intake_nologin;
DROP ROLE regress_intake_admin, regress_intake_other, regress_intake_nologin;
