-- Configuration: rows that people write through functions.
--
-- Intervals have their bounds in seconds: '-1 year 361 days' is not less than interval '0', which
-- compares by years of 360 days, but is less than no seconds. Texts have a length: every process
-- keeps every row in its memory.

CREATE TABLE intake.scheme (
    name text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('hmac', 'hash', 'token', 'basic', 'ed25519', 'ecdsa', 'rsa',
                                       'jwt', 'none', 'internal')),
    algorithm text CHECK (algorithm IN ('sha1', 'sha256', 'sha512', 'HS256', 'HS512', 'RS256', 'RS512',
                                        'ES256', 'EdDSA')),
    key text NOT NULL DEFAULT 'raw',
    signature_from text[] NOT NULL DEFAULT '{}',
    prefix text,
    format text NOT NULL DEFAULT 'plain' CHECK (format IN ('plain', 'kv', 'list', 'json')),
    item_sep text,
    kv_sep text,
    tag text,
    group_sep text,
    encoding text CHECK (encoding IN ('hex', 'base64', 'base64url')),
    message text,
    timestamp_from text,
    timestamp_unit text CHECK (timestamp_unit IN ('s', 'ms', 'iso8601', 'http-date')),
    tolerance interval CHECK (extract(epoch FROM tolerance) BETWEEN 0 AND 315576000),
    require text[],
    each text,
    url_variants text[],
    url_fields text[],
    content text CHECK (content IN ('json', 'form', 'any') OR content ~ '^form:[^ ,]+(,[^ ,]+)*$'),
    borders text NOT NULL DEFAULT 'firm' CHECK (borders IN ('firm', 'loose')),
    variants jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(variants) = 'array'),
    verified text CHECK (verified IN ('signature', 'origin', 'none')),
    key_from text,
    missing_key text NOT NULL DEFAULT 'reject' CHECK (missing_key IN ('reject', 'digest')),
    type_from text,
    handshake jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(handshake) = 'array'),
    reject_status int NOT NULL DEFAULT 403 CHECK (reject_status BETWEEN 400 AND 499),
    success_body text,
    preset boolean NOT NULL DEFAULT false,
    provider text,
    description text,
    unverified text[]
);
COMMENT ON TABLE intake.scheme IS
    'How a provider signs its requests, as data. Presets ship with the extension; a row of your own needs no code.';
COMMENT ON COLUMN intake.scheme.name IS 'What create_source takes as scheme';
COMMENT ON COLUMN intake.scheme.kind IS
    'hmac: keyed digest of message; hash: plain digest of message (which names {secret}); token: the secret itself in a header or field; basic: HTTP basic authentication with the secret user:password; ed25519, ecdsa (curve P-256, DER), rsa (PKCS #1 v1.5): signature of message by a private key, the secret is the public key; jwt: a JSON Web Token; none: nothing is verified; internal: not reachable over HTTP';
COMMENT ON COLUMN intake.scheme.algorithm IS
    'Digest sha1, sha256 or sha512 for kinds hmac, hash, ecdsa and rsa; HS256, HS512, RS256, RS512, ES256 or EdDSA for kind jwt, and no token may choose another';
COMMENT ON COLUMN intake.scheme.key IS
    'How a secret becomes key bytes: raw, hex, base64, base64:PREFIX (PREFIX is stripped when present), raw:sha1, raw:nfkd. A public key may also be PEM (public key or certificate), a JSON Web Key or a set of those';
COMMENT ON COLUMN intake.scheme.signature_from IS
    'Where signatures stand: header:NAME, headers:PREFIX-*, json:/path, form:NAME, query:NAME, body: (all of it). Any that matches is enough';
COMMENT ON COLUMN intake.scheme.prefix IS 'Literal that must precede the signature and is stripped, such as sha256=';
COMMENT ON COLUMN intake.scheme.format IS
    'plain: the value is the signature; list: several, split at item_sep; kv: items split at item_sep, each a name and a value split at kv_sep; json: base64 of a JSON object, tag is a pointer into it';
