-- What the configuration says about the world around it: schemes, roles and functions. A dump
-- carries names, and they may be gone where it is restored, so nothing here stands in its way.

-- Schemes. Presets are not dumped, and a later version may have others.

CREATE FUNCTION intake.keep_scheme() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    used_by text;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.name = OLD.name THEN
        RETURN NEW;
    END IF;
    SELECT s.name INTO used_by FROM intake.source s
        WHERE s.scheme = OLD.name AND (s.dropped_at IS NULL OR s.id = 0) LIMIT 1;
    IF used_by IS NOT NULL THEN
        RAISE EXCEPTION 'scheme "%" is used by source "%"', OLD.name, used_by
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
COMMENT ON FUNCTION intake.keep_scheme() IS 'Trigger: keeps a scheme that a source uses';
CREATE TRIGGER keep_scheme BEFORE UPDATE OR DELETE ON intake.scheme
    FOR EACH ROW EXECUTE FUNCTION intake.keep_scheme();
COMMENT ON TRIGGER keep_scheme ON intake.scheme IS 'Keeps a scheme that a source uses';

-- A row of somebody's own, which a dump brings, may have the name that a later version gave a preset.
CREATE FUNCTION intake.give_way() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM intake.scheme c WHERE c.name = NEW.name AND c.preset;
    IF FOUND THEN
        RAISE NOTICE 'scheme "%" takes the place of a preset', NEW.name;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION intake.give_way() IS 'Trigger: a preset gives way to a scheme of its name, unless a source uses it';
CREATE TRIGGER give_way BEFORE INSERT ON intake.scheme
    FOR EACH ROW WHEN (NOT NEW.preset) EXECUTE FUNCTION intake.give_way();
COMMENT ON TRIGGER give_way ON intake.scheme IS 'A preset gives way to a scheme of its name';

-- What a scheme verifies must have one reading only: that is proven here, and the unit tests prove it
-- for presets, which are there before this trigger is. It runs as the owner, since whoever may insert
-- need not be able to read, and after other triggers have had their say.
CREATE FUNCTION intake.scheme_problem(name text) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_scheme_problem' LANGUAGE c VOLATILE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION intake.scheme_problem(text) IS
    'Why no source can use a scheme: its row cannot be understood, or what it verifies could be read in two ways; NULL where one can';

CREATE FUNCTION intake.prove_scheme() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := intake.scheme_problem(NEW.name);
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'scheme "%" cannot be used', NEW.name USING ERRCODE = 'check_violation',
            DETAIL = problem, TABLE = 'scheme', SCHEMA = 'intake',
            HINT = 'The columns of intake.scheme have COMMENTs; a preset that signs in a similar way can be copied.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION intake.prove_scheme() IS 'Trigger: refuses a scheme that no source can use';
CREATE TRIGGER prove_scheme AFTER INSERT OR UPDATE ON intake.scheme
    FOR EACH ROW EXECUTE FUNCTION intake.prove_scheme();
COMMENT ON TRIGGER prove_scheme ON intake.scheme IS 'Refuses a scheme that no source can use';

-- Roles and handlers. A name is quoted where it has to be, whatever the session asks for, so that it
-- is the same name for all of them.

CREATE FUNCTION intake.role_oid(name name) RETURNS oid
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
    RETURN (SELECT r.oid FROM pg_roles r WHERE r.rolname = role_oid.name);
COMMENT ON FUNCTION intake.role_oid(name) IS 'Internal: the role of a name; NULL: there is none';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.role_oid');

CREATE FUNCTION intake.handler_name(handler oid) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_handler_name' LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION intake.handler_name(oid) IS
    'Internal: the signature of a function that can be a handler, as workflows keep it; NULL: it is none';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.handler_name');

CREATE FUNCTION intake.find_handler(signature text) RETURNS oid
    AS 'MODULE_PATHNAME', 'intake_sql_find_handler' LANGUAGE c STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION intake.find_handler(text) IS
    'Internal: the handler of a signature, as handler_name gives it; NULL: there is none. Never an error';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.find_handler');

CREATE FUNCTION intake.workflow_handler(handler text, handler_oid oid, database_identity text) RETURNS oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN CASE WHEN workflow_handler.database_identity = intake.database_identity()
                    AND EXISTS (SELECT FROM pg_proc p WHERE p.oid = handler_oid)
                THEN handler_oid ELSE intake.find_handler(handler) END;
COMMENT ON FUNCTION intake.workflow_handler(text, oid, text) IS
    'Internal: the handler of a workflow: its oid where that holds, else the function of its name; NULL: there is none';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.workflow_handler');

