-- Functions for sources.
--
-- Functions that touch secrets run as the owner of the extension, and begin with hide_statement:
-- when one of them fails the server does not log the statement, which has the secret in it.

-- Each change of a source or of its secrets locks the row of the source first, so two changes come one
-- after the other, and nothing is added to a source that is being dropped.
CREATE FUNCTION intake.require_source(name text) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_id int;
BEGIN
    SELECT s.id INTO found_id FROM intake.source s
        WHERE s.name = require_source.name AND s.dropped_at IS NULL FOR NO KEY UPDATE;
    IF found_id IS NULL THEN
        RAISE EXCEPTION 'source "%" does not exist', name USING ERRCODE = 'undefined_object';
    END IF;
    IF found_id = 0 THEN
        RAISE EXCEPTION 'the internal source cannot be changed' USING ERRCODE = 'object_in_use';
    END IF;
    RETURN found_id;
END
$$;
COMMENT ON FUNCTION intake.require_source(text) IS 'Internal: locks a source and returns its id, or an error';

CREATE FUNCTION intake.require_usable(name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := intake.source_problem(name);
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'source "%" would reject everything: %', name, problem
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = CASE WHEN problem LIKE 'a secret is unusable%' THEN
                      'If it is an older secret of the source: rotate_secret with overlap => ''0'' ends them all, drop_secret one of them.'
                      ELSE 'Nothing has been changed.' END;
    END IF;
END
$$;
COMMENT ON FUNCTION intake.require_usable(text) IS 'Internal: an error if a source cannot verify anything';

CREATE FUNCTION intake.store_secret(source_id int, secret text, purpose text DEFAULT 'signature',
    valid_from timestamptz DEFAULT '-infinity', expires_at timestamptz DEFAULT NULL,
    learned boolean DEFAULT false) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_id int;
BEGIN
    -- No constraint: the server would show the row.
    IF octet_length(secret) > 100000 THEN
        RAISE EXCEPTION 'the secret is longer than 100000 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- No request is tried with more of them.
    IF purpose = 'signature' AND (SELECT count(*) FROM intake.source_secret x
                                  WHERE x.source_id = store_secret.source_id AND x.purpose = 'signature'
                                    AND (x.expires_at > now()) IS NOT FALSE) >= 10 THEN
        RAISE EXCEPTION 'the source has 10 secrets that are not over' USING ERRCODE = 'program_limit_exceeded',
            HINT = 'intake.secrets shows them, and drop_secret ends one; rotate_secret takes a shorter overlap.';
    END IF;
    INSERT INTO intake.source_secret (source_id, purpose, secret, valid_from, expires_at, learned)
        VALUES (store_secret.source_id, store_secret.purpose, intake.seal(store_secret.secret),
                store_secret.valid_from, store_secret.expires_at, store_secret.learned)
        RETURNING id INTO new_id;
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION intake.store_secret(int, text, text, timestamptz, timestamptz, boolean) IS
    'Internal: stores a secret, sealed, and returns its id';

CREATE FUNCTION intake.check_scheme(scheme text, verified text, secret text, public_url text,
    verify_token text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found intake.scheme;
    uses text;
BEGIN
    SELECT * INTO found FROM intake.scheme c WHERE c.name = check_scheme.scheme AND c.kind <> 'internal'
        FOR KEY SHARE;
    IF found.name IS NULL THEN
        RAISE EXCEPTION 'scheme "%" does not exist', scheme
            USING ERRCODE = 'undefined_object', HINT = 'SELECT name, provider FROM intake.schemes;';
    END IF;
    IF verified IS NOT NULL AND verified <> 'none' THEN
        RAISE EXCEPTION 'verified can be asked to be none only'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF found.kind = 'none' AND scheme <> 'none' AND verified IS NULL THEN
        RAISE EXCEPTION 'scheme "%" verifies nothing', scheme
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'verified => ''none'' says that this is meant; keep the name of the source secret then.';
    END IF;
    IF found.kind <> 'none' AND verified IS NOT NULL THEN
        RAISE EXCEPTION 'scheme "%" does verify', scheme
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Leave verified out, or use the scheme none.';
    END IF;
    uses := concat(found.message, found.require::text, found.variants::text);
    IF public_url IS NULL AND uses ~ '[{(+](url|endpoint|path|qsh)[)}+]' THEN
        RAISE WARNING 'the scheme signs the URL: nothing verifies until alter_source sets public_url';
    END IF;
    IF verify_token IS NULL AND uses ~ '[{(+]token[)}+]' THEN
        RAISE WARNING 'nothing verifies until alter_source sets verify_token: %', found.description;
    END IF;
    IF secret IS NOT NULL AND coalesce(current_setting('pg_intake.key_file', true), '') = '' THEN
        RAISE NOTICE 'the secret is stored in the clear, because pg_intake.key_file is not set';
    END IF;
END
$$;
COMMENT ON FUNCTION intake.check_scheme(text, text, text, text, text) IS
    'Internal: says what is wrong with, or missing for, a new source of a scheme';

CREATE FUNCTION intake.reset_columns(relation regclass, id int, options jsonb, resettable text[])
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    option record;
BEGIN
    PERFORM intake.check_options(options, resettable);
    FOR option IN SELECT * FROM jsonb_each(options) LOOP
        IF option.value <> 'null' THEN
            RAISE EXCEPTION 'option "%" is not null', option.key
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'null resets it to its default; a value is an argument of that name.';
        END IF;
        EXECUTE format('UPDATE %s SET %I = DEFAULT WHERE id = $1', relation, option.key)
            USING reset_columns.id;
    END LOOP;
END
$$;
COMMENT ON FUNCTION intake.reset_columns(regclass, int, jsonb, text[]) IS
    'Internal: sets the columns that options names, each with a null, to their defaults';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.reset_columns');

CREATE FUNCTION intake.set_source_options(source_id int, options jsonb, resettable text[])
    RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    content text := options ->> 'content';
    span interval := options ->> 'dedup_window';
    of_scheme intake.scheme;
BEGIN
    IF span IS NOT NULL THEN
        -- A number would be one of seconds.
        IF jsonb_typeof(options -> 'dedup_window') <> 'string' THEN
            RAISE EXCEPTION 'dedup_window is not a text' USING ERRCODE = 'invalid_parameter_value',
                HINT = 'It is an interval, such as "7 days".';
        END IF;
        PERFORM intake.check_duration('dedup_window', span);
        UPDATE intake.source s SET dedup_window = span
            WHERE s.id = set_source_options.source_id;
        options := options - 'dedup_window';
    END IF;
    IF options -> 'split' <> 'null' THEN
        IF jsonb_typeof(options -> 'split') NOT IN ('boolean', 'string') THEN
            RAISE EXCEPTION 'split is not true, false or a JSON path' USING ERRCODE = 'invalid_parameter_value',
                HINT = 'true takes the scheme''s own path; a path such as $.events[*] is where the events stand.';
        END IF;
        UPDATE intake.source s SET split = nullif(set_source_options.options ->> 'split', 'false')
            WHERE s.id = set_source_options.source_id;
        options := options - 'split';
    END IF;
    IF content IS NOT NULL THEN
        IF content NOT IN ('json', 'form', 'any') THEN
            RAISE EXCEPTION 'content is not json, form or any' USING ERRCODE = 'invalid_parameter_value',
                HINT = 'null lets key_from and type_from tell what a body must be.';
        END IF;
        SELECT c.* INTO of_scheme FROM intake.source s JOIN intake.scheme c ON c.name = s.scheme
            WHERE s.id = set_source_options.source_id;
        IF of_scheme.content IS NOT NULL THEN
            RAISE EXCEPTION 'the content of scheme "%" cannot be changed', of_scheme.name
                USING ERRCODE = 'invalid_parameter_value',
                      DETAIL = format('The scheme says %s, and what it verifies depends on that.', of_scheme.content),
                      HINT = 'A scheme of your own may say otherwise.';
        END IF;
        UPDATE intake.source s SET content = set_source_options.options ->> 'content'
            WHERE s.id = set_source_options.source_id;
        options := options - 'content';
    END IF;
    PERFORM intake.reset_columns('intake.source', source_id, options, resettable || '{content,dedup_window,split}');
END
$$;
COMMENT ON FUNCTION intake.set_source_options(int, jsonb, text[]) IS
    'Internal: sets what options of create_source and alter_source may name with a value, and resets what they name with a null';

CREATE FUNCTION intake.create_source(name text, scheme text, secret text DEFAULT NULL,
    key_from text DEFAULT NULL, type_from text DEFAULT NULL, tolerance interval DEFAULT NULL,
    public_url text DEFAULT NULL, on_dead_duplicate text DEFAULT 'replay',
    verify_token text DEFAULT NULL, missing_key text DEFAULT NULL, signature_from text DEFAULT NULL,
    replay_guard boolean DEFAULT true, allowed_peers cidr[] DEFAULT NULL,
    verified text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_id int;
BEGIN
    PERFORM intake.hide_statement();
    PERFORM intake.check_scheme(scheme, verified, secret, public_url, verify_token);
    PERFORM intake.check_duration('tolerance', tolerance);
    INSERT INTO intake.source (name, scheme, key_from, type_from, tolerance, public_url, on_dead_duplicate,
                               missing_key, signature_from, replay_guard, allowed_peers, learn_until)
        VALUES (create_source.name, create_source.scheme, create_source.key_from, create_source.type_from,
                create_source.tolerance, create_source.public_url, create_source.on_dead_duplicate,
                create_source.missing_key, create_source.signature_from, create_source.replay_guard,
                create_source.allowed_peers,
                CASE WHEN secret IS NULL THEN now() + interval '10 minutes' END)
        ON CONFLICT DO NOTHING
        RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION 'source "%" already exists', name USING ERRCODE = 'duplicate_object';
    END IF;
    PERFORM intake.set_source_options(new_id, options, '{}');
    IF secret IS NOT NULL THEN
        PERFORM intake.store_secret(new_id, secret);
    END IF;
    IF verify_token IS NOT NULL THEN
        PERFORM intake.store_secret(new_id, verify_token, 'handshake');
    END IF;
    PERFORM intake.require_usable(name);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION intake.create_source(text, text, text, text, text, interval, text, text, text, text, text, boolean, cidr[], text, jsonb) IS
    'Creates an endpoint /webhooks/<name> whose requests are signed by a scheme, and returns its id. Without a secret it rejects everything until rotate_secret gives it one, or a handshake teaches it one within ten minutes (Asana, Notion); learn_secret gives that more time. key_from, type_from, tolerance, missing_key and signature_from override the scheme. public_url is the URL that the sender calls, verify_token what a handshake must present (Meta) or what the scheme describes. replay_guard false lets what was signed in again under another key, where the signature does not cover the key; allowed_peers are the addresses that may send; verified must be none for a scheme that verifies nothing. options may name content (json, form or any): what a body must be, where neither the scheme says so nor the places of key and type should tell; dedup_window: how long what is no documented id of an event stands for its event; and split: where a delivery has many events';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.create_source');

CREATE FUNCTION intake.alter_source(name text, key_from text DEFAULT NULL,
    type_from text DEFAULT NULL, tolerance interval DEFAULT NULL, public_url text DEFAULT NULL,
    on_dead_duplicate text DEFAULT NULL, verify_token text DEFAULT NULL, missing_key text DEFAULT NULL,
    signature_from text DEFAULT NULL, replay_guard boolean DEFAULT NULL,
    allowed_peers cidr[] DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_source int;
    settable text[] := '{key_from,type_from,tolerance,public_url,on_dead_duplicate,verify_token,missing_key,signature_from,replay_guard,allowed_peers}';
BEGIN
    PERFORM intake.hide_statement();
    this_source := intake.require_source(name);
    PERFORM intake.check_duration('tolerance', tolerance);
    IF verify_token IS NOT NULL OR options -> 'verify_token' = 'null' THEN
        DELETE FROM intake.source_secret x
            WHERE x.source_id = this_source AND x.purpose = 'handshake';
        options := CASE options -> 'verify_token' WHEN 'null' THEN options - 'verify_token' ELSE options END;
    END IF;
    PERFORM intake.set_source_options(this_source, options, settable);
    UPDATE intake.source s SET
        key_from = coalesce(alter_source.key_from, s.key_from),
        type_from = coalesce(alter_source.type_from, s.type_from),
        tolerance = coalesce(alter_source.tolerance, s.tolerance),
        public_url = coalesce(alter_source.public_url, s.public_url),
        on_dead_duplicate = coalesce(alter_source.on_dead_duplicate, s.on_dead_duplicate),
        missing_key = coalesce(alter_source.missing_key, s.missing_key),
        signature_from = coalesce(alter_source.signature_from, s.signature_from),
        replay_guard = coalesce(alter_source.replay_guard, s.replay_guard),
        allowed_peers = CASE WHEN alter_source.allowed_peers = '{}' THEN NULL
                             ELSE coalesce(alter_source.allowed_peers, s.allowed_peers) END
        WHERE s.id = this_source;
    IF verify_token IS NOT NULL THEN
        PERFORM intake.store_secret(this_source, verify_token, 'handshake');
    END IF;
    PERFORM intake.require_usable(name);
END
$$;
COMMENT ON FUNCTION intake.alter_source(text, text, text, interval, text, text, text, text, text, boolean, cidr[], jsonb) IS
    'Changes what is not NULL of a source; what options names with a null, such as {"tolerance": null}, is reset first, to what the scheme says or the default. options may also give content, dedup_window and split a value, as those of create_source do. allowed_peers => ''{}'' lets every address send again';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.alter_source');

CREATE FUNCTION intake.drop_source(name text, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_source int := intake.require_source(name);
BEGIN
    PERFORM intake.check_options(options, '{}');
    DELETE FROM intake.secret_use u USING intake.source_secret x
        WHERE u.secret_id = x.id AND x.source_id = this_source;
    DELETE FROM intake.source_secret x WHERE x.source_id = this_source;
    UPDATE intake.source s SET dropped_at = now() WHERE s.id = this_source;
END
$$;
COMMENT ON FUNCTION intake.drop_source(text, jsonb) IS
    'Closes the endpoint and deletes its secrets. Its events and their jobs stay';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.drop_source');

CREATE FUNCTION intake.quote_shell(word text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
    RETURN '''' || replace(word, '''', '''\''''') || '''';
COMMENT ON FUNCTION intake.quote_shell(text) IS 'Internal: a word for a POSIX shell';

CREATE FUNCTION intake.curl(source text, body bytea, headers jsonb DEFAULT '{}', url text DEFAULT NULL)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    signed jsonb := intake.sign(source, body, headers);
    target text := coalesce(url, (SELECT s.public_url FROM intake.source s
                                  WHERE s.name = curl.source AND s.dropped_at IS NULL),
                            'http://127.0.0.1:8080/webhooks/' || source);
    lines text;
    typed boolean := EXISTS (SELECT FROM jsonb_object_keys(signed) k WHERE lower(k) = 'content-type');
    body_text text;
BEGIN
    BEGIN
        body_text := convert_from(body, 'UTF8');
    EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
        body_text := NULL;
    END;
    SELECT coalesce(string_agg(' -H ' || intake.quote_shell(h.key || ': ' || h.value), '' ORDER BY h.key), '')
        INTO lines FROM jsonb_each_text(signed) h;
    IF NOT typed THEN
        lines := lines || ' -H ''Content-Type: application/json''';
    END IF;
    IF body_text IS NOT NULL THEN
        RETURN format('curl -sS%s --data-raw %s %s', lines, intake.quote_shell(body_text),
                      intake.quote_shell(target));
    END IF;
    RETURN format('printf %%s %s | base64 -d | curl -sS%s --data-binary @- %s',
                  translate(encode(body, 'base64'), E'\n', ''), lines, intake.quote_shell(target));
END
$$;
COMMENT ON FUNCTION intake.curl(text, bytea, jsonb, text) IS
    'A shell command that sends a body to a source, signed as its sender would sign it now. url is the source''s public_url, or that of a shim on this machine. The command has no secret in it, but for schemes whose token is the secret';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.curl');
