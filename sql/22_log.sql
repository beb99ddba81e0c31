-- The log.

CREATE SEQUENCE intake.event_id_seq;
COMMENT ON SEQUENCE intake.event_id_seq IS 'Ids of events: ascending, with gaps';
SELECT pg_catalog.pg_extension_config_dump('intake.event_id_seq', '');

CREATE TABLE intake.event (
    id bigint NOT NULL,
    received_at timestamptz NOT NULL,
    source_id int NOT NULL,
    secret_id int,
    verified "char" NOT NULL,
    key text COLLATE "C" NOT NULL,
    type text COLLATE "C",
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    delivery_id bigint,
    position int
) PARTITION BY RANGE (id);
COMMENT ON TABLE intake.event IS
    'Verified deliveries, immutable. Partitions event_<n> hold ids from n to n+1 million and are made when they are needed. Written without SQL, as the tables of jobs are: rules, row security and triggers (but those AFTER each row that are ENABLE ALWAYS) have no say; CHECK, NOT NULL, defaults and indexes have';
COMMENT ON COLUMN intake.event.id IS 'From event_id_seq';
COMMENT ON COLUMN intake.event.received_at IS 'Start of the transaction that stored it';
COMMENT ON COLUMN intake.event.source_id IS 'The source';
COMMENT ON COLUMN intake.event.secret_id IS 'The secret that verified it; NULL where none did';
COMMENT ON COLUMN intake.event.verified IS
    's: signature (who sent it and what), o: origin (who, but the body could be another), n: none, f: it was fetched from the sender and recorded. Internal events are s';
COMMENT ON COLUMN intake.event.key IS
    'The sender''s stable id of the event, or what stands for one, for a while; several parts have slashes between them; emit/ and the event''s id where there is none';
COMMENT ON COLUMN intake.event.type IS 'The sender''s name for what happened; NULL where the request has none';
COMMENT ON COLUMN intake.event.headers IS
    'Request headers, names in lower case, credentials left out; repeated ones are joined with a comma, but of those that the scheme looks at, or that key or type come from, the first is there, which is the one that was looked at';
COMMENT ON COLUMN intake.event.body IS 'The exact bytes received';
COMMENT ON COLUMN intake.event.delivery_id IS
    'The delivery that the event came in, for events of a delivery that was split, and for that delivery itself, which has no jobs; NULL: the event came alone';
COMMENT ON COLUMN intake.event.position IS
    'Which event of its delivery it is, from 1, in the order of the body; 0: the delivery itself';

-- Neither here nor in the queue does VACUUM run because rows have come: it would write every page
-- once more, for rows that are found one by one here and leave soon there. It runs when rows have
-- gone, and where some have become old.
CREATE TABLE intake.event_key (
    event_id bigint NOT NULL,
    head bigint NOT NULL,
    digest uuid NOT NULL,
    CONSTRAINT event_key_pkey PRIMARY KEY (head, digest)
) WITH (autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE intake.event_key IS
    'One event per source and key: the unique constraint behind the idempotency promise. A digest stands for both, half their size; find_event looks a key up';
COMMENT ON COLUMN intake.event_key.event_id IS 'The event that the key stands for; for a while only, where it is no documented id of an event';
COMMENT ON COLUMN intake.event_key.head IS
    'The first 8 bytes of the key, zeros behind a shorter one, the first byte the most significant: keys that come in order are neighbours in the index';
COMMENT ON COLUMN intake.event_key.digest IS
    'The first 16 bytes of the SHA-256 of the source''s id (int4send) and the key; of a key of several parts, of the id and each part with its length (int4send, -1 where it is absent) before it. A row of the replay guard has the source negated, and as its key the 32 bytes of the SHA-256 of what was signed, with a byte 0 in place of a secret; of items that are signed each by itself, a row for each. The last byte of such a row''s digest is a number from 0: where the type is not signed, one for each type that the same content came with';
SELECT pg_catalog.pg_extension_config_dump('intake.event_key', '');

CREATE SEQUENCE intake.rejection_seq;
COMMENT ON SEQUENCE intake.rejection_seq IS 'Numbers of rejections: the slot is the number modulo 10000';
CREATE TABLE intake.rejection (
    slot int PRIMARY KEY,
    id bigint NOT NULL,
    rejected_at timestamptz NOT NULL,
    source text,
    reason text NOT NULL,
    detail text,
    status int NOT NULL,
    peer text,
    request_id text,
    requests bigint NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE intake.rejection IS
    'The last refused requests, in 10000 slots that are used over and over. Requests of one batch that were refused for one reason share a row';
COMMENT ON COLUMN intake.rejection.slot IS 'Place in the ring';
COMMENT ON COLUMN intake.rejection.id IS 'Ascending number';
COMMENT ON COLUMN intake.rejection.rejected_at IS 'When';
COMMENT ON COLUMN intake.rejection.source IS 'The source that was named; NULL where no such source exists';
COMMENT ON COLUMN intake.rejection.reason IS 'One word: no_signature, mismatch, no_key and so on';
COMMENT ON COLUMN intake.rejection.detail IS 'What was found, without any secret, signature or body';
COMMENT ON COLUMN intake.rejection.status IS 'The HTTP status that was answered';
COMMENT ON COLUMN intake.rejection.peer IS 'Address of the last sender, seen behind trusted proxies';
COMMENT ON COLUMN intake.rejection.request_id IS
    'The last one''s header X-Request-Id, X-Correlation-Id, X-Amzn-Trace-Id, CF-Ray or traceparent';
COMMENT ON COLUMN intake.rejection.requests IS 'How many requests this row stands for';
