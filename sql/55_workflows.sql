-- Functions for workflows.
--
-- They run as the caller, with the caller's grants on intake.workflow: the column default makes the
-- caller the owner, and row security lets only members of that role change it. So nobody can put a
-- handler of their own into a workflow that runs as somebody else. Row security does not bind the
-- owner of the table, who is the extension's, nor members of that role.

CREATE FUNCTION intake.check_filter(filter jsonpath) RETURNS void
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    without_strings text := regexp_replace(filter::text, '"(\\.|[^"\\])*"', '""', 'g');
BEGIN
    IF without_strings ~ '\$"' THEN
        RAISE EXCEPTION 'a filter cannot have variables' USING ERRCODE = 'invalid_parameter_value',
            DETAIL = format('It is %s.', filter), HINT = '$.name is a member of the payload, $name a variable.';
    END IF;
    PERFORM payload @? filter FROM unnest('{"{}","[]","null","1","\"\""}'::jsonb[]) payload;
EXCEPTION
    WHEN invalid_parameter_value OR query_canceled THEN RAISE;
    WHEN OTHERS THEN
        RAISE EXCEPTION 'the filter fails: %', sqlerrm USING ERRCODE = 'invalid_parameter_value',
            DETAIL = format('It is %s.', filter);
END
$$;
COMMENT ON FUNCTION intake.check_filter(jsonpath) IS
    'Internal: an error where a filter could never find anything, because of a variable or because it fails';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.check_filter');

CREATE FUNCTION intake.set_workflow_options(workflow_id int, options jsonb, resettable text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    span interval;
BEGIN
    resettable := resettable || '{max_steps,expires}'::text[];
    PERFORM intake.check_options(options, resettable);
    IF options -> 'expires' <> 'null' THEN
        -- A number would be one of seconds.
        IF jsonb_typeof(options -> 'expires') <> 'string' THEN
            RAISE EXCEPTION 'expires is not a text' USING ERRCODE = 'invalid_parameter_value',
                HINT = 'It is an interval, such as "1 day".';
        END IF;
        span := options ->> 'expires';
        PERFORM intake.check_duration('expires', span, '1 ms');
        UPDATE intake.workflow w SET expires = span WHERE w.id = workflow_id;
    END IF;
    IF options -> 'max_steps' <> 'null' THEN
        IF NOT coalesce(options @? '$.max_steps ? (@.type() == "number" && @ >= 1 && @ <= 100000 && @ == @.floor())', false) THEN
            RAISE EXCEPTION 'max_steps is not a whole number from 1 to 100000' USING ERRCODE = 'invalid_parameter_value',
                HINT = 'null resets it to its default, which is 100.';
        END IF;
        UPDATE intake.workflow w SET max_steps = (options ->> 'max_steps')::numeric WHERE w.id = workflow_id;
    END IF;
    options := options - ARRAY(SELECT o.key FROM jsonb_each(options) o
                               WHERE o.key IN ('expires', 'max_steps') AND o.value <> 'null');
    PERFORM intake.reset_columns('intake.workflow', workflow_id, options, resettable);
END
$$;
COMMENT ON FUNCTION intake.set_workflow_options(int, jsonb, text[]) IS
    'Internal: sets what options name of a workflow, and resets the columns that they name with a null';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.set_workflow_options');

CREATE FUNCTION intake.require_url(owner oid, url text, auth text, limits jsonb, timeout interval) RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_require_url' LANGUAGE c STABLE;
COMMENT ON FUNCTION intake.require_url(oid, text, text, jsonb, interval) IS
    'Internal: an error where workflows of a role could not send requests to a URL, with a secret, limits and a time limit';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.require_url');

CREATE FUNCTION intake.require_request(request regprocedure) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_proc p WHERE p.oid = request
               AND (p.proretset OR p.prorettype NOT IN ('jsonb'::regtype, 'intake.request'::regtype))) THEN
        RAISE EXCEPTION '% makes no request', request USING ERRCODE = 'invalid_function_definition',
            HINT = 'It returns jsonb, which is the body, or intake.request, which is all of it.';
    END IF;
END
$$;
COMMENT ON FUNCTION intake.require_request(regprocedure) IS
    'Internal: an error where a function does not return what a workflow with a URL can send';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.require_request');

CREATE FUNCTION intake.create_workflow(name text, handler regprocedure DEFAULT NULL,
    source text DEFAULT '*', type text DEFAULT '*', filter jsonpath DEFAULT NULL,
    max_attempts int DEFAULT 8, backoff interval DEFAULT '1 second',
    backoff_max interval DEFAULT '1 hour', timeout interval DEFAULT '1 minute',
    replay_safe boolean DEFAULT true, jobs_per_transaction int DEFAULT 1,
    url text DEFAULT NULL, auth text DEFAULT NULL, limits jsonb DEFAULT NULL, request regprocedure DEFAULT NULL,
    options jsonb DEFAULT '{}') RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id int;
