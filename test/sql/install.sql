-- What the install script promises about every object.
\set VERBOSITY terse

-- Every table, view, sequence, index of its own, column, function, type and trigger says what it is.
SELECT c.relkind, c.relname FROM pg_class c
    WHERE c.relnamespace = 'intake'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S', 'i')
      AND NOT c.relispartition AND obj_description(c.oid, 'pg_class') IS NULL
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)
      AND c.relname !~ '_0(_pkey)?$'
    ORDER BY 1, 2;
SELECT t.typname FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typnamespace = 'intake'::regnamespace AND c.relkind = 'c' AND obj_description(t.oid, 'pg_type') IS NULL;
SELECT tgrelid::regclass, tgname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
    WHERE c.relnamespace = 'intake'::regnamespace AND NOT g.tgisinternal AND obj_description(g.oid, 'pg_trigger') IS NULL;
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'intake'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL;
SELECT p.oid::regprocedure FROM pg_proc p
    WHERE p.pronamespace = 'intake'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;

-- Functions that run as the owner, and those in SQL or PL/pgSQL, have a search_path of their own.
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = 'intake'::regnamespace AND (p.prosecdef OR l.lanname <> 'c') AND p.prosqlbody IS NULL
      AND NOT coalesce(p.proconfig::text LIKE '%search_path=pg_catalog, pg_temp%', false);

-- Nothing is for everybody.
SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    WHERE p.pronamespace = 'intake'::regnamespace AND a.grantee = 0;
SELECT c.relname FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relnamespace = 'intake'::regnamespace AND a.grantee = 0;
SELECT has_schema_privilege('public', 'intake', 'USAGE') AS everybody_may_look;

-- Every table with data of people goes into a dump.
SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'intake'::regnamespace AND c.relkind IN ('r', 'S') AND NOT c.relispartition
      AND c.relname NOT IN ('rejection', 'rejection_seq', 'grantable', 'room', 'courier', 'call_cancel')
      AND NOT c.oid = ANY (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'pg_intake');

SELECT count(*) FROM intake.schemes;
