-- A delivery that comes again does not look at every dead letter that once was, while they cannot be
-- removed, before it asks for those of its items.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION looks_handler(job intake.job) RETURNS void LANGUAGE sql AS '';
SELECT count(intake.create_source('rearm_looks', 'hmac', secret => 'keep me secret', key_from => '$.id', options => '{"split": "$.events"}'));
SELECT count(intake.create_workflow('rearm_looks', 'looks_handler(intake.job)', source => 'rearm_looks'));
SELECT intake.pause_workflow('rearm_looks');
CREATE FUNCTION looks_send() RETURNS int LANGUAGE sql AS $$
    SELECT status FROM (SELECT '{"events":[{"id":"a"},{"id":"b"}]}'::bytea AS body) b, intake.ingest('rearm_looks', intake.sign('rearm_looks', body), body)
$$;
SELECT looks_send();

BEGIN;
INSERT INTO intake.dead_letter (job_id, event_id, died_at, workflow_id, attempts, sqlstate, error)
    SELECT n, n, now(), 0, 1, 'P0001', 'no' FROM generate_series(1000000000, 1000002999) n;
DELETE FROM intake.dead_letter WHERE job_id >= 1000000000;
SELECT pg_stat_get_xact_tuples_returned('intake.dead_letter_pkey'::regclass) AS before \gset
SELECT looks_send();
SELECT pg_stat_get_xact_tuples_returned('intake.dead_letter_pkey'::regclass) - :before BETWEEN 1 AND 200 AS few_looks;

-- And finds what is dead behind them.
WITH job AS (DELETE FROM intake.queue q USING intake.event e WHERE e.id = q.event_id AND e.key = 'b'
             AND q.lane = (SELECT id FROM intake.workflow WHERE name = 'rearm_looks') RETURNING q.*)
    INSERT INTO intake.dead_letter SELECT 1000003000, event_id, now(), lane, 1, 'P0001', 'no', 'rearm_looks' FROM job;
SELECT state, count(*) FROM intake.jobs WHERE workflow = 'rearm_looks' GROUP BY 1 ORDER BY 1;
SELECT looks_send();
SELECT state, count(*) FROM intake.jobs WHERE workflow = 'rearm_looks' GROUP BY 1 ORDER BY 1;
ROLLBACK;

SELECT intake.drop_workflow('rearm_looks', force => true), intake.drop_source('rearm_looks');
DROP FUNCTION looks_handler, looks_send;
