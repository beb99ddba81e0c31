-- Repair: by hand, one job or many. A move takes a job out of its room, by take_out, and puts it into
-- another one, by job_enqueue or job_discard, in a transaction.

CREATE FUNCTION intake.unfinished_jobs(workflow_id int) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    jobs bigint;
BEGIN
    EXECUTE (SELECT 'SELECT ' || string_agg(format('(SELECT count(*) FROM intake.%I r WHERE r.lane IN ($1, -$1))', x.name), ' + ')
             FROM intake.room x WHERE x.has_lane) INTO jobs USING workflow_id;
    RETURN jobs;
END
$$;
COMMENT ON FUNCTION intake.unfinished_jobs(int) IS 'Internal: how many jobs of a workflow have not ended';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.unfinished_jobs');

-- The planner's idea of how full a room is may be old, so it is kept from reading whole rooms. A
-- suspect that runs alone is left to its holder.
CREATE FUNCTION intake.take_out(room text, wanted_job bigint, of_workflows int[])
    RETURNS TABLE (job_id bigint, event_id bigint, workflow_id int, attempts int)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'DELETE FROM intake.%I r WHERE r.%I = ANY ($1) %s RETURNING r.job_id, r.event_id, %s, r.attempts', room,
        CASE WHEN wanted_job IS NULL THEN 'lane' ELSE 'job_id' END,
        CASE room WHEN 'suspect' THEN 'AND r.started_at IS NULL' END,
        (SELECT CASE WHEN x.has_lane THEN 'abs(r.lane)' ELSE 'r.workflow_id' END FROM intake.room x WHERE x.name = room))
        USING CASE WHEN wanted_job IS NULL THEN of_workflows || ARRAY(SELECT -w FROM unnest(of_workflows) w)
                   ELSE ARRAY[wanted_job] END;
END
$$;
COMMENT ON FUNCTION intake.take_out(text, bigint, int[]) IS
    'Internal: deletes from a room the job that is wanted, or else the jobs that wait there of workflows, and returns them';

CREATE FUNCTION intake.discard_jobs_of(workflow_ids int[]) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(intake.job_discard(t.job_id, t.event_id, t.workflow_id, t.attempts, 'the workflow was dropped'))
    FROM intake.room r, intake.take_out(r.name, NULL, workflow_ids) t
    WHERE r.kind = 'waiting'
$$;
COMMENT ON FUNCTION intake.discard_jobs_of(int[]) IS 'Internal: discards the jobs of dropped workflows that wait';

CREATE FUNCTION intake.discard_jobs() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM intake.discard_jobs_of(ARRAY[NEW.id]);
    DELETE FROM intake.line l WHERE l.workflow_id = NEW.id;
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
BEGIN
    PERFORM intake.discard_jobs_of(dropped);
    RETURN EXISTS (SELECT FROM intake.running r WHERE abs(r.lane) = ANY (dropped))
        OR EXISTS (SELECT FROM intake.suspect r WHERE abs(r.lane) = ANY (dropped));
END
$$;
COMMENT ON FUNCTION intake.discard_jobs_of_dropped() IS
    'Internal: discards what still came for dropped workflows, and returns whether more may come';

CREATE FUNCTION intake.room_of(job_id bigint) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    room text;
BEGIN
    SELECT CASE WHEN EXISTS (SELECT FROM intake.suspect r WHERE r.job_id = j.id AND r.started_at IS NOT NULL) THEN 'running'
                ELSE (SELECT r.name FROM intake.room r WHERE r.state = j.state) END
        INTO room FROM intake.jobs j WHERE j.id = room_of.job_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'job % does not exist', job_id USING ERRCODE = 'undefined_object';
    END IF;
    RETURN room;
END
$$;
COMMENT ON FUNCTION intake.room_of(bigint) IS 
    'Internal: the table that a job is in, running where it runs alone as a suspect, or an error';

-- While the rooms are searched one by one, a job may move from one that comes later to one that was
-- searched before. So where it was not found, all rooms are asked at once, and the search begins again.
CREATE FUNCTION intake.take_job(job_id bigint, rooms text[],
    OUT room text, OUT event_id bigint, OUT workflow_id int, OUT attempts int)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOOP
        FOREACH room IN ARRAY rooms LOOP
            SELECT t.event_id, t.workflow_id, t.attempts INTO event_id, workflow_id, attempts
                FROM intake.take_out(room, job_id, NULL) t;
            IF FOUND THEN
                RETURN;
            END IF;
        END LOOP;
        room := intake.room_of(job_id);
        EXIT WHEN room <> ALL (rooms);
    END LOOP;
