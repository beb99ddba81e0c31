-- What a handler returns to make calls. The functions are in C, since there is one for each call.

CREATE FUNCTION intake.request(url text, body jsonb DEFAULT NULL, auth text DEFAULT NULL,
    limits jsonb DEFAULT NULL, headers jsonb DEFAULT NULL, method text DEFAULT NULL, raw bytea DEFAULT NULL,
    timeout interval DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS intake.request
    AS 'MODULE_PATHNAME', 'intake_sql_request' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.request(text, jsonb, text, jsonb, jsonb, text, bytea, interval, jsonb) IS
    'An HTTP request for intake.calls, or for a workflow with a URL to return, which then gives it the url, auth, limits and timeout that it has not. body is sent as JSON, raw as it is; method is POST where there is one of them, else GET. auth names a secret that the workflow''s owner may use (create_secret, grant_secret), and headers is an object of names and strings. timeout is 1 second to 24 hours (NULL: 60 seconds). options: {"accept": ["2xx", 404]} are the answers that go to the step, {"retry_on": [429, "5xx"]} those after which the call is made again';
INSERT INTO intake.grantable VALUES ('caller', 'EXECUTE ON FUNCTION intake.request');

CREATE FUNCTION intake.call(url text, body jsonb DEFAULT NULL, step text DEFAULT NULL, auth text DEFAULT NULL,
    limits jsonb DEFAULT NULL, headers jsonb DEFAULT NULL, method text DEFAULT NULL, raw bytea DEFAULT NULL,
    timeout interval DEFAULT NULL, state jsonb DEFAULT NULL, options jsonb DEFAULT '{}')
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

-- What a workflow with a URL sends.

-- Their bodies are texts: the server would refuse to alter the type intake.job for those that it has parsed.
CREATE FUNCTION intake.as_json(job intake.job) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('job_id', (job).id, 'event_id', (job).event_id, 'workflow', (job).workflow,
               'source', (job).source, 'type', (job).type, 'key', (job).key,
               'received_at', to_char((job).received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'payload', (job).payload)
           || CASE WHEN (job).payload IS NULL AND (job).body IS NOT NULL
                   THEN jsonb_build_object('body_base64', translate(encode((job).body, 'base64'), E'\n', '')) ELSE '{}' END
$$;
COMMENT ON FUNCTION intake.as_json(intake.job) IS
    'What a workflow with a URL sends, unless it has another function for that: an object with job_id, event_id, workflow, source, type, key, received_at (UTC) and payload; where the body is not JSON, payload is null and body_base64 the body';
INSERT INTO intake.grantable VALUES ('caller', 'EXECUTE ON FUNCTION intake.as_json');

CREATE FUNCTION intake.as_text(job intake.job) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('text', replace(replace(replace(left(
        CASE CASE (job).source WHEN 'intake' THEN (job).type END
            WHEN 'job.dead' THEN format('%s has failed%s: %s (job %s, %s attempts)', (job).payload ->> 'workflow',
                ' at step ' || ((job).payload ->> 'step'), (job).payload ->> 'error', (job).payload ->> 'job_id', (job).payload ->> 'attempts')
            WHEN 'calls.suspended' THEN format('Calls of %s to %s are suspended: %s', (job).payload ->> 'workflow',
                (job).payload ->> 'host', (job).payload ->> 'error')
            WHEN 'calls.resumed' THEN format('Calls of %s to %s go again', (job).payload ->> 'workflow', (job).payload ->> 'host')
            WHEN 'source.secret_learned' THEN format('Source %s has learned a secret', (job).payload ->> 'source')
            ELSE concat_ws(' ', (job).source, (job).type, (job).payload::text) END,
        3000), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'))
$$;
COMMENT ON FUNCTION intake.as_text(intake.job) IS
    'For workflows with a URL, as request: {"text": "..."}, which Slack takes and what speaks as Slack does. It says in words what the extension''s own events tell, such as job.dead, and shows others as they are, at most 3000 characters; &, < and > are escaped, so that nothing in them is a mention or a link';
INSERT INTO intake.grantable VALUES ('caller', 'EXECUTE ON FUNCTION intake.as_text');