COMMENT ON COLUMN intake.scheme.item_sep IS 'Separator of items, for formats kv and list';
COMMENT ON COLUMN intake.scheme.kv_sep IS 'Separator of name and value, for format kv';
COMMENT ON COLUMN intake.scheme.tag IS 'Name of the items that are signatures, for format kv; * is any name';
COMMENT ON COLUMN intake.scheme.group_sep IS 'Separator of whole groups of items, where a sender repeats them during a rotation';
COMMENT ON COLUMN intake.scheme.encoding IS 'Encoding of a signature. Hexadecimal digits may be of either case; base64 must be canonical';
COMMENT ON COLUMN intake.scheme.message IS
    'Template of the signed content: {body} {timestamp} {header:NAME} {query:NAME} {form:NAME} {json:/path} {url} {endpoint} (without query) {path} {method} {form_sorted} {secret} {token} {header_list:NAME} {qsh} (Atlassian''s hash of method, path under the base URL and query), digests such as {sha256hex(body)}, |lower behind a name, optional parts in [...], \n for a line feed';
COMMENT ON COLUMN intake.scheme.timestamp_from IS 'Where the signed time stands: header:NAME, sig:FIELD (an item of the kv signature, or its number in a list), json:/path, jwt:/claim';
COMMENT ON COLUMN intake.scheme.timestamp_unit IS 'Unit of the signed time';
COMMENT ON COLUMN intake.scheme.tolerance IS 'Largest accepted distance from the clock, both ways, inclusive, 10 years at most; NULL: no window';
COMMENT ON COLUMN intake.scheme.require IS
    'Pairs {location, test, ...}, all of which must hold once the signature is verified. A test is a template, or up to four with " | " between them; * is anything, ! nothing, ~EXPRESSION a POSIX regular expression, which looks at 4096 bytes at most, or at any number where it is anchored (^...$) and has only characters and sets in it with how often they come; such a one says what a part of message may be, too, where that is there. Locations are as for signatures, and jwt:/claim';
COMMENT ON COLUMN intake.scheme.each IS 'json:/path/* of items that are each signed by themselves';
COMMENT ON COLUMN intake.scheme.url_variants IS 'Forms of the public URL to try besides as it is: toggle_default_port, decode_escapes (of : / ? @ ! $ '' ( ) * , ;)';
COMMENT ON COLUMN intake.scheme.url_fields IS
    'Names of the fields that the sender adds to the query of public_url, in that order, where message has the URL';
COMMENT ON COLUMN intake.scheme.content IS
    'What a body must be: json (an object or an array), form, form:NAME,NAME (with these fields at most, each once), or any. NULL: json or form where key or type stand in one, else any';
COMMENT ON COLUMN intake.scheme.borders IS
    'firm: what is signed can be cut into the parts of message in one way only, which is proven when the row is stored; loose: the provider''s format lets parts move, so a request proves its origin only, and what is signed is accepted once';
COMMENT ON COLUMN intake.scheme.variants IS
    'Objects of columns that differ for some requests, first match wins: {"when": [["location", "test"]], "message": ...}';
COMMENT ON COLUMN intake.scheme.verified IS
    'What a verified request proves: signature (who sent it and what), origin (who, but the body could be another), none. NULL: as the other columns tell';
COMMENT ON COLUMN intake.scheme.missing_key IS
    'What becomes of a request without a key, unless the source says otherwise: reject, or digest, where the SHA-256 of the signed content but for its timestamp is the key';
COMMENT ON COLUMN intake.scheme.key_from IS 'Where the event key stands unless the source says otherwise';
COMMENT ON COLUMN intake.scheme.type_from IS 'Where the event type stands unless the source says otherwise';
COMMENT ON COLUMN intake.scheme.handshake IS
    'Rules, first match wins: [{"method": "GET", "require": [["location", "test"]], "signed": false, "status": 200, "content_type": "text/plain", "headers": "Name: template", "body": "template", "json": [["member", "template"]], "learn": "location of a secret that is to be stored"}]. {hmachex(...)} and {hmacbase64(...)} use the newest secret, {token} is the verify_token';
