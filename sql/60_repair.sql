-- Repair: by hand, one job or many. A move is one DELETE and one INSERT in a transaction.

CREATE FUNCTION intake.unfinished_jobs(workflow_id int) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (SELECT count(*) FROM intake.queue r WHERE r.workflow_id = unfinished_jobs.workflow_id)
         + (SELECT count(*) FROM intake.delayed r WHERE r.workflow_id = unfinished_jobs.workflow_id)
         + (SELECT count(*) FROM intake.running r WHERE r.workflow_id = unfinished_jobs.workflow_id)
         + (SELECT count(*) FROM intake.suspect r WHERE r.workflow_id = unfinished_jobs.workflow_id)
$$;
COMMENT ON FUNCTION intake.unfinished_jobs(int) IS 'Internal: how many jobs of a workflow have not ended';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.unfinished_jobs');

CREATE FUNCTION intake.done_partition(job_id bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_done_partition' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.done_partition(bigint) IS
    'Internal: makes the partition of done that a job belongs to, unless it is there';

-- Seldom many rooms of a lane are full, and the planner may believe the contrary.
CREATE FUNCTION intake.discard_ready(workflow_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    PERFORM intake.done_partition(min(r.job_id)) FROM intake.queue r
        WHERE r.workflow_id = discard_ready.workflow_id GROUP BY r.job_id / 1000000;
    WITH gone AS (
        DELETE FROM intake.queue r WHERE r.workflow_id = discard_ready.workflow_id
            RETURNING r.job_id, r.event_id, r.workflow_id, r.attempts)
    INSERT INTO intake.done (job_id, event_id, finished_at, workflow_id, attempts, discarded)
        SELECT g.job_id, g.event_id, now(), g.workflow_id, g.attempts, 'the workflow was dropped' FROM gone g;
END
$$;
COMMENT ON FUNCTION intake.discard_ready(int) IS 'Internal: discards the jobs in the lane of a dropped workflow';

CREATE FUNCTION intake.discard_waiting(workflow_ids int[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM intake.done_partition(min(r.job_id)) FROM (
        SELECT d.job_id FROM intake.delayed d WHERE d.workflow_id = ANY (workflow_ids)
        UNION ALL SELECT s.job_id FROM intake.suspect s WHERE s.workflow_id = ANY (workflow_ids)
    ) r GROUP BY r.job_id / 1000000;
    WITH gone AS (
        DELETE FROM intake.delayed r WHERE r.workflow_id = ANY (workflow_ids)
            RETURNING r.job_id, r.event_id, r.workflow_id, r.attempts)
    INSERT INTO intake.done (job_id, event_id, finished_at, workflow_id, attempts, discarded)
        SELECT g.job_id, g.event_id, now(), g.workflow_id, g.attempts, 'the workflow was dropped' FROM gone g;
    WITH gone AS (
        DELETE FROM intake.suspect r WHERE r.workflow_id = ANY (workflow_ids) AND r.started_at IS NULL
            RETURNING r.job_id, r.event_id, r.workflow_id, r.attempts)
    INSERT INTO intake.done (job_id, event_id, finished_at, workflow_id, attempts, discarded)
        SELECT g.job_id, g.event_id, now(), g.workflow_id, g.attempts, 'the workflow was dropped' FROM gone g;
END
$$;
COMMENT ON FUNCTION intake.discard_waiting(int[]) IS
    'Internal: discards the delayed and the suspect jobs of dropped workflows';

CREATE FUNCTION intake.discard_jobs() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM intake.discard_ready(NEW.id), intake.discard_waiting(ARRAY[NEW.id]);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION intake.discard_jobs() IS 'Trigger: discards the waiting jobs of a dropped workflow';
CREATE TRIGGER discard_jobs AFTER UPDATE OF dropped_at ON intake.workflow
    FOR EACH ROW WHEN (OLD.dropped_at IS NULL AND NEW.dropped_at IS NOT NULL)
    EXECUTE FUNCTION intake.discard_jobs();
COMMENT ON TRIGGER discard_jobs ON intake.workflow IS 'Discards the waiting jobs of a dropped workflow';

CREATE FUNCTION intake.discard_jobs_of_dropped() RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped int[] := ARRAY(SELECT w.id FROM intake.workflow w WHERE w.dropped_at IS NOT NULL ORDER BY w.id);
    workflow_id int;
BEGIN
    FOREACH workflow_id IN ARRAY dropped LOOP
        PERFORM intake.discard_ready(workflow_id);
    END LOOP;
    PERFORM intake.discard_waiting(dropped);
    RETURN EXISTS (SELECT FROM intake.running r WHERE r.workflow_id = ANY (dropped))
        OR EXISTS (SELECT FROM intake.suspect r WHERE r.workflow_id = ANY (dropped));
END
$$;
COMMENT ON FUNCTION intake.discard_jobs_of_dropped() IS
    'Internal: discards what still came for dropped workflows, and returns whether more may come';

-- A job that is looked for room by room may pass by. So what has not found it asks where it is, all
-- rooms at once, and looks again where the job has come to.
CREATE FUNCTION intake.state_of(job_id bigint) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_state text;
BEGIN
    SELECT CASE WHEN EXISTS (SELECT FROM intake.suspect r WHERE r.job_id = state_of.job_id AND r.started_at IS NOT NULL)
                THEN 'running' ELSE j.state END
        INTO found_state FROM intake.jobs j WHERE j.id = state_of.job_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'job % does not exist', job_id USING ERRCODE = 'undefined_object';
    END IF;
    RETURN found_state;
END
$$;
COMMENT ON FUNCTION intake.state_of(bigint) IS
    'Internal: the state of a job, running where it runs alone as a suspect, or an error';

CREATE FUNCTION intake.replay(job_id bigint, force boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    state text;
    workflow intake.workflow;
BEGIN
    LOOP
        SELECT r.event_id, r.workflow_id INTO job FROM intake.dead_letter r
            WHERE r.job_id = replay.job_id FOR UPDATE;
        EXIT WHEN FOUND;
        SELECT r.event_id, r.workflow_id INTO job FROM intake.done r
            WHERE r.job_id = replay.job_id FOR UPDATE;
        EXIT WHEN FOUND;
        state := intake.state_of(job_id);
        IF state NOT IN ('dead', 'done', 'discarded') THEN
            RAISE EXCEPTION 'job % has not ended', job_id USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END LOOP;
    SELECT * INTO workflow FROM intake.workflow w WHERE w.id = job.workflow_id;
    IF workflow.dropped_at IS NOT NULL THEN
        RAISE EXCEPTION 'workflow "%" of job % was dropped', workflow.name, job_id
            USING ERRCODE = 'undefined_object';
    END IF;
    IF NOT workflow.replay_safe AND NOT coalesce(force, false) THEN
        RAISE EXCEPTION 'workflow "%" of job % is not safe to replay', workflow.name, job_id
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'If running it once more does no harm: intake.replay(job, force => true).';
    END IF;
    DELETE FROM intake.dead_letter r WHERE r.job_id = replay.job_id;
    DELETE FROM intake.done r WHERE r.job_id = replay.job_id;
    PERFORM intake.job_enqueue(job_id, job.event_id, job.workflow_id);
END
$$;
COMMENT ON FUNCTION intake.replay(bigint, boolean) IS
    'Runs a dead letter, or a job that is done, once more with all its attempts. A job of a workflow that is not safe to replay needs force';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.replay');

CREATE FUNCTION intake.replay_dead_letters(workflow text DEFAULT NULL, source text DEFAULT NULL,
    error_like text DEFAULT NULL, since timestamptz DEFAULT NULL, max_jobs int DEFAULT NULL,
    dry_run boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    replayed bigint := 0;
BEGIN
    FOR job IN
        SELECT d.job_id, d.event_id, d.workflow_id
        FROM intake.dead_letter d
        JOIN intake.workflow w ON w.id = d.workflow_id
        LEFT JOIN intake.event e ON e.id = d.event_id
        LEFT JOIN intake.source s ON s.id = e.source_id
        WHERE w.dropped_at IS NULL AND w.replay_safe
          AND (replay_dead_letters.workflow IS NULL OR w.name = replay_dead_letters.workflow)
          AND (replay_dead_letters.source IS NULL OR s.name = replay_dead_letters.source)
          AND (error_like IS NULL OR d.error LIKE error_like)
          AND (since IS NULL OR d.died_at >= since)
        ORDER BY d.job_id
    LOOP
        EXIT WHEN replayed >= max_jobs;
        IF NOT coalesce(dry_run, false) THEN
            DELETE FROM intake.dead_letter d
                WHERE d.job_id IN (SELECT x.job_id FROM intake.dead_letter x
                                   WHERE x.job_id = job.job_id FOR UPDATE SKIP LOCKED);
            CONTINUE WHEN NOT FOUND;
            PERFORM intake.job_enqueue(job.job_id, job.event_id, job.workflow_id);
        END IF;
        replayed := replayed + 1;
    END LOOP;
    RETURN replayed;
END
$$;
COMMENT ON FUNCTION intake.replay_dead_letters(text, text, text, timestamptz, int, boolean) IS
    'Runs the dead letters that match once more, oldest first, and returns how many; with dry_run only counts them. error_like is a LIKE pattern. Those that are not safe to replay stay: see intake.replay';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.replay_dead_letters');

CREATE FUNCTION intake.discard(job_id bigint, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    state text;
BEGIN
    IF reason IS NULL OR reason = '' THEN
        RAISE EXCEPTION 'discarding a job needs a reason' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    LOOP
        WITH dead AS (
            DELETE FROM intake.dead_letter r WHERE r.job_id = discard.job_id
                RETURNING r.event_id, r.workflow_id, r.attempts
        ), delayed AS (
            DELETE FROM intake.delayed r WHERE r.job_id = discard.job_id
                RETURNING r.event_id, r.workflow_id, r.attempts
        ), suspect AS (
            DELETE FROM intake.suspect r WHERE r.job_id = discard.job_id AND r.started_at IS NULL
                RETURNING r.event_id, r.workflow_id, r.attempts
        ), ready AS (
            DELETE FROM intake.queue r WHERE r.job_id = discard.job_id
                RETURNING r.event_id, r.workflow_id, r.attempts
        )
        SELECT * INTO job FROM (SELECT * FROM dead UNION ALL SELECT * FROM delayed
                                UNION ALL SELECT * FROM suspect UNION ALL SELECT * FROM ready) gone;
        EXIT WHEN FOUND;
        state := intake.state_of(job_id);
        IF state = 'running' THEN
            RAISE EXCEPTION 'job % is running', job_id USING ERRCODE = 'object_in_use';
        ELSIF state IN ('done', 'discarded') THEN
            RAISE EXCEPTION 'job % is done', job_id USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
    END LOOP;
    PERFORM intake.done_partition(job_id);
    INSERT INTO intake.done (job_id, event_id, finished_at, workflow_id, attempts, discarded)
        VALUES (discard.job_id, job.event_id, now(), job.workflow_id, job.attempts, discard.reason);
END
$$;
COMMENT ON FUNCTION intake.discard(bigint, text) IS
    'Ends a job that is dead or waits, and keeps the reason. A job that runs cannot be discarded';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.discard');

-- For handlers.

CREATE FUNCTION intake.fail_permanently(message text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '%', coalesce(message, 'permanent failure') USING ERRCODE = 'WH001';
END
$$;
COMMENT ON FUNCTION intake.fail_permanently(text) IS
    'In a handler: ends the attempt with SQLSTATE WH001; the job becomes a dead letter at once';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.fail_permanently');

CREATE FUNCTION intake.retry_in(delay interval, message text DEFAULT 'retry later') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF delay IS NULL THEN
        RAISE EXCEPTION 'the delay must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM intake.check_duration('delay', delay);
    RAISE EXCEPTION '%', coalesce(message, 'retry later')
        USING ERRCODE = 'WH002', DETAIL = format('%s seconds', extract(epoch FROM delay));
END
$$;
COMMENT ON FUNCTION intake.retry_in(interval, text) IS
    'In a handler: ends the attempt with SQLSTATE WH002; the next one comes after the delay. It counts as an attempt';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.retry_in');
