-- Who may get what: beside each object that is not for the owner alone stands one line, and
-- grant_access (90_access.sql) loops over these lines. A function is named without its arguments: no
-- two share a name.
--
-- A superuser who calls grant_access runs what stands here. So nobody but the owner may write or
-- read it: row security without a policy holds against whoever has privileges on all tables, too.

CREATE TABLE intake.grantable (
    access text NOT NULL CHECK (access IN ('gateway', 'worker', 'operator', 'admin', 'caller', 'courier')),
    privilege text NOT NULL,
    PRIMARY KEY (access, privilege)
);
COMMENT ON TABLE intake.grantable IS
    'What grant_access grants. It comes with the extension; only the owner of that sees it';
COMMENT ON COLUMN intake.grantable.access IS 'The access that it belongs to; admin has those of operator and caller, and operator those of worker';
COMMENT ON COLUMN intake.grantable.privilege IS 'What GRANT takes before TO, and REVOKE before FROM';
ALTER TABLE intake.grantable ENABLE ROW LEVEL SECURITY;
INSERT INTO intake.grantable
    SELECT access, 'USAGE ON SCHEMA intake' FROM unnest('{gateway,worker,caller,courier}'::text[]) access;
