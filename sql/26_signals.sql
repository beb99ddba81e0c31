-- Signals, and the jobs that wait for them.
--
-- A key has one row in signal, whoever comes first: the job that waits for it, or who signals it. A row
-- of a job that waits is changed by nobody but him who has deleted the job's row in awaiting before. So
-- of a signal, the end of the time and whoever discards the job one wins, and no two wait for each other
-- in a circle.

CREATE TABLE intake.awaiting (
    job_id bigint NOT NULL CONSTRAINT awaiting_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    lane int NOT NULL,
    attempts int NOT NULL,
    key text COLLATE "C" NOT NULL,
    until timestamptz
);
CREATE INDEX awaiting_until ON intake.awaiting (until) WHERE until IS NOT NULL;
COMMENT ON INDEX intake.awaiting_until IS 'Whose time is over next';
CREATE INDEX awaiting_lane ON intake.awaiting (lane, job_id);
COMMENT ON INDEX intake.awaiting_lane IS 'Jobs of a workflow';
CREATE INDEX awaiting_event ON intake.awaiting (event_id);
COMMENT ON INDEX intake.awaiting_event IS 'Jobs of an event';
COMMENT ON TABLE intake.awaiting IS 'Jobs that wait for a signal';
COMMENT ON COLUMN intake.awaiting.job_id IS 'The job';
COMMENT ON COLUMN intake.awaiting.event_id IS 'Its event';
COMMENT ON COLUMN intake.awaiting.lane IS 'The lane that it goes on in: the negative of its workflow';
COMMENT ON COLUMN intake.awaiting.attempts IS '0: a step that waits has none';
COMMENT ON COLUMN intake.awaiting.key IS 'What it waits for';
COMMENT ON COLUMN intake.awaiting.until IS 'When it goes on without a signal: its time is over, or it has expired; NULL: never';
SELECT pg_catalog.pg_extension_config_dump('intake.awaiting', '');
INSERT INTO intake.room VALUES ('awaiting', 'awaiting', 'waiting', true);

CREATE TABLE intake.signal (
    key text COLLATE "C" NOT NULL CONSTRAINT signal_pkey PRIMARY KEY,
    job_id bigint,
    signalled_at timestamptz,
    payload jsonb
);
CREATE INDEX signal_signalled ON intake.signal (signalled_at) WHERE signalled_at IS NOT NULL;
COMMENT ON INDEX intake.signal_signalled IS 'Which one leaves next';
COMMENT ON TABLE intake.signal IS
    'Keys that jobs wait for, and those that were signalled within the last 7 days: whether a job has waited for them or not';
COMMENT ON COLUMN intake.signal.key IS 'The key';
COMMENT ON COLUMN intake.signal.job_id IS 'The job that waits for it, or that has got the signal; NULL: none has waited yet';
COMMENT ON COLUMN intake.signal.signalled_at IS 'When it was signalled; NULL: it was not yet';
COMMENT ON COLUMN intake.signal.payload IS 'What came with the signal, until a job gets it';
SELECT pg_catalog.pg_extension_config_dump('intake.signal', '');

-- Whoever takes a job out of awaiting without SQL does this himself.
CREATE FUNCTION intake.forget_awaited() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $$
BEGIN
    DELETE FROM intake.signal s USING gone g WHERE s.key = g.key AND s.job_id = g.job_id AND s.signalled_at IS NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION intake.forget_awaited() IS 'Trigger: nobody waits for a key any more';
CREATE TRIGGER forget_awaited AFTER DELETE ON intake.awaiting
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION intake.forget_awaited();
COMMENT ON TRIGGER forget_awaited ON intake.awaiting IS 'Makes the keys free that the jobs have waited for';

