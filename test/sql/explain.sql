-- A job that waits because it has failed says so, and why.
CREATE FUNCTION fail_explained(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the cup is broken' USING DETAIL = 'into two pieces';
END $$;
SELECT intake.create_workflow('explained', 'fail_explained(intake.job)', source => 'intake', type => 'explained', backoff => '1 hour') > 0 AS created;
SELECT intake.emit('explained', '{}') > 0 AS emitted;
DO $$
BEGIN
    FOR i IN 1..400 LOOP
        EXIT WHEN EXISTS (SELECT FROM intake.jobs WHERE workflow = 'explained' AND state = 'delayed' AND attempts = 1);
        PERFORM pg_sleep(0.05);
        COMMIT;
    END LOOP;
END $$;
SELECT regexp_replace(intake.explain_job(id), 'at .*, after', 'at ..., after') FROM intake.jobs WHERE workflow = 'explained';
SELECT intake.drop_workflow('explained', force => true);
DROP FUNCTION fail_explained(intake.job);
