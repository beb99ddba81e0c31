-- What people read.

CREATE VIEW intake.schemes AS
    SELECT name, provider, kind, algorithm, key_from, key_class, missing_key, dedup_window, type_from, volatile, split,
           content, tolerance, preset, description, unverified
    FROM intake.scheme WHERE kind <> 'internal';
COMMENT ON VIEW intake.schemes IS
    'Schemes that create_source takes. unverified names facts of a preset that nobody has checked against the provider';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.schemes');

-- Secrets are counted in a join, which goes by index for one source and is one pass for all of them:
-- where each had them counted by itself, the server would expect that to cost so much that it compiles
-- the query first, which takes longer than all of it.
CREATE VIEW intake.sources AS
    SELECT s.id, s.name, s.scheme, '/webhooks/' || s.name AS path,
           coalesce(s.key_from, CASE WHEN s.split IS NULL THEN c.key_from
                                     WHEN s.split = 'true' THEN c.split_key_from END) AS key_from,
           CASE WHEN s.split IS NULL OR coalesce(s.missing_key, c.missing_key) <> 'reject'
                THEN coalesce(s.missing_key, c.missing_key) ELSE 'digest' END AS missing_key,
           coalesce(s.dedup_window, c.dedup_window) AS dedup_window,
           coalesce(s.type_from, CASE WHEN s.split IS NULL THEN c.type_from
                                      WHEN s.split = 'true' THEN c.split_type_from END) AS type_from,
           CASE s.split WHEN 'true' THEN c.split ELSE s.split END AS split,
           coalesce(c.content, s.content) AS content,
           coalesce(s.tolerance, c.tolerance) AS tolerance,
           s.public_url, s.on_dead_duplicate, s.replay_guard, s.allowed_peers,
           s.secrets,
           s.created_at, intake.source_problem_at(s.place, s.secret_places) AS problem
    FROM (SELECT s.*, s.ctid AS place, array_agg(x.ctid) AS secret_places,
                 count(*) FILTER (WHERE x.purpose = 'signature' AND x.valid_from <= now()
                                        AND (x.expires_at IS NULL OR x.expires_at > now())) AS secrets
          FROM intake.source s LEFT JOIN intake.source_secret x ON x.source_id = s.id
          WHERE s.dropped_at IS NULL AND s.id <> 0
          GROUP BY s.id) s
    LEFT JOIN intake.scheme c ON c.name = s.scheme;
COMMENT ON VIEW intake.sources IS
    'Sources, with the settings in force. Where a delivery is split, key_from and type_from are those of its items. content is what a body must be; NULL: as the places of key and type tell. secrets counts those that verify now: with none, everything is rejected. problem is what is wrong with the source''s rows';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.sources');

CREATE VIEW intake.secrets AS
    SELECT x.id, s.name AS source, x.purpose,
           CASE WHEN x.expires_at <= now() THEN 'expired'
                WHEN x.valid_from > now() THEN 'not yet valid'
                WHEN x.learned AND x.revealed_at IS NULL THEN 'learned'
                ELSE 'valid' END AS state,
           x.valid_from, x.expires_at, u.last_used_at,
           intake.sealed_with(x.secret) IS NOT NULL AS encrypted, x.created_at
    FROM intake.source_secret x JOIN intake.source s ON s.id = x.source_id
        LEFT JOIN intake.secret_use u ON u.secret_id = x.id;
COMMENT ON VIEW intake.secrets IS
    'Secrets without what they are. state is valid, not yet valid, expired, or learned (valid, and reveal_secret has not shown it); last_used_at is to the minute';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.secrets');

CREATE VIEW intake.workflows AS
    SELECT w.id, w.name, coalesce(r.rolname, w.owner) AS owner, coalesce(intake.handler_name(w.handler_oid), w.handler) AS handler,
           CASE WHEN w.url IS NULL THEN 'handler' ELSE 'url' END AS kind, split_part(w.url, '?', 1) AS url, w.auth, w.limits,
           w.source, w.type, w.filter, w.max_attempts,
           w.backoff, w.backoff_max, w.timeout, w.replay_safe, w.jobs_per_transaction,
           CASE WHEN w.paused THEN 'paused'
                WHEN w.database_identity IS DISTINCT FROM intake.database_identity() THEN 'restored'
                ELSE coalesce(intake.row_problem(w), 'active') END AS state,
           w.created_at, l.suspended_hosts, l.suspended_since
    FROM intake.workflow w LEFT JOIN pg_roles r ON r.oid = w.owner_oid
    LEFT JOIN (SELECT workflow_id, array_agg(DISTINCT host ORDER BY host) AS suspended_hosts, min(suspended_at) AS suspended_since
               FROM intake.line WHERE suspended_at IS NOT NULL GROUP BY workflow_id) l ON l.workflow_id = w.id
    WHERE w.dropped_at IS NULL;
