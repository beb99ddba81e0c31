-- Jobs that go on by steps: where each is, and what its handler returns to say what comes next.

CREATE TABLE intake.progress (
    job_id bigint NOT NULL CONSTRAINT progress_pkey PRIMARY KEY,
    workflow_id int NOT NULL,
    event_id bigint NOT NULL,
    step text NOT NULL,
    steps int NOT NULL,
    visits jsonb NOT NULL,
    state jsonb,
    input jsonb,
    first_call bigint,
    calls int NOT NULL,
    single boolean NOT NULL,
    failed text,
    started_at timestamptz NOT NULL
);
COMMENT ON TABLE intake.progress IS
    'Jobs that have come beyond their first step. The row stays when the job ends; a replay from the start deletes it';
COMMENT ON COLUMN intake.progress.job_id IS 'The job';
COMMENT ON COLUMN intake.progress.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.progress.event_id IS 'Its event';
COMMENT ON COLUMN intake.progress.step IS 'The step that runs next; the last one, where the job has ended';
COMMENT ON COLUMN intake.progress.steps IS 'Steps after which it went on';
COMMENT ON COLUMN intake.progress.visits IS
    'Where it was: for each step, how many failed attempts it had when it was left, with those that again has charged';
COMMENT ON COLUMN intake.progress.state IS 'What the handler keeps from step to step';
COMMENT ON COLUMN intake.progress.input IS 'The payload of the signal that the job waited for; NULL: none';
COMMENT ON COLUMN intake.progress.first_call IS
    'The step gets the answers of the job''s calls from this one on; NULL: it gets none';
COMMENT ON COLUMN intake.progress.calls IS 'How many calls that are';
COMMENT ON COLUMN intake.progress.single IS 'Whether they were asked for as one call';
COMMENT ON COLUMN intake.progress.failed IS 'The step that runs instead where a call has failed for good; NULL: none';
COMMENT ON COLUMN intake.progress.started_at IS
    'Since when the job counts as old, for the workflow''s expires: when its event came, or when it was replayed';
SELECT pg_catalog.pg_extension_config_dump('intake.progress', '');

-- The rooms, for whatever looks into all of them, or into some. Only the owner reads this.
CREATE TABLE intake.room (
    name text PRIMARY KEY,
    state text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('waiting', 'running', 'ended', 'dead')),
    has_lane boolean NOT NULL
);
COMMENT ON TABLE intake.room IS 'The tables whose rows are jobs. It comes with the extension';
COMMENT ON COLUMN intake.room.name IS 'The table';
COMMENT ON COLUMN intake.room.state IS 'What intake.jobs shows of a job that is there';
COMMENT ON COLUMN intake.room.kind IS
    'waiting: it can be discarded, and goes with its workflow; running: somebody holds it; ended: only a replay takes it out; dead: both';
COMMENT ON COLUMN intake.room.has_lane IS 'Whether its rows have a lane, where others have a workflow_id';
INSERT INTO intake.room VALUES
    ('queue', 'ready', 'waiting', true),
    ('delayed', 'delayed', 'waiting', true),
    ('suspect', 'suspect', 'waiting', true),
    ('running', 'running', 'running', true),
    ('done', 'done', 'ended', false),
    ('discarded', 'discarded', 'ended', false),
    ('dead_letter', 'dead', 'dead', false);

-- What a handler returns. These only make a row; the executor judges it, whoever has made it. They are in
-- C: what they would take in SQL or PL/pgSQL is much beside a step that does little.

CREATE FUNCTION intake.done(result jsonb DEFAULT NULL) RETURNS intake.next
    AS 'MODULE_PATHNAME', 'intake_sql_done' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.done(jsonb) IS
    'For a handler to return: the job is done. result is shown in intake.jobs';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.done');

CREATE FUNCTION intake.again(step text, error text DEFAULT NULL, state jsonb DEFAULT NULL) RETURNS intake.next
    AS 'MODULE_PATHNAME', 'intake_sql_again' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.again(text, text, jsonb) IS
    'For a handler to return: back to a step where the job was, after the workflow''s backoff, charged as an attempt of that step; what the handler has written stays. error is job.last_error there, and that of the dead letter where the step has no attempt left. state is what the job keeps (NULL: what it had)';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.again');

CREATE FUNCTION intake.sleep(delay interval, step text DEFAULT NULL, state jsonb DEFAULT NULL) RETURNS intake.next
    AS 'MODULE_PATHNAME', 'intake_sql_sleep' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.sleep(interval, text, jsonb) IS
    'For a handler to return: the job goes on after the delay, at step (NULL: the present one). No attempt is charged. state is what the job keeps (NULL: what it had)';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.sleep');

CREATE FUNCTION intake.sleep_until(at timestamptz, step text DEFAULT NULL, state jsonb DEFAULT NULL) RETURNS intake.next
    AS 'MODULE_PATHNAME', 'intake_sql_sleep_until' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.sleep_until(timestamptz, text, jsonb) IS
    'For a handler to return: the job goes on at a time, at once where that is over, as with intake.sleep';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.sleep_until');

CREATE FUNCTION intake.wait(key text, timeout interval DEFAULT NULL, step text DEFAULT 'signalled',
    state jsonb DEFAULT NULL) RETURNS intake.next
    AS 'MODULE_PATHNAME', 'intake_sql_wait' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.wait(text, interval, text, jsonb) IS
    'For a handler to return: the job goes on at step when somebody signals the key, with the payload of that as job.input; after the timeout (NULL: none) with NULL there. state is what the job keeps (NULL: what it had)';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.wait');
