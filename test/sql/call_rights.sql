-- What a handler may ask for is checked by what it returns, however that was made: the right to make
-- calls, the right to a secret, where that may go, URL and headers. And looked at again when the call
-- is made. The test is the courier.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE rights_owner LOGIN;
CREATE ROLE rights_team;
CREATE SCHEMA rights AUTHORIZATION rights_owner;
GRANT USAGE ON SCHEMA rights TO PUBLIC;
SELECT intake.grant_access('rights_owner', 'worker');
SET ROLE rights_owner;
-- A row that is made by hand: its columns are those of intake.request.
CREATE FUNCTION rights.handler(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
DECLARE
    r intake.request := jsonb_populate_record(NULL::intake.request, job.payload);
    comes intake.next;
BEGIN
    IF job.step = 'start' THEN
        comes.act := 'call';
        comes.requests := array_fill(r, ARRAY[coalesce((job.payload ->> 'many')::int, 1)]);
    ELSE
        comes.act := 'done';
    END IF;
    RETURN comes;
END $$;
RESET ROLE;
SELECT intake.create_secret('r_key', 'sk-1234', '{api.x, api.x:8443}') > 0 AND intake.create_secret('r_url', 'https://hooks.x/T/B', place => 'url') > 0 AND intake.create_secret('r_none', 'sk-5678', '{api.x}') > 0;
SELECT intake.grant_access('rights_owner', 'admin');
SET ROLE rights_owner;
SELECT intake.create_workflow('rights', 'rights.handler(intake.job)', source => 'intake', type => 'rights', max_attempts => 1) > 0;
RESET ROLE;
SELECT intake.revoke_access('rights_owner'), intake.grant_access('rights_owner', 'worker');

-- What became of a request: the state of its job, and the error.
CREATE PROCEDURE ask(request jsonb, INOUT became text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    this_event bigint := intake.emit('rights', request);
BEGIN
    COMMIT;
    FOR i IN 1..500 LOOP
        SELECT concat_ws(': ', j.state, d.sqlstate, split_part(d.error, E'\n', 1)) INTO became
            FROM intake.jobs j LEFT JOIN intake.dead_letters d ON d.job_id = j.id WHERE j.event_id = this_event AND j.state IN ('calling', 'dead');
        EXIT WHEN FOUND;
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
END $$;

-- The right to make calls.
CALL ask('{"url": "https://api.x/"}');
SELECT intake.grant_access('rights_owner', 'caller');
CALL ask('{"url": "https://api.x/"}');
-- The right to a secret, also of somebody else's, or of nobody's.
CALL ask('{"url": "https://api.x/", "auth": "r_key"}');
CALL ask('{"url": "https://api.x/", "auth": "nothing"}');
SELECT intake.grant_secret('r_key', 'rights_team'), intake.grant_secret('r_url', 'rights_owner');
CALL ask('{"url": "https://api.x/", "auth": "r_key"}');
GRANT rights_team TO rights_owner;
CALL ask('{"url": "https://api.x/", "auth": "r_key"}');
ALTER ROLE rights_owner NOINHERIT;
REVOKE rights_team FROM rights_owner;
GRANT rights_team TO rights_owner;
CALL ask('{"url": "https://api.x/", "auth": "r_key"}');
ALTER ROLE rights_owner INHERIT;
REVOKE rights_team FROM rights_owner;
GRANT rights_team TO rights_owner;
-- Where it may go.
CALL ask('{"url": "https://api.y/", "auth": "r_key"}');
CALL ask('{"url": "https://api.x:8444/", "auth": "r_key"}');
CALL ask('{"url": "http://api.x:443/", "auth": "r_key"}');
CALL ask('{"url": "https://api.x.y/", "auth": "r_key"}');
CALL ask('{"url": "https://API.X:8443/", "auth": "r_key"}');
CALL ask('{"url": "https://hooks.x/sub?a=b", "auth": "r_url", "method": "POST"}');
-- URL, method, headers, time, and how many.
CALL ask('{}');
CALL ask('{"url": "https://u:p@x/"}');
CALL ask('{"url": "https://127.1/"}');
CALL ask('{"url": "https://api.x/", "method": "GET / HTTP/1.1\r\nX:"}');
CALL ask('{"url": "https://api.x/", "headers": {"Host": "y"}}');
CALL ask('{"url": "https://api.x/", "headers": {"X": "a\r\nY: b"}}');
CALL ask('{"url": "https://api.x/", "headers": {"authorization": "mine"}, "auth": "r_key"}');
CALL ask('{"url": "https://api.x/", "headers": {"authorization": "mine"}}');
CALL ask('{"url": "https://api.x/", "timeout": "2 days"}');
CALL ask('{"url": "https://api.x/", "limits": {"a": -1}}');
CALL ask('{"url": "https://api.x/", "options": {"accept": [1000]}}');
CALL ask('{"url": "https://api.x/", "many": 1001}');

-- What a courier gets: the secret as it is now.
SELECT count(*), array_agg(DISTINCT state) FROM intake.jobs WHERE workflow = 'rights' AND state <> 'dead';
SELECT intake.alter_secret('r_key', 'sk-new');
SELECT intake.enter_courier('rights') AS token \gset
CREATE FUNCTION take(token bigint) RETURNS TABLE (method text, host text, port int, target text, headers text) LANGUAGE sql AS $$
    SELECT x.method, x.host, x.port, x.target, regexp_replace(convert_from(x.headers, 'UTF8'), '[0-9a-f-]{36}', 'a key')
    FROM intake.exchange(token, 1000, 1000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}') x WHERE x.kind = 'r' AND x.host IN ('api.x', 'hooks.x') ORDER BY x.call_id $$;
SELECT * FROM take(:token);
-- One that was taken away, dropped, or bound to other hosts in between is not sent, and the call has failed.
CALL ask('{"url": "https://api.x/sent", "auth": "r_key"}');
CALL ask('{"url": "https://api.x:8443/moved", "auth": "r_key"}');
CALL ask('{"url": "https://hooks.x/dropped", "auth": "r_url"}');
SELECT intake.alter_secret('r_key', hosts => '{api.x}'), intake.drop_call_secret('r_url');
SELECT * FROM take(:token);
CALL ask('{"url": "https://api.x/revoked", "auth": "r_key"}');
SELECT intake.revoke_secret('r_key', 'rights_team');
SELECT * FROM take(:token);
-- So it is with the right to make calls, whether with a secret or not.
CALL ask('{"url": "https://api.x/none", "method": "GET"}');
SELECT intake.revoke_access('rights_owner', 'caller');
SELECT * FROM take(:token);
DO $$
BEGIN
    FOR i IN 1..500 LOOP
        EXIT WHEN (SELECT count(*) = 4 FROM intake.dead_letters d WHERE d.workflow = 'rights' AND d.error ~ 'secret|any more' AND d.step IS NOT NULL);
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
END $$;
SELECT step, sqlstate, error FROM intake.dead_letters WHERE workflow = 'rights' AND step IS NOT NULL ORDER BY job_id;

SELECT intake.leave_courier(:token);
SELECT intake.drop_workflow('rights', force => true);
SELECT count(intake.drop_call_secret(name)) FROM intake.call_secrets WHERE name LIKE 'r\_%';
SELECT intake.revoke_access('rights_owner');
DROP PROCEDURE ask(jsonb, text);
DROP FUNCTION take(bigint);
DROP SCHEMA rights CASCADE;
DROP OWNED BY rights_owner;
DROP ROLE rights_owner, rights_team;