END
$$;
COMMENT ON FUNCTION intake.take_job(bigint, text[]) IS
    'Internal: takes a job out of one of these rooms; where it is in another one, says in which, and does nothing';

CREATE FUNCTION intake.steps_of(job_id bigint) RETURNS text[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(step ORDER BY step) FROM (
        SELECT p.step FROM intake.progress p WHERE p.job_id = $1
        UNION SELECT jsonb_object_keys(p.visits) FROM intake.progress p WHERE p.job_id = $1
        UNION SELECT r.step FROM intake.call_request r WHERE r.job_id = $1
        UNION SELECT r.failed FROM intake.call_request r JOIN intake.call_response s USING (job_id, call_id)
            WHERE r.job_id = $1 AND r.failed IS NOT NULL AND s.error IS NOT NULL) x
$$;
COMMENT ON FUNCTION intake.steps_of(bigint) IS
    'Internal: the steps that a job has been at, or that calls of it were for; NULL: it has not come beyond its first';

CREATE FUNCTION intake.calls_for(job_id bigint, step text, OUT first_call bigint, OUT calls int, OUT single boolean, OUT answered text, OUT failed text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
    SELECT b.call_id, b.calls, b.single, b.step, b.failed FROM (
        SELECT r.call_id, r.single, r.step, r.failed, r.n,
               (count(*) OVER (PARTITION BY r.batch))::int AS calls,
               bool_or(s.error IS NOT NULL) OVER (PARTITION BY r.batch) AS any_failed
        FROM (SELECT q.*, sum((q.n = 1)::int) OVER (ORDER BY q.call_id) AS batch FROM intake.call_request q WHERE q.job_id = $1) r
            LEFT JOIN intake.call_response s ON s.job_id = r.job_id AND s.call_id = r.call_id) b
    WHERE b.n = 1 AND (b.step = $2 OR b.failed = $2 AND b.any_failed)
    ORDER BY b.call_id DESC LIMIT 1
$$;
COMMENT ON FUNCTION intake.calls_for(bigint, text) IS
    'Internal: the newest calls whose answers a step of a job has had: the first of them, how many they are, whether they were asked for as one, and the steps for their answers, and for their failure';

-- A step gets the answers that it had. Where one of its calls was not accepted, that is asked again: with
-- the same answer the job would come to the same end.
CREATE FUNCTION intake.go_back(job_id bigint, event_id bigint, workflow_id int, step text, new_key boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    been text[] := intake.steps_of(job_id);
    here record;
    had record;
    asked bigint;
BEGIN
    SELECT p.step, p.first_call INTO here FROM intake.progress p WHERE p.job_id = go_back.job_id;
    IF NOT FOUND OR step <> ALL (been) THEN
        RAISE EXCEPTION 'job % has not been at step "%"', job_id, step USING ERRCODE = 'undefined_object',
            HINT = CASE WHEN here IS NULL THEN 'It has not come beyond its first step: replay it without from_step.'
                        ELSE format('It has been at %s.', array_to_string(been, ', ')) END;
    END IF;
    SELECT * INTO had FROM intake.calls_for(job_id, step) c WHERE here.step <> go_back.step OR here.first_call IS NOT NULL;
    IF had.first_call IS NOT NULL AND (new_key OR had.answered = step) THEN
        asked := intake.ask_again(job_id, event_id, workflow_id, had.first_call, had.calls, new_key);
    ELSIF new_key THEN
        RAISE EXCEPTION 'step "%" of job % has had no answers to calls', step, job_id USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Calls that the job makes from there on have new keys without new_key.';
    END IF;
    UPDATE intake.progress p SET
        step = coalesce(had.answered, go_back.step), steps = 0, started_at = now(),
        visits = (SELECT coalesce(jsonb_object_agg(v.key, 0), '{}') FROM jsonb_each(p.visits) v),
        input = CASE WHEN p.step = go_back.step THEN p.input END,
        first_call = coalesce(asked, had.first_call), calls = coalesce(had.calls, 0), single = coalesce(had.single, false),
        failed = had.failed
        WHERE p.job_id = go_back.job_id;
    IF asked IS NULL THEN
        PERFORM intake.job_go_on(job_id, event_id, workflow_id);
    END IF;
END
$$;
COMMENT ON FUNCTION intake.go_back(bigint, bigint, int, text, boolean) IS
    'Internal: has a job that has left another room go on at a step where it was, with what it kept, as if it had taken none, once calls that are asked again have ended';

CREATE FUNCTION intake.replay(job_id bigint, force boolean DEFAULT false, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    workflow intake.workflow;
BEGIN
    PERFORM intake.check_options(options, '{from_step,new_key}');
    IF jsonb_typeof(options -> 'new_key') NOT IN ('boolean', 'null') THEN
        RAISE EXCEPTION 'new_key must be true or false' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    job := intake.take_job(job_id, ARRAY(SELECT r.name FROM intake.room r WHERE r.kind IN ('dead', 'ended') ORDER BY r.kind, r.name));
    IF job.event_id IS NULL THEN
        RAISE EXCEPTION 'job % has not ended', job_id USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
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
    IF options ->> 'from_step' IS NOT NULL THEN
        PERFORM intake.go_back(job_id, job.event_id, job.workflow_id, options ->> 'from_step', coalesce((options ->> 'new_key')::boolean, false));
    ELSE
        PERFORM intake.job_enqueue(job_id, job.event_id, job.workflow_id);
    END IF;
END
$$;
COMMENT ON FUNCTION intake.replay(bigint, boolean, jsonb) IS
    'Runs a dead letter, or a job that is done or was discarded, once more with all its attempts: from its start, or from the step that options names as from_step, where it was, with the state that it has kept and the answers that the step had. Calls of that step that were not accepted are asked again first, with the same keys; with new_key all of them are, with new keys. A job of a workflow that is not safe to replay needs force';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.replay');

CREATE FUNCTION intake.replay_dead_letters(workflow text DEFAULT NULL, source text DEFAULT NULL,
    error_like text DEFAULT NULL, since timestamptz DEFAULT NULL, max_jobs int DEFAULT NULL,
    dry_run boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
DECLARE
    workflows int[] := ARRAY(SELECT w.id FROM intake.workflow w WHERE w.dropped_at IS NULL AND w.replay_safe
        AND (replay_dead_letters.workflow IS NULL OR w.name = replay_dead_letters.workflow));
    -- Made for what is asked, so that the event is read only where its source is.
    dead text := concat_ws(' ',
        'SELECT d.job_id, d.event_id, d.workflow_id FROM intake.dead_letter d',
        CASE WHEN source IS NOT NULL THEN
            'JOIN intake.event e ON e.id = d.event_id JOIN intake.source s ON s.id = e.source_id AND s.name = $2' END,
        'WHERE d.workflow_id =', CASE WHEN workflow IS NULL THEN 'ANY ($1)' ELSE '($1)[1]' END,
        CASE WHEN error_like IS NOT NULL THEN 'AND d.error LIKE $3' END,
        CASE WHEN since IS NOT NULL THEN 'AND d.died_at >= $4' END,
        'ORDER BY d.job_id');
    job record;
    replayed bigint := 0;
BEGIN
    FOR job IN EXECUTE dead USING workflows, source, error_like, since
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
BEGIN
    IF reason IS NULL OR reason = '' THEN
        RAISE EXCEPTION 'discarding a job needs a reason' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    job := intake.take_job(job_id, ARRAY(SELECT r.name FROM intake.room r WHERE r.kind IN ('dead', 'waiting') ORDER BY r.kind, r.name));
    IF job.room = 'running' THEN
        RAISE EXCEPTION 'job % is running', job_id USING ERRCODE = 'object_in_use',
            HINT = 'Try again when its step has ended.';
    ELSIF job.room IN ('done', 'discarded') THEN
        RAISE EXCEPTION 'job % is done', job_id USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM intake.job_discard(job_id, job.event_id, job.workflow_id, job.attempts, reason);
END
$$;
COMMENT ON FUNCTION intake.discard(bigint, text) IS
    'Ends a job that is dead or waits, and keeps the reason. A job that runs cannot be discarded';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.discard');

CREATE FUNCTION intake.cancel(job_id bigint, reason text DEFAULT 'cancelled') RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT intake.discard(job_id, reason)
$$;
COMMENT ON FUNCTION intake.cancel(bigint, text) IS
    'Ends a job wherever it waits: for its turn, a time, a signal or calls, and keeps the reason. A job that runs cannot be cancelled';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.cancel');

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