BEGIN
    PERFORM intake.check_options(options, '{max_steps,expires}');
    IF handler IS NULL AND url IS NULL THEN
        RAISE EXCEPTION 'workflow "%" needs a handler or a url', name
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'A handler is a function of one argument of type intake.job; to a url its jobs are sent.';
    ELSIF handler IS NOT NULL AND coalesce(url, auth, limits::text, request::text) IS NOT NULL THEN
        RAISE EXCEPTION 'workflow "%" has a handler and what belongs to a url', name
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'url, auth, limits and request are those of a workflow without a handler; request makes what is sent.';
    END IF;
    PERFORM intake.check_duration('backoff', backoff);
    PERFORM intake.check_duration('backoff_max', backoff_max);
    PERFORM intake.check_duration('timeout', timeout, '1 ms', '24 days');
    PERFORM intake.check_filter(filter);
    IF url IS NOT NULL THEN
        PERFORM intake.require_url(intake.role_oid(current_user), url, auth, limits, timeout);
        PERFORM intake.require_request(request);
        handler := coalesce(request, 'intake.as_json(intake.job)');
    END IF;
    PERFORM intake.require_runnable(current_user, intake.role_oid(current_user), handler::text, handler);
    INSERT INTO intake.workflow (name, handler, source, type, filter, max_attempts, backoff,
                                 backoff_max, timeout, replay_safe, jobs_per_transaction, url, auth, limits)
        VALUES (create_workflow.name, intake.handler_name(create_workflow.handler),
                create_workflow.source, create_workflow.type, create_workflow.filter,
                create_workflow.max_attempts, create_workflow.backoff, create_workflow.backoff_max,
                create_workflow.timeout, create_workflow.replay_safe,
                create_workflow.jobs_per_transaction, create_workflow.url, create_workflow.auth,
                create_workflow.limits)
        ON CONFLICT (name) WHERE dropped_at IS NULL DO NOTHING
        RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION 'workflow "%" already exists', name USING ERRCODE = 'duplicate_object';
    END IF;
    IF options <> '{}' THEN
        PERFORM intake.set_workflow_options(new_id, options, '{}');
    END IF;
    PERFORM intake.warn_unless_preloaded();
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION intake.create_workflow(text, regprocedure, text, text, jsonpath, int, interval, interval, interval, boolean, int, text, text, jsonb, regprocedure, jsonb) IS
    'Runs handler, a function of one argument of type intake.job, on every later event whose source and type match the globs and whose payload has what filter looks for. With a url instead, the event is sent there as JSON, or as what request makes of it (a function of intake.job that returns jsonb, the body, or intake.request), with the secret auth, and a JSON answer is the result. Its jobs run as the role that calls this. options has max_steps (100), and expires, an interval (null: never). Returns the workflow''s id';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.create_workflow');

CREATE FUNCTION intake.require_workflow(name text) RETURNS int
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found intake.workflow;
    owner oid;
BEGIN
    SELECT * INTO found FROM intake.workflow w
        WHERE w.name = require_workflow.name AND w.dropped_at IS NULL;
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'workflow "%" does not exist', name USING ERRCODE = 'undefined_object';
    END IF;
    owner := intake.workflow_owner(found.owner, found.owner_oid, found.database_identity);
    IF NOT intake.may_change(owner) THEN
        RAISE EXCEPTION 'workflow "%" belongs to role "%"', name,
                coalesce((SELECT r.rolname FROM pg_roles r WHERE r.oid = owner), found.owner)
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN found.id;
END
$$;
COMMENT ON FUNCTION intake.require_workflow(text) IS
    'Internal: the id of a workflow that the caller may change, or an error';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.require_workflow');

