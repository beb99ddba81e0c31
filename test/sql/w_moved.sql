-- A handler that is renamed, and then moved while the workflows are looked after: it is the same one.
-- All of this is one transaction, so that no supervisor takes part.
SET client_min_messages = warning;
BEGIN;
CREATE SCHEMA regress_intake_w;
CREATE FUNCTION regress_intake_w.handler(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT intake.create_workflow('w_moved', 'regress_intake_w.handler(intake.job)', source => 'nothing') > 0 AS created;
ALTER FUNCTION regress_intake_w.handler(intake.job) RENAME TO renamed;

-- It moves when the row is being written.
CREATE FUNCTION w_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_regprocedure('regress_intake_w.renamed(intake.job)') IS NOT NULL THEN
        ALTER FUNCTION regress_intake_w.renamed(intake.job) SET SCHEMA public;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER a_move BEFORE UPDATE ON intake.workflow FOR EACH ROW EXECUTE FUNCTION w_move();
SELECT intake.tend_workflows();
SELECT handler, handler_oid = 'public.renamed(intake.job)'::regprocedure AS same FROM intake.workflow WHERE name = 'w_moved';
ROLLBACK;
