-- Views of ten thousand rows: what a query asks for is all that it reads, and it is not compiled first,
-- which takes longer than all of it. All of it is rolled back.
\set VERBOSITY terse
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION vw_plan(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON, VERBOSE) ' || query INTO plan;
    RETURN plan->0->'Plan';
END $$;
-- The tables that a query reads from the beginning to the end.
CREATE FUNCTION vw_reads_all_of(query text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT DISTINCT node->>'Relation Name' FROM jsonb_path_query(vw_plan(query), 'strict $.**') node
    WHERE node->>'Node Type' = 'Seq Scan' ORDER BY 1 $$;
CREATE FUNCTION vw_is_compiled(query text) RETURNS boolean LANGUAGE sql AS $$
    SELECT (vw_plan(query)->>'Total Cost')::float8 > current_setting('jit_above_cost')::float8 $$;

BEGIN;
INSERT INTO intake.source (id, name, scheme) SELECT 500000 + n, 'vw_' || n, 'hmac' FROM generate_series(1, 10000) n;
INSERT INTO intake.source_secret (source_id, secret) SELECT 500000 + n, convert_to('cthe secret of ' || n, 'UTF8') FROM generate_series(1, 10000) n;
INSERT INTO intake.dead_letter (job_id, event_id, died_at, workflow_id, attempts, sqlstate, error)
    SELECT 500000 + n, 500000 + n, '2100-01-01Z'::timestamptz + n * interval '1 s', 500000 + n, 2, 'P0001', 'no' FROM generate_series(1, 10000) n;
INSERT INTO intake.attempt (job_id, finished_at, workflow_id, attempt, sqlstate, error)
    SELECT job_id, died_at - a * interval '1 minute', workflow_id, 2 - a, sqlstate, error FROM intake.dead_letter, generate_series(0, 1) a WHERE job_id > 500000 AND died_at > '2100-01-01Z';
ANALYZE intake.source, intake.source_secret, intake.dead_letter, intake.attempt;

SELECT view, vw_is_compiled('SELECT * FROM intake.' || view) FROM unnest('{sources,secrets,dead_letters,attempts,stats}'::text[]) view;
SELECT vw_reads_all_of($$ SELECT * FROM intake.sources WHERE name = 'vw_7' $$);
SELECT vw_reads_all_of('SELECT * FROM intake.sources WHERE id = 500007');
-- Of a page, the problems of these sources only.
SELECT jsonb_path_query_array(vw_plan('SELECT * FROM intake.sources ORDER BY name LIMIT 50'), 'strict $.** ? (@."Node Type" == "Sort").Output')::text ~ 'problem' AS problems_before_sorting;
SELECT count(*), min(first_failed_at) = '2100-01-01Z'::timestamptz - interval '59 s' AS first FROM intake.dead_letters WHERE job_id > 500000 AND died_at > '2100-01-01Z';

-- What they say is what it was: secrets that verify now, and the problem.
INSERT INTO intake.source_secret (source_id, secret, valid_from, expires_at, purpose) VALUES
    (500002, 'cone that is over', '-infinity', now(), 'signature'), (500002, 'cone that will be', now() + interval '1 h', NULL, 'signature'),
    (500002, 'ca second one', now(), now() + interval '1 h', 'signature'), (500002, 'ca token to show', '-infinity', NULL, 'handshake'),
    (500003, 'damaged', '-infinity', NULL, 'signature'), (500004, 'cx', '-infinity', NULL, 'handshake'), (500005, 'damaged', '-infinity', now(), 'signature');
DELETE FROM intake.source_secret WHERE source_id = 500001;
UPDATE intake.source SET key_from = 'nonsense' WHERE id = 500006;
SELECT name, secrets, problem FROM intake.sources WHERE name ~ '^vw_[1-7]$' ORDER BY name;
SELECT count(*) FROM intake.sources WHERE problem IS DISTINCT FROM intake.source_problem(name);
DECLARE before CURSOR FOR SELECT problem FROM intake.sources WHERE name = 'vw_3';
UPDATE intake.source SET missing_key = 'each' WHERE id = 500003;
DELETE FROM intake.source_secret WHERE source_id = 500003;
FETCH before;
SELECT problem FROM intake.sources WHERE name = 'vw_3';

-- Workflows, and what is suspended of their calls.
INSERT INTO intake.workflow (id, name, owner, handler, source, type) SELECT 500000 + n, 'vw_' || n, current_user, 'vw_none', 'vw_' || n, '*' FROM generate_series(1, 10000) n;
INSERT INTO intake.line (id, workflow_id, host, suspended_at, probe_at, probes, jobs, calls)
    SELECT n, 500000 + n % 10000, 'vw_' || n % 20000 || ':443', '2100-01-01Z'::timestamptz + n * interval '1 s', now(), 0, '{}', '{}' FROM generate_series(1, 20001) n;
ANALYZE intake.workflow, intake.line;
SELECT name, suspended_hosts, suspended_since = '2100-01-01Z'::timestamptz + interval '1 s' AS first FROM intake.workflows WHERE name = 'vw_1';
SELECT vw_is_compiled('SELECT * FROM intake.workflows');

-- Places where nothing is, and secrets of another source, tell nothing.
SELECT intake.source_problem_at('(0,0)', '{}'), intake.source_problem_at('(4294967295,1)', '{}'), intake.source_problem_at('(4294967294,1)', '{}'),
    intake.source_problem_at('(0,2000)', '{}');
SELECT intake.source_problem_at(s.ctid, ARRAY[x.ctid, NULL, '(0,0)', '(4294967294,1)']) AS another, intake.source_problem_at(o.ctid, ARRAY[NULL, x.ctid]) AS own
    FROM intake.source s, intake.source o, intake.source_secret x WHERE s.id = 500007 AND o.id = 500004 AND x.source_id = o.id AND x.purpose = 'handshake';
ROLLBACK;
DROP FUNCTION vw_plan, vw_reads_all_of, vw_is_compiled;