COMMENT ON COLUMN intake.scheme.reject_status IS 'HTTP status of a request that is not verified';
COMMENT ON COLUMN intake.scheme.success_body IS 'Text that the provider demands as the body of a 200; NULL: the JSON answer';
COMMENT ON COLUMN intake.scheme.preset IS 'The row ships with the extension and is not dumped';
COMMENT ON COLUMN intake.scheme.provider IS 'Who signs so';
COMMENT ON COLUMN intake.scheme.description IS 'For people: what secret and verify_token are, and what to know';
COMMENT ON COLUMN intake.scheme.unverified IS
    'Facts of a preset that nobody has checked against the provider: signature, key, type, handshake';
SELECT pg_catalog.pg_extension_config_dump('intake.scheme', 'WHERE NOT preset');

CREATE TABLE intake.source (
    id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    scheme text NOT NULL,
    key_from text CHECK (length(key_from) <= 1000),
    type_from text CHECK (length(type_from) <= 1000),
    tolerance interval CHECK (extract(epoch FROM tolerance) BETWEEN 0 AND 315576000),
    public_url text CHECK (length(public_url) <= 8000),
    on_dead_duplicate text NOT NULL DEFAULT 'replay' CHECK (on_dead_duplicate IN ('replay', 'ignore')),
    missing_key text CHECK (missing_key IN ('reject', 'digest')),
    signature_from text CHECK (length(signature_from) <= 1000),
    content text CHECK (content IN ('json', 'form', 'any')),
    replay_guard boolean NOT NULL DEFAULT true,
    allowed_peers cidr[] CHECK (cardinality(allowed_peers) <= 1000),
    learn_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    dropped_at timestamptz
);
CREATE UNIQUE INDEX source_name ON intake.source (name) WHERE dropped_at IS NULL;
COMMENT ON INDEX intake.source_name IS 'One source of a name';
COMMENT ON SEQUENCE intake.source_id_seq IS 'Ids of sources';
COMMENT ON TABLE intake.source IS 'Integration endpoints: a request to /webhooks/<name> belongs to one of these';
COMMENT ON COLUMN intake.source.id IS 'Referenced by events; 0 is the internal source, intake';
COMMENT ON COLUMN intake.source.name IS 'The last part of the endpoint''s path';
COMMENT ON COLUMN intake.source.scheme IS
    'How its requests are signed. No foreign key: presets are not dumped, so a restore may find that one is gone';
COMMENT ON COLUMN intake.source.key_from IS 'Where the event key stands; NULL: as the scheme says';
COMMENT ON COLUMN intake.source.type_from IS 'Where the event type stands; NULL: as the scheme says';
COMMENT ON COLUMN intake.source.tolerance IS 'Time window; NULL: as the scheme says';
COMMENT ON COLUMN intake.source.public_url IS 'The URL that the sender calls, for schemes that sign it';
COMMENT ON COLUMN intake.source.on_dead_duplicate IS
    'What a repeated delivery does to dead letters of its event: replay (the default) runs them again, ignore leaves them';
COMMENT ON COLUMN intake.source.missing_key IS
    'What becomes of a request without a key: reject (400) or digest; NULL: as the scheme says';
COMMENT ON COLUMN intake.source.signature_from IS
    'Where the signature or token stands, for senders that let one choose; NULL: as the scheme says';
COMMENT ON COLUMN intake.source.content IS
    'What a body must be, where the scheme does not say: json, form or any; NULL: json or form where key or type stand in one, else any';
COMMENT ON COLUMN intake.source.replay_guard IS
    'Whether signed content is accepted once only, under whatever key, where neither the key nor a time is signed';
COMMENT ON COLUMN intake.source.allowed_peers IS
    'Addresses that may send, seen behind trusted proxies; NULL: all';
COMMENT ON COLUMN intake.source.learn_until IS
    'Until when the next handshake may teach the source its secret; NULL: no more';
COMMENT ON COLUMN intake.source.created_at IS 'When it was created';
COMMENT ON COLUMN intake.source.dropped_at IS 'When it was dropped; its events stay';
SELECT pg_catalog.pg_extension_config_dump('intake.source', 'WHERE id <> 0');
SELECT pg_catalog.pg_extension_config_dump('intake.source_id_seq', '');

