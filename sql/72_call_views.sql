-- What people read about calls.

CREATE VIEW intake.calls AS
    SELECT r.call_id, r.job_id, w.name AS workflow, r.step, r.n, r.method,
           r.scheme || '://' || r.host || CASE WHEN r.port = CASE r.scheme WHEN 'https' THEN 443 ELSE 80 END THEN '' ELSE ':' || r.port END
               || split_part(r.target, '?', 1) AS url,
           CASE WHEN s.error = 'cancelled' THEN 'cancelled'
                WHEN s.call_id IS NOT NULL THEN CASE WHEN s.error IS NULL THEN 'answered' ELSE 'failed' END
                WHEN h.courier <> 0 THEN 'running'
                WHEN q.call_id IS NULL AND h.call_id IS NULL THEN 'cancelled'
                WHEN l.suspended_at IS NOT NULL THEN 'suspended'
                WHEN l.held_until > now() THEN 'held'
                ELSE 'waiting' END AS state,
           coalesce(s.ended_at, CASE WHEN h.courier <> 0 THEN h.taken_at WHEN q.call_id IS NOT NULL THEN l.suspended_at END, r.created_at) AS since,
           CASE WHEN s.call_id IS NULL THEN greatest(q.due_at, CASE WHEN h.courier = 0 THEN h.until END,
                                                     CASE WHEN q.call_id IS NOT NULL THEN coalesce(l.probe_at, l.held_until) END) END AS due_at,
           coalesce(q.attempts, h.attempts, (SELECT count(*) FROM intake.attempt a WHERE a.job_id = r.job_id AND a.call_id = r.call_id)::int) AS attempts,
           s.status, coalesce(s.error, CASE WHEN q.call_id IS NOT NULL THEN l.error END) AS error, c.name AS courier
    FROM intake.call_request r
    LEFT JOIN intake.workflow w ON w.id = r.workflow_id
    LEFT JOIN intake.call_response s ON s.job_id = r.job_id AND s.call_id = r.call_id
    LEFT JOIN intake.call_queue q ON q.job_id = r.job_id AND q.call_id = r.call_id
    LEFT JOIN intake.call_held h ON h.call_id = r.call_id
    LEFT JOIN intake.line l ON l.id = r.line_id
    LEFT JOIN intake.courier c ON c.token = h.courier;
COMMENT ON VIEW intake.calls IS
    'Every call, with its URL without the query. state is waiting (until due_at), running (courier makes it), held (the other side has asked to wait), suspended (the other side is out: a probe goes at due_at), answered, failed or cancelled, since when; attempts counts those that were charged, and in the end all; error is why it failed, or why it is suspended';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.calls');

CREATE VIEW intake.couriers AS
    SELECT c.name, c.role, c.entered_at, c.seen_at, c.until,
           (SELECT count(*) FROM intake.call_held h WHERE h.courier = c.token) AS calls
    FROM intake.courier c;
COMMENT ON VIEW intake.couriers IS
    'Who makes calls: as which role it has entered, when it was seen last, until when what it holds is its own, and how many calls that are';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.couriers');

CREATE FUNCTION intake.explain_job(job_id bigint) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    workflow record;
    waits record;
    open bigint;
