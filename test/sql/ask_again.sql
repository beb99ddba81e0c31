-- Calls that a replay asks again: with the same key, with a new one, or not at all. The test is the courier.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA again;
SET search_path = again, public;
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

-- A job's payload says for each step what its handler returns there.
CREATE TABLE took (id int GENERATED ALWAYS AS IDENTITY, step text, input jsonb, answers text);
CREATE FUNCTION script(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
DECLARE
    comes intake.next;
BEGIN
    INSERT INTO again.took (step, input, answers) SELECT job.step, job.input,
        string_agg(concat_ws(' ', r.status, r.payload, r.error), ' | ') FROM unnest(job.responses) r;
    EXECUTE 'SELECT (' || (job.payload ->> job.step) || ').* FROM (SELECT ($1).*) job' INTO comes USING job;
    RETURN comes;
END $$;
SELECT intake.create_workflow('again', 'script(intake.job)', type => 'again', max_attempts => 1, backoff => '0') > 0;
CREATE FUNCTION says(VARIADIC said text[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(said[n], said[n + 1]) FROM generate_subscripts(said, 1) n WHERE n % 2 = 1 $$;
-- What is refused, without numbers.
CREATE FUNCTION refused(replayed text, options jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    PERFORM intake.replay(job_of(replayed), options => options);
    RETURN 'it was not';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(concat_ws(' ', SQLSTATE, SQLERRM, '--', hint), 'job \d+', 'job N', 'g');
END $$;
CREATE PROCEDURE play(key text, said jsonb) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE again.took, again.keys RESTART IDENTITY;
    PERFORM intake.emit('again', said, 'again ' || key);
END $$;
CREATE FUNCTION job_of(event_key text) RETURNS bigint STABLE LANGUAGE sql AS $$
    SELECT j.id FROM intake.jobs j WHERE j.event_id = intake.find_event('intake', 'again ' || event_key) $$;
CREATE FUNCTION became(event_key text, wanted text) RETURNS TABLE (what text) LANGUAGE plpgsql AS $$
DECLARE
    this bigint := job_of(event_key);
BEGIN
    IF wait_for(format('state = %L FROM intake.jobs WHERE id = %s AND (state <> ''done'' OR EXISTS (SELECT FROM again.took))', wanted, this)) <> 'yes' THEN
        RETURN QUERY SELECT intake.explain_job(this);
    END IF;
    RETURN QUERY SELECT concat_ws(' ', t.step, 'input ' || t.input::text, 'answers ' || t.answers) FROM took t ORDER BY t.id;
    RETURN QUERY SELECT concat_ws(' ', '=', j.state, j.step, j.error) FROM intake.jobs j WHERE j.id = this;
    TRUNCATE again.took RESTART IDENTITY;
END $$;
-- Takes what is there, and says which keys that has: they are numbered as they come.
CREATE TABLE keys (n int GENERATED ALWAYS AS IDENTITY, key text PRIMARY KEY);
CREATE TABLE taken (call_id bigint, job_id bigint);
CREATE FUNCTION take(token bigint, calls int DEFAULT 1) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    call record;
BEGIN
    TRUNCATE again.taken;
    IF wait_for(format('count(*) >= %s FROM intake.call_queue q JOIN intake.workflow w ON w.id = q.workflow_id AND w.name = ''again'' WHERE q.due_at <= clock_timestamp()', calls)) <> 'yes' THEN
        RETURN NEXT 'nothing to take';
    END IF;
    FOR call IN SELECT x.*, substring(convert_from(x.headers, 'UTF8') FROM 'Idempotency-Key: (\S+)') AS key, substring(convert_from(x.headers, 'UTF8') FROM 'Bearer \S+') AS secret
        FROM intake.exchange(token, 1000, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x WHERE x.kind = 'r' ORDER BY x.call_id
    LOOP
        INSERT INTO again.keys (key) SELECT call.key WHERE NOT EXISTS (SELECT FROM again.keys k WHERE k.key = call.key);
        INSERT INTO again.taken VALUES (call.call_id, call.job_id);
        RETURN NEXT concat_ws(' ', call.method, call.host || call.target, convert_from(call.body, 'UTF8'), 'key', (SELECT k.n FROM again.keys k WHERE k.key = call.key), call.secret);
    END LOOP;
END $$;
-- Answers what was taken, or calls that are named.
CREATE FUNCTION answer(token bigint, statuses int[], bodies text[], calls bigint[] DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    SELECT count(*) FROM intake.exchange(token, 0, 0, coalesce(calls, (SELECT array_agg(call_id ORDER BY call_id) FROM taken)),
        (SELECT array_agg(r.job_id ORDER BY call_id) FROM intake.call_request r WHERE call_id = ANY (coalesce(calls, (SELECT array_agg(call_id) FROM taken)))),
        statuses, array_fill(''::bytea, ARRAY[cardinality(statuses)]), (SELECT array_agg(convert_to(b, 'UTF8') ORDER BY n) FROM unnest(bodies) WITH ORDINALITY u(b, n)),
        array_fill(NULL::text, ARRAY[cardinality(statuses)]), array_fill(1000::bigint, ARRAY[cardinality(statuses)])) $$;
SELECT intake.enter_courier('again') AS token \gset

-- A dead letter whose call has failed for good. From the step that would have got the answer it asks again, with the same key.
CALL play('one', says('start', $$intake.call('https://one.example.com/', '1')$$, 'answered', $$intake.done(job.input)$$));
SELECT take(:token);
SELECT answer(:token, '{422}', '{"{\"error\": \"no account\"}"}');
SELECT became('one', 'dead');
SELECT step FROM intake.dead_letters WHERE job_id = job_of('one');
SELECT intake.replay(job_id, options => jsonb_build_object('from_step', step)) FROM intake.dead_letters WHERE job_id = job_of('one');
SELECT became('one', 'calling');
SELECT take(:token);
SELECT answer(:token, '{422}', '{"{\"error\": \"no account\"}"}');
SELECT became('one', 'dead');
-- With a new key.
SELECT intake.replay(job_of('one'), options => '{"from_step": "answered", "new_key": true}');
SELECT take(:token);
SELECT answer(:token, '{200}', '{2}');
SELECT became('one', 'done');
-- It was accepted now: the step gets the answer that it had, or asks again.
SELECT intake.replay(job_of('one'), options => '{"from_step": "answered", "new_key": false}');
SELECT became('one', 'done');
SELECT intake.replay(job_of('one'), options => '{"from_step": "answered", "new_key": true}');
SELECT take(:token);
SELECT answer(:token, '{200}', '{3}');
SELECT became('one', 'done');
-- From its start a job makes other calls, with new keys, whatever is said.
SELECT intake.replay(job_of('one'), options => '{"new_key": true}');
SELECT take(:token);
SELECT answer(:token, '{200}', '{4}');
SELECT became('one', 'done');
SELECT n, state, status FROM intake.calls WHERE job_id = job_of('one') ORDER BY call_id;

-- Of several, those that were not accepted; with new keys all of them.
CALL play('three', says('start', $$intake.calls(ARRAY[intake.request('https://a.example.com/', '1'), intake.request('https://b.example.com/', '2'), intake.request('https://c.example.com/', '3')])$$,
    'answered', $$CASE WHEN job.responses::text ~ 'the answer is' THEN ROW('no', NULL, NULL, NULL, NULL)::intake.next ELSE intake.done(job.input) END$$));
SELECT take(:token, 3);
SELECT answer(:token, '{200,404,200}', '{10,"no",30}');
SELECT became('three', 'dead');
SELECT intake.replay(job_of('three'), options => '{"from_step": "answered"}');
SELECT take(:token);
SELECT answer(:token, '{200}', '{20}');
SELECT became('three', 'done');
SELECT intake.replay(job_of('three'), options => '{"from_step": "answered", "new_key": true}');
SELECT take(:token, 3);
SELECT answer(:token, '{200,200,200}', '{11,21,31}');
SELECT became('three', 'done');

-- A step for calls that have failed has their answers as they were; the one for answers asks again.
CALL play('sorry', says('start', $$intake.call('https://a.example.com/', '1', options => '{"failed": "sorry"}')$$,
    'sorry', $$intake.sleep('0', 'later', '"sorry"')$$, 'later', $$ROW('no', NULL, NULL, NULL, NULL)::intake.next$$, 'answered', $$intake.done(job.input)$$));
SELECT take(:token);
SELECT answer(:token, '{400}', '{"no"}');
SELECT became('sorry', 'dead');
SELECT intake.replay(job_of('sorry'), options => '{"from_step": "sorry"}');
SELECT became('sorry', 'dead');
SELECT refused('sorry', '{"from_step": "later", "new_key": true}');
SELECT intake.replay(job_of('sorry'), options => '{"from_step": "answered"}');
SELECT take(:token);
SELECT answer(:token, '{200}', '{5}');
SELECT became('sorry', 'done');
SELECT refused('sorry', '{"from_step": "nowhere"}');
SELECT refused('sorry', '{"from_step": "answered", "new_key": "yes"}');

-- A step before the last one has the answers that it had.
CALL play('two', says('start', $$intake.call('https://a.example.com/', '1')$$, 'answered', $$intake.calls(ARRAY[intake.request('https://b.example.com/', '2')], 'sent')$$,
    'sent', $$intake.done(job.input)$$));
SELECT take(:token);
SELECT answer(:token, '{200}', '{10}');
SELECT take(:token);
SELECT answer(:token, '{200}', '{20}');
SELECT became('two', 'done');
SELECT intake.replay(job_of('two'), options => '{"from_step": "answered"}');
SELECT take(:token);
SELECT answer(:token, '{200}', '{21}');
SELECT became('two', 'done');
SELECT intake.replay(job_of('two'), options => '{"from_step": "answered", "new_key": true}');
SELECT take(:token);
SELECT answer(:token, '{200}', '{11}');
SELECT take(:token);
SELECT answer(:token, '{200}', '{22}');
SELECT became('two', 'done');

-- A job that was cancelled while its call was made: another one is made, and an answer to the old one is nothing to it.
CALL play('late', says('start', $$intake.call('https://a.example.com/', '1')$$, 'answered', $$intake.done(job.input)$$));
SELECT take(:token);
SELECT call_id AS first FROM taken \gset
SELECT intake.cancel(job_of('late'));
SELECT intake.replay(job_of('late'), options => '{"from_step": "answered"}');
SELECT take(:token);
SELECT call_id AS second FROM taken \gset
SELECT answer(:token, '{200}', '{1}', ARRAY[:first]);
SELECT became('late', 'calling');
SELECT intake.cancel(job_of('late'));
SELECT intake.replay(job_of('late'));
SELECT take(:token);
-- Nor is one that would be made again.
SELECT intake.alter_workflow('again', max_attempts => 2);
SELECT answer(:token, '{500}', '{1}', ARRAY[:second]);
SELECT count(*) FROM intake.call_queue WHERE job_id = job_of('late');
SELECT became('late', 'calling');
SELECT answer(:token, '{200}', '{3}');
SELECT became('late', 'done');
SELECT state, status FROM intake.calls WHERE job_id = job_of('late') ORDER BY call_id;

-- The secret is the one that has the name now, and the right is looked at now.
SELECT intake.create_secret('again', 'the_old_one', '{a.example.com}') > 0;
CALL play('secret', says('start', $$intake.call('https://a.example.com/', '1', auth => 'again')$$, 'answered', $$intake.done(job.input)$$));
SELECT take(:token);
SELECT answer(:token, '{422}', '{"no"}');
SELECT became('secret', 'dead');
SELECT intake.drop_call_secret('again');
SELECT refused('secret', '{"from_step": "answered"}');
SELECT intake.create_secret('again', 'the_new_one', '{a.example.com}') > 0;
SELECT intake.replay(job_of('secret'), options => '{"from_step": "answered"}');
SELECT take(:token);
SELECT answer(:token, '{422}', '{"no"}');
SELECT became('secret', 'dead');
CREATE ROLE again_role LOGIN;
SELECT intake.grant_access('again_role', 'worker');
GRANT USAGE ON SCHEMA again TO again_role;
GRANT ALL ON took TO again_role;
SELECT intake.give_workflow('again', 'again_role');
SELECT refused('secret', '{"from_step": "answered"}');
SELECT intake.give_workflow('again', current_user::regrole);

-- It grows old from its replay on.
SELECT intake.alter_workflow('again', options => '{"expires": "1 hour"}');
SELECT intake.replay(job_of('secret'), options => '{"from_step": "answered"}');
SELECT run_at BETWEEN now() + '59 minutes' AND now() + '61 minutes' AS in_an_hour FROM intake.jobs WHERE id = job_of('secret');

SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('again', force => true);
SELECT intake.drop_call_secret('again');
SELECT intake.revoke_access('again_role');
DROP OWNED BY again_role;
DROP ROLE again_role;
DROP SCHEMA again CASCADE;