CREATE TABLE intake.source_secret (
    id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    source_id int NOT NULL REFERENCES intake.source (id),
    purpose text NOT NULL DEFAULT 'signature' CHECK (purpose IN ('signature', 'handshake')),
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    valid_from timestamptz NOT NULL DEFAULT '-infinity',
    expires_at timestamptz,
    learned boolean NOT NULL DEFAULT false,
    revealed_at timestamptz
);
CREATE INDEX source_secret_source ON intake.source_secret (source_id);
COMMENT ON INDEX intake.source_secret_source IS 'Secrets by source';
COMMENT ON SEQUENCE intake.source_secret_id_seq IS 'Ids of secrets';
COMMENT ON TABLE intake.source_secret IS 'Secrets of sources. Only the owner of the extension reads this table';
COMMENT ON COLUMN intake.source_secret.id IS 'Identity; events name the one that verified them';
COMMENT ON COLUMN intake.source_secret.source_id IS 'The source';
COMMENT ON COLUMN intake.source_secret.purpose IS 'signature: verifies requests; handshake: the token that a handshake must present, {token} in rules';
COMMENT ON COLUMN intake.source_secret.secret IS 'As the provider shows it, sealed with the key file; in the clear where there is none';
COMMENT ON COLUMN intake.source_secret.created_at IS 'When it was stored';
COMMENT ON COLUMN intake.source_secret.valid_from IS 'From when on it verifies';
COMMENT ON COLUMN intake.source_secret.expires_at IS 'From when on it verifies nothing; NULL: never';
COMMENT ON COLUMN intake.source_secret.learned IS 'A handshake taught it';
COMMENT ON COLUMN intake.source_secret.revealed_at IS 'When reveal_secret has shown a learned one';
SELECT pg_catalog.pg_extension_config_dump('intake.source_secret', '');
SELECT pg_catalog.pg_extension_config_dump('intake.source_secret_id_seq', '');

