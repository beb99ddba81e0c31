-- Steps: what a handler returns, and where that takes its job.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA steps;
SET search_path = steps, public;
CREATE FUNCTION wait_for(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1..3000 LOOP
        EXECUTE 'SELECT ' || condition INTO holds;
        IF holds THEN RETURN 'yes'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no: ' || condition;
END $$;

-- A job's payload says for each step what its handler returns there.
CREATE TABLE took (id int GENERATED ALWAYS AS IDENTITY, key text, step text, attempt int, state jsonb, input jsonb, last_error text);
CREATE FUNCTION fail(error text, sqlstate text DEFAULT 'P0001') RETURNS intake.next LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', error USING ERRCODE = sqlstate;
END $$;
CREATE FUNCTION script(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
DECLARE
    what text := job.payload ->> job.step;
    comes intake.next;
BEGIN
    INSERT INTO steps.took (key, step, attempt, state, input, last_error)
        VALUES (job.key, job.step, job.attempt, job.state, job.input, split_part(job.last_error, E'\n', 1));
    IF what IS NULL THEN
        RAISE EXCEPTION 'no step %', job.step;
    END IF;
    EXECUTE 'SELECT (' || what || ').* FROM (SELECT ($1).*) job' INTO comes USING job;
    RETURN comes;
END $$;
SELECT intake.create_workflow('steps', 'script(intake.job)', type => 'steps', max_attempts => 3, backoff => '0', options => '{"max_steps": 10}') > 0;
CREATE FUNCTION job_of(event_key text) RETURNS bigint STABLE LANGUAGE sql AS $$
    SELECT j.id FROM intake.jobs j WHERE j.event_id = intake.find_event('intake', event_key) $$;
-- What became of it: its steps, and its end.
CREATE FUNCTION became(event_key text) RETURNS TABLE (what text) LANGUAGE plpgsql AS $$
DECLARE
    waited text := steps.wait_for(format('count(*) = 1 FROM intake.jobs j WHERE j.id = steps.job_of(%L) AND j.state IN (''done'', ''dead'')', event_key));
BEGIN
    RETURN QUERY
        SELECT concat_ws(' ', t.step, t.attempt, 'state ' || t.state::text, 'after ' || t.last_error) FROM took t WHERE t.key = event_key ORDER BY t.id;
    RETURN QUERY
        SELECT concat_ws(' ', '-- failed:', a.step, a.attempt, a.sqlstate, split_part(a.error, E'\n', 1)) FROM intake.attempts a WHERE a.job_id = job_of(event_key) ORDER BY a.finished_at;
    RETURN QUERY
        SELECT concat_ws(' ', '=', j.state, 'attempts ' || j.attempts, 'step ' || j.step, 'steps ' || j.steps, 'result ' || j.result::text, 'error ' || j.error) FROM intake.jobs j WHERE j.id = job_of(event_key);
    IF waited <> 'yes' THEN
        RETURN QUERY SELECT waited;
    END IF;
END $$;
CREATE FUNCTION says(VARIADIC said text[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(said[n], said[n + 1]) FROM generate_subscripts(said, 1) n WHERE n % 2 = 1 $$;
CREATE PROCEDURE play(key text, said jsonb) LANGUAGE plpgsql AS $$ BEGIN PERFORM intake.emit('steps', said, key); END $$;

-- A job that is done at once, with a result and without; one that goes on, at once and later.
CALL play('done', says('start', $$intake.done()$$));
SELECT became('done');
CALL play('result', says('start', $$intake.done('{"n": 1}')$$));
SELECT became('result');
CALL play('null', says('start', $$intake.done('null')$$));
SELECT became('null');
CALL play('on', says('start', $$intake.sleep('0', 'second', '{"n": 1}')$$, 'second', $$intake.sleep('10 ms', 'third')$$,
    'third', $$intake.sleep_until(now(), 'fourth', 'null')$$, 'fourth', $$intake.sleep_until('2001-01-01', 'fifth', '[]')$$, 'fifth', $$intake.done(job.state)$$));
SELECT became('on');
-- The present step again, when none is named.
CALL play('same', says('start', $$CASE WHEN job.state IS NULL THEN intake.sleep('0', state => '1') ELSE intake.done() END$$));
SELECT became('same');
-- Plain jobs have no row of progress.
SELECT count(*) FROM intake.progress WHERE job_id IN (job_of('done'), job_of('result'));

-- An error is a failed attempt of its step: each has all of them.
CALL play('fails', says('start', $$CASE WHEN job.attempt < 3 THEN steps.fail('no ' || job.attempt) ELSE intake.sleep('0', 'second', '1') END$$,
    'second', $$CASE WHEN job.attempt < 2 THEN steps.fail('not yet') ELSE intake.sleep('0', 'third') END$$, 'third', $$steps.fail('never')$$));
SELECT became('fails');
SELECT job_id = job_of('fails') AS same, workflow, step, attempts, sqlstate, error FROM intake.dead_letters WHERE workflow = 'steps';
SELECT payload - 'job_id' - 'event_id' AS payload FROM intake.events WHERE type = 'job.dead' AND payload ->> 'workflow' = 'steps';
CALL play('permanent', says('start', $$intake.sleep('0', 'second')$$, 'second', $$steps.fail('for good', 'WH001')$$));
SELECT became('permanent');

-- Back to an earlier step, which is charged, and whose count goes on.
CALL play('again', says('start', $$intake.sleep('0', 'check', to_jsonb(job.attempt))$$,
    'check', $$CASE WHEN job.state = '3' THEN intake.done(job.state) ELSE intake.again('start', 'too few: ' || job.state::text) END$$));
SELECT became('again');
CALL play('no more', says('start', $$intake.sleep('0', 'check')$$, 'check', $$intake.again('start', 'refused')$$));
SELECT became('no more');
SELECT step, attempts, sqlstate, error FROM intake.dead_letters WHERE job_id = job_of('no more');
-- What had failed before counts.
CALL play('both', says('start', $$CASE WHEN job.attempt = 1 THEN steps.fail('broken') ELSE intake.sleep('0', 'check') END$$, 'check', $$intake.again('start', 'refused')$$));
SELECT became('both');
CALL play('itself', says('start', $$CASE WHEN job.attempt = 1 THEN intake.again('start', state => '"kept"') ELSE intake.done() END$$));
SELECT became('itself');
CALL play('nowhere', says('start', $$intake.again('second', 'refused')$$));
SELECT became('nowhere');
CALL play('unnamed', says('start', $$intake.again(NULL, 'refused')$$));
SELECT became('unnamed');

-- It must end.
CALL play('loop', says('start', $$intake.sleep('0')$$));
SELECT became('loop');
SELECT intake.alter_workflow('steps', options => '{"max_steps": 12}');
SELECT intake.replay(job_of('loop'), options => '{"from_step": "start"}');
SELECT became('loop') OFFSET 10;
SELECT intake.alter_workflow('steps', options => '{"max_steps": null}');
SELECT max_steps, expires FROM intake.workflow WHERE name = 'steps';
CALL play('many steps', says('start', $$CASE WHEN coalesce(job.state, '0') = '99' THEN intake.done() ELSE intake.sleep('0', state => to_jsonb(coalesce(job.state::int, 0) + 1)) END$$));
SELECT what FROM became('many steps') WHERE what ~ '^(=|--)';

-- What cannot come next.
CALL play('act', says('start', $$ROW('dance', NULL, NULL, NULL, NULL)::intake.next$$));
SELECT became('act');
CALL play('no act', says('start', $$NULL::intake.next$$));
SELECT became('no act');
CALL play('empty', says('start', $$intake.sleep('0', '')$$));
SELECT became('empty');
CALL play('long', says('start', $$intake.sleep('0', repeat('s', 101))$$));
SELECT became('long');
CALL play('longest', says('start', $$intake.sleep('0', repeat('é', 50))$$, repeat('é', 50), $$intake.done(to_jsonb(job.step))$$));
SELECT became('longest');
CALL play('unknown step', says('start', $$intake.sleep('0', 'second')$$));
SELECT became('unknown step');
CALL play('large', says('start', $$intake.sleep('0', state => to_jsonb(repeat('x', 1024 * 1024 - 7)))$$));
SELECT became('large');
CALL play('largest', says('start', $$intake.sleep('0', 'second', state => to_jsonb(repeat('x', 1024 * 1024 - 8)))$$, 'second', $$intake.sleep('0', 'third')$$,
    'third', $$intake.done(to_jsonb(length(job.state::text)))$$));
SELECT what FROM became('largest') WHERE what ~ '^(=|--)';
CALL play('args', says('start', $$ROW('sleep', NULL, NULL, NULL, NULL)::intake.next$$));
SELECT became('args');
CALL play('array', says('start', $$ROW('sleep', NULL, NULL, '[1]', NULL)::intake.next$$));
SELECT became('array');
CALL play('negative', says('start', $$ROW('sleep', NULL, NULL, '{"seconds": -1}', NULL)::intake.next$$));
SELECT became('negative');
CALL play('long sleep', says('start', $$ROW('sleep', NULL, NULL, '{"seconds": 1e300}', NULL)::intake.next$$));
SELECT became('long sleep');
CALL play('words', says('start', $$ROW('sleep', NULL, NULL, '{"seconds": "NaN"}', NULL)::intake.next$$));
SELECT became('words');
CALL play('infinite', says('start', $$ROW('sleep', NULL, NULL, '{"until": "infinity"}', NULL)::intake.next$$));
SELECT became('infinite');
CALL play('no time', says('start', $$ROW('sleep', NULL, NULL, '{"until": "soon"}', NULL)::intake.next$$));
SELECT became('no time');
CALL play('by row', says('start', $$ROW('sleep', 'second', '{"a": 1}', '{"seconds": 0}', NULL)::intake.next$$, 'second', $$ROW('done', NULL, NULL, '{"result": 2}', NULL)::intake.next$$));
SELECT became('by row');
SELECT intake.sleep(NULL), intake.sleep('1');
SELECT intake.sleep('-1 s');
SELECT intake.sleep('11 years');
SELECT intake.sleep_until(NULL);
SELECT intake.sleep_until('infinity');
SELECT intake.sleep('90 s', 'next', '1'), intake.sleep_until('2030-01-01 12:00Z'), intake.done(), intake.again('start', 'no'), intake.wait('key', '1 day');
SELECT intake.wait(NULL);
SELECT intake.wait('key', '-1 s');
SELECT intake.sleep('-1 year 361 days');
SELECT intake.sleep('1 mon 0.5 s'), intake.wait('"k\', step => NULL), intake.sleep_until('2030-01-01 12:00:00.25Z', 'next');

-- Types of handlers. Others than intake.next and jsonb are ignored; many rows are none.
CREATE DOMAIN result AS jsonb;
CREATE DOMAIN next AS intake.next;
CREATE FUNCTION t_json(job intake.job) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"by": "sql"}'::jsonb $$;
CREATE FUNCTION t_no_json(job intake.job) RETURNS jsonb LANGUAGE sql AS $$ SELECT '1'::jsonb WHERE false $$;
CREATE FUNCTION t_domain(job intake.job) RETURNS result LANGUAGE sql AS $$ SELECT '{"by": "domain"}'::jsonb $$;
CREATE FUNCTION t_next_domain(job intake.job) RETURNS next LANGUAGE plpgsql AS $$ BEGIN RETURN intake.done('"domain"'); END $$;
CREATE FUNCTION t_columns(job intake.job) RETURNS intake.next LANGUAGE sql AS $$ SELECT 'done', NULL, NULL::jsonb, '{"result": "columns"}'::jsonb, NULL::intake.request[] $$;
CREATE FUNCTION t_maker(job intake.job) RETURNS intake.next LANGUAGE sql AS $$ SELECT intake.done('"maker"') $$;
CREATE FUNCTION t_out(job intake.job, OUT result jsonb) LANGUAGE plpgsql AS $$ BEGIN result := '"out"'; END $$;
CREATE FUNCTION t_text(job intake.job) RETURNS text LANGUAGE sql AS $$ SELECT 'ignored' $$;
CREATE FUNCTION t_plain_json(job intake.job) RETURNS json LANGUAGE sql AS $$ SELECT '1'::json $$;
CREATE FUNCTION t_set_json(job intake.job) RETURNS SETOF jsonb LANGUAGE sql AS $$ VALUES ('1'::jsonb), ('2') $$;
CREATE FUNCTION t_record(job intake.job) RETURNS record LANGUAGE sql AS $$ SELECT 'call'::text, 1 $$;
CREATE FUNCTION t_null(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION t_set_next(job intake.job) RETURNS SETOF intake.next LANGUAGE sql AS $$ SELECT intake.done() $$;
CREATE FUNCTION t_nexts(job intake.job) RETURNS intake.next[] LANGUAGE sql AS $$ SELECT ARRAY[intake.done()] $$;
CREATE FUNCTION t_strict(job intake.job) RETURNS jsonb STRICT LANGUAGE sql AS $$ SELECT to_jsonb(job.step) $$;
CREATE FUNCTION t_assigns(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
BEGIN
    IF job.step = 'start' THEN RETURN intake.sleep('0', 'second', '{"kept": true}'); END IF;
    job.state := '{"kept": false}';
    job.step := 'other';
    RETURN CASE WHEN job.attempt = 1 THEN intake.again('second') ELSE intake.done(job.state) END;
END $$;
SELECT count(intake.create_workflow(proname, oid::regprocedure, type => 'types', max_attempts => 1 + (proname = 't_assigns')::int, backoff => '0')) FROM pg_proc WHERE proname LIKE 't\_%' AND pronamespace = 'steps'::regnamespace;
SELECT intake.emit('types', '{}') > 0;
SELECT wait_for($$count(*) = 16 FROM intake.jobs WHERE workflow LIKE 't\_%' AND state IN ('done', 'dead')$$);
SELECT workflow, state, result, error FROM intake.jobs WHERE workflow LIKE 't\_%' ORDER BY workflow;
SELECT p.state FROM intake.progress p JOIN intake.jobs j ON j.id = p.job_id WHERE j.workflow = 't_assigns';
SELECT count(intake.drop_workflow(name)) FROM intake.workflows WHERE name LIKE 't\_%';

-- A handler is replaced between two steps, also by one that returns something else.
CREATE FUNCTION changes(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$ BEGIN RETURN intake.sleep('1 hour', 'second', '"kept"'); END $$;
SELECT intake.create_workflow('changes', 'changes(intake.job)', type => 'changes', max_attempts => 1) > 0;
SELECT intake.emit('changes', '{}', 'changes') > 0;
SELECT wait_for($$count(*) = 1 FROM intake.jobs WHERE workflow = 'changes' AND state = 'delayed' AND step = 'second'$$);
CREATE OR REPLACE FUNCTION changes(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$ BEGIN RETURN intake.done(jsonb_build_array(job.step, job.state)); END $$;
UPDATE intake.delayed SET run_at = now() WHERE job_id = job_of('changes');
SELECT became('changes');
DROP FUNCTION changes;
CREATE FUNCTION changes(job intake.job) RETURNS text LANGUAGE sql AS $$ SELECT 'ignored' $$;
SELECT intake.alter_workflow('changes', handler => 'changes(intake.job)');
SELECT intake.replay(job_of('changes'), options => '{"from_step": "second"}');
SELECT wait_for($$count(*) = 1 FROM intake.jobs WHERE workflow = 'changes' AND state = 'done' AND result IS NULL$$);

CREATE FUNCTION said(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN regexp_replace(sqlerrm, 'job [0-9]+', 'job N');
END $$;
-- Replay: from the start, from a step where it was, and nowhere else.
CALL play('replayed', says('start', $$intake.sleep('0', 'second', '{"n": 1}')$$, 'second', $$intake.sleep('0', 'third', '{"n": 2}')$$, 'third', $$steps.fail('stuck', 'WH001')$$));
SELECT became('replayed');
TRUNCATE took;
SELECT said($$ SELECT intake.replay(job_of('replayed'), options => '{"from_step": "fourth"}') $$);
SELECT said($$ SELECT intake.replay(job_of('replayed'), options => '{"from": "second"}') $$);
SELECT said($$ SELECT intake.replay(job_of('done'), options => '{"from_step": "second"}') $$);
SELECT intake.replay(job_of('replayed'), options => '{"from_step": "second"}');
SELECT became('replayed') LIMIT 2;
TRUNCATE took;
SELECT intake.replay(job_of('replayed'), options => '{"from_step": "third"}');
SELECT became('replayed') LIMIT 1;
TRUNCATE took;
SELECT intake.replay(job_of('replayed'));
SELECT became('replayed') LIMIT 3;
TRUNCATE took;
SELECT intake.replay_dead_letters('steps', error_like => 'stuck%');
SELECT became('replayed') LIMIT 1;

-- Too old, whatever it waits for. A replay has its time anew.
SELECT intake.create_workflow('old', 'script(intake.job)', type => 'old', options => '{"expires": "1 ms"}') > 0;
SELECT intake.pause_workflow('old');
SELECT intake.emit('old', says('start', $$intake.done()$$), 'old') > 0;
SELECT wait_for($$received_at < clock_timestamp() - interval '2 ms' FROM intake.events WHERE key = 'old'$$);
SELECT intake.resume_workflow('old');
SELECT became('old');
SELECT intake.alter_workflow('old', options => '{"expires": "3 s"}');
SELECT intake.emit('old', says('start', $$intake.sleep('1 day', 'second')$$, 'second', $$intake.done()$$), 'sleeps') > 0;
SELECT became('sleeps');
SELECT intake.alter_workflow('old', options => '{"expires": "1 hour"}');
SELECT intake.emit('old', says('start', $$intake.sleep('1 day', 'second')$$), 'old long') > 0;
SELECT wait_for($$count(*) = 1 FROM intake.jobs WHERE workflow = 'old' AND state = 'delayed'$$);
SELECT run_at - received_at AS expires FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE j.workflow = 'old' AND j.state = 'delayed';
UPDATE intake.progress SET started_at = '2001-01-01' WHERE job_id = job_of('old long');
UPDATE intake.delayed SET run_at = now() WHERE job_id = job_of('old long');
SELECT became('old long');
SELECT intake.replay(job_of('old long'), options => '{"from_step": "second"}');
SELECT wait_for($$count(*) = 1 FROM intake.jobs j WHERE id = job_of('old long') AND state = 'delayed'$$);
SELECT intake.discard(job_of('old long'), 'enough');
SELECT intake.replay(job_of('old long'));
SELECT wait_for($$count(*) = 1 FROM intake.jobs j WHERE id = job_of('old long') AND state = 'delayed' AND steps = 1$$);
SELECT intake.create_workflow('x', 'script(intake.job)', options => '{"expires": 5}');
SELECT intake.create_workflow('x', 'script(intake.job)', options => '{"expires": "-1 s"}');
SELECT intake.create_workflow('x', 'script(intake.job)', options => '{"max_steps": 0}');
SELECT intake.create_workflow('x', 'script(intake.job)', options => '{"max_steps": 1.5}');
SELECT intake.create_workflow('x', 'script(intake.job)', options => '{"max_steps": "9"}');

-- Jobs that go on are waiting jobs: they are counted, discarded, and end with their workflow.
SELECT intake.unfinished_jobs(id) FROM intake.workflows WHERE name = 'old';
SELECT delayed, dead FROM intake.stats WHERE workflow = 'old';
SELECT intake.drop_workflow('old');
SELECT intake.drop_workflow('old', force => true);
SELECT state, error FROM intake.jobs WHERE id = job_of('old long');

-- Where jobs share a transaction, one that fails is undone alone.
SELECT intake.create_workflow('shared', 'script(intake.job)', type => 'shared', max_attempts => 2, backoff => '0', jobs_per_transaction => 20) > 0;
SELECT intake.pause_workflow('shared');
SELECT count(intake.emit('shared', says('start', $$intake.sleep('0', 'second', to_jsonb(job.key))$$,
    'second', CASE n % 5 WHEN 0 THEN $$steps.fail('no')$$ WHEN 1 THEN $$intake.again('start', 'again')$$ ELSE $$intake.done(job.state)$$ END), 'shared ' || n)) FROM generate_series(1, 50) n;
SELECT intake.resume_workflow('shared');
SELECT wait_for($$count(*) = 50 FROM intake.jobs WHERE workflow = 'shared' AND state IN ('done', 'dead')$$);
SELECT state, step, attempts, error, count(*), bool_and(result = to_jsonb(e.key)) AS own_result FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id
    WHERE workflow = 'shared' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2;
SELECT step, attempt, count(*) FROM took WHERE key LIKE 'shared%' GROUP BY 1, 2 ORDER BY 1, 2;

-- How far a job has come is lost.
SELECT intake.pause_workflow('steps');
CALL play('lost', says('start', $$intake.sleep('0', 'second')$$));
SELECT intake.resume_workflow('steps');
SELECT became('lost') IS NOT NULL LIMIT 1;
DELETE FROM intake.progress WHERE job_id = job_of('lost');
WITH dead AS (DELETE FROM intake.dead_letter WHERE job_id = job_of('lost') RETURNING *)
    SELECT intake.job_go_on(job_id, event_id, workflow_id) FROM dead;
SELECT wait_for($$count(*) = 1 FROM intake.dead_letters WHERE job_id = steps.job_of('lost')$$);
SELECT regexp_replace(error, '[0-9]+', 'N') AS error, step FROM intake.dead_letters WHERE job_id = job_of('lost');

-- Who may make what comes next: whoever has access as a worker.
CREATE ROLE regress_steps;
GRANT USAGE ON SCHEMA steps TO regress_steps;
SET ROLE regress_steps;
SELECT intake.done();
RESET ROLE;
SELECT intake.grant_access('regress_steps', 'worker');
SET ROLE regress_steps;
SELECT act FROM intake.sleep('1 s') UNION ALL SELECT act FROM intake.again('start') UNION ALL SELECT act FROM intake.wait('k') UNION ALL SELECT act FROM intake.done();
SELECT * FROM intake.progress;
RESET ROLE;
SELECT intake.revoke_access('regress_steps');
REVOKE USAGE ON SCHEMA steps FROM regress_steps;
DROP ROLE regress_steps;
SELECT count(intake.drop_workflow(name, force => true)) FROM intake.workflows WHERE name IN ('steps', 'changes', 'shared');
DROP SCHEMA steps CASCADE;
