-- What a handler returns to make calls. The functions are in C, since there is one for each call.

CREATE FUNCTION intake.request(url text, body jsonb DEFAULT NULL, auth text DEFAULT NULL,
    limits jsonb DEFAULT NULL, headers jsonb DEFAULT NULL, method text DEFAULT NULL, raw bytea DEFAULT NULL,
    timeout interval DEFAULT '60 seconds', options jsonb DEFAULT '{}') RETURNS intake.request
    AS 'MODULE_PATHNAME', 'intake_sql_request' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.request(text, jsonb, text, jsonb, jsonb, text, bytea, interval, jsonb) IS
    'An HTTP request for intake.calls. body is sent as JSON, raw as it is; method is POST where there is one of them, else GET. auth names a secret that the workflow''s owner may use (create_secret, grant_secret), and headers is an object of names and strings. timeout is 1 second to 24 hours. options: {"accept": ["2xx", 404]} are the answers that go to the step, {"retry_on": [429, "5xx"]} those after which the call is made again';
INSERT INTO intake.grantable VALUES ('caller', 'EXECUTE ON FUNCTION intake.request');

CREATE FUNCTION intake.call(url text, body jsonb DEFAULT NULL, step text DEFAULT NULL, auth text DEFAULT NULL,
    limits jsonb DEFAULT NULL, headers jsonb DEFAULT NULL, method text DEFAULT NULL, raw bytea DEFAULT NULL,
    timeout interval DEFAULT '60 seconds', state jsonb DEFAULT NULL, options jsonb DEFAULT '{}')
    RETURNS intake.next
    AS 'MODULE_PATHNAME', 'intake_sql_call' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.call(text, jsonb, text, text, jsonb, jsonb, text, bytea, interval, jsonb, jsonb) IS
    'To be returned by a handler: makes one call, and goes on at step (answered) with its answer as job.input and job.responses. state is kept for the job''s next steps; NULL keeps what there is. The others are those of intake.request, and of options {"failed": "step"} is the step for a call that fails for good, which is a dead letter otherwise';
INSERT INTO intake.grantable VALUES ('caller', 'EXECUTE ON FUNCTION intake.call');

CREATE FUNCTION intake.calls(requests intake.request[], step text DEFAULT NULL, state jsonb DEFAULT NULL,
    options jsonb DEFAULT '{}') RETURNS intake.next
    AS 'MODULE_PATHNAME', 'intake_sql_calls' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.calls(intake.request[], text, jsonb, jsonb) IS
    'To be returned by a handler: makes up to 1000 calls with up to 64 MB together, and goes on at step (answered) once all have ended, with the answers in their order as job.responses; one that failed for good, or whose body would make more than 64 MB with those before it, has an error there, unless {"failed": "step"} names the step for that';
INSERT INTO intake.grantable VALUES ('caller', 'EXECUTE ON FUNCTION intake.calls');
