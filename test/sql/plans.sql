-- What is asked of the views goes by index where there are many rows, and the answer is right. All of
-- it is rolled back.
\set VERBOSITY terse
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET jit = off;

-- What a query reads of the tables that may be large: an index, or all of it.
CREATE FUNCTION plans_reads(query text) RETURNS TABLE (reads text) LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON, COSTS OFF) ' || query INTO plan;
    RETURN QUERY SELECT DISTINCT coalesce(node->>'Index Name', 'all of ' || (node->>'Relation Name'))
        FROM jsonb_path_query(plan, 'strict $.**{1 to last}') node
        WHERE jsonb_typeof(node) = 'object'
          AND (node->>'Index Name' ~ '^(event_0|queue|delayed|done_0|discarded|dead_letter|attempt)_'
               OR node->>'Node Type' = 'Seq Scan'
                  AND node->>'Relation Name' IN ('event_0', 'queue', 'delayed', 'done_0', 'discarded', 'dead_letter', 'attempt'))
        ORDER BY 1;
END $$;

-- What a query asks of each of its rows anew: where that is expected to cost much, the server compiles it first.
CREATE FUNCTION plans_asks(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON, COSTS OFF) ' || query INTO plan;
    RETURN count(*) FROM jsonb_path_query(plan, 'strict $.**{1 to last} ? (@."Parent Relationship" == "SubPlan")');
END $$;

BEGIN;
CREATE FUNCTION plans_handler(job intake.job) RETURNS void LANGUAGE sql AS '';
INSERT INTO intake.source (id, name, scheme) SELECT 500000 + n, 'plans_' || n, 'hmac' FROM generate_series(1, 1000) n;
INSERT INTO intake.workflow (id, name, owner, owner_oid, handler, handler_oid, source, paused)
    SELECT 500000 + n, 'plans_' || n, current_user, current_user::regrole, 'public.plans_handler(intake.job)',
           'public.plans_handler(intake.job)'::regprocedure, 'plans_' || n, true
    FROM generate_series(1, 1000) n;
SELECT count(intake.make_partition(parent, 0, 1000000)) >= 0 AS made FROM unnest('{event,done}'::text[]) parent
    WHERE to_regclass(format('intake.%s_0', parent)) IS NULL;
-- Ten events a second, of each source in turn.
INSERT INTO intake.event (id, received_at, source_id, verified, key, type, headers, body)
    SELECT 500000 + n, '2100-01-01 00:00Z'::timestamptz + n * interval '100 ms', 500001 + n % 1000, 's', 'plans-' || n, 'plans', '{}', repeat('x', 1600)::bytea
    FROM generate_series(1, 40000) n;
-- Of ten jobs one is in each room but done, which has the others. One workflow has half of the dead.
CREATE TEMP TABLE plans AS
    SELECT 500000 + n AS job_id, 500000 + n AS event_id, 500001 + n % 1000 AS workflow_id, n % 1000 + 1 AS number,
           '2100-01-01 00:00Z'::timestamptz + n * interval '100 ms' AS at, n % 10 AS room
    FROM generate_series(1, 40000) n;
INSERT INTO intake.queue (position, job_id, event_id, lane, attempts)
    SELECT job_id, job_id, event_id, workflow_id, 0 FROM plans WHERE room = 0;
INSERT INTO intake.delayed (run_at, job_id, event_id, lane, attempts)
    SELECT 'infinity', job_id, event_id, workflow_id, 1 FROM plans WHERE room = 1;
INSERT INTO intake.discarded (job_id, event_id, discarded_at, workflow_id, attempts, reason)
    SELECT job_id, event_id, at, workflow_id, 1, 'enough' FROM plans WHERE room = 2;
INSERT INTO intake.dead_letter (job_id, event_id, died_at, workflow_id, attempts, sqlstate, error, workflow)
    SELECT job_id, event_id, at, workflow_id, 1, 'P0001', 'no', 'plans_' || number FROM plans WHERE room = 3
    UNION ALL
    SELECT job_id + 100000, event_id, at, 500004, 1, 'P0001', 'no', 'plans_4' FROM plans WHERE room = 3;
INSERT INTO intake.attempt (job_id, finished_at, workflow_id, attempt, sqlstate, error)
    SELECT job_id, died_at, workflow_id, 1, sqlstate, error FROM intake.dead_letter WHERE job_id > 500000;
INSERT INTO intake.done (job_id, event_id, finished_at, workflow_id, attempts)
    SELECT job_id, event_id, at, workflow_id, 1 FROM plans WHERE room > 3;
ANALYZE intake.source, intake.workflow, intake.event, intake.queue, intake.delayed, intake.discarded, intake.dead_letter, intake.attempt, intake.done;
SELECT brin_summarize_new_values(indexrelid::regclass) >= 0 AS summarized FROM pg_index
    WHERE indrelid = 'intake.event_0'::regclass AND indexrelid::regclass::text LIKE '%received_at%';

-- A page of dead letters, and the next, of a workflow with few and of one with many; and of all.
SELECT plans_reads($$ SELECT job_id FROM intake.dead_letters WHERE workflow = 'plans_14' ORDER BY died_at DESC LIMIT 50 $$);
SELECT plans_reads($$ SELECT * FROM intake.dead_letters WHERE workflow = 'plans_14' ORDER BY died_at DESC, job_id DESC LIMIT 50 $$);
SELECT bool_and(reads ~ '^(dead_letter_name|dead_letter_died|event_0_pkey)$') AS by_index
    FROM plans_reads($$ SELECT job_id FROM intake.dead_letters WHERE workflow = 'plans_4' ORDER BY died_at DESC LIMIT 50 $$);
