-- Who may do what. Nothing is for everybody.

-- An access with all that it includes. One that is not known includes itself, which is nothing.
CREATE FUNCTION intake.accesses_in(access text) RETURNS text[]
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    RETURN CASE access WHEN 'admin' THEN '{admin,operator,worker,caller}'
                       WHEN 'operator' THEN '{operator,worker}' ELSE ARRAY[access] END;
COMMENT ON FUNCTION intake.accesses_in(text) IS 'Internal: an access and those that it includes';

-- The list comes with the extension. An empty one would make a revocation that revokes nothing.
CREATE FUNCTION intake.privileges_of(access text) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    privileges text[];
BEGIN
    SELECT array_agg(DISTINCT g.privilege ORDER BY g.privilege) INTO privileges FROM intake.grantable g
        WHERE g.access = ANY (intake.accesses_in(privileges_of.access));
    IF privileges IS NULL THEN
        RAISE EXCEPTION 'access "%" is not known', access
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'It is one of gateway, worker, operator, admin, caller, courier.';
    END IF;
    RETURN privileges;
END
$$;
COMMENT ON FUNCTION intake.privileges_of(text) IS
    'Internal: what GRANT takes before TO, and REVOKE before FROM, for each privilege of an access';

CREATE FUNCTION intake.grant_access(role regrole, access text, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    privilege text;
BEGIN
    PERFORM intake.check_options(options, '{}');
    -- Two at once would change the same rows of the catalogues, and the server refuses the second.
    LOCK TABLE intake.grantable IN SHARE UPDATE EXCLUSIVE MODE;
    FOREACH privilege IN ARRAY intake.privileges_of(access) LOOP
        EXECUTE format('GRANT %s TO %s', privilege, role);
    END LOOP;
END
$$;
COMMENT ON FUNCTION intake.grant_access(regrole, text, jsonb) IS
    'Grants a role what it needs. gateway: call intake.receive and intake.callback, and nothing else, for the shim. worker: emit events and signal keys, for handlers. caller: make calls, for handlers that return some. operator: read everything but secrets, verify, replay, discard. admin: all that, and create sources, workflows and secrets. courier: take calls and report their answers and nothing else, for the courier';

-- A role has an access when it may call what only this one, and those above it, may call.
CREATE FUNCTION intake.has_access(role regrole, access text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
                   WHERE p.pronamespace = 'intake'::regnamespace AND a.grantee = role AND a.privilege_type = 'EXECUTE'
                     AND p.proname = CASE access WHEN 'gateway' THEN 'receive' WHEN 'worker' THEN 'emit'
                                                 WHEN 'operator' THEN 'discard' WHEN 'admin' THEN 'create_source'
                                                 WHEN 'caller' THEN 'call' WHEN 'courier' THEN 'exchange' END)
$$;
COMMENT ON FUNCTION intake.has_access(regrole, text) IS
    'Internal: whether an access was granted to a role itself, by its name or by that of one that includes it';

CREATE FUNCTION intake.revoke_access(role regrole, access text DEFAULT NULL, options jsonb DEFAULT '{}')
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    accesses text[] := '{admin,operator,worker,caller,gateway,courier}'; -- each before those that it includes
    privileges text[] := intake.privileges_of(coalesce(access, 'admin'));
    gone text[] := CASE WHEN access IS NULL THEN accesses ELSE intake.accesses_in(access) END;
    keeps text[];
    item text;
BEGIN
    PERFORM intake.check_options(options, '{}');
    LOCK TABLE intake.grantable IN SHARE UPDATE EXCLUSIVE MODE;
    SELECT array_agg(l ORDER BY n) INTO keeps FROM unnest(accesses) WITH ORDINALITY u(l, n)
        WHERE l <> ALL (gone) AND intake.has_access(role, l);
    FOREACH item IN ARRAY coalesce(keeps, '{}') LOOP
        IF access = ANY (intake.accesses_in(item)) THEN
            RAISE EXCEPTION 'role % has %, which includes %', role, item, access
                USING ERRCODE = 'dependent_objects_still_exist',
                      HINT = format('Revoke %s, and grant again what the role is to keep.', item);
        END IF;
    END LOOP;
    IF access IS NULL THEN
        privileges := privileges || intake.privileges_of('gateway') || intake.privileges_of('courier');
    END IF;
    FOREACH item IN ARRAY privileges LOOP
        EXECUTE format('REVOKE %s FROM %s', item, role);
    END LOOP;
    FOREACH item IN ARRAY coalesce(keeps, '{}') LOOP
        PERFORM intake.grant_access(role, item);
    END LOOP;
END
$$;
COMMENT ON FUNCTION intake.revoke_access(regrole, text, jsonb) IS
    'Takes away from a role what grant_access gave it: an access with all that it includes, or everything. Accesses that do not include each other do not touch each other. What the role gets as a member of another role stays';

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
