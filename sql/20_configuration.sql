-- Configuration: rows that people write through functions.
--
-- Intervals have their bounds in seconds: '-1 year 361 days' is not less than interval '0', which
-- compares by years of 360 days, but is less than no seconds. Texts have a length: processes keep rows
-- in their memory.

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
    timestamp_unit text CHECK (timestamp_unit IN ('s', 'ms', 'iso8601', 'iso8601-local', 'http-date')),
    tolerance interval CHECK (extract(epoch FROM tolerance) BETWEEN 0 AND 315576000),
    require text[],
    each text,
    url_variants text[],
    url_fields text[],
    content text CHECK (content IN ('json', 'form', 'any') OR content ~ '^form:[^ ,]+(,[^ ,]+)*$'),
    json_from text CHECK (json_from ~ '^form:.{1,200}$'),
    borders text NOT NULL DEFAULT 'firm' CHECK (borders IN ('firm', 'loose')),
    variants jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(variants) = 'array'),
    verified text CHECK (verified IN ('signature', 'origin', 'none')),
    signs text DEFAULT 'sent' CHECK (signs IN ('sent', 'plain')),
    key_from text,
    key_class text NOT NULL DEFAULT 'event' CHECK (key_class IN ('event', 'thing', 'unknown')),
    missing_key text NOT NULL DEFAULT 'reject' CHECK (missing_key IN ('reject', 'digest', 'each')),
    dedup_window interval NOT NULL DEFAULT '7 days'
        CHECK (extract(epoch FROM dedup_window) BETWEEN 0 AND 315576000),
    type_from text,
    volatile text[] CHECK (cardinality(volatile) <= 16 AND length(array_to_string(volatile, '')) <= 1000),
    split text,
    split_key_from text,
    split_type_from text,
    handshake jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(handshake) = 'array'),
    reject_status int NOT NULL DEFAULT 403 CHECK (reject_status BETWEEN 400 AND 499),
    success_body text,
    preset boolean NOT NULL DEFAULT false,
    provider text,
    description text,
    unverified text[],
    -- A name that is written wrong would be a condition that nobody looks at.
    CONSTRAINT scheme_variants_names CHECK (jsonb_path_exists(variants, '$[*].keyvalue() ? (!(@.key like_regex
        "^(when|kind|algorithm|key|signature_from|prefix|format|item_sep|kv_sep|tag|group_sep|encoding|message|timestamp_from|timestamp_unit|tolerance|require|each|url_variants|url_fields|content|borders|verified)$"))',
        silent => true) IS NOT TRUE),
    CONSTRAINT scheme_handshake_names CHECK (jsonb_path_exists(handshake, '$[*].keyvalue() ? (!(@.key like_regex
        "^(method|require|signed|status|content_type|headers|body|json|learn)$"))', silent => true) IS NOT TRUE)
);
COMMENT ON CONSTRAINT scheme_variants_names ON intake.scheme IS 'Variants have columns of a scheme, and when';
COMMENT ON CONSTRAINT scheme_handshake_names ON intake.scheme IS 'Handshakes have members that are known';
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
COMMENT ON COLUMN intake.scheme.timestamp_unit IS
    'How the signed time is written, in exactly one form: s (10 digits), ms (13 digits), iso8601 (2026-11-30T03:05:15.123Z, +01:00 or +0100 for Z, with or without a fraction), iso8601-local (the same without a zone, which is UTC), http-date (Mon, 30 Nov 2026 03:05:15 GMT)';
COMMENT ON COLUMN intake.scheme.tolerance IS 'Largest accepted distance from the clock, both ways, inclusive, 10 years at most; NULL: no window';
COMMENT ON COLUMN intake.scheme.require IS
    'Pairs {location, test, ...}, all of which must hold once the signature is verified. A test is a template, or up to four with " | " between them; * is anything, ! nothing, ~EXPRESSION a POSIX regular expression, which looks at 4096 bytes at most, or at any number where it is anchored (^...$) and has only characters and sets in it with how often they come; such a one says what a part of message may be, too, where that is there. Locations are as for signatures, and jwt:/claim';
COMMENT ON COLUMN intake.scheme.each IS 'json:/path/* of items that are each signed by themselves';
COMMENT ON COLUMN intake.scheme.url_variants IS 'Forms of the public URL to try besides as it is: toggle_default_port, decode_escapes (of : / ? @ ! $ '' ( ) * , ;)';
COMMENT ON COLUMN intake.scheme.url_fields IS
    'Names of the fields that the sender adds to the query of public_url, in that order, where message has the URL';
COMMENT ON COLUMN intake.scheme.content IS
    'What a body must be: json (an object or an array), form, form:NAME,NAME (with these fields at most, each once), or any. NULL: json or form where key, type or signed items stand in one, else any';