-- Apart from source_secret, a change of which makes every process read the configuration again.
CREATE TABLE intake.secret_use (
    secret_id int PRIMARY KEY,
    last_used_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE intake.secret_use IS 'When secrets verified something last';
COMMENT ON COLUMN intake.secret_use.secret_id IS 'The secret';
COMMENT ON COLUMN intake.secret_use.last_used_at IS 'To the minute';
SELECT pg_catalog.pg_extension_config_dump('intake.secret_use', '');

CREATE FUNCTION intake.database_identity() RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_database_identity' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.database_identity() IS
    'What tells this database from a restored copy of it: the cluster''s system identifier and the database''s oid';

CREATE TABLE intake.workflow (
    id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    owner name NOT NULL DEFAULT current_user,
    owner_oid oid,
    handler text NOT NULL CHECK (length(handler) <= 1000),
    handler_oid oid,
    source text NOT NULL DEFAULT '*' CHECK (length(source) <= 1000),
    type text NOT NULL DEFAULT '*' CHECK (length(type) <= 1000),
    filter jsonpath CHECK (length(filter::text) <= 10000),
    max_attempts int NOT NULL DEFAULT 8 CHECK (max_attempts BETWEEN 1 AND 1000),
    backoff interval NOT NULL DEFAULT '1 second'
        CHECK (extract(epoch FROM backoff) BETWEEN 0 AND 315576000),
    backoff_max interval NOT NULL DEFAULT '1 hour'
        CHECK (extract(epoch FROM backoff_max) BETWEEN 0 AND 315576000),
    timeout interval NOT NULL DEFAULT '1 minute'
        CHECK (extract(epoch FROM timeout) BETWEEN 0.001 AND 2073600),
    jobs_per_transaction int NOT NULL DEFAULT 1 CHECK (jobs_per_transaction BETWEEN 1 AND 64),
    replay_safe boolean NOT NULL DEFAULT true,
    paused boolean NOT NULL DEFAULT false,
    database_identity text DEFAULT intake.database_identity() CHECK (length(database_identity) <= 100),
    created_at timestamptz NOT NULL DEFAULT now(),
    dropped_at timestamptz
);
CREATE UNIQUE INDEX workflow_name ON intake.workflow (name) WHERE dropped_at IS NULL;
COMMENT ON INDEX intake.workflow_name IS 'One workflow of a name';
COMMENT ON SEQUENCE intake.workflow_id_seq IS 'Ids of workflows';
COMMENT ON TABLE intake.workflow IS 'What to do with matching events';
COMMENT ON COLUMN intake.workflow.id IS 'Referenced by jobs; also the lane''s number';
COMMENT ON COLUMN intake.workflow.name IS 'Unique among workflows that are not dropped';
COMMENT ON COLUMN intake.workflow.owner IS
    'The name of the role that its jobs run as: what a dump carries. It counts where database_identity is not this database''s';
COMMENT ON COLUMN intake.workflow.owner_oid IS
    'The role, which counts in the database that database_identity names; NULL: there is none';
COMMENT ON COLUMN intake.workflow.handler IS
    'The signature of the SQL function, schema-qualified: what a dump carries. It counts as owner does';
COMMENT ON COLUMN intake.workflow.handler_oid IS
    'The function, which counts as owner_oid does; NULL: it was dropped';
COMMENT ON COLUMN intake.workflow.source IS 'Glob on the name of the source: * is any run of characters, ? one';
COMMENT ON COLUMN intake.workflow.type IS 'Glob on the event type';
COMMENT ON COLUMN intake.workflow.filter IS 'JSON path that must exist in the payload; NULL: no filter';
COMMENT ON COLUMN intake.workflow.max_attempts IS 'Attempts before a failing job becomes a dead letter';
COMMENT ON COLUMN intake.workflow.backoff IS 'Upper bound of the first retry delay; it doubles with each attempt';
COMMENT ON COLUMN intake.workflow.backoff_max IS 'Upper bound of every retry delay; 10 years at most';
COMMENT ON COLUMN intake.workflow.timeout IS 'Longest time that one attempt may take: 1 ms to 24 days';
COMMENT ON COLUMN intake.workflow.jobs_per_transaction IS
    'Jobs that may share a transaction, each in a subtransaction of its own; fewer share one where they take more than 10 ms together';
COMMENT ON COLUMN intake.workflow.replay_safe IS 'Whether running a job once more does no harm; replay of others needs force';
COMMENT ON COLUMN intake.workflow.paused IS 'Its jobs wait in their lane';
COMMENT ON COLUMN intake.workflow.database_identity IS
    'The database in which it may run, and in which the oids hold: in a restored copy its jobs wait until resume_workflow';
COMMENT ON COLUMN intake.workflow.created_at IS 'When it was created; only events after that match';
COMMENT ON COLUMN intake.workflow.dropped_at IS 'When it was dropped; the record of its jobs stays';
SELECT pg_catalog.pg_extension_config_dump('intake.workflow', '');
SELECT pg_catalog.pg_extension_config_dump('intake.workflow_id_seq', '');

-- The log. Its partitions have the primary keys: in a dump they are tables of their own, which
-- get theirs after they were attached, and a key of the parent would have made one already.

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
    body bytea NOT NULL
) PARTITION BY RANGE (id);
COMMENT ON TABLE intake.event IS
    'Verified deliveries, immutable. Partitions event_<n> hold ids from n to n+1 million and are made when they are needed. Written without SQL, as the tables of jobs are: rules, row security and triggers (but those AFTER each row that are ENABLE ALWAYS) have no say; CHECK, NOT NULL, defaults and indexes have';
COMMENT ON COLUMN intake.event.id IS 'From event_id_seq';
COMMENT ON COLUMN intake.event.received_at IS 'Start of the transaction that stored it';
COMMENT ON COLUMN intake.event.source_id IS 'The source';
COMMENT ON COLUMN intake.event.secret_id IS 'The secret that verified it; NULL where none did';
COMMENT ON COLUMN intake.event.verified IS
    's: signature (who sent it and what), o: origin (who, but the body could be another), n: none. Internal events are s';
COMMENT ON COLUMN intake.event.key IS 'The sender''s stable id of the event';
COMMENT ON COLUMN intake.event.type IS 'The sender''s name for what happened; NULL where the request has none';
COMMENT ON COLUMN intake.event.headers IS
    'Request headers, names in lower case, repeated ones joined with a comma, credentials left out';
COMMENT ON COLUMN intake.event.body IS 'The exact bytes received';

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
COMMENT ON COLUMN intake.event_key.event_id IS 'The event that the key stands for';
COMMENT ON COLUMN intake.event_key.head IS
    'The first 8 bytes of the key, zeros behind a shorter one, the first byte the most significant: keys that come in order are neighbours in the index';