CREATE FUNCTION intake.is_administrator() RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'intake');
COMMENT ON FUNCTION intake.is_administrator() IS
    'Internal: whether the caller is a member of the role that owns the extension, or superuser';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.is_administrator');

CREATE FUNCTION intake.may_change(owner oid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN coalesce(pg_has_role(owner, 'USAGE'), false) OR intake.is_administrator();
COMMENT ON FUNCTION intake.may_change(oid) IS
    'Internal: whether the caller may change workflows of an owner, who may be gone';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.may_change');

CREATE FUNCTION intake.require_runnable(owner name, owner_oid oid, handler text, handler_oid oid)
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := intake.binding_problem(owner_oid, handler_oid);
BEGIN
    CASE
        WHEN problem IS NULL THEN
            RETURN;
        WHEN problem = 'no such role' THEN
            RAISE EXCEPTION 'role "%" does not exist', owner
                USING ERRCODE = 'undefined_object',
                      HINT = 'The owner of the extension can give the workflow to another role: intake.give_workflow.';
        WHEN problem = 'role cannot log in' THEN
            RAISE EXCEPTION 'role "%" cannot own a workflow because it cannot log in', owner
                USING ERRCODE = 'invalid_role_specification',
                      HINT = 'Executors connect as the owner of the workflow: ALTER ROLE ... LOGIN, or SET ROLE to another role.';
        WHEN problem = 'role may not connect' THEN
            RAISE EXCEPTION 'role "%" cannot own a workflow because it may not connect to the database', owner
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Executors connect as the owner of the workflow: GRANT CONNECT ON DATABASE.';
        WHEN problem = 'role may not execute the handler' THEN
            RAISE EXCEPTION 'role "%" may not execute %', owner, handler
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'It needs EXECUTE on the function and USAGE on its schema.';
        WHEN EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                     WHERE p.oid = handler_oid AND n.nspname ~ '^pg_temp_') THEN
            RAISE EXCEPTION '% is in a temporary schema', handler
                USING ERRCODE = 'invalid_function_definition',
                      HINT = 'Executors are other sessions: create the function in a schema that stays.';
        WHEN EXISTS (SELECT FROM pg_proc p WHERE p.oid = handler_oid) THEN
            RAISE EXCEPTION '% is not a function of one argument of type intake.job', handler
                USING ERRCODE = 'invalid_function_definition';
        ELSE
            RAISE EXCEPTION 'function % does not exist', handler
                USING ERRCODE = 'undefined_function',
                      HINT = 'intake.alter_workflow gives the workflow another handler.';
    END CASE;
END
$$;
COMMENT ON FUNCTION intake.require_runnable(name, oid, text, oid) IS
    'Internal: an error if jobs with a handler could not run as a role';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.require_runnable');

CREATE FUNCTION intake.require_handler(workflow_id int, handler regprocedure) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    role oid := (SELECT intake.workflow_owner(w.owner, w.owner_oid, w.database_identity)
                 FROM intake.workflow w WHERE w.id = workflow_id);
    owner name := (SELECT r.rolname FROM pg_roles r WHERE r.oid = role);
BEGIN
    -- The owner of the extension stands for an owner who is gone.
    IF owner IS NULL THEN
        SELECT r.rolname, r.oid INTO owner, role
            FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'intake';
    END IF;
    PERFORM intake.require_runnable(owner, role, handler::text, handler);
END
$$;
COMMENT ON FUNCTION intake.require_handler(int, regprocedure) IS
    'Internal: an error if a function cannot be the handler of a workflow';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.require_handler');

-- The comments of the columns say whether the name or the oid counts. Never an error, whatever is gone.
CREATE FUNCTION intake.bind_workflow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    here text := intake.database_identity();
    anew boolean := TG_OP = 'INSERT' OR NEW.database_identity IS DISTINCT FROM OLD.database_identity;
    role name := (SELECT r.rolname FROM pg_roles r WHERE r.oid = NEW.owner_oid);
    signature text := intake.handler_name(NEW.handler_oid);
BEGIN
    IF role IS DISTINCT FROM NEW.owner THEN
        IF anew OR NEW.owner <> OLD.owner THEN
            NEW.owner_oid := intake.role_oid(NEW.owner);
        ELSE
            NEW.owner := coalesce(role, NEW.owner);
        END IF;
    END IF;
    IF signature IS DISTINCT FROM NEW.handler THEN
        IF anew OR NEW.handler <> OLD.handler THEN
            NEW.handler_oid := intake.find_handler(NEW.handler);
        ELSE
            NEW.handler := coalesce(signature, NEW.handler);
        END IF;
    END IF;
    -- What cannot be bound waits for resume_workflow, which says why.
    IF anew AND (NEW.owner_oid IS NULL OR NEW.handler_oid IS NULL) THEN
        NEW.database_identity := NULL;
    END IF;
    IF NEW.database_identity IS DISTINCT FROM here THEN
        NEW.owner_oid := NULL;
        NEW.handler_oid := NULL;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION intake.bind_workflow() IS
    'Trigger: keeps the names of a workflow''s owner and handler, and their oids, together';