COMMENT ON COLUMN intake.scheme.json_from IS
    'form:NAME, the field that has the JSON, where a body is a form; NULL: JSON is the body itself';
COMMENT ON COLUMN intake.scheme.borders IS
    'firm: what is signed can be cut into the parts of message in one way only, which is proven when the row is stored; loose: the provider''s format lets parts move, so a request proves its origin only, and what is signed is accepted once';
COMMENT ON COLUMN intake.scheme.variants IS
    'Objects of columns that differ for some requests, first match wins: {"when": [["location", "test"]], "message": ...}';
COMMENT ON COLUMN intake.scheme.verified IS
    'What a verified request proves: signature (who sent it and what), origin (who, but the body could be another), none. NULL: as the other columns tell';
COMMENT ON COLUMN intake.scheme.signs IS
    'Which bytes {body} stands for where a Content-Encoding says that the body is packed (gzip, deflate): sent: those that came, which are unpacked once they are verified; plain: those that were packed';
COMMENT ON COLUMN intake.scheme.key_class IS
    'What the sender''s id at key_from names: event: an event, as the sender documents; thing: what events happen to, or a batch''s first item, so that key_from has more parts than that; unknown: nobody has said. Keys of classes thing and unknown stand for dedup_window';
COMMENT ON COLUMN intake.scheme.missing_key IS
    'What becomes of a request without a key, unless the source says otherwise: reject; digest, where the SHA-256 of the signed content is the key, with a byte 0 in place of its time and of a secret; where that does not have the body as it is, the SHA-256 of its SHA-256 and the body''s; of items that are signed each by itself, that of the sorted SHA-256 of each; or each, where every delivery is an event, a repeated one, too';
COMMENT ON COLUMN intake.scheme.dedup_window IS
    'How long a key that is made of content, or is not documented to be an event''s id, and what the replay guard remembers, stand for their event unless the source says otherwise; afterwards the same is news';
COMMENT ON COLUMN intake.scheme.key_from IS
    'Where the event key stands unless the source says otherwise: places with " | " between them, of which the first counts that is there; each may be several, with " + " between them, which make the key together; the word digest is that of the content';
COMMENT ON COLUMN intake.scheme.type_from IS 'Where the event type stands unless the source says otherwise';
COMMENT ON COLUMN intake.scheme.volatile IS
    'Places that change between the tries of one delivery: $.a.b, $.a[*].b (of an array), form:NAME, or header:NAME where message has it, 16 at most. Where the digest of content is a key, and where bodies are compared, a value of JSON there counts as null, whatever it is, and that of a form or a header as empty';
COMMENT ON COLUMN intake.scheme.split IS
    'Where the events stand in a delivery that has many, for sources that ask for it: JSON paths such as $.events[*] or $.entry[*].changes[*], with " | " between several, all of which count';
COMMENT ON COLUMN intake.scheme.split_key_from IS 'Where the key of such an event stands in it, written as key_from';
COMMENT ON COLUMN intake.scheme.split_type_from IS 'Where the type of such an event stands in it, written as type_from';
COMMENT ON COLUMN intake.scheme.handshake IS
    'Rules, first match wins: [{"method": "GET", "require": [["location", "test"]], "signed": false, "status": 200, "content_type": "text/plain", "headers": "Name: template\nName: template", "body": "template", "json": [["member", "template"]], "learn": "location of a secret that is to be stored"}]. {hmachex(...)} and {hmacbase64(...)} use the newest secret, {token} is the verify_token';
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
    missing_key text CHECK (missing_key IN ('reject', 'digest', 'each')),
    dedup_window interval CHECK (extract(epoch FROM dedup_window) BETWEEN 0 AND 315576000),
    signature_from text CHECK (length(signature_from) <= 1000),
    content text CHECK (content IN ('json', 'form', 'any')),
    split text CHECK (length(split) <= 1000),
    replay_guard boolean NOT NULL DEFAULT true,
    allowed_peers cidr[] CHECK (cardinality(allowed_peers) <= 1000),
    learn_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    dropped_at timestamptz
);
CREATE UNIQUE INDEX source_name ON intake.source (name) WHERE dropped_at IS NULL;
COMMENT ON INDEX intake.source_name IS 'One source of a name';
CREATE INDEX source_names ON intake.source (name);
COMMENT ON INDEX intake.source_names IS 'Sources by name, dropped ones too';
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
    'What becomes of a request without a key: reject (400), digest or each; NULL: as the scheme says';
COMMENT ON COLUMN intake.source.dedup_window IS
    'How long what is no documented id of an event stands for its event; NULL: as the scheme says';
COMMENT ON COLUMN intake.source.signature_from IS
    'Where the signature or token stands, for senders that let one choose; NULL: as the scheme says';
COMMENT ON COLUMN intake.source.content IS
    'What a body must be, where the scheme does not say: json, form or any; NULL: json or form where key, type or signed items stand in one, else any';