COMMENT ON COLUMN intake.event_key.digest IS
    'The first 16 bytes of the SHA-256 of the source''s id (int4send) and the key. A row of the replay guard has the source negated, and as its key the SHA-256 of the signed content, in base64url';
SELECT pg_catalog.pg_extension_config_dump('intake.event_key', '');

-- The rooms of a job. A job is in exactly one of them, and the table is its state.

CREATE SEQUENCE intake.job_id_seq;
COMMENT ON SEQUENCE intake.job_id_seq IS 'Ids of jobs and positions in lanes: ascending, with gaps';
SELECT pg_catalog.pg_extension_config_dump('intake.job_id_seq', '');
CREATE SEQUENCE intake.lease_seq;
COMMENT ON SEQUENCE intake.lease_seq IS 'Lease tokens: never given twice';
SELECT pg_catalog.pg_extension_config_dump('intake.lease_seq', '');

CREATE TABLE intake.queue (
    position bigint NOT NULL,
    job_id bigint NOT NULL,
    event_id bigint NOT NULL,
    workflow_id int NOT NULL,
    attempts int NOT NULL,
    CONSTRAINT queue_pkey PRIMARY KEY (workflow_id, position)
) WITH (autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE intake.queue IS 'Jobs that are ready to run';
COMMENT ON COLUMN intake.queue.position IS 'Place in the lane: the job''s id at first, a fresh number whenever it comes back';
COMMENT ON COLUMN intake.queue.job_id IS 'The job';
COMMENT ON COLUMN intake.queue.event_id IS 'Its event';
COMMENT ON COLUMN intake.queue.workflow_id IS 'Its workflow, and so its lane';
COMMENT ON COLUMN intake.queue.attempts IS 'Attempts so far';
SELECT pg_catalog.pg_extension_config_dump('intake.queue', '');

CREATE TABLE intake.delayed (
    run_at timestamptz NOT NULL,
    job_id bigint NOT NULL CONSTRAINT delayed_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    workflow_id int NOT NULL,
    attempts int NOT NULL
);
CREATE INDEX delayed_run_at ON intake.delayed (run_at);
COMMENT ON INDEX intake.delayed_run_at IS 'Which job is due next';
COMMENT ON TABLE intake.delayed IS 'Jobs that wait for a time: a retry, or an event emitted with a delay';
COMMENT ON COLUMN intake.delayed.run_at IS 'When the job goes to the queue';
COMMENT ON COLUMN intake.delayed.job_id IS 'The job';
COMMENT ON COLUMN intake.delayed.event_id IS 'Its event';
COMMENT ON COLUMN intake.delayed.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.delayed.attempts IS 'Attempts so far';
SELECT pg_catalog.pg_extension_config_dump('intake.delayed', '');

CREATE TABLE intake.running (
    job_id bigint NOT NULL CONSTRAINT running_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    lease bigint NOT NULL,
    claimed_at timestamptz NOT NULL,
    workflow_id int NOT NULL,
    attempts int NOT NULL
);
COMMENT ON TABLE intake.running IS 'Jobs that a holder has claimed';
COMMENT ON COLUMN intake.running.job_id IS 'The job';
COMMENT ON COLUMN intake.running.event_id IS 'Its event';
COMMENT ON COLUMN intake.running.lease IS 'Token of the holder';
COMMENT ON COLUMN intake.running.claimed_at IS 'When it was claimed';
COMMENT ON COLUMN intake.running.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.running.attempts IS 'Attempts before this one';
SELECT pg_catalog.pg_extension_config_dump('intake.running', '');

CREATE TABLE intake.suspect (
    job_id bigint NOT NULL CONSTRAINT suspect_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    lease bigint,
    started_at timestamptz,
    workflow_id int NOT NULL,
    attempts int NOT NULL,
    crashes int NOT NULL
);
COMMENT ON TABLE intake.suspect IS 'Jobs that were running when the server crashed, or whose executor ended without giving them back. They run alone, one at a time';
COMMENT ON COLUMN intake.suspect.job_id IS 'The job';
COMMENT ON COLUMN intake.suspect.event_id IS 'Its event';
COMMENT ON COLUMN intake.suspect.lease IS 'Token of the holder, while it runs alone';
COMMENT ON COLUMN intake.suspect.started_at IS 'Set, durably, while it runs alone';
COMMENT ON COLUMN intake.suspect.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.suspect.attempts IS 'Attempts so far';
COMMENT ON COLUMN intake.suspect.crashes IS 'Crashes of the server while it ran alone';
SELECT pg_catalog.pg_extension_config_dump('intake.suspect', '');

CREATE TABLE intake.done (
    job_id bigint NOT NULL,
    event_id bigint NOT NULL,
    finished_at timestamptz NOT NULL,
    workflow_id int NOT NULL,
    attempts int NOT NULL,
    discarded text
) PARTITION BY RANGE (job_id);
COMMENT ON TABLE intake.done IS 'Jobs that ended, partitioned like event';
COMMENT ON COLUMN intake.done.job_id IS 'The job';
COMMENT ON COLUMN intake.done.event_id IS 'Its event';
COMMENT ON COLUMN intake.done.finished_at IS 'When it ended';
COMMENT ON COLUMN intake.done.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.done.attempts IS 'Attempts that it took';
COMMENT ON COLUMN intake.done.discarded IS 'The reason, where an operator discarded it; NULL: its handler succeeded';

CREATE TABLE intake.dead_letter (
    job_id bigint NOT NULL CONSTRAINT dead_letter_pkey PRIMARY KEY,
    event_id bigint NOT NULL,
    died_at timestamptz NOT NULL,
    workflow_id int NOT NULL,
    attempts int NOT NULL,
    sqlstate text NOT NULL,
    error text NOT NULL
);
CREATE INDEX dead_letter_event ON intake.dead_letter (event_id);
COMMENT ON INDEX intake.dead_letter_event IS 'Dead jobs of an event that is delivered once more';
COMMENT ON TABLE intake.dead_letter IS 'Jobs that are not tried again by themselves';
COMMENT ON COLUMN intake.dead_letter.job_id IS 'The job';
COMMENT ON COLUMN intake.dead_letter.event_id IS 'Its event';
COMMENT ON COLUMN intake.dead_letter.died_at IS 'When it was given up';
COMMENT ON COLUMN intake.dead_letter.workflow_id IS 'Its workflow';
COMMENT ON COLUMN intake.dead_letter.attempts IS 'Attempts made';
COMMENT ON COLUMN intake.dead_letter.sqlstate IS 'SQLSTATE of the last error';
COMMENT ON COLUMN intake.dead_letter.error IS 'The last error';
SELECT pg_catalog.pg_extension_config_dump('intake.dead_letter', '');

CREATE TABLE intake.attempt (
    job_id bigint NOT NULL,
    started_at timestamptz,
    finished_at timestamptz NOT NULL,
    workflow_id int NOT NULL,
    attempt int NOT NULL,
    sqlstate text NOT NULL,
    error text NOT NULL
);
CREATE INDEX attempt_job ON intake.attempt (job_id);
COMMENT ON INDEX intake.attempt_job IS 'Attempts by job';
-- It has no key. A publication of all tables must not keep anybody from deleting its rows.
ALTER TABLE intake.attempt REPLICA IDENTITY FULL;
COMMENT ON TABLE intake.attempt IS 'Failed executions of jobs';
COMMENT ON COLUMN intake.attempt.job_id IS 'The job';
COMMENT ON COLUMN intake.attempt.started_at IS 'When the execution began; NULL where that is not known';
COMMENT ON COLUMN intake.attempt.finished_at IS 'When it failed';
COMMENT ON COLUMN intake.attempt.workflow_id IS 'The workflow';
COMMENT ON COLUMN intake.attempt.attempt IS 'Its number, from 1; counted anew after a replay';
COMMENT ON COLUMN intake.attempt.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN intake.attempt.error IS 'The error''s message, with its detail and the place where it was raised';
SELECT pg_catalog.pg_extension_config_dump('intake.attempt', '');

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

-- The internal source.

INSERT INTO intake.scheme (name, kind, preset, description)
    VALUES ('internal', 'internal', true, 'Events that come from SQL, not over HTTP');
INSERT INTO intake.source (id, name, scheme) VALUES (0, 'intake', 'internal');
