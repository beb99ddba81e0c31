-- Signals: a job waits for one, it comes or the time is over, and who else takes the job away.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA signals;
SET search_path = signals, public;
CREATE FUNCTION wait_for(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1..1000 LOOP
        EXECUTE 'SELECT ' || condition INTO holds;
        IF holds THEN RETURN 'yes'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no: ' || condition;
END $$;
-- The payload says what a job waits for, and for how long; what comes is its result.
CREATE FUNCTION waits(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
BEGIN
    IF job.step = 'start' THEN
        RETURN intake.wait(job.payload ->> 'key', (job.payload ->> 'timeout')::interval, state => to_jsonb(job.attempt));
    END IF;
    RETURN intake.done(jsonb_build_object('step', job.step, 'input', job.input, 'timed out', job.input IS NULL, 'state', job.state));
END $$;
SELECT intake.create_workflow('signals', 'waits(intake.job)', type => 'signals', max_attempts => 2, backoff => '0') > 0;
CREATE FUNCTION job_of(event_key text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT j.id FROM intake.jobs j WHERE j.event_id = intake.find_event('intake', 'signals ' || event_key) $$;
CREATE FUNCTION state_of(event_key text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT j.state FROM intake.jobs j WHERE j.id = signals.job_of(event_key) $$;
CREATE FUNCTION is_in(event_key text, state text) RETURNS text LANGUAGE sql AS $$
    SELECT signals.wait_for(format('signals.state_of(%L) = %L', event_key, state)) $$;
-- A job that waits for its event's key.
CREATE FUNCTION awaits(event_key text, timeout interval DEFAULT NULL, key text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    SELECT intake.emit('signals', jsonb_build_object('key', coalesce(key, event_key), 'timeout', timeout), 'signals ' || event_key) $$;
CREATE FUNCTION result_of(event_key text) RETURNS TABLE (state text, result jsonb, error text) LANGUAGE sql AS $$
    SELECT signals.wait_for(format('signals.state_of(%L) IN (''done'', ''dead'')', event_key));
    SELECT j.state, j.result, regexp_replace(j.error, '\mjob \d+', 'job N') FROM intake.jobs j WHERE j.id = signals.job_of(event_key) $$;

CREATE FUNCTION said(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN regexp_replace(sqlerrm, '\m[1-9]\d*\M', 'N');
END $$;

-- A job waits, and is signalled. The second signal changes nothing.
SELECT awaits('first');
SELECT is_in('first', 'awaiting');
SELECT workflow, state, attempts, run_at, step, steps FROM intake.jobs WHERE id = job_of('first');
SELECT state, job_id = job_of('first') AS same, workflow, until, payload FROM intake.signals WHERE key = 'first';
SELECT intake.explain_job(job_of('first'));
SELECT intake.unfinished_jobs(w.id), s.awaiting FROM intake.workflows w JOIN intake.stats s ON s.workflow = w.name WHERE name = 'signals';
SELECT intake.signal('first', '{"approved": true}');
SELECT intake.signal('first', '{"approved": false}');
SELECT * FROM result_of('first');
SELECT intake.signal('first', '{"approved": false}');
SELECT state, job_id = job_of('first') AS same, signalled_at IS NOT NULL AS signalled, payload FROM intake.signals WHERE key = 'first';
SELECT * FROM result_of('first');
SELECT count(*) FROM intake.awaiting;

-- The signal comes first, and is found; again the second one changes nothing.
SELECT intake.signal('early', '[1]'), intake.signal('early', '[2]');
SELECT state, job_id, payload FROM intake.signals WHERE key = 'early';
SELECT awaits('early');
SELECT * FROM result_of('early');
SELECT state, payload FROM intake.signals WHERE key = 'early';
-- A signal without a payload is not the end of the time.
SELECT awaits('nothing');
SELECT is_in('nothing', 'awaiting');
SELECT intake.signal('nothing');
SELECT * FROM result_of('nothing');
SELECT intake.signal('early null', 'null'), awaits('early null');
SELECT * FROM result_of('early null');

-- Who waits for a key that was used waits for another signal.
SELECT awaits('again', key => 'first');
SELECT is_in('again', 'awaiting');
SELECT intake.signal('first', '"anew"');
SELECT * FROM result_of('again');

-- The time is over.
SELECT awaits('late', '50 ms');
SELECT * FROM result_of('late');
SELECT count(*) FROM intake.signals WHERE key = 'late';
SELECT intake.signal('late', '"too late"');
SELECT state FROM intake.signals WHERE key = 'late';
-- A signal that was there counts, even where there is no time to wait.
SELECT awaits('no time', '0', key => 'late');
SELECT * FROM result_of('no time');
SELECT awaits('no time at all', '0');
SELECT * FROM result_of('no time at all');
SELECT awaits('far', '10 years');
SELECT is_in('far', 'awaiting');
SELECT regexp_replace(intake.explain_job(job_of('far')), 'until .*', 'until THEN');
SELECT run_at BETWEEN now() + '9 years' AND now() + '10 years 3 days' AS far FROM intake.jobs WHERE id = job_of('far');

-- One job at a time waits for a key. The second one fails, tries again, and is a dead letter.
SELECT awaits('second', key => 'far');
SELECT * FROM result_of('second');
SELECT attempt, sqlstate, regexp_replace(error, '\d+', 'N') AS error, step FROM intake.attempts WHERE job_id = job_of('second');
SELECT sqlstate FROM intake.dead_letters WHERE job_id = job_of('second');
SELECT state_of('far'), job_id = job_of('far') AS his FROM intake.signals WHERE key = 'far';

-- Keys: 1 to 200 bytes, any text.
SELECT intake.signal('', '1');
SELECT intake.signal(NULL, '1');
SELECT intake.signal(repeat('k', 201), '1');
SELECT intake.signal(repeat('é', 101), '1');
SELECT intake.signal(repeat('é', 100), '1'), intake.signal(repeat('é', 99) || 'ee', '2'), intake.signal(E'a\n''"\\ %', '3'), intake.signal('A' , '4'), intake.signal('a', '5');
SELECT awaits('odd', key => E'a\n''"\\ %'), awaits('long', key => repeat('é', 100)), awaits('upper', key => 'A');
SELECT (result_of(k)).result -> 'input' FROM unnest('{odd,long,upper}'::text[]) k;
SELECT awaits('empty key', key => ''), awaits('too long', key => repeat('k', 201));
SELECT * FROM result_of('empty key');
SELECT * FROM result_of('too long');
-- A row that nobody has checked.
CREATE FUNCTION rows(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
BEGIN
    RETURN ROW('wait', NULL, NULL, job.payload, NULL)::intake.next;
END $$;
SELECT intake.create_workflow('rows', 'rows(intake.job)', type => 'rows', max_attempts => 1) > 0;
SELECT count(intake.emit('rows', p)) FROM jsonb_array_elements('[{}, [], {"key": null}, {"key": "k", "timeout": -1}, {"key": "k", "timeout": "soon"},
    {"key": "k", "timeout": 1e300}, {"key": "k", "timeout": "NaN"}, {"key": {"a": 1}}]') p;
SELECT wait_for($$count(*) = 8 FROM intake.dead_letters WHERE workflow = 'rows'$$);
SELECT e.payload, d.sqlstate, split_part(d.error, E'\n', 1) AS error FROM intake.dead_letters d JOIN intake.events e ON e.id = d.event_id WHERE workflow = 'rows' ORDER BY d.job_id;
SELECT intake.emit('rows', '{"key": 5}', 'signals number') > 0;
SELECT wait_for($$count(*) = 1 FROM intake.awaiting WHERE key = '5'$$);
SELECT intake.signal('5');
SELECT intake.drop_workflow('rows', force => true);

-- A payload has its bound.
SELECT intake.signal('large', to_jsonb(repeat('x', 1024 * 1024 - 7)));
SELECT intake.signal('large', to_jsonb(repeat('x', 1024 * 1024 - 8)));
SELECT awaits('large');
SELECT state, length(result -> 'input' #>> '{}') FROM result_of('large');

-- A signal counts when it is committed.
SELECT awaits('rolled back');
SELECT is_in('rolled back', 'awaiting');
BEGIN;
SELECT intake.signal('rolled back', '1'), intake.signal('never', '1');
SELECT state_of('rolled back');
ROLLBACK;
SELECT state_of('rolled back'), (SELECT count(*) FROM intake.signals WHERE key = 'never') AS never;
-- Several in one transaction, also of one key.
BEGIN;
SELECT intake.signal('rolled back', '2'), intake.signal('rolled back', '3');
SAVEPOINT s;
SELECT intake.signal('saved', '1');
ROLLBACK TO s;
SELECT intake.signal('saved', '2'), intake.signal('saved', '3');
COMMIT;
SELECT * FROM result_of('rolled back');
SELECT payload FROM intake.signals WHERE key = 'saved';
BEGIN READ ONLY;
SELECT intake.signal('read only', '1');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM intake.awaiting WHERE key = 'later';
SELECT awaits('later');
COMMIT;
SELECT is_in('later', 'awaiting');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT intake.signal('later', '1'), intake.signal('later', '2');
COMMIT;
SELECT * FROM result_of('later');

-- Jobs signal jobs, also those that share a transaction with them.
CREATE FUNCTION talks(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
DECLARE
    n int := job.payload ->> 'n';
BEGIN
    IF job.step = 'start' THEN
        PERFORM intake.signal('talks ' || n - 1, to_jsonb(n));
        IF n % 3 = 0 AND job.attempt = 1 THEN RAISE 'no'; END IF;
        RETURN intake.wait('talks ' || n);
    END IF;
    RETURN intake.done(job.input);
END $$;
SELECT intake.create_workflow('talks', 'talks(intake.job)', type => 'talks', max_attempts => 2, backoff => '0', jobs_per_transaction => 20) > 0;
SELECT intake.pause_workflow('talks');
SELECT count(intake.emit('talks', jsonb_build_object('n', n), 'talks ' || n)) FROM generate_series(1, 60) n;
SELECT intake.resume_workflow('talks');
SELECT wait_for($$count(*) = 59 FROM intake.jobs WHERE workflow = 'talks' AND state = 'done'$$);
SELECT count(*), bool_and(result = to_jsonb((e.payload ->> 'n')::int + 1)) AS next_one FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE workflow = 'talks' AND state = 'done';
SELECT key, state FROM intake.signals WHERE key LIKE 'talks%' AND state <> 'used' ORDER BY key;

-- Cancelled and discarded, replayed, dropped, paused and expired while it waits.
SELECT awaits('cancelled'), awaits('discarded'), awaits('dropped');
SELECT is_in('cancelled', 'awaiting'), is_in('discarded', 'awaiting');
SELECT said($$SELECT intake.replay(job_of('cancelled'))$$);
SELECT intake.cancel(job_of('cancelled'), NULL);
SELECT intake.cancel(job_of('cancelled')), intake.discard(job_of('discarded'), 'no more');
SELECT state, error FROM intake.jobs WHERE id IN (job_of('cancelled'), job_of('discarded')) ORDER BY id;
SELECT count(*) FROM intake.signals WHERE key IN ('cancelled', 'discarded');
SELECT said($$SELECT intake.cancel(job_of('cancelled'))$$);
SELECT intake.cancel(0);
-- The key is free: an early signal is kept, and another job may wait.
SELECT intake.signal('cancelled', '1'), awaits('heir', key => 'discarded');
SELECT is_in('heir', 'awaiting');
-- From its start again, it waits again, and finds what came meanwhile.
SELECT intake.replay(job_of('cancelled'));
SELECT * FROM result_of('cancelled');
-- The step that has got a signal has it in a replay, too.
SELECT intake.replay(job_of('cancelled'), options => '{"from_step": "signalled"}');
SELECT wait_for(format($$state = 'done' FROM intake.jobs WHERE id = %s$$, job_of('cancelled')));
SELECT * FROM result_of('cancelled');
SELECT intake.replay(job_of('cancelled'));
SELECT is_in('cancelled', 'awaiting');
-- Cancelled elsewhere.
SELECT intake.pause_workflow('signals');
SELECT awaits('ready'), intake.emit('signals', '{"key": "delayed"}', 'signals delayed', delay => '1 hour') > 0;
SELECT intake.cancel(job_of(k), 'not wanted') FROM unnest('{ready,delayed,second}'::text[]) k;
SELECT state, error FROM intake.jobs WHERE id IN (job_of('ready'), job_of('delayed'), job_of('second')) ORDER BY id;
-- While its workflow is paused, a job gets its signal, and waits for its turn.
SELECT intake.signal('heir', '0'), intake.signal('discarded', '"while it is paused"');
SELECT state_of('heir');
SELECT intake.resume_workflow('signals');
SELECT * FROM result_of('heir');
-- A row of a key that says that a job waits, and none does.
INSERT INTO intake.signal VALUES ('stale', 1), ('stale too', job_of('far')), ('stale three', 1);
SELECT intake.signal('stale', '1'), intake.signal('stale', '2'), intake.signal('stale too', '3');
SELECT key, state, job_id, payload FROM intake.signals WHERE key LIKE 'stale%' ORDER BY key;
SELECT awaits('stale three');
SELECT is_in('stale three', 'awaiting');
SELECT job_id = job_of('stale three') AS his FROM intake.signals WHERE key = 'stale three';
-- And a job whose key has no row.
DELETE FROM intake.signal WHERE key = 'stale three';
SELECT intake.signal('stale three', '1');
SELECT state_of('stale three');
SELECT intake.cancel(job_of('stale three'));
SELECT state FROM intake.signals WHERE key = 'stale three';

SELECT intake.drop_workflow('signals');
SELECT intake.drop_workflow('signals', force => true);
SELECT state, count(*) FROM intake.jobs WHERE workflow = 'signals' AND state IN ('awaiting', 'discarded') GROUP BY 1;
SELECT count(*) FROM intake.signals WHERE state = 'awaited' AND key NOT LIKE 'talks%';

-- Too old, whatever it waits for.
SELECT intake.create_workflow('old signals', 'waits(intake.job)', type => 'old signals', options => '{"expires": "100 ms"}') > 0;
SELECT intake.emit('old signals', '{"key": "old"}') > 0, intake.emit('old signals', '{"key": "old too", "timeout": "1 day"}') > 0;
SELECT wait_for($$count(*) = 2 FROM intake.dead_letters WHERE workflow = 'old signals'$$);
SELECT sqlstate, split_part(error, E'\n', 1) AS error, step FROM intake.dead_letters WHERE workflow = 'old signals';
SELECT count(*) FROM intake.signals WHERE key LIKE 'old%';

-- Signals leave after 7 days, an hour's together; those that are waited for stay.
UPDATE intake.signal SET signalled_at = now() - interval '8 days' WHERE key IN ('first', 'saved');
UPDATE intake.signal SET signalled_at = now() - interval '6 days 23 hours' WHERE key = 'early';
SELECT intake.emit('old signals', '{"key": "wake", "timeout": "0"}') > 0;
SELECT wait_for($$count(*) = 0 FROM intake.signals WHERE key IN ('first', 'saved')$$);
SELECT state FROM intake.signals WHERE key = 'early';

-- Who may: workers signal, operators look and cancel.
CREATE ROLE regress_signals;
GRANT USAGE ON SCHEMA signals TO regress_signals;
SET ROLE regress_signals;
SELECT intake.signal('x');
RESET ROLE;
SELECT intake.grant_access('regress_signals', 'worker');
SET ROLE regress_signals;
SELECT intake.signal('by a worker');
SELECT count(*) FROM intake.signals;
SELECT count(*) FROM intake.signal;
SELECT intake.cancel(1);
RESET ROLE;
SELECT intake.grant_access('regress_signals', 'operator');
SET ROLE regress_signals;
SELECT count(*) FROM intake.signals WHERE key = 'by a worker';
SELECT intake.cancel(0);
RESET ROLE;
SELECT intake.revoke_access('regress_signals');
REVOKE USAGE ON SCHEMA signals FROM regress_signals;
DROP ROLE regress_signals;
SELECT count(intake.drop_workflow(name, force => true)) FROM intake.workflows WHERE name IN ('talks', 'old signals');
DELETE FROM intake.signal;
SELECT count(*) FROM intake.awaiting;
DROP SCHEMA signals CASCADE;
