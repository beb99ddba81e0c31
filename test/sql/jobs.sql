-- Jobs: run, retried, dead, replayed, discarded.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION wait_until(condition text) RETURNS text LANGUAGE plpgsql AS $$
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
CREATE FUNCTION ended(w text, n int) RETURNS text LANGUAGE sql AS $$
    SELECT wait_until(format('count(*) = %s FROM intake.jobs WHERE workflow = %L AND state IN (''done'', ''dead'')', n, w)) $$;

CREATE TABLE effect (job_id bigint, note text);
CREATE FUNCTION write(job intake.job) RETURNS text LANGUAGE sql AS $$
    INSERT INTO public.effect VALUES (job.id, job.workflow || ' ' || job.source || ' ' || job.type || ' ' || coalesce(job.payload ->> 'n', '-') || ' ' || job.attempt || '/' || job.max_attempts) RETURNING note $$;
CREATE FUNCTION write_and_fail(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.effect VALUES (job.id, 'must not stay');
    RAISE EXCEPTION 'no luck with attempt %', job.attempt USING ERRCODE = 'IN001', DETAIL = 'some detail';
END $$;
CREATE FUNCTION third_time(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF job.attempt < 3 THEN RAISE EXCEPTION 'not yet'; END IF;
    INSERT INTO public.effect VALUES (job.id, 'third time');
END $$;
CREATE FUNCTION permanent(job intake.job) RETURNS void LANGUAGE sql AS $$ SELECT intake.fail_permanently('gone for good') $$;
CREATE FUNCTION later(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF job.attempt = 1 THEN PERFORM intake.retry_in('1 hour', 'busy'); END IF;
END $$;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION deferred_check(job intake.job) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.child VALUES (404) $$;
CREATE FUNCTION sets(job intake.job) RETURNS SETOF int LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT 1;
    INSERT INTO public.effect VALUES (job.id, 'path ' || current_setting('search_path') || ' role ' || current_user);
    SET search_path = nowhere;
    SET ROLE pg_monitor;
END $$;

-- A workflow made later runs on later events only.
SELECT intake.emit('early', '{"n": 0}') > 0 AS emitted;
SELECT intake.create_workflow('write', 'write(intake.job)', type => 'a*') > 0, intake.create_workflow('other', 'write(intake.job)', source => 'in*', type => 'ab') > 0,
    intake.create_workflow('filtered', 'write(intake.job)', filter => '$.n ? (@ > 5)') > 0;
SELECT intake.emit('a', '{"n": 1}') > 0, intake.emit('ab', '{"n": 6}') > 0, intake.emit('c', '{"n": 3}') > 0;
SELECT ended('write', 2), ended('other', 1), ended('filtered', 1);
SELECT note FROM effect ORDER BY note;
-- The key makes an event one.
SELECT intake.emit('a', '{"n": 2}', key => 'once') = intake.emit('a', '{"n": 2}', key => 'once') AS same_event;
SELECT ended('write', 3);
SELECT intake.drop_workflow('write'), intake.drop_workflow('other'), intake.drop_workflow('filtered');
TRUNCATE effect;

-- A failure leaves nothing of the handler, and ends in a dead letter.
SELECT intake.create_workflow('fails', 'write_and_fail(intake.job)', type => 'f', max_attempts => 3, backoff => '1 ms', replay_safe => false) > 0;
SELECT intake.create_workflow('alert', 'write(intake.job)', source => 'intake', type => 'job.dead') > 0;
SELECT intake.emit('f', '{}', key => 'f1') > 0;
SELECT ended('fails', 1), ended('alert', 1);
SELECT workflow, source, type, key, attempts, sqlstate, error, died_at >= first_failed_at AND first_failed_at >= received_at AS times, replay_safe FROM intake.dead_letters;
SELECT attempt, sqlstate, split_part(error, E'\n', 1) AS error, split_part(error, E'\n', 2) AS detail, finished_at >= started_at AS times FROM intake.attempts ORDER BY attempt;
SELECT note FROM effect;
SELECT type, payload - 'job_id' - 'event_id' AS payload FROM intake.events WHERE type = 'job.dead';

-- Replay: refused where it is not safe, unless forced; it has all its attempts again.
\set VERBOSITY sqlstate
SELECT intake.replay(job_id) FROM intake.dead_letters;
SELECT intake.replay(-1);
\set VERBOSITY terse
CREATE OR REPLACE FUNCTION write_and_fail(job intake.job) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.effect VALUES (job.id, 'mended, attempt ' || job.attempt) $$;
SELECT intake.replay_dead_letters();
SELECT intake.replay(job_id, force => true) FROM intake.dead_letters;
SELECT wait_until('count(*) = 1 FROM intake.jobs WHERE workflow = ''fails'' AND state = ''done''');
SELECT note FROM effect ORDER BY note;
SELECT count(*) FROM intake.dead_letters;
-- A job that is done can be run again, too.
\set VERBOSITY sqlstate
SELECT intake.replay(id) FROM intake.jobs WHERE workflow = 'fails';
\set VERBOSITY terse
SELECT intake.alter_workflow('fails', replay_safe => true);
SELECT intake.replay(id) FROM intake.jobs WHERE workflow = 'fails';
SELECT wait_until('count(*) = 2 FROM effect WHERE note LIKE ''mended%''');

-- Twice nothing, then success.
SELECT intake.create_workflow('third', 'third_time(intake.job)', type => 't', backoff => '1 ms') > 0;
SELECT intake.emit('t', '{}') > 0;
SELECT ended('third', 1);
SELECT state, attempts FROM intake.jobs WHERE workflow = 'third';
SELECT count(*) FROM intake.attempts WHERE workflow = 'third';

-- WH001: no retry. WH002: not before its time.
SELECT intake.create_workflow('permanent', 'permanent(intake.job)', type => 'p') > 0, intake.create_workflow('later', 'later(intake.job)', type => 'l') > 0;
SELECT intake.emit('p', '{}') > 0, intake.emit('l', '{}') > 0;
SELECT ended('permanent', 1);
SELECT attempts, sqlstate, error FROM intake.dead_letters WHERE workflow = 'permanent';
SELECT wait_until('count(*) = 1 FROM intake.jobs WHERE workflow = ''later'' AND state = ''delayed''');
SELECT run_at - now() BETWEEN '59 minutes' AND '61 minutes' AS in_an_hour, attempts FROM intake.jobs WHERE workflow = 'later';
SELECT intake.discard(id, 'not wanted') FROM intake.jobs WHERE workflow = 'later';
SELECT state, error FROM intake.jobs WHERE workflow = 'later';
\set VERBOSITY sqlstate
SELECT intake.discard(id, 'again') FROM intake.jobs WHERE workflow = 'later';
SELECT intake.discard(job_id, '') FROM intake.dead_letters;
\set VERBOSITY terse

-- A constraint that is checked at the commit fails the attempt like anything else.
SELECT intake.create_workflow('deferred', 'deferred_check(intake.job)', type => 'd', max_attempts => 1) > 0;
SELECT intake.emit('d', '{}') > 0;
SELECT ended('deferred', 1);
SELECT sqlstate FROM intake.dead_letters WHERE workflow = 'deferred';
SELECT count(*) FROM child;

-- What a handler sets does not outlive it.
SELECT intake.create_workflow('sets', 'sets(intake.job)', type => 's') > 0;
SELECT intake.emit('s', '{}') > 0, intake.emit('s', '{}') > 0, intake.emit('s', '{}') > 0;
SELECT ended('sets', 3);
SELECT DISTINCT note FROM effect WHERE note LIKE 'path%';

-- What it leaves in the session is gone for other workflows.
CREATE FUNCTION litters(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE IF NOT EXISTS litter (n int);
    PERFORM pg_advisory_lock(4711);
    EXECUTE 'PREPARE litter AS SELECT 1';
END $$;
CREATE FUNCTION looks(job intake.job) RETURNS void LANGUAGE sql AS $$
    INSERT INTO public.effect SELECT job.id, format('found %s %s %s', to_regclass('pg_temp.litter'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        (SELECT count(*) FROM pg_prepared_statements WHERE name = 'litter')) $$;
SELECT intake.create_workflow('litters', 'litters(intake.job)', type => 'litter', max_attempts => 1) > 0, intake.create_workflow('looks', 'looks(intake.job)', type => 'look') > 0;
SELECT intake.emit('litter', '{}') > 0;
SELECT ended('litters', 1);
SELECT state FROM intake.jobs WHERE workflow = 'litters';
SELECT count(intake.emit('look', '{}')) FROM generate_series(1, 10);
SELECT ended('looks', 10);
SELECT DISTINCT note FROM effect WHERE note LIKE 'found%';

-- A paused workflow holds nobody up, and goes on where it stood.
SELECT intake.pause_workflow('third');
SELECT intake.emit('t', '{}') > 0, intake.emit('s', '{}') > 0;
SELECT ended('sets', 4);
SELECT state FROM intake.jobs WHERE workflow = 'third' ORDER BY id;
SELECT intake.drop_workflow('third');
SELECT intake.resume_workflow('third');
SELECT ended('third', 2);

-- Delays, and discarding what waits.
SELECT intake.emit('t', '{}', delay => '1 hour') > 0, intake.emit('t', '{}', delay => '50 ms') > 0;
SELECT ended('third', 3);
SELECT state, count(*) FROM intake.jobs WHERE workflow = 'third' GROUP BY state ORDER BY state;
SELECT intake.drop_workflow('third', force => true);
SELECT state, count(*) FROM intake.jobs WHERE workflow = 'third' GROUP BY state ORDER BY state;

-- A duplicate of an event whose job is dead runs it again.
CREATE FUNCTION hex(body bytea) RETURNS text LANGUAGE sql AS $$ SELECT encode(hmac(body, 'secret'::bytea, 'sha256'), 'hex') $$;
CREATE FUNCTION picky(job intake.job) RETURNS void LANGUAGE sql AS $$ SELECT 1 / (SELECT count(*) FROM public.parent)::int $$;
SELECT intake.create_source('again', 'hmac', secret => 'secret') > 0, intake.create_workflow('picky', 'picky(intake.job)', source => 'again', max_attempts => 1) > 0;
CREATE FUNCTION again() RETURNS text LANGUAGE sql AS $$
    SELECT (intake.ingest('again', jsonb_build_object('X-Signature', hex(b)), b)).body::jsonb ->> 'status' FROM (VALUES ('{"data":{"id":"a1"}}'::bytea)) v(b) $$;
SELECT again();
SELECT wait_until('count(*) = 1 FROM intake.dead_letters WHERE workflow = ''picky''');
INSERT INTO parent VALUES (1);
SELECT again();
SELECT wait_until('count(*) = 1 FROM intake.jobs WHERE workflow = ''picky'' AND state = ''done''');
SELECT count(*) FROM intake.jobs WHERE workflow = 'picky';

-- Many dead letters at once.
SELECT intake.create_workflow('many', 'permanent(intake.job)', type => 'm') > 0;
SELECT count(intake.emit('m', '{}')) FROM generate_series(1, 20);
SELECT ended('many', 20);
SELECT intake.replay_dead_letters(workflow => 'many', dry_run => true), intake.replay_dead_letters(workflow => 'many', error_like => 'nothing%'),
    intake.replay_dead_letters(source => 'again'), intake.replay_dead_letters(workflow => 'many', since => now() + interval '1 hour');
CREATE OR REPLACE FUNCTION permanent(job intake.job) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT intake.replay_dead_letters(workflow => 'many', error_like => 'gone%', max_jobs => 5);
SELECT wait_until('count(*) = 5 FROM intake.jobs WHERE workflow = ''many'' AND state = ''done''');
SELECT intake.replay_dead_letters(workflow => 'many');
SELECT wait_until('count(*) = 20 FROM intake.jobs WHERE workflow = ''many'' AND state = ''done''');
SELECT count(*) FROM intake.running, intake.suspect;
DROP FUNCTION wait_until(text);
