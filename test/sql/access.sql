-- What grant_access gives, revoke_access takes away.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE ROLE access_role;
CREATE ROLE access_member IN ROLE access_role;
-- Everything that a role itself may do in the schema, columns too.
CREATE FUNCTION rights(role regrole) RETURNS TABLE (kind text, n bigint) LANGUAGE sql AS $$
    SELECT k, count(*) FROM (
        SELECT 'function', a.grantee FROM pg_proc p, aclexplode(p.proacl) a WHERE p.pronamespace = 'intake'::regnamespace
        UNION ALL SELECT 'relation', a.grantee FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'intake'::regnamespace
        UNION ALL SELECT 'column', a.grantee FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a WHERE c.relnamespace = 'intake'::regnamespace
        UNION ALL SELECT 'schema', a.grantee FROM pg_namespace s, aclexplode(s.nspacl) a WHERE s.nspname = 'intake'
    ) r(k, grantee) WHERE r.grantee = role::oid GROUP BY k ORDER BY k $$;
CREATE TABLE access_before (access text, kind text, n bigint);

-- Each access comes and goes whole.
DO $$
DECLARE
    access text;
BEGIN
    FOREACH access IN ARRAY '{gateway,worker,operator,admin,caller,courier}'::text[] LOOP
        PERFORM intake.grant_access('access_role', access);
        INSERT INTO access_before SELECT access, r.* FROM rights('access_role') r;
        PERFORM intake.revoke_access('access_role', access);
        IF EXISTS (SELECT FROM rights('access_role')) THEN
            RAISE WARNING '% leaves something', access;
        END IF;
    END LOOP;
END $$;
SELECT access, string_agg(kind, ' ' ORDER BY kind) FROM access_before GROUP BY access ORDER BY access;

-- The gateway and the others do not touch each other.
SELECT intake.grant_access('access_role', 'gateway'), intake.grant_access('access_role', 'operator');
SELECT intake.revoke_access('access_role', 'gateway');
SELECT * FROM rights('access_role') EXCEPT SELECT kind, n FROM access_before WHERE access = 'operator';
SELECT kind, n FROM access_before WHERE access = 'operator' EXCEPT SELECT * FROM rights('access_role');
SELECT intake.grant_access('access_role', 'gateway');
SELECT intake.revoke_access('access_role', 'operator');
SELECT * FROM rights('access_role') EXCEPT SELECT kind, n FROM access_before WHERE access = 'gateway';
SELECT kind, n FROM access_before WHERE access = 'gateway' EXCEPT SELECT * FROM rights('access_role');

-- Nor do those who make calls, and the courier; but admin includes the former.
SELECT intake.revoke_access('access_role');
SELECT intake.grant_access('access_role', a) FROM unnest('{caller,courier,worker}'::text[]) a;
SELECT intake.revoke_access('access_role', 'worker'), intake.revoke_access('access_role', 'courier');
SELECT kind, n FROM access_before WHERE access = 'caller' EXCEPT SELECT * FROM rights('access_role');
SELECT intake.grant_access('access_role', 'admin');
SELECT intake.revoke_access('access_role', 'caller');
SELECT intake.revoke_access('access_role', 'admin'), intake.grant_access('access_role', 'gateway');

-- No half of an access is left.
SELECT intake.grant_access('access_role', 'admin');
SELECT intake.revoke_access('access_role', 'worker');
SELECT intake.revoke_access('access_role', 'operator');
SELECT intake.revoke_access('access_role', 'owner');
SELECT intake.revoke_access('access_role', 'gateway');
SELECT kind, n FROM access_before WHERE access = 'admin' EXCEPT SELECT * FROM rights('access_role');

-- Everything; and then the role can go.
SELECT intake.revoke_access('access_role');
SELECT * FROM rights('access_role');
SELECT intake.revoke_access('access_role');
SET ROLE access_member;
SELECT intake.emit('access', '{}');
RESET ROLE;
SELECT intake.grant_access('access_role', 'operator');
SET ROLE access_member;
SELECT intake.emit('access', '{}') > 0;
SELECT intake.revoke_access('access_role');
RESET ROLE;
SELECT intake.revoke_access('access_member');
SELECT has_function_privilege('access_member', 'intake.emit(text, jsonb, text, interval)', 'EXECUTE');
SELECT intake.revoke_access('access_role');
DROP ROLE access_member, access_role;
DROP TABLE access_before;
DROP FUNCTION rights;
