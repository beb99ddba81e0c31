CREATE TYPE intake.response AS (
    status int,
    headers jsonb,
    body bytea,
    payload jsonb,
    error text,
    duration interval
);
COMMENT ON TYPE intake.response IS
    'What came of a call: status and headers of the answer (names in lower case), its body, that as JSON where it is; error, where the call failed for good; status is NULL where there was no answer';

CREATE TYPE intake.request AS (
    method text,
    url text,
    headers jsonb,
    body bytea,
    auth text,
    limits jsonb,
    timeout interval,
    options jsonb
);
COMMENT ON TYPE intake.request IS 'An HTTP request that a step asks for';

CREATE TYPE intake.next AS (
    act text,
    step text,
    state jsonb,
    args jsonb,
    requests intake.request[]
);
COMMENT ON TYPE intake.next IS
    'What a handler returns to say what comes next: act is done, sleep, again, call, calls or wait, step the one that runs then, state what the job keeps (NULL: what it had). Made by the functions of these names';

CREATE TYPE intake.job AS (
    id bigint,
    event_id bigint,
    workflow text,
    source text,
    type text,
    key text,
    received_at timestamptz,
    headers jsonb,
    body bytea,
    payload jsonb,
    attempt int,
    max_attempts int,
    lease bigint,
    delivery_id bigint,
    position int,
    step text,
    state jsonb,
    input jsonb,
    responses intake.response[],
    last_error text,
    traceparent text,
    events bigint[]
);
COMMENT ON TYPE intake.job IS
    'What a handler gets. payload is the body as JSON, NULL where it is not JSON that jsonb can hold; attempt counts from 1; lease is the token of who runs it; delivery_id is the event that has the whole delivery which the event came in, and position its place there, from 1; NULL: it came alone; step is start, or the one that the step before has named, state what was kept, input and responses are what was waited for; last_error says why the last attempt of the step failed; traceparent is the header of that name, NULL where it is none that W3C Trace Context allows; events is NULL';

CREATE TYPE intake.answer AS (
    status int,
    content_type text,
    headers text,
    body text
);
COMMENT ON TYPE intake.answer IS
    'An HTTP answer: status code, content type or NULL, further header lines ("Name: value\r\n") or NULL, body or NULL';
