-- Counting dead letters, and replaying some of them.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION repair_handler(job intake.job) RETURNS void LANGUAGE sql AS '';
SELECT count(intake.create_workflow('repair', 'repair_handler(intake.job)', type => 'repair'));
SELECT intake.pause_workflow('repair');
SELECT count(intake.emit('repair', '{}')) FROM generate_series(1, 5);
WITH job AS (DELETE FROM intake.queue q USING intake.workflow w WHERE w.id = q.lane AND w.name = 'repair' RETURNING q.*)
    INSERT INTO intake.dead_letter SELECT job_id, event_id, now(), lane, 1, 'WH001', 'no luck', 'repair' FROM job;

SELECT intake.replay_dead_letters('repair', dry_run => true), intake.replay_dead_letters('repair', dry_run => true, max_jobs => 2),
    intake.replay_dead_letters('repair', dry_run => true, max_jobs => 0);
SELECT count(*) FROM intake.dead_letters WHERE workflow = 'repair';
SELECT intake.replay_dead_letters('repair', max_jobs => 0), intake.replay_dead_letters('repair', max_jobs => 2);
SELECT count(*) FROM intake.dead_letters WHERE workflow = 'repair';
SELECT intake.replay_dead_letters('repair', dry_run => NULL);
SELECT state, count(*) FROM intake.jobs WHERE workflow = 'repair' GROUP BY 1;

-- A job that runs alone as a suspect is not done.
WITH job AS (DELETE FROM intake.queue q USING intake.workflow w WHERE w.id = q.lane AND w.name = 'repair' RETURNING q.*)
    INSERT INTO intake.dead_letter SELECT job_id, event_id, now(), lane, 1, 'WH001', 'no luck', 'repair' FROM job;
BEGIN;
WITH job AS (DELETE FROM intake.dead_letter d USING intake.workflow w WHERE w.id = d.workflow_id AND w.name = 'repair' RETURNING d.*)
    INSERT INTO intake.suspect (job_id, event_id, started_at, lane, attempts, crashes) SELECT job_id, event_id, now(), workflow_id, 1, 0 FROM job;
DO $$
BEGIN
    PERFORM intake.discard(max(id), 'why not') FROM intake.jobs WHERE workflow = 'repair';
EXCEPTION WHEN object_in_use THEN
    RAISE WARNING '%', regexp_replace(sqlerrm, '[0-9]+', 'N');
END $$;
ROLLBACK;
SELECT intake.discard(id, 'enough') FROM intake.jobs WHERE workflow = 'repair';
SELECT state, count(*) FROM intake.jobs WHERE workflow = 'repair' GROUP BY 1;
SELECT intake.drop_workflow('repair');
DROP FUNCTION repair_handler;
