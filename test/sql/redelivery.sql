-- A dead event that is delivered several times at once: its job runs once more, once.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION k_dies(job intake.job) RETURNS void LANGUAGE sql AS $$ SELECT intake.fail_permanently('gone for good') $$;
SELECT intake.create_source('k', 'hmac', secret => 'secret-k', key_from => '$.id') > 0 AS created;
SELECT intake.create_workflow('k', 'k_dies(intake.job)', source => 'k') > 0 AS created;
CREATE FUNCTION k_deliver() RETURNS text LANGUAGE sql AS $$
    SELECT r.body::jsonb ->> 'status' FROM intake.ingest('k',
        jsonb_build_object('X-Signature', encode(hmac('{"id":"1"}', 'secret-k', 'sha256'), 'hex')), '{"id":"1"}') r $$;
CREATE FUNCTION k_attempts(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..3000 LOOP
        IF (SELECT count(*) FROM intake.attempts WHERE workflow = 'k') >= n THEN
            RETURN (SELECT string_agg(state, ' ') FROM intake.jobs WHERE workflow = 'k');
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'waited in vain';
END $$;

SELECT k_deliver();
SELECT k_attempts(1);
-- In one statement, each a command of its own.
SELECT k_deliver() FROM generate_series(1, 3);
SELECT k_attempts(2);
-- In one batch.
SELECT status FROM intake.receive(array_fill('POST'::bytea, ARRAY[3]), array_fill('k'::bytea, ARRAY[3]), array_fill(''::bytea, ARRAY[3]),
    array_fill(convert_to('X-Signature: ' || encode(hmac('{"id":"1"}', 'secret-k', 'sha256'), 'hex') || E'\r\n', 'UTF8'), ARRAY[3]),
    array_fill('{"id":"1"}'::bytea, ARRAY[3]), array_fill('::1'::text, ARRAY[3]));
SELECT k_attempts(3);
-- In one transaction that had deleted and made it before.
BEGIN;
SELECT intake.replay(id) FROM intake.jobs WHERE workflow = 'k';
SELECT k_deliver() FROM generate_series(1, 2);
SELECT state FROM intake.jobs WHERE workflow = 'k';
COMMIT;
SELECT k_attempts(4);
SELECT count(*) AS jobs FROM intake.jobs WHERE workflow = 'k';

SELECT intake.drop_workflow('k'), intake.drop_source('k');
DROP FUNCTION k_dies(intake.job), k_deliver(), k_attempts(int);
