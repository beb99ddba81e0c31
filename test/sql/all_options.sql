-- Every function that configures ends in options, and refuses names that it does not know.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;

-- Those that do not.
SELECT p.oid::regprocedure FROM pg_proc p
    WHERE p.pronamespace = 'intake'::regnamespace
      AND p.prorettype <> 'trigger'::regtype AND p.proname ~ '^(create|alter|drop|add|rotate|learn|pause|resume|give|grant|revoke)_'
      AND obj_description(p.oid, 'pg_proc') NOT LIKE 'Internal: %'
      AND (p.proargnames[p.pronargs], p.proargtypes[p.pronargs - 1], pg_get_function_arg_default(p.oid, p.pronargs))
          IS DISTINCT FROM ('options', 'jsonb'::regtype, '''{}''::jsonb');

CREATE FUNCTION ao_handler(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE ROLE ao_role;
SELECT intake.create_source('ao', 'hmac', secret => 'secret-x', options => '{"colour": "red"}');
SELECT intake.create_source('ao', 'hmac', secret => 'secret-x') > 0 AS created;
SELECT intake.alter_source('ao', options => '{"colour": null}');
SELECT intake.drop_source('ao', '{"colour": 1}');
SELECT intake.rotate_secret('ao', 'secret-y', options => '{"colour": 1}');
SELECT intake.add_secret('ao', 'secret-y', options => '{"colour": 1}');
SELECT intake.drop_secret(0, options => '{"colour": 1}');
SELECT intake.learn_secret('ao', options => '{"colour": 1}');
SELECT intake.create_workflow('ao', 'ao_handler(intake.job)', options => '{"colour": 1}');
SELECT intake.create_workflow('ao', 'ao_handler(intake.job)', options => '{}') > 0 AS created;
SELECT intake.alter_workflow('ao', options => '{"colour": null}');
SELECT intake.alter_workflow('ao', options => '{"timeout": "1 s"}');
SELECT intake.pause_workflow('ao', '{"colour": 1}');
SELECT intake.resume_workflow('ao', '{"colour": 1}');
SELECT intake.resume_workflows('{"colour": 1}');
SELECT intake.give_workflow('ao', 'ao_role', '{"colour": 1}');
SELECT intake.drop_workflow('ao', options => '{"colour": 1}');
SELECT intake.grant_access('ao_role', 'worker', '{"colour": 1}');
SELECT intake.revoke_access('ao_role', options => '{"colour": 1}');

-- What is no object is an error, and NULL is no option.
SELECT intake.pause_workflow('ao', '[]');
SELECT intake.pause_workflow('ao', '"colour"');
SELECT intake.alter_source('ao', options => '["tolerance"]');
SELECT intake.alter_workflow('ao', options => 'null');
SELECT intake.pause_workflow('ao', NULL), intake.alter_source('ao', options => NULL);

-- Nothing of all that has happened.
SELECT s.tolerance, count(x.id) AS secrets FROM intake.source s JOIN intake.source_secret x ON x.source_id = s.id
    WHERE s.name = 'ao' AND s.dropped_at IS NULL GROUP BY s.tolerance;
SELECT paused, owner = current_user AS mine FROM intake.workflow WHERE name = 'ao' AND dropped_at IS NULL;
SELECT has_schema_privilege('ao_role', 'intake', 'USAGE');

SELECT intake.drop_workflow('ao', options => '{}'), intake.drop_source('ao', options => '{}');
DROP ROLE ao_role;
DROP FUNCTION ao_handler(intake.job);
