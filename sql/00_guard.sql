-- pg_intake: the install script, made by concatenating sql/[0-9]*.sql in order.
\echo Use "CREATE EXTENSION pg_intake CASCADE" to load this file. \quit

DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'pg_intake needs a database with encoding UTF8'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
END
$$;

-- Functions of this script are for the roles that intake.grant_access names, not for everybody.
CREATE SCHEMA intake;
COMMENT ON SCHEMA intake IS
    'pg_intake: verified webhook events, the workflows that run on them, and the jobs of both';
