-- The rooms of a job. A job is in exactly one of them, and the table is its state.

CREATE SEQUENCE intake.job_id_seq;
COMMENT ON SEQUENCE intake.job_id_seq IS 'Ids of jobs and positions in lanes: ascending, with gaps';
SELECT pg_catalog.pg_extension_config_dump('intake.job_id_seq', '');
CREATE SEQUENCE intake.lease_seq;
COMMENT ON SEQUENCE intake.lease_seq IS 'Lease tokens: never given twice';
SELECT pg_catalog.pg_extension_config_dump('intake.lease_seq', '');

CREATE TABLE intake.queue (
    position bigint NOT NULL,
    job_id bigint NOT NULL,
    event_id bigint NOT NULL,
    lane int NOT NULL,
    attempts int NOT NULL,
    CONSTRAINT queue_pkey PRIMARY KEY (lane, position)
) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE INDEX queue_job ON intake.queue (job_id);
COMMENT ON INDEX intake.queue_job IS 'A job, of whatever lane, and the newest';
COMMENT ON TABLE intake.queue IS 'Jobs that are ready to run';
COMMENT ON COLUMN intake.queue.position IS 'Place in the lane: the job''s id at first, a fresh number whenever it comes back';
COMMENT ON COLUMN intake.queue.job_id IS 'The job';
COMMENT ON COLUMN intake.queue.event_id IS 'Its event';
COMMENT ON COLUMN intake.queue.lane IS
    'Its lane: the id of its workflow, or, where the job goes on and has a row in progress, its negative';
COMMENT ON COLUMN intake.queue.attempts IS 'Attempts so far';
SELECT pg_catalog.pg_extension_config_dump('intake.queue', '');

CREATE TABLE intake.delayed (
    run_at timestamptz NOT NULL,
    job_id bigint NOT NULL CONSTRAINT delayed_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    lane int NOT NULL,
    attempts int NOT NULL
);
CREATE INDEX delayed_run_at ON intake.delayed (run_at);
COMMENT ON INDEX intake.delayed_run_at IS 'Which job is due next';
CREATE INDEX delayed_lane ON intake.delayed (lane, job_id);
COMMENT ON INDEX intake.delayed_lane IS 'Jobs of a workflow';
CREATE INDEX delayed_event ON intake.delayed (event_id);
COMMENT ON INDEX intake.delayed_event IS 'Jobs of an event';
COMMENT ON TABLE intake.delayed IS 'Jobs that wait for a time: a retry, a step that sleeps, or an event emitted with a delay';
COMMENT ON COLUMN intake.delayed.run_at IS 'When the job goes to the queue';
COMMENT ON COLUMN intake.delayed.job_id IS 'The job';
COMMENT ON COLUMN intake.delayed.event_id IS 'Its event';
COMMENT ON COLUMN intake.delayed.lane IS 'Its lane, which has the number of its workflow, or the negative';
COMMENT ON COLUMN intake.delayed.attempts IS 'Attempts so far';
SELECT pg_catalog.pg_extension_config_dump('intake.delayed', '');

CREATE TABLE intake.running (
    job_id bigint NOT NULL CONSTRAINT running_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    lease bigint NOT NULL,
    claimed_at timestamptz NOT NULL,
    lane int NOT NULL,
    attempts int NOT NULL
);
COMMENT ON TABLE intake.running IS 'Jobs that a holder has claimed';
COMMENT ON COLUMN intake.running.job_id IS 'The job';
COMMENT ON COLUMN intake.running.event_id IS 'Its event';
COMMENT ON COLUMN intake.running.lease IS 'Token of the holder';
COMMENT ON COLUMN intake.running.claimed_at IS 'When it was claimed';
COMMENT ON COLUMN intake.running.lane IS 'Its lane, which has the number of its workflow, or the negative';
COMMENT ON COLUMN intake.running.attempts IS 'Attempts before this one';
SELECT pg_catalog.pg_extension_config_dump('intake.running', '');

