-- The rooms of calls. What a call asks for and what was answered stand apart from where it is, and
-- where it is is one of two tables: call_queue, call_held. A job whose calls are made is in calling.

CREATE SEQUENCE intake.call_id_seq;
COMMENT ON SEQUENCE intake.call_id_seq IS 'Ids of calls: ascending, with gaps';
SELECT pg_catalog.pg_extension_config_dump('intake.call_id_seq', '');

CREATE TABLE intake.call_request (
    job_id bigint NOT NULL,
    call_id bigint NOT NULL,
    workflow_id int NOT NULL,
    line_id bigint NOT NULL,
    n int NOT NULL,
    step text NOT NULL,
    failed text,
    single boolean NOT NULL,
    method text NOT NULL,
    scheme text NOT NULL,
    host text NOT NULL,
    port int NOT NULL,
    target text NOT NULL,
    headers jsonb,
    body bytea,
    auth text,
    secret_id int,
    milliseconds bigint NOT NULL,
    idempotency_key uuid NOT NULL,
    options jsonb,
    traceparent text,
    created_at timestamptz NOT NULL,
    CONSTRAINT call_request_pkey PRIMARY KEY (job_id, call_id)
) WITH (autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE intake.call_request IS 'What calls ask for. Written together with the step that asks, and never changed';
COMMENT ON COLUMN intake.call_request.job_id IS 'The job';
COMMENT ON COLUMN intake.call_request.call_id IS 'The call';
COMMENT ON COLUMN intake.call_request.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.call_request.line_id IS 'Its line: what is made of workflow, host, port and secret';
COMMENT ON COLUMN intake.call_request.n IS 'Its place among the calls of its step, from 1';
COMMENT ON COLUMN intake.call_request.step IS 'The step that gets the answer';
COMMENT ON COLUMN intake.call_request.failed IS 'The step that gets it instead where a call of its step has failed for good; NULL: none';
COMMENT ON COLUMN intake.call_request.single IS 'Whether it was asked for as one call';
COMMENT ON COLUMN intake.call_request.method IS 'HTTP method';
COMMENT ON COLUMN intake.call_request.scheme IS 'http or https';
COMMENT ON COLUMN intake.call_request.host IS 'Host, in lower case';
COMMENT ON COLUMN intake.call_request.port IS 'Port';
COMMENT ON COLUMN intake.call_request.target IS 'Path and query, without a secret';
COMMENT ON COLUMN intake.call_request.headers IS 'Headers that the step gave; NULL: none';
COMMENT ON COLUMN intake.call_request.body IS 'The body; NULL: none';
COMMENT ON COLUMN intake.call_request.auth IS 'The name of the secret that is sent with it; NULL: none';
COMMENT ON COLUMN intake.call_request.secret_id IS 'That secret';
COMMENT ON COLUMN intake.call_request.milliseconds IS 'Longest time that an attempt may take';
COMMENT ON COLUMN intake.call_request.idempotency_key IS 'Sent as Idempotency-Key with each attempt';
COMMENT ON COLUMN intake.call_request.options IS 'accept and retry_on: which statuses are accepted, which tried again; NULL: the usual ones';
COMMENT ON COLUMN intake.call_request.traceparent IS 'The header traceparent: a span of its own in the trace of the event; NULL: the event is of none';
COMMENT ON COLUMN intake.call_request.created_at IS 'When its step committed, nearly';
SELECT pg_catalog.pg_extension_config_dump('intake.call_request', '');

CREATE TABLE intake.call_response (
    job_id bigint NOT NULL,
    call_id bigint NOT NULL,
    status int,
    headers jsonb,
    body bytea,
    error text,
    duration interval,
    ended_at timestamptz NOT NULL,
    CONSTRAINT call_response_pkey PRIMARY KEY (job_id, call_id)
) WITH (autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE intake.call_response IS 'How calls ended';
COMMENT ON COLUMN intake.call_response.job_id IS 'The job';
COMMENT ON COLUMN intake.call_response.call_id IS 'The call';
COMMENT ON COLUMN intake.call_response.status IS 'Status of the answer; NULL: there was none';
COMMENT ON COLUMN intake.call_response.headers IS 'Its headers, names in lower case, repeated ones joined with a comma';
COMMENT ON COLUMN intake.call_response.body IS 'Its body';
COMMENT ON COLUMN intake.call_response.error IS 'Why the call failed for good; NULL: it was accepted';
COMMENT ON COLUMN intake.call_response.duration IS 'How long the last attempt took; NULL: there was none';
COMMENT ON COLUMN intake.call_response.ended_at IS 'When it ended';
SELECT pg_catalog.pg_extension_config_dump('intake.call_response', '');

-- A line has a row only while something is the matter with it.
CREATE TABLE intake.line (
    id bigint NOT NULL CONSTRAINT line_pkey PRIMARY KEY,
    workflow_id int NOT NULL,
    host text NOT NULL,
    secret_id int,
    held_until timestamptz,
    suspended_at timestamptz,
    probe_at timestamptz,
    probes int NOT NULL,
    kind text,
    error text,
    jobs bigint[] NOT NULL,
    calls bigint[] NOT NULL
);
COMMENT ON TABLE intake.line IS
    'Calls of a workflow to one host with one secret, where the other side is out, has asked to wait, or has failed';
COMMENT ON COLUMN intake.line.id IS 'Made of workflow, host, port and secret';
COMMENT ON COLUMN intake.line.workflow_id IS 'The workflow';
COMMENT ON COLUMN intake.line.host IS 'Host and port';
COMMENT ON COLUMN intake.line.secret_id IS 'The secret; NULL: none is sent';
COMMENT ON COLUMN intake.line.held_until IS 'Until when the other side has asked to wait (Retry-After); NULL: it has not';
COMMENT ON COLUMN intake.line.suspended_at IS 'Since when calls wait because the other side is out; NULL: it is not';
COMMENT ON COLUMN intake.line.probe_at IS 'Where it is: when one call goes to see whether it works again';
COMMENT ON COLUMN intake.line.probes IS 'Probes so far';
COMMENT ON COLUMN intake.line.kind IS 'How calls have failed since the last that was accepted: 401, 402, 403, 5xx, transport or wait; NULL: none has';
COMMENT ON COLUMN intake.line.error IS 'The last such failure';
COMMENT ON COLUMN intake.line.jobs IS 'The jobs whose calls have failed so, in order';
COMMENT ON COLUMN intake.line.calls IS 'Those calls, each as often as it was charged; 0 where it was not';
SELECT pg_catalog.pg_extension_config_dump('intake.line', '');

CREATE TABLE intake.call_queue (
    line_id bigint NOT NULL,
    due_at timestamptz NOT NULL,
    call_id bigint NOT NULL,
    job_id bigint NOT NULL,
    workflow_id int NOT NULL,
    attempts int NOT NULL,
    options boolean NOT NULL,
    CONSTRAINT call_queue_pkey PRIMARY KEY (line_id, due_at, call_id)
) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE INDEX call_queue_job ON intake.call_queue (job_id);
COMMENT ON INDEX intake.call_queue_job IS 'Calls of a job';
COMMENT ON TABLE intake.call_queue IS 'Calls that wait for a courier, or for a time';
COMMENT ON COLUMN intake.call_queue.line_id IS 'The line';
COMMENT ON COLUMN intake.call_queue.due_at IS 'Not before';
COMMENT ON COLUMN intake.call_queue.call_id IS 'The call';
COMMENT ON COLUMN intake.call_queue.job_id IS 'The job';
COMMENT ON COLUMN intake.call_queue.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.call_queue.attempts IS 'Attempts charged so far';
COMMENT ON COLUMN intake.call_queue.options IS 'Whether its request says something about answers: it has options, or a secret, which they must not show';
SELECT pg_catalog.pg_extension_config_dump('intake.call_queue', '');

CREATE TABLE intake.call_held (
    call_id bigint NOT NULL CONSTRAINT call_held_pkey PRIMARY KEY,
    job_id bigint NOT NULL,
    line_id bigint NOT NULL,
    workflow_id int NOT NULL,
    courier bigint NOT NULL,
    taken_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    attempts int NOT NULL,
    options boolean NOT NULL
) WITH (autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE intake.call_held IS 'Calls that a courier makes';
COMMENT ON COLUMN intake.call_held.call_id IS 'The call';
COMMENT ON COLUMN intake.call_held.job_id IS 'The job';
COMMENT ON COLUMN intake.call_held.line_id IS 'The line';
COMMENT ON COLUMN intake.call_held.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.call_held.courier IS 'Who makes it; 0: nobody, and it goes back to the queue';
COMMENT ON COLUMN intake.call_held.taken_at IS 'When it was taken';
COMMENT ON COLUMN intake.call_held.until IS 'When it goes back to the queue, if it was not answered';
COMMENT ON COLUMN intake.call_held.attempts IS 'Attempts charged before this one';
COMMENT ON COLUMN intake.call_held.options IS 'The same';
SELECT pg_catalog.pg_extension_config_dump('intake.call_held', '');

CREATE TABLE intake.calling (
    job_id bigint NOT NULL CONSTRAINT calling_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    lane int NOT NULL,
    attempts int NOT NULL,
    calls int NOT NULL,
    first_call bigint NOT NULL,
    until timestamptz
);
CREATE INDEX calling_lane ON intake.calling (lane, job_id);
COMMENT ON INDEX intake.calling_lane IS 'Jobs of a workflow';
CREATE INDEX calling_until ON intake.calling (until) WHERE until IS NOT NULL;
COMMENT ON INDEX intake.calling_until IS 'Which job expires next';
COMMENT ON TABLE intake.calling IS 'Jobs that wait for their calls';
COMMENT ON COLUMN intake.calling.job_id IS 'The job';
COMMENT ON COLUMN intake.calling.event_id IS 'Its event';
COMMENT ON COLUMN intake.calling.lane IS 'The lane that it goes on in: the negative of its workflow';
COMMENT ON COLUMN intake.calling.attempts IS '0: a step that waits has none';
COMMENT ON COLUMN intake.calling.calls IS 'How many calls it waits for';
COMMENT ON COLUMN intake.calling.first_call IS 'They are those from this one on';
COMMENT ON COLUMN intake.calling.until IS 'When it is too old to go on waiting; NULL: never';
SELECT pg_catalog.pg_extension_config_dump('intake.calling', '');

CREATE TABLE intake.courier (
    token bigint NOT NULL CONSTRAINT courier_pkey PRIMARY KEY,
    name text NOT NULL,
    role text NOT NULL,
    entered_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    until timestamptz NOT NULL
);
COMMENT ON TABLE intake.courier IS 'Who makes calls. Not dumped: in a restored copy nobody does';
COMMENT ON COLUMN intake.courier.token IS 'Random; whoever has it speaks for the courier';
COMMENT ON COLUMN intake.courier.name IS 'As it calls itself';
COMMENT ON COLUMN intake.courier.role IS 'The role that entered';
COMMENT ON COLUMN intake.courier.entered_at IS 'When';
COMMENT ON COLUMN intake.courier.seen_at IS 'When its lease was extended last';
COMMENT ON COLUMN intake.courier.until IS 'When what it holds goes to others, unless it is seen again';

CREATE TABLE intake.call_cancel (
    courier bigint NOT NULL,
    call_id bigint NOT NULL,
    job_id bigint NOT NULL,
    CONSTRAINT call_cancel_pkey PRIMARY KEY (courier, call_id)
);
COMMENT ON TABLE intake.call_cancel IS 'Calls whose couriers are to be told to stop';
COMMENT ON COLUMN intake.call_cancel.courier IS 'Who makes it';
COMMENT ON COLUMN intake.call_cancel.call_id IS 'The call';
COMMENT ON COLUMN intake.call_cancel.job_id IS 'The job';

INSERT INTO intake.room VALUES ('calling', 'calling', 'waiting', true);
