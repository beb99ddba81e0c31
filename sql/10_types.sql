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
    position int
);
COMMENT ON TYPE intake.job IS
    'What a handler gets. payload is the body as JSON, NULL where it is not JSON that jsonb can hold; attempt counts from 1; lease is the token of who runs it; delivery_id is the event that has the whole delivery which the event came in, and position its place there, from 1; NULL: it came alone';

CREATE TYPE intake.answer AS (
    status int,
    content_type text,
    headers text,
    body text
);
COMMENT ON TYPE intake.answer IS
    'An HTTP answer: status code, content type or NULL, further header lines ("Name: value\r\n") or NULL, body or NULL';
