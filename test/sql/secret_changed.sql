-- What people read of an answer has no secret in it, in whatever form, nor one that was changed meanwhile. The test is the courier.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA masked;
SET search_path = masked, public;
CREATE FUNCTION wait_for(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1..300 LOOP
        EXECUTE 'SELECT ' || condition INTO holds;
        IF holds THEN RETURN 'yes'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no: ' || condition;
END $$;
SELECT count(intake.create_secret('masked-' || split_part(place, ':', 1), value, '{masked.example.com}', place)) FROM (VALUES
    ('bearer', 'sk-live/4eC39"HqL=yj'), ('basic', 'someuser:p4ssw0rd+/'), ('query:key', 'query%secret&more'),
    ('url', 'https://masked.example.com/services/T0123456/B0123456/qwertyuiopasdfghj')) v(place, value);
CREATE FUNCTION handler(job intake.job) RETURNS intake.next LANGUAGE sql AS $$
    SELECT intake.call('https://masked.example.com/', '1', auth => 'masked-' || (job.payload ->> 'place')) $$;
SELECT intake.create_workflow('masked', 'handler(intake.job)', type => 'masked', max_attempts => 1) > 0;
SELECT intake.enter_courier('masked') AS token \gset
-- A job whose call with a secret is answered so; what a person reads of it.
CREATE TABLE job (id bigint);
CREATE PROCEDURE ask(token bigint, place text, status int, body text, error text DEFAULT NULL, meanwhile text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    call record;
BEGIN
    TRUNCATE masked.job;
    WITH e AS (SELECT intake.emit('masked', jsonb_build_object('place', place)) AS id)
        INSERT INTO masked.job SELECT id FROM e;
    COMMIT;
    PERFORM wait_for($q$EXISTS (SELECT FROM intake.jobs j JOIN masked.job m ON j.event_id = m.id WHERE j.state = 'calling')$q$);
    SELECT x.* INTO call FROM intake.exchange(token, 10, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x WHERE x.kind = 'r';
    COMMIT;
    IF meanwhile IS NOT NULL THEN
        EXECUTE meanwhile;
        COMMIT;
    END IF;
    PERFORM intake.exchange(token, 0, 0, ARRAY[call.call_id], ARRAY[call.job_id], ARRAY[status], '{""}', ARRAY[convert_to(body, 'UTF8')], ARRAY[error], '{1}');
    COMMIT;
    PERFORM wait_for($q$EXISTS (SELECT FROM intake.jobs j JOIN masked.job m ON j.event_id = m.id WHERE j.state = 'dead')$q$);
END $$;
CREATE VIEW said AS SELECT a.error AS attempt, regexp_replace(d.error, '.*failed: ', '') = a.error AS dead_letter_too
    FROM masked.job m JOIN intake.dead_letters d ON d.event_id = m.id JOIN intake.attempts a ON a.job_id = d.job_id AND a.call_id IS NOT NULL;

CALL ask(:token, 'bearer', 401, 'no such key: sk-live/4eC39"HqL=yj, is there?');
SELECT * FROM said;
CALL ask(:token, 'bearer', 401, to_jsonb('Bearer sk-live/4eC39"HqL=yj'::text)::text || ' sk-live%2F4eC39%22HqL%3Dyj');
SELECT * FROM said;
CALL ask(:token, 'bearer', 401, encode('sk-live/4eC39"HqL=yj', 'base64') || ' ' || translate(encode('sk-live/4eC39"HqL=yj', 'base64'), '+/=', '-_'));
SELECT * FROM said;
CALL ask(:token, 'basic', 400, 'Authorization: Basic ' || encode('someuser:p4ssw0rd+/', 'base64') || ' someuser has not the password p4ssw0rd+/');
SELECT * FROM said;
CALL ask(:token, 'query', 400, 'GET /?key=query%25secret%26more, or query%secret&more');
SELECT * FROM said;
CALL ask(:token, 'url', 404, 'no /services/T0123456/B0123456/qwertyuiopasdfghj here, nor a token qwertyuiopasdfghj, {"path": "\/services\/T0123456\/B0123456\/qwertyuiopasdfghj"}');
SELECT * FROM said;
-- In what the courier says.
CALL ask(:token, 'bearer', 0, '', 'encoding: sk-live/4eC39"HqL=yj');
SELECT * FROM said;
-- A secret that is not what was sent any more: nothing is shown.
CALL ask(:token, 'bearer', 401, 'no such key: sk-live/4eC39"HqL=yj', meanwhile => $$SELECT intake.alter_secret('masked-bearer', 'another-one')$$);
SELECT * FROM said;
CALL ask(:token, 'basic', 401, 'no such key: p4ssw0rd+/', meanwhile => $$SELECT intake.drop_call_secret('masked-basic')$$);
SELECT * FROM said;

-- Nowhere that people read.
SELECT count(*) FROM intake.attempts WHERE workflow = 'masked' AND error ~ '4eC39|p4ssw0|secret|qwerty';
SELECT count(*) FROM intake.dead_letters WHERE workflow = 'masked' AND error ~ '4eC39|p4ssw0|secret|qwerty';
SELECT count(*) FROM intake.events WHERE source = 'intake' AND type <> 'masked' AND payload ->> 'workflow' = 'masked' AND payload::text ~ '4eC39|p4ssw0|secret|qwerty';
SELECT count(*) FROM intake.calls WHERE workflow = 'masked' AND error ~ '4eC39|p4ssw0|secret|qwerty';
SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('masked');
SELECT count(intake.drop_call_secret('masked-' || place)) FROM unnest('{bearer,query,url}'::text[]) place;
DROP SCHEMA masked CASCADE;
