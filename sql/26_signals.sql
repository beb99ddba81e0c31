-- Signals, and the jobs that wait for them.
--
-- A key has one row in signal, whoever comes first: the job that waits for it, or who signals it. A row
-- of a job that waits is changed by nobody but him who has deleted the job's row in awaiting before. So
-- of a signal, the end of the time and whoever discards the job one wins, and no two wait for each other
-- in a circle.

CREATE TABLE intake.awaiting (
    job_id bigint NOT NULL CONSTRAINT awaiting_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    lane int NOT NULL,
    attempts int NOT NULL,
    key text COLLATE "C" NOT NULL,
    until timestamptz
);
CREATE INDEX awaiting_until ON intake.awaiting (until) WHERE until IS NOT NULL;
COMMENT ON INDEX intake.awaiting_until IS 'Whose time is over next';
CREATE INDEX awaiting_lane ON intake.awaiting (lane, job_id);
COMMENT ON INDEX intake.awaiting_lane IS 'Jobs of a workflow';
CREATE INDEX awaiting_event ON intake.awaiting (event_id);
COMMENT ON INDEX intake.awaiting_event IS 'Jobs of an event';
COMMENT ON TABLE intake.awaiting IS 'Jobs that wait for a signal';
COMMENT ON COLUMN intake.awaiting.job_id IS 'The job';
COMMENT ON COLUMN intake.awaiting.event_id IS 'Its event';
COMMENT ON COLUMN intake.awaiting.lane IS 'The lane that it goes on in: the negative of its workflow';
COMMENT ON COLUMN intake.awaiting.attempts IS '0: a step that waits has none';
COMMENT ON COLUMN intake.awaiting.key IS 'What it waits for';
COMMENT ON COLUMN intake.awaiting.until IS 'When it goes on without a signal: its time is over, or it has expired; NULL: never';
SELECT pg_catalog.pg_extension_config_dump('intake.awaiting', '');
INSERT INTO intake.room VALUES ('awaiting', 'awaiting', 'waiting', true);

CREATE TABLE intake.signal (
    key text COLLATE "C" NOT NULL CONSTRAINT signal_pkey PRIMARY KEY,
    job_id bigint,
    signalled_at timestamptz,
    payload jsonb
);
CREATE INDEX signal_signalled ON intake.signal (signalled_at) WHERE signalled_at IS NOT NULL;
COMMENT ON INDEX intake.signal_signalled IS 'Which one leaves next';
COMMENT ON TABLE intake.signal IS
    'Keys that jobs wait for, and those that were signalled within the last 7 days: whether a job has waited for them or not';
COMMENT ON COLUMN intake.signal.key IS 'The key';
COMMENT ON COLUMN intake.signal.job_id IS 'The job that waits for it, or that has got the signal; NULL: none has waited yet';
COMMENT ON COLUMN intake.signal.signalled_at IS 'When it was signalled; NULL: it was not yet';
COMMENT ON COLUMN intake.signal.payload IS 'What came with the signal, until a job gets it';
SELECT pg_catalog.pg_extension_config_dump('intake.signal', '');

-- Whoever takes a job out of awaiting without SQL does this himself.
CREATE FUNCTION intake.forget_awaited() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $$
BEGIN
    DELETE FROM intake.signal s USING gone g WHERE s.key = g.key AND s.job_id = g.job_id AND s.signalled_at IS NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION intake.forget_awaited() IS 'Trigger: nobody waits for a key any more';
CREATE TRIGGER forget_awaited AFTER DELETE ON intake.awaiting
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION intake.forget_awaited();
COMMENT ON TRIGGER forget_awaited ON intake.awaiting IS 'Makes the keys free that the jobs have waited for';

CREATE FUNCTION intake.signal(key text, payload jsonb DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'intake_sql_signal' LANGUAGE c VOLATILE;
COMMENT ON FUNCTION intake.signal(text, jsonb) IS
    'Lets the job go on that waits for a key, with the payload as job.input (jsonb null where it is NULL). Where none waits yet, the signal is kept for 7 days, and the first job that waits for the key gets it. Returns false, and changes nothing, where the key was signalled before and no job has waited for it since';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.signal');
