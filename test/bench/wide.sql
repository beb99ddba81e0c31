-- Wide and deep data, written straight into the tables by their owner: what is there after a while,
-- sooner. For psql, in a database that has the extension and nothing else, as superuser; how much of
-- each is given by variables, -v sources=10000 and so on:
--
--   sources      (at least 1) endpoints wide_1, wide_2, ... with the scheme hmac and a secret each
--   workflows    (at least 1) wide_1, wide_2, ... each for the source of its number, with a handler that does nothing;
--                where there are fewer sources than workflows, these share them
--   events       in the log, ten to a second until now, of all sources in turn, with their keys
--   done, dead   jobs of the first of these events that have ended, of all workflows in turn; a dead one
--                has two attempts behind it
--   ready, delayed   jobs that wait, of the same events; the workflows are paused where there are ready ones
--   rejections   rows of the ring
--
-- Ids begin behind those that are there. To be run once.
\set ON_ERROR_STOP on
\if :{?sources}
\else
\set sources 10000
\endif
\if :{?workflows}
\else
\set workflows :sources
\endif
\if :{?events}
\else
\set events 0
\endif
\if :{?done}
\else
\set done 0
\endif
\if :{?dead}
\else
\set dead 0
\endif
\if :{?ready}
\else
\set ready 0
\endif
\if :{?delayed}
\else
\set delayed 0
\endif
\if :{?rejections}
\else
\set rejections 0
\endif

SET synchronous_commit = off;
SET client_min_messages = warning;

BEGIN;
INSERT INTO intake.source (name, scheme)
    SELECT 'wide_' || n, 'hmac' FROM generate_series(1, :sources) AS n;
INSERT INTO intake.source_secret (source_id, secret)
    SELECT id, intake.seal('the secret of ' || name) FROM intake.source s
    WHERE name LIKE 'wide\_%' AND NOT EXISTS (SELECT FROM intake.source_secret x WHERE x.source_id = s.id);

CREATE OR REPLACE FUNCTION public.wide_handler(job intake.job) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
INSERT INTO intake.workflow (name, owner, owner_oid, handler, handler_oid, source, paused)
    SELECT 'wide_' || n, current_user, current_user::regrole, 'public.wide_handler(intake.job)',
           'public.wide_handler(intake.job)'::regprocedure, 'wide_' || (n - 1) % :sources + 1, :ready > 0
    FROM generate_series(1, :workflows) AS n;
COMMIT;

-- Makes the partitions of a table for so many ids behind the last one.
CREATE FUNCTION pg_temp.make_room(parent text, count bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last bigint := pg_sequence_last_value(format('intake.%s_%s', CASE parent WHEN 'event' THEN 'event' ELSE 'job' END, 'id_seq')::regclass);
    low bigint := coalesce(last, 0) / 1000000 * 1000000;
BEGIN
    WHILE low <= coalesce(last, 0) + count LOOP
        IF to_regclass(format('intake.%s_%s', parent, low)) IS NULL THEN
            PERFORM intake.make_partition(parent, low, low + 1000000);
        END IF;
        low := low + 1000000;
    END LOOP;
END $$;

BEGIN;
LOCK TABLE intake.event, intake.done IN SHARE UPDATE EXCLUSIVE MODE;
SELECT pg_temp.make_room('event', :events), pg_temp.make_room('done', :done + :dead + :ready + :delayed) \gset ignored_

SELECT coalesce(pg_sequence_last_value('intake.event_id_seq'), 0) AS first_event,
       coalesce(pg_sequence_last_value('intake.job_id_seq'), 0) AS first_job,
       (SELECT min(id) FROM intake.source WHERE name LIKE 'wide\_%') AS first_source,
       (SELECT min(id) FROM intake.workflow WHERE name LIKE 'wide\_%') AS first_workflow \gset
SELECT setval('intake.event_id_seq', greatest(:first_event + :events, 1)),
       setval('intake.job_id_seq', greatest(:first_job + :done + :dead + :ready + :delayed, 1)) \gset ignored_

INSERT INTO intake.event (id, received_at, source_id, verified, key, type, headers, body)
    SELECT :first_event + n, now() - (:events - n) * interval '100 ms', :first_source + (n - 1) % :sources, 's',
           'wide-' || :first_event + n, 'type.' || n % 20, '{"host": "bench", "content-type": "application/json"}',
           convert_to('{"id": ' || n || ', "pad": "' || repeat('x', 200) || '"}', 'UTF8')
    FROM generate_series(1::bigint, :events) AS n;
INSERT INTO intake.event_key (event_id, head, digest)
    SELECT id, ('x' || encode(substr(convert_to(key, 'UTF8'), 1, 8), 'hex'))::bit(64)::bigint,
           encode(substr(sha256(int4send(source_id) || convert_to(key, 'UTF8')), 1, 16), 'hex')::uuid
    FROM intake.event WHERE id > :first_event AND key LIKE 'wide-%';
INSERT INTO intake.done (job_id, event_id, finished_at, workflow_id, attempts)
    SELECT :first_job + n, :first_event + n, now() - (:events - n) * interval '100 ms',
           :first_workflow + (n - 1) % :workflows, 1
    FROM generate_series(1::bigint, :done) AS n;
INSERT INTO intake.dead_letter (job_id, event_id, died_at, workflow_id, attempts, sqlstate, error, workflow)
    SELECT :first_job + :done + n, :first_event + (n - 1) % greatest(:events, 1) + 1,
           now() - (:dead - n) * interval '100 ms', :first_workflow + (n - 1) % :workflows, 2, 'P0001',
           'no route to the host of customer ' || (n - 1) % :workflows, 'wide_' || (n - 1) % :workflows + 1
    FROM generate_series(1::bigint, :dead) AS n;
INSERT INTO intake.attempt (job_id, started_at, finished_at, workflow_id, attempt, sqlstate, error)
    SELECT job_id, died_at - a * interval '1 second', died_at - a * interval '1 second', workflow_id, 2 - a, sqlstate, error
    FROM intake.dead_letter, generate_series(0, 1) AS a WHERE job_id > :first_job + :done;
INSERT INTO intake.queue (position, job_id, event_id, lane, attempts)
    SELECT :first_job + :done + :dead + n, :first_job + :done + :dead + n, :first_event + (n - 1) % greatest(:events, 1) + 1,
           :first_workflow + (n - 1) % :workflows, 0
    FROM generate_series(1::bigint, :ready) AS n;
INSERT INTO intake.delayed (run_at, job_id, event_id, lane, attempts)
    SELECT now() + interval '1 day' + n * interval '1 ms', :first_job + :done + :dead + :ready + n,
           :first_event + (n - 1) % greatest(:events, 1) + 1, :first_workflow + (n - 1) % :workflows, 1
    FROM generate_series(1::bigint, :delayed) AS n;
INSERT INTO intake.rejection (slot, id, rejected_at, source, reason, status, peer, requests)
    SELECT id % 10000, id, now(), 'wide_' || id % :sources + 1, 'mismatch', 403, '127.0.0.1', 1
    FROM (SELECT nextval('intake.rejection_seq') AS id FROM generate_series(1, :rejections)) AS new
    ON CONFLICT (slot) DO UPDATE SET id = excluded.id, rejected_at = excluded.rejected_at, source = excluded.source;
COMMIT;

DROP FUNCTION pg_temp.make_room(text, bigint);
VACUUM (ANALYZE) intake.source, intake.source_secret, intake.workflow, intake.event, intake.event_key, intake.done,
    intake.dead_letter, intake.attempt, intake.queue, intake.delayed, intake.rejection;
