-- A thousand answers may be as large as one each, and who answers is whoever the handler calls: a step gets
-- 64 MB of them at most. The test is the courier.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE TABLE answers_seen (n int, status int, bytes int, error text);
CREATE FUNCTION large_answers(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
BEGIN
    IF job.step = 'start' THEN
        RETURN intake.calls(ARRAY(SELECT intake.request('https://large.example/') FROM generate_series(1, 6)));
    END IF;
    INSERT INTO public.answers_seen SELECT n, status, length(body), error FROM unnest(job.responses) WITH ORDINALITY u(status, headers, body, payload, error, duration, n);
    RETURN intake.done();
END $$;
SELECT intake.create_workflow('large_answers', 'large_answers(intake.job)', source => 'intake', type => 'large_answers') > 0;
SELECT intake.emit('large_answers', '{}') > 0;
CREATE PROCEDURE wait_until(condition text) LANGUAGE plpgsql AS $$
DECLARE
    met boolean;
BEGIN
    FOR i IN 1..3000 LOOP
        EXECUTE 'SELECT ' || condition INTO met;
        EXIT WHEN met;
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
    IF NOT met THEN
        RAISE EXCEPTION 'never: %', condition;
    END IF;
END $$;
CALL wait_until('6 = (SELECT count(*) FROM intake.calls WHERE workflow = ''large_answers'' AND state = ''waiting'')');
SELECT intake.enter_courier('large') AS token \gset
CREATE TEMP TABLE taken AS SELECT call_id, job_id FROM intake.exchange(:token, 24, 100000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') WHERE kind = 'r';
SELECT count(*) FROM taken;
SELECT kind FROM taken t, intake.exchange(:token, 0, 0, ARRAY[t.call_id], ARRAY[t.job_id], '{200}', ARRAY[''::bytea],
    ARRAY[convert_to(repeat(' ', 15 << 20), 'UTF8')], ARRAY[NULL::text], '{1}') WHERE kind <> 'w';
CALL wait_until('6 = (SELECT count(*) FROM answers_seen)');
SELECT * FROM answers_seen ORDER BY n;
-- Nor are there more statuses than there are.
SELECT intake.request('https://large.example/', options => jsonb_build_object('accept', (SELECT jsonb_agg(200) FROM generate_series(1, 501))));
SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('large_answers', force => true);
DROP TABLE answers_seen;
DROP FUNCTION large_answers;
DROP PROCEDURE wait_until;