CREATE TABLE intake.suspect (
    job_id bigint NOT NULL CONSTRAINT suspect_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    lease bigint,
    started_at timestamptz,
    lane int NOT NULL,
    attempts int NOT NULL,
    crashes int NOT NULL
);
COMMENT ON TABLE intake.suspect IS 'Jobs that were running when the server crashed, or whose executor ended without giving them back. They run alone, one at a time';
COMMENT ON COLUMN intake.suspect.job_id IS 'The job';
COMMENT ON COLUMN intake.suspect.event_id IS 'Its event';
COMMENT ON COLUMN intake.suspect.lease IS 'Token of the holder, while it runs alone';
COMMENT ON COLUMN intake.suspect.started_at IS 'Set, durably, while it runs alone';
COMMENT ON COLUMN intake.suspect.lane IS 'Its lane, which has the number of its workflow, or the negative';
COMMENT ON COLUMN intake.suspect.attempts IS 'Attempts so far';
COMMENT ON COLUMN intake.suspect.crashes IS 'Crashes of the server while it ran alone';
SELECT pg_catalog.pg_extension_config_dump('intake.suspect', '');

CREATE TABLE intake.done (
    job_id bigint NOT NULL,
    event_id bigint NOT NULL,
    finished_at timestamptz NOT NULL,
    workflow_id int NOT NULL,
    attempts int NOT NULL,
    result jsonb
) PARTITION BY RANGE (job_id);
COMMENT ON TABLE intake.done IS 'Jobs whose handler succeeded, partitioned like event';
COMMENT ON COLUMN intake.done.job_id IS 'The job';
COMMENT ON COLUMN intake.done.event_id IS 'Its event';
COMMENT ON COLUMN intake.done.finished_at IS 'When it ended';
COMMENT ON COLUMN intake.done.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.done.attempts IS 'Attempts that it took; of its last step, where it had several';
COMMENT ON COLUMN intake.done.result IS 'What its handler returned, as jsonb or by done(); NULL: nothing';

CREATE TABLE intake.discarded (
    job_id bigint NOT NULL CONSTRAINT discarded_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    discarded_at timestamptz NOT NULL,
    workflow_id int NOT NULL,
    attempts int NOT NULL,
    reason text NOT NULL
);
CREATE INDEX discarded_workflow ON intake.discarded (workflow_id, job_id);
COMMENT ON INDEX intake.discarded_workflow IS 'Jobs of a workflow';
CREATE INDEX discarded_event ON intake.discarded (event_id);
COMMENT ON INDEX intake.discarded_event IS 'Jobs of an event';
COMMENT ON TABLE intake.discarded IS 'Jobs that an operator ended, or the end of their workflow';
COMMENT ON COLUMN intake.discarded.job_id IS 'The job';
COMMENT ON COLUMN intake.discarded.event_id IS 'Its event';
COMMENT ON COLUMN intake.discarded.discarded_at IS 'When it was discarded';
COMMENT ON COLUMN intake.discarded.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.discarded.attempts IS 'Attempts until then';
COMMENT ON COLUMN intake.discarded.reason IS 'Why';
SELECT pg_catalog.pg_extension_config_dump('intake.discarded', '');

CREATE TABLE intake.dead_letter (
    job_id bigint NOT NULL CONSTRAINT dead_letter_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    died_at timestamptz NOT NULL,
    workflow_id int NOT NULL,
    attempts int NOT NULL,
    sqlstate text NOT NULL,
    error text NOT NULL,
    workflow text,
    step text
);
CREATE INDEX dead_letter_event ON intake.dead_letter (event_id);
COMMENT ON INDEX intake.dead_letter_event IS 'Dead jobs of an event that is delivered once more';
CREATE INDEX dead_letter_workflow ON intake.dead_letter (workflow_id, job_id);
COMMENT ON INDEX intake.dead_letter_workflow IS 'Jobs of a workflow';
CREATE INDEX dead_letter_name ON intake.dead_letter (workflow, died_at, job_id);
COMMENT ON INDEX intake.dead_letter_name IS 'The newest of a workflow''s name';
CREATE INDEX dead_letter_died ON intake.dead_letter (died_at, job_id);
COMMENT ON INDEX intake.dead_letter_died IS 'The newest';
COMMENT ON TABLE intake.dead_letter IS 'Jobs that are not tried again by themselves';
COMMENT ON COLUMN intake.dead_letter.job_id IS 'The job';
COMMENT ON COLUMN intake.dead_letter.event_id IS 'Its event';
COMMENT ON COLUMN intake.dead_letter.died_at IS 'When it was given up';
COMMENT ON COLUMN intake.dead_letter.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.dead_letter.attempts IS 'Attempts made';
COMMENT ON COLUMN intake.dead_letter.sqlstate IS 'SQLSTATE of the last error';
COMMENT ON COLUMN intake.dead_letter.error IS 'The last error';
COMMENT ON COLUMN intake.dead_letter.workflow IS
    'The workflow''s name, which never changes; NULL: it was gone. It stands here too, as no index of a join is in the order of time';