COMMENT ON VIEW intake.workflows IS
    'Workflows. kind is handler (it does the work) or url (what it makes is sent to url, shown without its query, with the secret auth). state is active, paused, restored (it came with a dump: resume_workflow lets it run), or why it cannot run and its jobs wait: no such role, role cannot log in, role may not connect (to this database), no such handler (it was dropped), role may not execute the handler, or what is wrong with its row. suspended_hosts are those that its calls wait for, as they are out, and suspended_since is when the first of them was found to be; NULL: none is';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.workflows');

CREATE VIEW intake.events AS
    SELECT e.id, s.name AS source, e.key, e.type, e.received_at, e.headers, e.body,
           intake.payload(e.body, CASE WHEN e.position > 0 THEN NULL ELSE c.json_from END, e.headers) AS payload,
           CASE e.verified WHEN 's' THEN 'signature' WHEN 'o' THEN 'origin' WHEN 'f' THEN 'fetched' ELSE 'none' END AS verified,
           e.secret_id, e.delivery_id, e.position
    FROM intake.event e JOIN intake.source s ON s.id = e.source_id
        LEFT JOIN intake.scheme c ON c.name = s.scheme;
COMMENT ON VIEW intake.events IS
    'The log. payload is the body as JSON, or the field of a form that the scheme''s json_from names, NULL where it is not JSON. verified is signature (the sender and the body are authentic), origin (the sender is, the body could have been changed), fetched (intake.record has stored it), or none; secret_id is the secret that matched. Of a delivery that was split, the events and itself have its id as delivery_id, and position 1, 2, ... and 0';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.events');

-- The event is read only where its columns are asked for. Each branch is one table, and its state a
-- constant, so that the server looks only into those that a condition on the state leaves, and asks
-- their indexes for a condition on another column, and for the order of ids.
--
-- The lane of a room, or the id where it has that, is asked for in two ways: one finds the workflow of
-- a job, the other the jobs of a workflow.
CREATE VIEW intake.jobs AS
    SELECT r.job_id AS id, r.event_id, w.name AS workflow, r.state, r.attempts, r.run_at,
           r.finished_at, r.error,
           (SELECT e.delivery_id FROM intake.event e WHERE e.id = r.event_id) AS delivery_id,
           (SELECT e.position FROM intake.event e WHERE e.id = r.event_id) AS position,
           (SELECT p.step FROM intake.progress p WHERE p.job_id = r.job_id) AS step,
           (SELECT p.steps FROM intake.progress p WHERE p.job_id = r.job_id) AS steps,
           r.result
    FROM (
        SELECT job_id, event_id, lane, 'ready' AS state, attempts,
               NULL::timestamptz AS run_at, NULL::timestamptz AS finished_at, NULL::text AS error, NULL::jsonb AS result
            FROM intake.queue
        UNION ALL
        SELECT job_id, event_id, lane, 'delayed', attempts, run_at, NULL, NULL, NULL FROM intake.delayed
        UNION ALL
        SELECT job_id, event_id, lane, 'running', attempts, NULL, NULL, NULL, NULL FROM intake.running
        UNION ALL
        SELECT job_id, event_id, lane, 'suspect', attempts, NULL, NULL, NULL, NULL FROM intake.suspect
        UNION ALL
        SELECT job_id, event_id, lane, 'awaiting', attempts, until, NULL, NULL, NULL FROM intake.awaiting
        UNION ALL
        SELECT job_id, event_id, lane, 'calling', attempts, until, NULL, NULL, NULL FROM intake.calling
        UNION ALL
        SELECT job_id, event_id, workflow_id, 'done', attempts, NULL, finished_at, NULL, result FROM intake.done
        UNION ALL
        SELECT job_id, event_id, workflow_id, 'discarded', attempts, NULL, discarded_at, reason, NULL FROM intake.discarded
        UNION ALL
        SELECT job_id, event_id, workflow_id, 'dead', attempts, NULL, died_at, error, NULL FROM intake.dead_letter
    ) r LEFT JOIN intake.workflow w ON w.id = abs(r.lane) AND r.lane = ANY (ARRAY[w.id, -w.id]);
COMMENT ON VIEW intake.jobs IS
    'Every job. state is ready, delayed (until run_at), running, suspect (was left without a holder, by a crash mostly, and runs alone next), awaiting (a signal, until run_at), calling (its calls are made), done, discarded or dead; attempts counts those of its step that ended; delivery_id and position are those of the event; step is the one that comes next, or was the last, and steps how many came before it (NULL: it has not come beyond its first); result is what the handler of a job that is done has returned';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.jobs');

CREATE VIEW intake.attempts AS
    SELECT a.job_id, w.name AS workflow, a.attempt, a.started_at, a.finished_at, a.sqlstate, a.error,
           a.step, a.call_id, a.status, a.duration
    FROM intake.attempt a LEFT JOIN intake.workflow w ON w.id = a.workflow_id;