BEGIN
    SELECT * INTO job FROM intake.jobs j WHERE j.id = explain_job.job_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'job % does not exist', job_id USING ERRCODE = 'undefined_object';
    END IF;
    SELECT w.name, w.state INTO workflow FROM intake.workflows w WHERE w.name = job.workflow;
    IF job.state IN ('done', 'dead', 'discarded', 'running') THEN
        RETURN CASE job.state WHEN 'done' THEN format('It is done since %s.', job.finished_at)
                              WHEN 'dead' THEN format('It is dead since %s: %s', job.finished_at, job.error)
                              WHEN 'discarded' THEN format('It was discarded at %s: %s', job.finished_at, job.error)
                              ELSE 'It is running.' END;
    ELSIF workflow.state <> 'active' THEN
        RETURN format('It does not go on: its workflow is not active, but %s.', workflow.state);
    ELSIF job.state = 'calling' THEN
        SELECT count(*) INTO open FROM intake.calls c WHERE c.job_id = job.id AND c.state NOT IN ('answered', 'failed', 'cancelled');
        SELECT c.* INTO waits FROM intake.calls c WHERE c.job_id = job.id AND c.state NOT IN ('answered', 'failed', 'cancelled')
            ORDER BY array_position('{suspended,held,waiting,running}', c.state), c.n LIMIT 1;
        RETURN format('It waits for %s; %s %s %s.', CASE open WHEN 1 THEN 'a call' ELSE format('%s calls', open) END, waits.method, waits.url,
            CASE waits.state
                WHEN 'suspended' THEN format('is suspended since %s, as the other side is out (%s), and the next probe goes at %s', waits.since, waits.error, waits.due_at)
                WHEN 'held' THEN format('is held until %s, as the other side has asked to wait', waits.due_at)
                WHEN 'running' THEN format('is made by courier "%s" since %s', waits.courier, waits.since)
                ELSE CASE WHEN waits.due_at > now() THEN format('is tried again at %s, after %s attempts', waits.due_at, waits.attempts)
                          WHEN NOT EXISTS (SELECT FROM intake.courier) THEN 'waits for a courier, and there is none'
                          ELSE 'waits for a courier' END END);
    END IF;
    RETURN CASE job.state
        WHEN 'delayed' THEN CASE WHEN job.attempts > 0 THEN
            format('It is tried again at %s, after %s failed attempt%s: %s', job.run_at, job.attempts, CASE WHEN job.attempts > 1 THEN 's' END,
                   (SELECT split_part(a.error, E'\n', 1) FROM intake.attempt a WHERE a.job_id = job.id AND a.call_id IS NULL ORDER BY a.finished_at DESC LIMIT 1))
            ELSE format('It goes on at %s.', job.run_at) END
        WHEN 'awaiting' THEN format('It waits for a signal with the key "%s"%s.', (SELECT a.key FROM intake.awaiting a WHERE a.job_id = job.id),
                                    ', until ' || job.run_at)
        WHEN 'suspect' THEN 'It was left without a holder, by a crash mostly, and runs alone next.'
        WHEN 'ready' THEN
            CASE WHEN job.step IS NULL AND (SELECT sum(c.calls) FROM intake.calling c JOIN intake.workflow w ON c.lane = -w.id
                                            WHERE w.name = job.workflow AND w.dropped_at IS NULL) >= current_setting('pg_intake.max_waiting_calls', true)::bigint
                 THEN format('It does not begin, as other jobs of its workflow wait for %s calls or more (pg_intake.max_waiting_calls).', current_setting('pg_intake.max_waiting_calls'))
                 ELSE 'It is ready, and waits for an executor.' END
        ELSE format('It is %s.', job.state) END;
END
$$;
COMMENT ON FUNCTION intake.explain_job(bigint) IS 'One sentence that says why a job is not running, or what has become of it';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.explain_job');

CREATE FUNCTION intake.resume_calls(workflow text, host text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    resumed bigint;
BEGIN
    PERFORM intake.check_options(options, '{}');
    WITH gone AS (
        DELETE FROM intake.line l USING intake.workflow w
            WHERE w.id = l.workflow_id AND w.name = resume_calls.workflow AND w.dropped_at IS NULL
              AND (resume_calls.host IS NULL OR l.host = resume_calls.host)
            RETURNING l.id),
    due AS (UPDATE intake.call_queue q SET due_at = now() FROM gone WHERE q.line_id = gone.id AND q.due_at > now())
    SELECT count(intake.open_line(id)) INTO resumed FROM gone;
    RETURN resumed;
END
$$;
COMMENT ON FUNCTION intake.resume_calls(text, text, jsonb) IS
    'Lets calls of a workflow go, to a host (with its port) or to all, that are suspended or held, without waiting for a probe, and returns how many lines of them there were. Where the other side is still out, they are suspended again';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.resume_calls');
