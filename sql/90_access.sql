-- Who may do what. Nothing is for everybody.

CREATE FUNCTION intake.access_statements(access text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statements text[] := ARRAY['GRANT USAGE ON SCHEMA intake TO %s'];
    reading text[] := ARRAY[
        'GRANT SELECT ON intake.schemes, intake.sources, intake.secrets, intake.workflows, intake.events, intake.jobs, '
            'intake.attempts, intake.dead_letters, intake.rejections, intake.workers, intake.stats TO %s',
        'GRANT EXECUTE ON FUNCTION intake.find_event(text, text), intake.payload(bytea), intake.sealed_with(bytea), intake.database_identity(), intake.workers_running(), '
            'intake.source_problem(text), intake.workflow_problem(int), intake.handler_name(oid), intake.table_problem(regclass) TO %s'];
    emitting text[] := ARRAY[
        'GRANT EXECUTE ON FUNCTION intake.emit(text, jsonb, text, interval), '
            'intake.fail_permanently(text), intake.retry_in(interval, text), '
            'intake.check_duration(text, interval, interval, interval), intake.check_filter(jsonpath) TO %s'];
    repairing text[] := ARRAY[
        'GRANT EXECUTE ON FUNCTION intake.replay(bigint, boolean), '
            'intake.replay_dead_letters(text, text, text, timestamptz, int, boolean), '
            'intake.discard(bigint, text), '
            'intake.verify(text, jsonb, bytea, text, text, timestamptz), '
            'intake.verify_explain(text, jsonb, bytea, text, text, timestamptz) TO %s'];
    configuring text[] := ARRAY[
        'GRANT EXECUTE ON FUNCTION '
            'intake.create_source(text, text, text, text, text, interval, text, text, text, text, text, boolean, cidr[], text), '
            'intake.alter_source(text, text, text, interval, text, text, text, text, text, boolean, cidr[], jsonb), '
            'intake.drop_source(text), intake.rotate_secret(text, text, interval), '
            'intake.add_secret(text, text, timestamptz, timestamptz), intake.drop_secret(int), '
            'intake.learn_secret(text, interval), intake.reveal_secret(text), intake.reencrypt_secrets(), '
            'intake.sign(text, bytea, jsonb, timestamptz), intake.curl(text, bytea, jsonb, text), '
            'intake.ingest(text, jsonb, bytea, text, text, text) TO %s',
        'GRANT EXECUTE ON FUNCTION '
            'intake.create_workflow(text, regprocedure, text, text, jsonpath, int, interval, interval, interval, boolean, int), '
            'intake.alter_workflow(text, regprocedure, text, text, jsonpath, int, interval, interval, interval, boolean, int, jsonb), '
            'intake.pause_workflow(text), intake.resume_workflow(text), intake.resume_workflows(), '
            'intake.give_workflow(text, regrole), '
            'intake.drop_workflow(text, boolean), intake.require_workflow(text), '
            'intake.warn_unless_preloaded(), intake.unfinished_jobs(int), intake.reset_columns(regclass, int, jsonb, text[]), '
            'intake.role_oid(name), intake.binding_problem(oid, oid), intake.find_handler(text), intake.workflow_owner(name, oid, text), '
            'intake.workflow_handler(text, oid, text), intake.is_administrator(), intake.may_change(oid), '
            'intake.require_runnable(name, oid, text, oid), intake.require_handler(int, regprocedure) TO %s',
        'GRANT SELECT ON intake.workflow TO %s',
        'GRANT INSERT (name, handler, source, type, filter, max_attempts, backoff, backoff_max, '
            'timeout, replay_safe, jobs_per_transaction) ON intake.workflow TO %s',
        'GRANT UPDATE (owner_oid, handler, handler_oid, source, type, filter, max_attempts, backoff, backoff_max, timeout, '
            'replay_safe, jobs_per_transaction, paused, database_identity, dropped_at) ON intake.workflow TO %s',
        'GRANT USAGE ON SEQUENCE intake.workflow_id_seq TO %s'];
BEGIN
    CASE access
        WHEN 'gateway' THEN
            statements := statements ||
                ARRAY['GRANT EXECUTE ON FUNCTION intake.receive(bytea[], bytea[], bytea[], bytea[], bytea[], text[]) TO %s'];
        WHEN 'worker' THEN
            statements := statements || emitting;
        WHEN 'operator' THEN
            statements := statements || emitting || reading || repairing;
        WHEN 'admin' THEN
            statements := statements || emitting || reading || repairing || configuring;
        ELSE
            RAISE EXCEPTION 'access "%" is not known', access
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'It is one of gateway, worker, operator, admin.';
    END CASE;
    RETURN statements;
END
$$;
COMMENT ON FUNCTION intake.access_statements(text) IS
    'Internal: the statements that grant an access, with %s for the role';

CREATE FUNCTION intake.grant_access(role regrole, access text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statement text;
BEGIN
    -- Two at once would change the same rows of the catalogues, and the server refuses the second.
    LOCK TABLE intake.workflow IN SHARE UPDATE EXCLUSIVE MODE;
    FOREACH statement IN ARRAY intake.access_statements(access) LOOP
        EXECUTE format(statement, role);
    END LOOP;
END
$$;
COMMENT ON FUNCTION intake.grant_access(regrole, text) IS
    'Grants a role what it needs. gateway: call intake.receive and nothing else, for the shim. worker: emit events, for handlers. operator: read everything but secrets, verify, replay, discard. admin: all that, and create sources and workflows';

-- A role has an access when it may call what only this one, and those above it, may call.
CREATE FUNCTION intake.has_access(role regrole, access text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
                   WHERE p.pronamespace = 'intake'::regnamespace AND a.grantee = role AND a.privilege_type = 'EXECUTE'
                     AND p.proname = CASE access WHEN 'gateway' THEN 'receive' WHEN 'worker' THEN 'emit'
                                                 WHEN 'operator' THEN 'discard' WHEN 'admin' THEN 'create_source' END)
$$;
COMMENT ON FUNCTION intake.has_access(regrole, text) IS
    'Internal: whether an access was granted to a role itself, by its name or by that of one that includes it';

CREATE FUNCTION intake.revoke_access(role regrole, access text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    levels text[] := '{admin,operator,worker}'; -- each includes those behind it
    statements text[] := intake.access_statements(coalesce(access, 'admin'));
    statement text;
    keeps text;
BEGIN
    LOCK TABLE intake.workflow IN SHARE UPDATE EXCLUSIVE MODE;
    IF access IS NULL THEN
        statements := statements || intake.access_statements('gateway');
    ELSIF access = 'gateway' THEN
        SELECT l INTO keeps FROM unnest(levels) WITH ORDINALITY u(l, n)
            WHERE intake.has_access(role, l) ORDER BY n LIMIT 1;
    ELSE
        SELECT l INTO keeps FROM unnest(levels[:array_position(levels, access) - 1]) WITH ORDINALITY u(l, n)
            WHERE intake.has_access(role, l) ORDER BY n LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'role % has %, which includes %', role, keeps, access
                USING ERRCODE = 'dependent_objects_still_exist',
                      HINT = format('Revoke %s, and grant again what the role is to keep.', keeps);
        END IF;
        IF intake.has_access(role, 'gateway') THEN
            keeps := 'gateway';
        END IF;
    END IF;
    FOREACH statement IN ARRAY statements LOOP
        EXECUTE format(regexp_replace(statement, '^GRANT (.*) TO %s$', 'REVOKE \1 FROM %s'), role);
    END LOOP;
    IF keeps IS NOT NULL THEN
        PERFORM intake.grant_access(role, keeps);
    END IF;
END
$$;
COMMENT ON FUNCTION intake.revoke_access(regrole, text) IS
    'Takes away from a role what grant_access gave it: an access with all that it includes, or everything. gateway and the others do not touch each other. What the role gets as a member of another role stays';

-- Default privileges of the database may have opened what was just made, to everybody or to some
-- role. That everybody may name types of a schema that he may use stays: it gives nothing away.
CREATE FUNCTION intake.close_to_others(relation regclass DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT DISTINCT format('REVOKE ALL ON %s FROM %s CASCADE', o.object,
                               CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
        FROM (
            SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass, c.relowner, c.relacl
                FROM pg_class c
                WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND c.relnamespace = 'intake'::regnamespace
                  AND c.oid = coalesce(close_to_others.relation, c.oid)
            UNION ALL
            SELECT 'SCHEMA intake', n.nspowner, n.nspacl FROM pg_namespace n
                WHERE n.oid = 'intake'::regnamespace AND close_to_others.relation IS NULL
            UNION ALL
            SELECT 'ROUTINE ' || p.oid::regprocedure, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
                FROM pg_proc p
                WHERE p.pronamespace = 'intake'::regnamespace AND close_to_others.relation IS NULL
            UNION ALL
            SELECT 'TYPE ' || t.oid::regtype, t.typowner,
                   (SELECT array_agg(x) FROM unnest(t.typacl) x WHERE x::text NOT LIKE '=%')
                FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
                WHERE t.typnamespace = 'intake'::regnamespace AND t.typelem = 0 AND coalesce(c.relkind, 'c') = 'c'
                  AND close_to_others.relation IS NULL
        ) o(object, owner, acl), aclexplode(o.acl) a
        WHERE a.grantee <> o.owner
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
COMMENT ON FUNCTION intake.close_to_others(regclass) IS
    'Internal: takes every privilege on a table of the schema, or on all of its objects, from everybody but the owner';

SELECT intake.close_to_others();