CREATE TRIGGER bind_workflow BEFORE INSERT OR UPDATE ON intake.workflow
    FOR EACH ROW EXECUTE FUNCTION intake.bind_workflow();
COMMENT ON TRIGGER bind_workflow ON intake.workflow IS
    'Keeps the names of a workflow''s owner and handler, and their oids, together';

CREATE TRIGGER depend_on_owners AFTER TRUNCATE ON intake.workflow
    FOR EACH STATEMENT EXECUTE FUNCTION intake.depend_on_owners();
COMMENT ON TRIGGER depend_on_owners ON intake.workflow IS
    'Lets DROP ROLE drop roles that own no workflow any more';
CREATE TRIGGER depend_on_owner AFTER INSERT OR DELETE ON intake.workflow
    FOR EACH ROW EXECUTE FUNCTION intake.depend_on_owners();
COMMENT ON TRIGGER depend_on_owner ON intake.workflow IS
    'Keeps DROP ROLE from dropping a role that owns a workflow';
CREATE TRIGGER depend_on_new_owner AFTER UPDATE ON intake.workflow
    FOR EACH ROW WHEN (OLD.owner_oid IS DISTINCT FROM NEW.owner_oid
                       OR OLD.dropped_at IS DISTINCT FROM NEW.dropped_at)
    EXECUTE FUNCTION intake.depend_on_owners();
COMMENT ON TRIGGER depend_on_new_owner ON intake.workflow IS
    'Keeps DROP ROLE from dropping a role that owns a workflow';

CREATE FUNCTION intake.handler_again(signature text, owner oid) RETURNS oid
    AS 'MODULE_PATHNAME', 'intake_sql_handler_again' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.handler_again(text, oid) IS
    'Internal: a function that was made where the handler of an owner''s workflow was dropped, if whoever made it may decide what that owner runs';

CREATE FUNCTION intake.tend_workflows() RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    here text := intake.database_identity();
    w intake.workflow;
    stale int;
    found int := 0;
BEGIN
    FOR stale IN
        SELECT o.id FROM intake.workflow o LEFT JOIN pg_roles r ON r.oid = o.owner_oid
        WHERE o.dropped_at IS NULL AND o.database_identity = here
          AND (r.rolname IS DISTINCT FROM o.owner AND o.owner_oid IS NOT NULL
               OR intake.handler_name(o.handler_oid) IS DISTINCT FROM o.handler
                  AND coalesce(o.handler_oid, intake.handler_again(o.handler, o.owner_oid)) IS NOT NULL)
        LIMIT 1000
    LOOP
        found := found + 1;
        -- The row may have been changed since it was looked at, and whoever holds its lock keeps it current.
        SELECT * INTO w FROM intake.workflow o WHERE o.id = stale FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN w.id IS NULL OR w.dropped_at IS NOT NULL
            OR w.database_identity IS DISTINCT FROM here;
        w.owner_oid := (SELECT r.oid FROM pg_roles r WHERE r.oid = w.owner_oid);
        IF intake.handler_name(w.handler_oid) IS NULL THEN
            w.handler_oid := intake.handler_again(w.handler, w.owner_oid);
        END IF;
        -- The names are the trigger's to write: one that was read here may have changed since, and would
        -- be taken for the name of another function.
        UPDATE intake.workflow o SET owner_oid = w.owner_oid, handler_oid = w.handler_oid WHERE o.id = stale;
    END LOOP;
    UPDATE intake.call_secret_grant g SET role = r.rolname
        FROM pg_roles r WHERE r.oid = g.role_oid AND r.rolname <> g.role;
    RETURN found = 1000;
END
$$;
COMMENT ON FUNCTION intake.tend_workflows() IS
    'Internal: writes the names that owners, handlers and roles with secrets have now, for the next dump, and finds handlers that were dropped and made again. Returns whether there may be more';

CREATE FUNCTION intake.workflows_wait() RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM intake.workflow w, intake.database_identity() here
                   WHERE w.dropped_at IS NULL AND NOT w.paused AND w.database_identity = here
                     AND intake.binding_problem(w.owner_oid, w.handler_oid) IS NOT NULL)
$$;
COMMENT ON FUNCTION intake.workflows_wait() IS
    'Internal: whether a workflow waits for its role or its handler';