CREATE FUNCTION intake.require_sendable(workflow_id int, owner oid DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    w intake.workflow;
BEGIN
    SELECT * INTO w FROM intake.workflow x WHERE x.id = workflow_id;
    IF w.url IS NOT NULL THEN
        PERFORM intake.require_url(coalesce(require_sendable.owner, intake.workflow_owner(w.owner, w.owner_oid, w.database_identity)),
                                   w.url, w.auth, w.limits, w.timeout);
    END IF;
END
$$;
COMMENT ON FUNCTION intake.require_sendable(int, oid) IS
    'Internal: an error where a workflow that has a URL could not send anything there, as a role or as its owner';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.require_sendable');

CREATE FUNCTION intake.alter_workflow(name text, handler regprocedure DEFAULT NULL,
    source text DEFAULT NULL, type text DEFAULT NULL, filter jsonpath DEFAULT NULL,
    max_attempts int DEFAULT NULL, backoff interval DEFAULT NULL,
    backoff_max interval DEFAULT NULL, timeout interval DEFAULT NULL,
    replay_safe boolean DEFAULT NULL, jobs_per_transaction int DEFAULT NULL,
    url text DEFAULT NULL, auth text DEFAULT NULL, limits jsonb DEFAULT NULL, request regprocedure DEFAULT NULL,
    options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_workflow int := intake.require_workflow(name);
    settable text[] := '{source,type,filter,max_attempts,backoff,backoff_max,timeout,replay_safe,jobs_per_transaction,auth,limits}';
    has_url boolean := (SELECT x.url IS NOT NULL FROM intake.workflow x WHERE x.id = this_workflow);
BEGIN
    IF NOT has_url AND coalesce(url, auth, limits::text, request::text) IS NOT NULL
       OR has_url AND handler IS NOT NULL THEN
        RAISE EXCEPTION 'workflow "%" has a %', name, CASE WHEN has_url THEN 'url, and no handler' ELSE 'handler, and no url' END
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A workflow does not change its kind: create another one.';
    END IF;
    IF has_url AND options -> 'request' = 'null' THEN
        request := coalesce(request, 'intake.as_json(intake.job)');
        options := options - 'request';
    END IF;
    IF has_url THEN
        settable := settable || 'request'::text;
    END IF;
    PERFORM intake.require_request(request);
    handler := coalesce(handler, request);
    PERFORM intake.check_duration('backoff', backoff);
    PERFORM intake.check_duration('backoff_max', backoff_max);
    PERFORM intake.check_duration('timeout', timeout, '1 ms', '24 days');
    PERFORM intake.check_filter(filter);
    PERFORM intake.set_workflow_options(this_workflow, options, settable);
    IF handler IS NOT NULL THEN
        PERFORM intake.require_handler(this_workflow, handler);
    END IF;
    UPDATE intake.workflow w SET
        handler_oid = coalesce(alter_workflow.handler, w.handler_oid),
        source = coalesce(alter_workflow.source, w.source),
        type = coalesce(alter_workflow.type, w.type),
        filter = coalesce(alter_workflow.filter, w.filter),
        max_attempts = coalesce(alter_workflow.max_attempts, w.max_attempts),
        backoff = coalesce(alter_workflow.backoff, w.backoff),
        backoff_max = coalesce(alter_workflow.backoff_max, w.backoff_max),
        timeout = coalesce(alter_workflow.timeout, w.timeout),
        replay_safe = coalesce(alter_workflow.replay_safe, w.replay_safe),
        jobs_per_transaction = coalesce(alter_workflow.jobs_per_transaction, w.jobs_per_transaction),
        url = coalesce(alter_workflow.url, w.url),
        auth = coalesce(alter_workflow.auth, w.auth),
        limits = coalesce(alter_workflow.limits, w.limits)
        WHERE w.id = this_workflow;
    IF coalesce(url, auth, limits::text, timeout::text) IS NOT NULL THEN
        PERFORM intake.require_sendable(this_workflow);
    END IF;
END
$$;
COMMENT ON FUNCTION intake.alter_workflow(text, regprocedure, text, text, jsonpath, int, interval, interval, interval, boolean, int, text, text, jsonb, regprocedure, jsonb) IS
    'Changes what is not NULL of a workflow; what options names with a null, such as {"filter": null}, is reset to its default first; max_steps and expires are set there. Jobs that are there already run by the new settings';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.alter_workflow');

CREATE FUNCTION intake.pause_workflow(name text, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_workflow int := intake.require_workflow(name);
BEGIN
    PERFORM intake.check_options(options, '{}');
    UPDATE intake.workflow w SET paused = true WHERE w.id = this_workflow;
END
$$;
COMMENT ON FUNCTION intake.pause_workflow(text, jsonb) IS
    'Lets a workflow''s jobs wait in their lane. Those that an executor has claimed still run';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.pause_workflow');

CREATE FUNCTION intake.resume_workflow(name text, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_workflow int := intake.require_workflow(name);
    w intake.workflow;
BEGIN
    PERFORM intake.check_options(options, '{}');
    SELECT * INTO w FROM intake.workflow x WHERE x.id = this_workflow;
    PERFORM intake.require_sendable(this_workflow);
    PERFORM intake.require_runnable(w.owner,
        intake.workflow_owner(w.owner, w.owner_oid, w.database_identity), w.handler,
        intake.workflow_handler(w.handler, w.handler_oid, w.database_identity));
    UPDATE intake.workflow x
        SET paused = false, database_identity = intake.database_identity()
        WHERE x.id = this_workflow;
END
$$;
COMMENT ON FUNCTION intake.resume_workflow(text, jsonb) IS
    'Lets a paused workflow run, and one that came with a restored dump: its owner and its handler are then the role and the function that have those names here';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.resume_workflow');

CREATE FUNCTION intake.resume_workflows(options jsonb DEFAULT '{}') RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    w record;
    problem text;
    resumed bigint := 0;
BEGIN
    PERFORM intake.check_options(options, '{}');
    FOR w IN
        SELECT x.id, x.name, intake.workflow_owner(x.owner, x.owner_oid, x.database_identity) AS owner,
               intake.workflow_handler(x.handler, x.handler_oid, x.database_identity) AS handler
        FROM intake.workflow x
        WHERE x.dropped_at IS NULL AND x.database_identity IS DISTINCT FROM intake.database_identity()
        ORDER BY x.id
    LOOP
        CONTINUE WHEN NOT intake.may_change(w.owner);
        problem := intake.binding_problem(w.owner, w.handler);
        IF problem IS NULL THEN
            BEGIN
                PERFORM intake.require_sendable(w.id, w.owner);
            EXCEPTION WHEN OTHERS THEN
                problem := sqlerrm;
            END;
        END IF;
        IF problem IS NOT NULL THEN
            RAISE WARNING 'workflow "%" is not resumed: %', w.name, problem;
            CONTINUE;
        END IF;
        UPDATE intake.workflow x SET database_identity = intake.database_identity() WHERE x.id = w.id;
        resumed := resumed + 1;
    END LOOP;
    RETURN resumed;
END
$$;
COMMENT ON FUNCTION intake.resume_workflows(jsonb) IS
    'Lets every restored workflow run that the caller may change, after pg_upgrade or a restore, and returns how many. Those that were paused stay so; for one that cannot run there is a WARNING';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.resume_workflows');

CREATE FUNCTION intake.give_workflow(name text, role regrole, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_workflow int := intake.require_workflow(name);
    w intake.workflow;
    handler oid;
BEGIN
    PERFORM intake.check_options(options, '{}');
    IF role IS NULL OR NOT (pg_has_role(role, 'MEMBER') OR intake.is_administrator()) THEN
        RAISE EXCEPTION 'workflow "%" can be given only to a role that you are a member of', name
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'The owner of the extension can give it to any role.';
    END IF;
    PERFORM intake.require_sendable(this_workflow, role);
    SELECT * INTO w FROM intake.workflow x WHERE x.id = this_workflow;
    handler := intake.workflow_handler(w.handler, w.handler_oid, w.database_identity);
    IF intake.binding_problem(role, handler) <> 'no such handler' THEN
        PERFORM intake.require_runnable(pg_get_userbyid(role), role, w.handler, handler);
    END IF;
    UPDATE intake.workflow x SET owner_oid = role WHERE x.id = this_workflow;
END
$$;
COMMENT ON FUNCTION intake.give_workflow(text, regrole, jsonb) IS
    'Makes another role the owner of a workflow: its later jobs run as that role. The caller is a member of both, or of the extension''s owner, who may give away what belongs to nobody any more';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.give_workflow');

CREATE FUNCTION intake.drop_workflow(name text, force boolean DEFAULT false, options jsonb DEFAULT '{}')
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_workflow int := intake.require_workflow(name);
    unfinished bigint := intake.unfinished_jobs(this_workflow);
BEGIN
    PERFORM intake.check_options(options, '{}');
    IF unfinished > 0 AND NOT force THEN
        RAISE EXCEPTION 'workflow "%" has % unfinished jobs', name, unfinished
            USING ERRCODE = 'object_in_use',
                  HINT = 'Let them finish, or drop it with force => true, which discards them.';
    END IF;
    UPDATE intake.workflow w SET dropped_at = now() WHERE w.id = this_workflow;
END
$$;
COMMENT ON FUNCTION intake.drop_workflow(text, boolean, jsonb) IS
    'Ends a workflow. With force, its jobs that wait are discarded. The record of its jobs stays';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.drop_workflow');

ALTER TABLE intake.workflow ENABLE ROW LEVEL SECURITY;
CREATE POLICY workflow_read ON intake.workflow FOR SELECT USING (true);
COMMENT ON POLICY workflow_read ON intake.workflow IS 'Whoever may read the table sees every workflow';
CREATE POLICY workflow_create ON intake.workflow FOR INSERT WITH CHECK (owner = current_user);
COMMENT ON POLICY workflow_create ON intake.workflow IS 'A new workflow belongs to who creates it';
CREATE POLICY workflow_change ON intake.workflow FOR UPDATE
    USING (pg_has_role(intake.workflow_owner(owner, owner_oid, database_identity), 'USAGE'))
    WITH CHECK (pg_has_role(intake.workflow_owner(owner, owner_oid, database_identity), 'MEMBER'));
COMMENT ON POLICY workflow_change ON intake.workflow IS
    'Only members of the owner change a workflow, and give it to a role that they are a member of';
