-- Functions for sources and workflows.
--
-- Functions that touch secrets run as the owner of the extension, and when one of them fails
-- the server does not log the statement, which has the secret in it. Those for workflows run as
-- the caller, with the caller's grants on intake.workflow: the column default makes the caller
-- the owner, and row security lets only members of that role change it. So nobody can put
-- a handler of their own into a workflow that runs as somebody else.

CREATE FUNCTION intake.require_source(name text) RETURNS int
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_id int;
BEGIN
    SELECT s.id INTO found_id FROM intake.source s
        WHERE s.name = require_source.name AND s.dropped_at IS NULL;
    IF found_id IS NULL THEN
        RAISE EXCEPTION 'source "%" does not exist', name USING ERRCODE = 'undefined_object';
    END IF;
    IF found_id = 0 THEN
        RAISE EXCEPTION 'the internal source cannot be changed' USING ERRCODE = 'object_in_use';
    END IF;
    RETURN found_id;
END
$$;
COMMENT ON FUNCTION intake.require_source(text) IS 'Internal: the id of a source, or an error';

CREATE FUNCTION intake.require_usable(name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := intake.source_problem(name);
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'source "%" would reject everything: %', name, problem
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
COMMENT ON FUNCTION intake.require_usable(text) IS 'Internal: an error if a source cannot verify anything';

CREATE FUNCTION intake.create_source(name text, scheme text, secret text DEFAULT NULL,
    key_from text DEFAULT NULL, type_from text DEFAULT NULL, tolerance interval DEFAULT NULL,
    public_url text DEFAULT NULL, on_dead_duplicate text DEFAULT 'replay',
    verify_token text DEFAULT NULL) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET log_min_error_statement = panic
AS $$
DECLARE
    new_id int;
BEGIN
    IF NOT EXISTS (SELECT FROM intake.scheme c WHERE c.name = create_source.scheme AND c.kind <> 'internal') THEN
        RAISE EXCEPTION 'scheme "%" does not exist', scheme
            USING ERRCODE = 'undefined_object', HINT = 'SELECT name, description FROM intake.schemes;';
    END IF;
    IF EXISTS (SELECT FROM intake.source s WHERE s.name = create_source.name AND s.dropped_at IS NULL) THEN
        RAISE EXCEPTION 'source "%" already exists', name USING ERRCODE = 'duplicate_object';
    END IF;
    INSERT INTO intake.source (name, scheme, key_from, type_from, tolerance, public_url, on_dead_duplicate)
        VALUES (create_source.name, create_source.scheme, create_source.key_from, create_source.type_from,
                create_source.tolerance, create_source.public_url, create_source.on_dead_duplicate)
        RETURNING id INTO new_id;
    IF secret IS NOT NULL THEN
        INSERT INTO intake.source_secret (source_id, secret) VALUES (new_id, create_source.secret);
    END IF;
    IF verify_token IS NOT NULL THEN
        INSERT INTO intake.source_secret (source_id, purpose, secret)
            VALUES (new_id, 'handshake', create_source.verify_token);
    END IF;
    PERFORM intake.require_usable(name);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION intake.create_source(text, text, text, text, text, interval, text, text, text) IS
    'Creates an endpoint /webhooks/<name> whose requests are signed by a scheme, and returns its id. Without a secret it rejects everything until rotate_secret gives it one. key_from, type_from and tolerance override the scheme. verify_token is what a handshake must present (Meta)';

CREATE FUNCTION intake.alter_source(name text, key_from text DEFAULT NULL,
    type_from text DEFAULT NULL, tolerance interval DEFAULT NULL, public_url text DEFAULT NULL,
    on_dead_duplicate text DEFAULT NULL, verify_token text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET log_min_error_statement = panic
AS $$
DECLARE
    this_source int := intake.require_source(name);
BEGIN
    UPDATE intake.source s SET
        key_from = coalesce(alter_source.key_from, s.key_from),
        type_from = coalesce(alter_source.type_from, s.type_from),
        tolerance = coalesce(alter_source.tolerance, s.tolerance),
        public_url = coalesce(alter_source.public_url, s.public_url),
        on_dead_duplicate = coalesce(alter_source.on_dead_duplicate, s.on_dead_duplicate)
        WHERE s.id = this_source;
    IF verify_token IS NOT NULL THEN
        DELETE FROM intake.source_secret x
            WHERE x.source_id = this_source AND x.purpose = 'handshake';
        INSERT INTO intake.source_secret (source_id, purpose, secret)
            VALUES (this_source, 'handshake', alter_source.verify_token);
    END IF;
    PERFORM intake.require_usable(name);
END
$$;
COMMENT ON FUNCTION intake.alter_source(text, text, text, interval, text, text, text) IS
    'Changes what is not NULL of a source';

CREATE FUNCTION intake.drop_source(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_source int := intake.require_source(name);
BEGIN
    DELETE FROM intake.source_secret x WHERE x.source_id = this_source;
    UPDATE intake.source s SET dropped_at = now() WHERE s.id = this_source;
END
$$;
COMMENT ON FUNCTION intake.drop_source(text) IS
    'Closes the endpoint and deletes its secrets. Its events and their jobs stay';

CREATE FUNCTION intake.rotate_secret(source text, secret text,
    overlap interval DEFAULT '24 hours') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET log_min_error_statement = panic
AS $$
DECLARE
    this_source int := intake.require_source(source);
BEGIN
    IF secret IS NULL OR overlap IS NULL OR overlap < interval '0' THEN
        RAISE EXCEPTION 'rotate_secret needs a secret and an overlap that is not negative'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE intake.source_secret x
        SET expires_at = least(x.expires_at, now() + overlap)
        WHERE x.source_id = this_source AND x.purpose = 'signature';
    INSERT INTO intake.source_secret (source_id, secret)
        VALUES (this_source, rotate_secret.secret);
    DELETE FROM intake.source_secret x
        WHERE x.source_id = this_source AND x.expires_at <= now();
    PERFORM intake.require_usable(source);
END
$$;
COMMENT ON FUNCTION intake.rotate_secret(text, text, interval) IS
    'Gives a source a new secret. The old ones verify for the overlap; with overlap 0 they end at once';

-- Workflows.

CREATE FUNCTION intake.check_workflow() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    handler_oid oid := NEW.handler::regprocedure;
    handler pg_proc;
BEGIN
    SELECT * INTO handler FROM pg_proc p WHERE p.oid = handler_oid;
    IF handler.prokind <> 'f' OR handler.proargtypes <> ('intake.job'::regtype)::oid::text::oidvector THEN
        RAISE EXCEPTION '% is not a function of one argument of type intake.job', NEW.handler
            USING ERRCODE = 'invalid_function_definition';
    END IF;
    IF NOT has_function_privilege(NEW.owner, handler_oid, 'EXECUTE') THEN
        RAISE EXCEPTION 'role "%" may not execute %', NEW.owner, NEW.handler
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF current_setting('server_version_num')::int < 170000
       AND NOT (SELECT r.rolcanlogin FROM pg_roles r WHERE r.rolname = NEW.owner) THEN
        RAISE EXCEPTION 'role "%" cannot own a workflow because it cannot log in', NEW.owner
            USING ERRCODE = 'invalid_role_specification',
                  HINT = 'Executors connect as the owner of the workflow: ALTER ROLE ... LOGIN, or SET ROLE to another role.';
    END IF;
    NEW.handler := handler_oid::regprocedure::text;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION intake.check_workflow() IS 'Trigger: refuses a workflow that could not run';

CREATE TRIGGER check_workflow BEFORE INSERT OR UPDATE OF handler, owner ON intake.workflow
    FOR EACH ROW EXECUTE FUNCTION intake.check_workflow();
COMMENT ON TRIGGER check_workflow ON intake.workflow IS 'Refuses a workflow that could not run';

CREATE FUNCTION intake.create_workflow(name text, handler regprocedure DEFAULT NULL,
    source text DEFAULT '*', type text DEFAULT '*', filter jsonpath DEFAULT NULL,
    max_attempts int DEFAULT 8, backoff interval DEFAULT '1 second',
    backoff_max interval DEFAULT '1 hour', timeout interval DEFAULT '1 minute',
    replay_safe boolean DEFAULT true) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_id int;
BEGIN
    IF handler IS NULL THEN
        RAISE EXCEPTION 'workflow "%" needs a handler', name
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'A handler is a function of one argument of type intake.job.';
    END IF;
    IF EXISTS (SELECT FROM intake.workflow w WHERE w.name = create_workflow.name AND w.dropped_at IS NULL) THEN
        RAISE EXCEPTION 'workflow "%" already exists', name USING ERRCODE = 'duplicate_object';
    END IF;
    INSERT INTO intake.workflow (name, handler, source, type, filter, max_attempts, backoff,
                                 backoff_max, timeout, replay_safe)
        VALUES (create_workflow.name, create_workflow.handler::text, create_workflow.source,
                create_workflow.type, create_workflow.filter, create_workflow.max_attempts,
                create_workflow.backoff, create_workflow.backoff_max, create_workflow.timeout,
                create_workflow.replay_safe)
        RETURNING id INTO new_id;
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION intake.create_workflow(text, regprocedure, text, text, jsonpath, int, interval, interval, interval, boolean) IS
    'Runs handler, a function of one argument of type intake.job, on every later event whose source and type match the globs and whose payload has what filter looks for. Its jobs run as the role that calls this. Returns the workflow''s id';

CREATE FUNCTION intake.require_workflow(name text) RETURNS int
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found intake.workflow;
BEGIN
    SELECT * INTO found FROM intake.workflow w
        WHERE w.name = require_workflow.name AND w.dropped_at IS NULL;
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'workflow "%" does not exist', name USING ERRCODE = 'undefined_object';
    END IF;
    IF NOT pg_has_role(found.owner, 'USAGE') THEN
        RAISE EXCEPTION 'workflow "%" belongs to role "%"', name, found.owner
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN found.id;
END
$$;
COMMENT ON FUNCTION intake.require_workflow(text) IS
    'Internal: the id of a workflow that the caller may change, or an error';

CREATE FUNCTION intake.alter_workflow(name text, handler regprocedure DEFAULT NULL,
    source text DEFAULT NULL, type text DEFAULT NULL, filter jsonpath DEFAULT NULL,
    max_attempts int DEFAULT NULL, backoff interval DEFAULT NULL,
    backoff_max interval DEFAULT NULL, timeout interval DEFAULT NULL,
    replay_safe boolean DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_workflow int := intake.require_workflow(name);
BEGIN
    UPDATE intake.workflow w SET
        handler = coalesce(alter_workflow.handler::text, w.handler),
        source = coalesce(alter_workflow.source, w.source),
        type = coalesce(alter_workflow.type, w.type),
        filter = coalesce(alter_workflow.filter, w.filter),
        max_attempts = coalesce(alter_workflow.max_attempts, w.max_attempts),
        backoff = coalesce(alter_workflow.backoff, w.backoff),
        backoff_max = coalesce(alter_workflow.backoff_max, w.backoff_max),
        timeout = coalesce(alter_workflow.timeout, w.timeout),
        replay_safe = coalesce(alter_workflow.replay_safe, w.replay_safe)
        WHERE w.id = this_workflow;
END
$$;
COMMENT ON FUNCTION intake.alter_workflow(text, regprocedure, text, text, jsonpath, int, interval, interval, interval, boolean) IS
    'Changes what is not NULL of a workflow. Jobs that are there already run by the new settings';

CREATE FUNCTION intake.pause_workflow(name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_workflow int := intake.require_workflow(name);
BEGIN
    UPDATE intake.workflow w SET paused = true WHERE w.id = this_workflow;
END
$$;
COMMENT ON FUNCTION intake.pause_workflow(text) IS
    'Lets a workflow''s jobs wait in their lane. Those that an executor has claimed still run';

CREATE FUNCTION intake.resume_workflow(name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_workflow int := intake.require_workflow(name);
BEGIN
    UPDATE intake.workflow w
        SET paused = false, database_identity = intake.database_identity()
        WHERE w.id = this_workflow;
END
$$;
COMMENT ON FUNCTION intake.resume_workflow(text) IS
    'Lets a paused workflow run, and one that came with a restored dump';

CREATE FUNCTION intake.drop_workflow(name text, force boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_workflow int := intake.require_workflow(name);
    unfinished bigint := intake.unfinished_jobs(this_workflow);
BEGIN
    IF unfinished > 0 AND NOT force THEN
        RAISE EXCEPTION 'workflow "%" has % unfinished jobs', name, unfinished
            USING ERRCODE = 'object_in_use',
                  HINT = 'Let them finish, or drop it with force => true, which discards them.';
    END IF;
    UPDATE intake.workflow w SET dropped_at = now() WHERE w.id = this_workflow;
END
$$;
COMMENT ON FUNCTION intake.drop_workflow(text, boolean) IS
    'Ends a workflow. With force, its jobs that wait are discarded. The record of its jobs stays';

ALTER TABLE intake.workflow ENABLE ROW LEVEL SECURITY;
CREATE POLICY workflow_read ON intake.workflow FOR SELECT USING (true);
COMMENT ON POLICY workflow_read ON intake.workflow IS 'Whoever may read the table sees every workflow';
CREATE POLICY workflow_create ON intake.workflow FOR INSERT WITH CHECK (owner = current_user);
COMMENT ON POLICY workflow_create ON intake.workflow IS 'A new workflow belongs to who creates it';
CREATE POLICY workflow_change ON intake.workflow FOR UPDATE USING (pg_has_role(owner, 'USAGE'));
COMMENT ON POLICY workflow_change ON intake.workflow IS 'Only members of the owner change a workflow';