COMMENT ON COLUMN intake.source.split IS
    'Whether each item of a delivery becomes an event: NULL: no; true: those of the scheme''s split; else where they stand, and then key_from and type_from are those of an item';
COMMENT ON COLUMN intake.source.replay_guard IS
    'Whether what was signed (its bytes, time included, or each item that is signed by itself) is accepted once within dedup_window, under whatever key, where the signature does not cover the key; where it does not cover the type either, once for each of 8 types';
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

-- Apart from source_secret, a change of which makes every process that knows the source read it again.
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
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.database_identity');

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
    dropped_at timestamptz,
    max_steps int NOT NULL DEFAULT 100 CHECK (max_steps BETWEEN 1 AND 100000),
    expires interval CHECK (extract(epoch FROM expires) BETWEEN 0.001 AND 315576000),
    url text CHECK (length(url) <= 10000),
    auth text CHECK (length(auth) <= 1000),
    limits jsonb CHECK (length(limits::text) <= 10000)
);
CREATE UNIQUE INDEX workflow_name ON intake.workflow (name) WHERE dropped_at IS NULL;
COMMENT ON INDEX intake.workflow_name IS 'One workflow of a name';
CREATE INDEX workflow_source ON intake.workflow (source) WHERE dropped_at IS NULL;
COMMENT ON INDEX intake.workflow_source IS 'Workflows by the name of their source';
CREATE INDEX workflow_patterns ON intake.workflow (id) WHERE dropped_at IS NULL AND source ~ '[*?]';
COMMENT ON INDEX intake.workflow_patterns IS 'Workflows for sources whose names match a pattern';
CREATE INDEX workflow_owner ON intake.workflow (owner_oid) WHERE dropped_at IS NULL;
COMMENT ON INDEX intake.workflow_owner IS 'Workflows by the role that they belong to';
CREATE INDEX workflow_names ON intake.workflow (name);
COMMENT ON INDEX intake.workflow_names IS 'Workflows by name, dropped ones too';
COMMENT ON SEQUENCE intake.workflow_id_seq IS 'Ids of workflows';
COMMENT ON TABLE intake.workflow IS 'What to do with matching events';
COMMENT ON COLUMN intake.workflow.id IS 'Referenced by jobs; also the lane''s number';
COMMENT ON COLUMN intake.workflow.name IS 'Unique among workflows that are not dropped';
COMMENT ON COLUMN intake.workflow.owner IS
    'The name of the role that its jobs run as: what a dump carries. It counts where database_identity is not this database''s';
COMMENT ON COLUMN intake.workflow.owner_oid IS
    'The role, which counts in the database that database_identity names; NULL: there is none';
COMMENT ON COLUMN intake.workflow.handler IS
    'The signature of the SQL function, schema-qualified: what a dump carries. It counts as owner does. With a url it makes what goes there';
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
COMMENT ON COLUMN intake.workflow.max_steps IS 'Steps that a job may take before it becomes a dead letter';
COMMENT ON COLUMN intake.workflow.expires IS
    'Age of an event, or of a replay, at which a job that has not ended becomes a dead letter, whatever it waits for; NULL: never';
COMMENT ON COLUMN intake.workflow.url IS 'Where what its function makes is sent, the answer being the result; NULL: the function does the work itself';
COMMENT ON COLUMN intake.workflow.auth IS 'With a url: the name of the secret that goes with it; NULL: none';
COMMENT ON COLUMN intake.workflow.limits IS 'With a url: the limits that its calls use, and with how many units; NULL: none';
INSERT INTO intake.grantable VALUES ('admin', 'SELECT ON intake.workflow');
INSERT INTO intake.grantable VALUES ('admin', 'INSERT (name, handler, source, type, filter, max_attempts, backoff, backoff_max, timeout, replay_safe, jobs_per_transaction, max_steps, expires, url, auth, limits) ON intake.workflow');
INSERT INTO intake.grantable VALUES ('admin', 'UPDATE (owner_oid, handler, handler_oid, source, type, filter, max_attempts, backoff, backoff_max, timeout, replay_safe, jobs_per_transaction, max_steps, expires, url, auth, limits, paused, database_identity, dropped_at) ON intake.workflow');
INSERT INTO intake.grantable VALUES ('admin', 'USAGE ON SEQUENCE intake.workflow_id_seq');
SELECT pg_catalog.pg_extension_config_dump('intake.workflow', '');
SELECT pg_catalog.pg_extension_config_dump('intake.workflow_id_seq', '');

-- The internal source.

INSERT INTO intake.scheme (name, kind, preset, description)
    VALUES ('internal', 'internal', true, 'Events that come from SQL, not over HTTP');
INSERT INTO intake.source (id, name, scheme) VALUES (0, 'intake', 'internal');