COMMENT ON VIEW intake.attempts IS
    'Failed attempts, each with its error, and the step (NULL: the job had not come beyond its first). Those with a call_id are attempts of a call, accepted ones too (sqlstate 00000): status of the answer, and how long it took';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.attempts');

CREATE VIEW intake.dead_letters AS
    SELECT d.job_id, d.event_id, d.workflow, s.name AS source, e.type, e.key,
           d.attempts, d.sqlstate, d.error, e.received_at, d.died_at,
           (SELECT min(a.finished_at) FROM intake.attempt a WHERE a.job_id = d.job_id) AS first_failed_at,
           coalesce(w.replay_safe AND w.dropped_at IS NULL, false) AS replay_safe, e.delivery_id, e.position, d.step
    FROM intake.dead_letter d
    LEFT JOIN intake.workflow w ON w.id = d.workflow_id
    LEFT JOIN intake.event e ON e.id = d.event_id
    LEFT JOIN intake.source s ON s.id = e.source_id;
COMMENT ON VIEW intake.dead_letters IS
    'Jobs that were given up: which event, which workflow, what error, how many attempts, and whether a replay is safe; step is the one that failed (NULL: the job had not come beyond its first)';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.dead_letters');

CREATE VIEW intake.rejections AS
    SELECT id, rejected_at, source, reason, detail, status, peer, request_id, requests
    FROM intake.rejection;
COMMENT ON VIEW intake.rejections IS
    'Why requests were refused, the newest 10000 rows. source is NULL where no such source exists';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.rejections');

CREATE VIEW intake.workers AS SELECT * FROM intake.workers_running();
COMMENT ON VIEW intake.workers IS
    'The background workers of this database, and the launcher. job_id is what an executor runs now, jobs how many it has run';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.workers');

CREATE VIEW intake.owners AS
    SELECT role, coalesce(e.executors, 0) AS executors, coalesce(c.ready, 0) AS ready, c.waiting_since
    FROM (SELECT w.role, count(*)::int AS executors FROM intake.workers_running() w
          WHERE w.kind = 'executor' GROUP BY w.role) e
    FULL JOIN intake.crews_ready() c USING (role);
COMMENT ON VIEW intake.owners IS
    'The roles of this database whose workflows have work, or had it a while ago: how many executors each has now, how many of its workflows have ready jobs and wait for one, and since when the one does that has waited longest. Executors come with work, and roles take turns where there are fewer processes';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.owners');

-- Rooms that may be large have an index by workflow; the others are counted once for all workflows.
CREATE VIEW intake.stats AS
    SELECT w.name AS workflow,
           (SELECT count(*) FROM intake.queue q WHERE q.lane IN (w.id, -w.id)) AS ready,
           (SELECT count(*) FROM intake.delayed d WHERE d.lane IN (w.id, -w.id)) AS delayed,
           coalesce(r.jobs, 0) AS running, coalesce(s.jobs, 0) AS suspect,
           (SELECT count(*) FROM intake.dead_letter d WHERE d.workflow_id = w.id) AS dead,
           (SELECT count(*) FROM intake.awaiting a WHERE a.lane IN (w.id, -w.id)) AS awaiting,
           (SELECT count(*) FROM intake.calling c WHERE c.lane IN (w.id, -w.id)) AS calling
    FROM intake.workflow w
    LEFT JOIN (SELECT abs(lane) AS workflow_id, count(*) AS jobs FROM intake.running GROUP BY 1) r ON r.workflow_id = w.id
    LEFT JOIN (SELECT abs(lane) AS workflow_id, count(*) AS jobs FROM intake.suspect GROUP BY 1) s ON s.workflow_id = w.id
    WHERE w.dropped_at IS NULL;
COMMENT ON VIEW intake.stats IS 'How many jobs of each workflow wait, run or are dead';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.stats');

CREATE VIEW intake.signals AS
    SELECT s.key, CASE WHEN s.signalled_at IS NULL THEN 'awaited' WHEN s.job_id IS NULL THEN 'early' ELSE 'used' END AS state,
           s.job_id, w.name AS workflow, a.until, s.signalled_at, s.payload
    FROM intake.signal s
    LEFT JOIN intake.awaiting a ON s.signalled_at IS NULL AND a.job_id = s.job_id
    LEFT JOIN intake.workflow w ON w.id = abs(a.lane);
COMMENT ON VIEW intake.signals IS
    'Keys that jobs wait for, and those that were signalled in the last 7 days. state is awaited (by a job, until then; NULL: for ever), early (no job has waited for it yet) or used (the job has got it)';
INSERT INTO intake.grantable VALUES ('operator', 'SELECT ON intake.signals');
