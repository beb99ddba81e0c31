-- The C side.

CREATE FUNCTION intake.warn_unless_preloaded() RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_warn_unless_preloaded' LANGUAGE c STABLE;
COMMENT ON FUNCTION intake.warn_unless_preloaded() IS
    'Internal: a warning where shared_preload_libraries does not name the extension, so that no job runs';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.warn_unless_preloaded');
SELECT intake.warn_unless_preloaded();

CREATE FUNCTION intake.check_duration(parameter text, value interval, low interval DEFAULT '0',
    high interval DEFAULT '10 years') RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_check_duration' LANGUAGE c STABLE STRICT;
COMMENT ON FUNCTION intake.check_duration(text, interval, interval, interval) IS
    'Internal: an error that names the parameter, unless its value is NULL or between two bounds, in microseconds';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.check_duration');

-- A parameter that is added to a function later makes an overload that calls cannot tell from it. So
-- every function that configures ends in options, and what comes later is a name in it.
CREATE FUNCTION intake.check_options(options jsonb, known text[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text;
BEGIN
    IF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION 'options are not a JSON object' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'They are names and values, such as {"name": null}.';
    END IF;
    FOR name IN SELECT jsonb_object_keys(options) LOOP
        IF name <> ALL (known) THEN
            RAISE EXCEPTION 'option "%" is not known', name
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = CASE WHEN known = '{}' THEN 'This function has no options yet.'
                                  ELSE format('It is one of %s.', array_to_string(known, ', ')) END;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION intake.check_options(jsonb, text[]) IS
    'Internal: an error where options name what a function does not know';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.check_options');

-- The kernel keeps what a backend has written until a checkpoint asks for all at once, and then
-- commits wait behind it for up to a second. So it is told to write as we go.
CREATE FUNCTION intake.receive(methods bytea[], sources bytea[], queries bytea[], headers bytea[],
    bodies bytea[], peers text[]) RETURNS SETOF intake.answer
    AS 'MODULE_PATHNAME', 'intake_sql_receive' LANGUAGE c VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET backend_flush_after = '512kB';
COMMENT ON FUNCTION intake.receive(bytea[], bytea[], bytea[], bytea[], bytea[], text[]) IS
    'One batch of raw HTTP requests, in arrays of the same length: methods, last parts of the path, query strings, header blocks ("Name: value\r\n" lines), bodies, addresses of the senders (empty: not known). Returns one answer for each, in order. Events are stored when the caller''s transaction commits. For the shim';
INSERT INTO intake.grantable VALUES ('gateway', 'EXECUTE ON FUNCTION intake.receive');

CREATE FUNCTION intake.ingest(source text, headers jsonb, body bytea, query text DEFAULT '',
    method text DEFAULT 'POST', peer text DEFAULT NULL) RETURNS intake.answer
    AS 'MODULE_PATHNAME', 'intake_sql_ingest' LANGUAGE c VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION intake.ingest(text, jsonb, bytea, text, text, text) IS
    'One request from SQL, decided and stored as if the shim had sent it. headers is an object of names and values; an array stands for a repeated header; peer is the address of the sender';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.ingest');

CREATE FUNCTION intake.verify(source text, headers jsonb, body bytea, url text DEFAULT NULL,
    method text DEFAULT 'POST', at timestamptz DEFAULT now()) RETURNS boolean
    AS 'MODULE_PATHNAME', 'intake_sql_verify' LANGUAGE c STABLE;
COMMENT ON FUNCTION intake.verify(text, jsonb, bytea, text, text, timestamptz) IS
    'Whether a request to a source verifies at a given time. Stores nothing. url stands for the source''s public URL, with its query';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.verify');

CREATE FUNCTION intake.verify_explain(source text, headers jsonb, body bytea,
    url text DEFAULT NULL, method text DEFAULT 'POST', at timestamptz DEFAULT now()) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_verify_explain' LANGUAGE c STABLE;
COMMENT ON FUNCTION intake.verify_explain(text, jsonb, bytea, text, text, timestamptz) IS
    'ok, or why a request does not verify. Where no signature matches, length, SHA-256 and both ends of the signed content, to tell a wrong secret from a changed body. Shows no secret';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.verify_explain');

CREATE FUNCTION intake.sign(source text, body bytea, headers jsonb DEFAULT '{}',
    at timestamptz DEFAULT now()) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'intake_sql_sign' LANGUAGE c VOLATILE;
COMMENT ON FUNCTION intake.sign(text, bytea, jsonb, timestamptz) IS
    'The headers that the sender would send with a body: those given, and signature or token, timestamp and ids that the scheme asks for. Signs with the oldest secret that is valid then. An error where only the sender has the key (ed25519, ecdsa, rsa), or where the signature stands in the body';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.sign');

CREATE FUNCTION intake.emit(type text, payload jsonb, key text DEFAULT NULL,
    delay interval DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'intake_sql_emit' LANGUAGE c VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION intake.emit(text, jsonb, text, interval) IS
    'Stores an event of the internal source, intake, in the caller''s transaction, and returns its id. With a key that was used before, returns that event''s id and does nothing. With a delay, its jobs run that much later. Types that the extension emits itself (job.dead, source.secret_learned, calls.suspended, calls.resumed), and keys that begin with emit/, which events without a key have, are refused';
INSERT INTO intake.grantable VALUES ('worker', 'EXECUTE ON FUNCTION intake.emit');

CREATE FUNCTION intake.record(source text, key text, type text, payload jsonb,
    headers jsonb DEFAULT '{}') RETURNS bigint
    AS 'MODULE_PATHNAME', 'intake_sql_record' LANGUAGE c VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION intake.record(text, text, text, jsonb, jsonb) IS
    'Stores an event of a source that no delivery has brought and that was fetched from its sender, in the caller''s transaction, and returns its id. Where an event has its key already, returns that one''s id and does nothing; a later delivery is already_accepted. key NULL and type NULL: they are read from payload and headers as from a delivery; a key of several parts is given with slashes between them. The event''s verified is fetched: whoever may call this says what the sender has said';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.record');

CREATE FUNCTION intake.announce(type text, payload jsonb) RETURNS bigint
    AS 'MODULE_PATHNAME', 'intake_sql_announce' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.announce(text, jsonb) IS
    'Internal: stores an event of a type that is the extension''s own';

CREATE FUNCTION intake.event_of(source_id int, VARIADIC key text[]) RETURNS bigint
    AS 'MODULE_PATHNAME', 'intake_sql_event_of' LANGUAGE c STABLE STRICT;
COMMENT ON FUNCTION intake.event_of(int, text[]) IS
    'Internal: the id of the event that a source sent with a key of these parts; NULL: there is none';

CREATE FUNCTION intake.find_event(source text, VARIADIC key text[]) RETURNS bigint
    LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((
        -- A key that was made of the event's id has no row in event_key.
        SELECT e.id FROM intake.event e
        WHERE e.id = CASE WHEN cardinality(find_event.key) = 1 AND find_event.key[1] ~ '^emit/[0-9]{1,18}$'
                          THEN substr(find_event.key[1], 6)::bigint END
          AND e.key = find_event.key[1]
          AND (SELECT s.name FROM intake.source s WHERE s.id = e.source_id) = find_event.source
    ), (
        SELECT id FROM (
            SELECT intake.event_of(s.id, VARIADIC reading.parts) AS id, s.dropped_at, reading.n
            FROM intake.source s, (
                SELECT 0, find_event.key
                -- A key of several parts is shown with slashes between them, and nothing for one that is absent.
                UNION ALL SELECT n, string_to_array(find_event.key[1], '/', CASE n WHEN 1 THEN '' END)
                    FROM generate_series(1, 2) n
                    WHERE cardinality(find_event.key) = 1 AND find_event.key[1] ~ '^[^/]+(/[^/]*){1,5}$'
                UNION ALL SELECT n, ARRAY[left(find_event.key[1], n - 1), substr(find_event.key[1], n + 1)]
                    FROM generate_series(2, length(find_event.key[1])) n
                    WHERE cardinality(find_event.key) = 1 AND substr(find_event.key[1], n, 1) = '/'
            ) reading(n, parts) WHERE s.name = find_event.source
        ) found WHERE id IS NOT NULL ORDER BY dropped_at DESC NULLS FIRST, n LIMIT 1
    ))
$$;
COMMENT ON FUNCTION intake.find_event(text, text[]) IS
    'The id of the event that a source sent with a key; NULL: there is none. A key of several parts is given by its parts, NULL for one that is absent, or as it is shown: then only the parts of one that has two may have slashes in them. Reads one index, where a condition on the key of the view events reads the whole log. After a source was dropped and made again, the newer one''s';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.find_event');

CREATE FUNCTION intake.payload(body bytea, json_from text DEFAULT NULL, headers jsonb DEFAULT NULL) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'intake_sql_payload' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION intake.payload(bytea, text, jsonb) IS
    'The bytes as JSON, unpacked as the content-encoding of headers says, or where they are a form the field that json_from names (form:NAME); NULL where that is not JSON that jsonb can hold; never an error';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.payload');

CREATE FUNCTION intake.hide_statement() RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_hide_statement' LANGUAGE c VOLATILE;
COMMENT ON FUNCTION intake.hide_statement() IS
    'Internal: until the calling function ends, the server does not log a statement that fails';

CREATE FUNCTION intake.seal(secret text) RETURNS bytea
    AS 'MODULE_PATHNAME', 'intake_sql_seal' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.seal(text) IS
    'Internal: a secret as it is stored, encrypted with the first key of pg_intake.key_file, if there is one';
CREATE FUNCTION intake.unseal(secret bytea) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_unseal' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.unseal(bytea) IS 'Internal: a secret that is stored, or an error without its key';
CREATE FUNCTION intake.sealed_with(secret bytea) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_sealed_with' LANGUAGE c IMMUTABLE STRICT;
COMMENT ON FUNCTION intake.sealed_with(bytea) IS
    'Internal: the number of the key that encrypted a stored secret; NULL: it is in the clear';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.sealed_with');
CREATE FUNCTION intake.key_number() RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_key_number' LANGUAGE c VOLATILE;
COMMENT ON FUNCTION intake.key_number() IS
    'Internal: the number of the key that encrypts now; NULL: there is no key file';

CREATE FUNCTION intake.config_changed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'intake_sql_config_changed' LANGUAGE c;
COMMENT ON FUNCTION intake.config_changed() IS
    'Trigger: makes every process that knows a piece of the configuration read it again after the commit';

CREATE FUNCTION intake.source_problem(source text) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_source_problem' LANGUAGE c STABLE STRICT;
COMMENT ON FUNCTION intake.source_problem(text) IS
    'Why a source rejects everything, such as an unusable secret; NULL when it does not';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.source_problem');

CREATE FUNCTION intake.source_problem_at(place tid, secrets tid[]) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_source_problem_at' LANGUAGE c STABLE STRICT COST 100;
COMMENT ON FUNCTION intake.source_problem_at(tid, tid[]) IS
    'Internal: the same, for intake.sources, of the source whose row is at that place, and its secrets at these';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.source_problem_at');

CREATE FUNCTION intake.workflow_problem(workflow_id int) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_workflow_problem' LANGUAGE c VOLATILE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION intake.workflow_problem(int) IS
    'What is wrong with a workflow''s row, so that its jobs wait, such as a timeout out of range; NULL: nothing';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.workflow_problem');

CREATE FUNCTION intake.row_problem(workflow intake.workflow) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_row_problem' LANGUAGE c STABLE STRICT;
COMMENT ON FUNCTION intake.row_problem(intake.workflow) IS
    'Internal: why the jobs of the workflow that a row is wait; NULL: they need not';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.row_problem');

CREATE FUNCTION intake.workflow_owner(owner name, owner_oid oid, database_identity text) RETURNS oid
    AS 'MODULE_PATHNAME', 'intake_sql_workflow_owner' LANGUAGE c STABLE;
COMMENT ON FUNCTION intake.workflow_owner(name, oid, text) IS
    'Internal: the role that a workflow belongs to: its oid where that holds, else the role of its name; NULL: there is none. Never an error';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.workflow_owner');

CREATE FUNCTION intake.binding_problem(owner oid, handler oid) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_binding_problem' LANGUAGE c STABLE;
COMMENT ON FUNCTION intake.binding_problem(oid, oid) IS
    'Internal: why jobs with a handler cannot run as a role; NULL: they can';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.binding_problem');

CREATE FUNCTION intake.depend_on_owners() RETURNS trigger
    AS 'MODULE_PATHNAME', 'intake_sql_depend_on_owners' LANGUAGE c;
COMMENT ON FUNCTION intake.depend_on_owners() IS
    'Trigger: keeps DROP ROLE from dropping a role that owns a workflow';

CREATE FUNCTION intake.job_enqueue(job_id bigint, event_id bigint, workflow_id int) RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_job_enqueue' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.job_enqueue(bigint, bigint, int) IS
    'Internal: has a job that has left another room begin again, at the end of its lane';
CREATE FUNCTION intake.job_go_on(job_id bigint, event_id bigint, workflow_id int) RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_job_go_on' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.job_go_on(bigint, bigint, int) IS
    'Internal: has a job that has left another room go on, at the step that its row in progress says';
CREATE FUNCTION intake.job_discard(job_id bigint, event_id bigint, workflow_id int, attempts int, reason text)
    RETURNS void
    AS 'MODULE_PATHNAME', 'intake_sql_job_discard' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.job_discard(bigint, bigint, int, int, text) IS
    'Internal: puts a job that has left another room into discarded, with the reason';

CREATE FUNCTION intake.workers_running(OUT pid int, OUT kind text, OUT role text,
    OUT started_at timestamptz, OUT job_id bigint, OUT jobs bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'intake_sql_workers' LANGUAGE c VOLATILE;
COMMENT ON FUNCTION intake.workers_running() IS 'Internal: what the view intake.workers shows';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.workers_running');
CREATE FUNCTION intake.crews_ready(OUT role text, OUT ready int, OUT waiting_since timestamptz) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'intake_sql_crews' LANGUAGE c VOLATILE;
COMMENT ON FUNCTION intake.crews_ready() IS 'Internal: what the view intake.owners shows of ready workflows';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.crews_ready');

CREATE FUNCTION intake.table_problem(relation regclass) RETURNS text
    AS 'MODULE_PATHNAME', 'intake_sql_table_problem' LANGUAGE c VOLATILE STRICT;
COMMENT ON FUNCTION intake.table_problem(regclass) IS
    'Why the extension cannot use a table of its own, or a partition, as somebody has altered it; NULL where it can';
INSERT INTO intake.grantable VALUES ('operator', 'EXECUTE ON FUNCTION intake.table_problem');

-- What is replicated changes rows, too.
CREATE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE ON intake.scheme
    FOR EACH ROW EXECUTE FUNCTION intake.config_changed('scheme', 'name');
COMMENT ON TRIGGER config_changed ON intake.scheme IS 'Makes every process that knows the scheme read it again';
CREATE TRIGGER config_truncated AFTER TRUNCATE ON intake.scheme
    FOR EACH STATEMENT EXECUTE FUNCTION intake.config_changed('scheme', 'name');
COMMENT ON TRIGGER config_truncated ON intake.scheme IS 'Makes every process read all schemes again';
ALTER TABLE intake.scheme ENABLE ALWAYS TRIGGER config_changed, ENABLE ALWAYS TRIGGER config_truncated;
CREATE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE ON intake.source
    FOR EACH ROW EXECUTE FUNCTION intake.config_changed('source', 'id');
COMMENT ON TRIGGER config_changed ON intake.source IS 'Makes every process that knows the source read it again';
CREATE TRIGGER config_truncated AFTER TRUNCATE ON intake.source
    FOR EACH STATEMENT EXECUTE FUNCTION intake.config_changed('source', 'id');
COMMENT ON TRIGGER config_truncated ON intake.source IS 'Makes every process read all sources again';
ALTER TABLE intake.source ENABLE ALWAYS TRIGGER config_changed, ENABLE ALWAYS TRIGGER config_truncated;
CREATE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE ON intake.source_secret
    FOR EACH ROW EXECUTE FUNCTION intake.config_changed('source', 'source_id');
COMMENT ON TRIGGER config_changed ON intake.source_secret IS 'Makes every process that knows the source read it again';
CREATE TRIGGER config_truncated AFTER TRUNCATE ON intake.source_secret
    FOR EACH STATEMENT EXECUTE FUNCTION intake.config_changed('source', 'source_id');
COMMENT ON TRIGGER config_truncated ON intake.source_secret IS 'Makes every process read all sources again';
ALTER TABLE intake.source_secret ENABLE ALWAYS TRIGGER config_changed, ENABLE ALWAYS TRIGGER config_truncated;
CREATE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE ON intake.workflow
    FOR EACH ROW EXECUTE FUNCTION intake.config_changed('workflow', 'id');
COMMENT ON TRIGGER config_changed ON intake.workflow IS 'Makes every process that knows the workflow read it again';
CREATE TRIGGER config_truncated AFTER TRUNCATE ON intake.workflow
    FOR EACH STATEMENT EXECUTE FUNCTION intake.config_changed('workflow', 'id');
COMMENT ON TRIGGER config_truncated ON intake.workflow IS 'Makes every process read all workflows again';
ALTER TABLE intake.workflow ENABLE ALWAYS TRIGGER config_changed, ENABLE ALWAYS TRIGGER config_truncated;