SELECT bool_and(reads ~ '^(dead_letter_name|dead_letter_died|event_0_pkey)$') AS by_index
    FROM plans_reads($$ SELECT job_id FROM intake.dead_letters WHERE workflow = 'plans_4'
        AND (died_at, job_id) < ('2100-01-01 00:30Z', 600000) ORDER BY died_at DESC, job_id DESC LIMIT 50 $$);
SELECT plans_reads($$ SELECT job_id FROM intake.dead_letters ORDER BY died_at DESC, job_id DESC LIMIT 50 $$);
SELECT plans_reads($$ SELECT job_id FROM intake.dead_letters WHERE job_id = 500013 $$);
SELECT plans_reads($$ SELECT job_id FROM intake.dead_letters WHERE event_id = 500013 $$);
SELECT count(*), min(workflow), max(job_id) FROM intake.dead_letters WHERE workflow = 'plans_14';
SELECT array_agg(job_id) FROM (SELECT job_id FROM intake.dead_letters WHERE workflow = 'plans_4' ORDER BY died_at DESC, job_id DESC LIMIT 3) page;
SELECT array_agg(job_id) FROM (SELECT job_id FROM intake.dead_letters WHERE workflow = 'plans_4'
    AND (died_at, job_id) < ('2100-01-01 00:30Z', 600000) ORDER BY died_at DESC, job_id DESC LIMIT 3) page;

-- A job by its id; those of an event, for which the queue has no index, and is read.
SELECT plans_reads('SELECT * FROM intake.jobs WHERE id = 500013');
SELECT plans_reads('SELECT * FROM intake.jobs WHERE event_id = 500013');
SELECT id, event_id, workflow, state FROM intake.jobs WHERE event_id = 500013 ORDER BY id;
SELECT id, workflow, state, error FROM intake.jobs WHERE id = 500012;

-- Jobs in a state, of all workflows and of one, look into no other room. Of all rooms the newest.
SELECT plans_reads($$ SELECT id FROM intake.jobs WHERE state = 'dead' ORDER BY id DESC LIMIT 50 $$);
SELECT plans_reads($$ SELECT id FROM intake.jobs WHERE state = 'done' ORDER BY id DESC LIMIT 50 $$);
SELECT state, plans_reads(format('SELECT id FROM intake.jobs WHERE workflow = %L AND state = %L', 'plans_13', state))
    FROM unnest('{ready,delayed,running,suspect,discarded,dead}'::text[]) WITH ORDINALITY s(state, n) ORDER BY n, 2;
SELECT plans_reads('SELECT id FROM intake.jobs WHERE id < 700000 ORDER BY id DESC LIMIT 50');
SELECT state, count(*), min(id), max(id) FROM intake.jobs WHERE workflow IN ('plans_13', 'plans_14', 'plans_17') GROUP BY 1 ORDER BY 1;

-- Attempts of a job; events of a source and a time; a workflow's numbers; keys.
SELECT plans_reads('SELECT * FROM intake.attempts WHERE job_id = 500013');
SELECT plans_reads($$ SELECT id FROM intake.events WHERE source = 'plans_14' AND received_at BETWEEN '2100-01-01 00:30Z' AND '2100-01-01 00:31Z' $$);
SELECT array_agg(id ORDER BY id) FROM intake.events WHERE source = 'plans_14' AND received_at BETWEEN '2100-01-01 00:30Z' AND '2100-01-01 00:35Z';
SELECT plans_reads($$ SELECT * FROM intake.stats WHERE workflow = 'plans_14' $$);
SELECT * FROM intake.stats WHERE workflow IN ('plans_1', 'plans_4', 'plans_14', 'plans_18') ORDER BY 1;

SELECT plans_asks('SELECT * FROM intake.stats') AS of_each_workflow, plans_asks('SELECT * FROM intake.sources') AS of_each_source;

-- Repair finds what it takes out, whatever lane it is in, and whether it has run or not.
SELECT intake.replay_dead_letters('plans_14', dry_run => true), intake.replay_dead_letters('plans_14', since => '2100-01-01 00:30Z', dry_run => true),
    intake.replay_dead_letters('plans_4', max_jobs => 7, dry_run => true), intake.replay_dead_letters('plans_4', source => 'plans_14', dry_run => true),
    intake.replay_dead_letters(source => 'plans_14', error_like => 'n_', dry_run => true), intake.replay_dead_letters('plans_14', error_like => 'x', dry_run => true),
    intake.replay_dead_letters('nowhere', dry_run => true);
SELECT intake.discard(500010, 'not run yet');
UPDATE intake.queue SET position = 2000000 WHERE job_id = 500020;
SELECT intake.discard(500020, 'came back');
SELECT intake.replay(500010), intake.replay(500012), intake.replay(500013);
SELECT id, state, error FROM intake.jobs WHERE id IN (500010, 500012, 500013, 500020) ORDER BY id;
SELECT intake.unfinished_jobs(500001), intake.unfinished_jobs(500002), intake.unfinished_jobs(500009);
ROLLBACK;
DROP FUNCTION plans_reads, plans_asks;