COMMENT ON COLUMN intake.dead_letter.step IS 'The step that failed; NULL: the job had not come beyond its first';
SELECT pg_catalog.pg_extension_config_dump('intake.dead_letter', '');

CREATE TABLE intake.attempt (
    job_id bigint NOT NULL,
    started_at timestamptz,
    finished_at timestamptz NOT NULL,
    workflow_id int NOT NULL,
    attempt int NOT NULL,
    sqlstate text NOT NULL,
    error text NOT NULL,
    step text,
    call_id bigint,
    status int,
    duration interval
);
CREATE INDEX attempt_job ON intake.attempt (job_id, finished_at);
COMMENT ON INDEX intake.attempt_job IS 'Attempts by job, and the first of one';
-- It has no key. A publication of all tables must not keep anybody from deleting its rows.
ALTER TABLE intake.attempt REPLICA IDENTITY FULL;
COMMENT ON TABLE intake.attempt IS 'Failed executions of jobs, and attempts of calls';
COMMENT ON COLUMN intake.attempt.job_id IS 'The job';
COMMENT ON COLUMN intake.attempt.started_at IS 'When the execution began; NULL where that is not known';
COMMENT ON COLUMN intake.attempt.finished_at IS 'When it failed';
COMMENT ON COLUMN intake.attempt.workflow_id IS 'The workflow';
COMMENT ON COLUMN intake.attempt.attempt IS 'Its number, from 1; counted anew after a replay';
COMMENT ON COLUMN intake.attempt.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN intake.attempt.error IS 'The error''s message, with its detail and the place where it was raised';
COMMENT ON COLUMN intake.attempt.step IS 'The step; NULL: the job had not come beyond its first';
COMMENT ON COLUMN intake.attempt.call_id IS 'The call; NULL: an execution of the job itself';
COMMENT ON COLUMN intake.attempt.status IS 'Of a call: status of the answer';
COMMENT ON COLUMN intake.attempt.duration IS 'Of a call: how long it took';
SELECT pg_catalog.pg_extension_config_dump('intake.attempt', '');

-- The partitions of event and done. Their keys and indexes are their own: in a dump they are tables of
-- their own, which get theirs after they were attached, and one of the parent's would have made one
-- already.
--
-- Rows are only added, and leave with the whole partition, so VACUUM would do nothing but write every
-- page once more. It still freezes old rows.
--
-- Events of a time are found by an index that has, for 8 MB each, when the first and the last of them
-- came; it costs next to nothing. Autovacuum, which fills it, remembers 256 such ranges at a time.
CREATE FUNCTION intake.make_partition(parent text, low bigint, high bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text := format('intake.%I', parent || '_' || low);
BEGIN
    EXECUTE format('CREATE TABLE %s (LIKE intake.%I INCLUDING ALL, PRIMARY KEY (%s)) WITH (autovacuum_vacuum_insert_threshold = -1)',
                   name, parent, CASE parent WHEN 'event' THEN 'id' ELSE 'job_id' END);
    EXECUTE format('CREATE INDEX ON %s %s', name, CASE parent
        WHEN 'event' THEN 'USING brin (received_at) WITH (pages_per_range = 1024, autosummarize = on)'
        ELSE '(event_id)' END);
    EXECUTE format('ALTER TABLE intake.%I ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', parent, name, low, high);
    PERFORM intake.close_to_others(name::regclass);
END
$$;
COMMENT ON FUNCTION intake.make_partition(text, bigint, bigint) IS
    'Internal: makes the partition of event, or of done, for ids from low on, below high';