CREATE FUNCTION intake.signal(key text, payload jsonb DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'intake_sql_signal' LANGUAGE c VOLATILE;
COMMENT ON FUNCTION intake.signal(text, jsonb) IS
    'Lets the job go on that waits for a key, with the payload as job.input (jsonb null where it is NULL). Where none waits yet, the signal is kept for 7 days, and the first job that waits for the key gets it. Returns false, and changes nothing, where the key was signalled before and no job has waited for it since';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.signal');

-- Signals from outside: whoever has the URL of a callback may signal its key, once. Only the digest of
-- its token is stored, and it leaves when it is used.

CREATE TABLE intake.callback (
    token_digest bytea NOT NULL CONSTRAINT callback_pkey PRIMARY KEY,
    key text COLLATE "C" NOT NULL,
    job_id bigint,
    expires_at timestamptz NOT NULL
);
CREATE INDEX callback_expires ON intake.callback (expires_at);
COMMENT ON INDEX intake.callback_expires IS 'Which one leaves next';
COMMENT ON TABLE intake.callback IS 'Callbacks that were not used yet. Those that have expired leave as others come';
COMMENT ON COLUMN intake.callback.token_digest IS 'SHA-256 of the token in its URL, which is stored nowhere';
COMMENT ON COLUMN intake.callback.key IS 'The key that it signals';
COMMENT ON COLUMN intake.callback.job_id IS 'The job that made it';
COMMENT ON COLUMN intake.callback.expires_at IS 'Until when it can be used';
SELECT pg_catalog.pg_extension_config_dump('intake.callback', '');

CREATE FUNCTION intake.make_token() RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_make_token' LANGUAGE c VOLATILE;
COMMENT ON FUNCTION intake.make_token() IS 'Internal: 256 random bits, as base64url';
CREATE FUNCTION intake.form_fields(form bytea) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'intake_sql_form_fields' LANGUAGE c IMMUTABLE STRICT;
COMMENT ON FUNCTION intake.form_fields(bytea) IS
    'Internal: the fields of a form, of several of a name the last; NULL where they are not text, or too many';

CREATE FUNCTION intake.callback_url(job intake.job, key text, options jsonb DEFAULT '{}') RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    base text := rtrim(current_setting('pg_intake.public_url'), '/');
    expires interval := coalesce((options ->> 'expires')::interval, '7 days');
    token text := intake.make_token();
BEGIN
    PERFORM intake.check_options(options, '{expires}');
    IF base = '' THEN
        RAISE EXCEPTION 'pg_intake.public_url is not set' USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Set it to where the shim is reached from outside, such as https://hooks.example.com.';
    ELSIF base !~ '^https?://[^[:space:]/?#@]+(/[^[:space:]?#]*)?$' THEN
        RAISE EXCEPTION 'pg_intake.public_url is no URL to which a path can be added' USING ERRCODE = 'invalid_parameter_value';
    ELSIF key IS NULL THEN
        RAISE EXCEPTION 'the key must not be null' USING ERRCODE = 'null_value_not_allowed';
    ELSIF octet_length(key) NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION 'the key of a signal must have 1 to 200 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM intake.check_duration('expires', expires);
    DELETE FROM intake.callback c WHERE c.token_digest IN (
        SELECT x.token_digest FROM intake.callback x WHERE x.expires_at <= clock_timestamp()
        ORDER BY x.expires_at LIMIT 10 FOR UPDATE SKIP LOCKED);
    INSERT INTO intake.callback VALUES (sha256(convert_to(token, 'UTF8')), key, job.id, clock_timestamp() + expires);
    RETURN base || '/callbacks/' || token;
END
$$;
COMMENT ON FUNCTION intake.callback_url(intake.job, text, jsonb) IS
    'For handlers: a URL to which a POST signals a key, once, with what it brings as the payload: JSON, or the fields of a form. Whoever has the URL may do that; it works for 7 days from now, or as long as options says as expires. It begins with pg_intake.public_url';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.callback_url');

-- Whoever asks learns nothing of a token that does not work, nor whether it ever did.
CREATE FUNCTION intake.callback(token bytea, headers bytea, body bytea) RETURNS intake.answer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off SET jit = off SET lock_timeout = '5s'
AS $$
DECLARE
    most CONSTANT int := 1024 * 1024; -- as in the shim
    called intake.callback;
    payload jsonb;
    is_first boolean;
BEGIN
    DELETE FROM intake.callback c WHERE c.token_digest = sha256(token) RETURNING * INTO called;
    IF NOT FOUND OR called.expires_at <= clock_timestamp() THEN
        RETURN ROW(404, NULL, NULL, NULL)::intake.answer;
    END IF;
    payload := CASE
        WHEN coalesce(octet_length(body), 0) = 0 THEN 'null'
        WHEN octet_length(body) > most THEN NULL
        WHEN encode(headers, 'escape') ~* '(^|\n)content-type:[ \t]*application/x-www-form-urlencoded[ \t]*(;|\r|\n|$)'
            THEN intake.form_fields(body)
        ELSE intake.payload(body) END;
    BEGIN
        IF payload IS NOT NULL THEN
            is_first := intake.signal(called.key, payload);
        END IF;
    EXCEPTION WHEN program_limit_exceeded THEN
        NULL;
    END;
    IF is_first IS NULL THEN
        -- It was not used: its sender may try again.
        INSERT INTO intake.callback SELECT called.*;
        RETURN ROW(CASE WHEN payload IS NULL AND octet_length(body) <= most THEN 400 ELSE 413 END, NULL, NULL, NULL)::intake.answer;
    END IF;
    RETURN ROW(200, 'application/json', NULL,
               format('{"status":"%s"}', CASE WHEN is_first THEN 'accepted' ELSE 'already_accepted' END))::intake.answer;
END
$$;
COMMENT ON FUNCTION intake.callback(bytea, bytea, bytea) IS
    'What the shim calls for a POST to /callbacks/TOKEN: signals the key, and returns the answer. One 404 where there is no such token, or it was used, or has expired; 400 where the body is neither JSON nor a form, and 413 where it is too large, of more than 1 MB: then the token can still be used';
INSERT INTO intake.grantable VALUES ('gateway', 'EXECUTE ON FUNCTION intake.callback');
