-- Functions for the secrets of sources, under the rules of 50_sources.sql.

CREATE FUNCTION intake.add_secret(source text, secret text, valid_from timestamptz DEFAULT '-infinity',
    expires_at timestamptz DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_source int;
    new_id int;
BEGIN
    PERFORM intake.hide_statement();
    PERFORM intake.check_options(options, '{}');
    this_source := intake.require_source(source);
    IF secret IS NULL OR valid_from IS NULL OR expires_at <= valid_from THEN
        RAISE EXCEPTION 'add_secret needs a secret, and a time of validity that is not empty'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    new_id := intake.store_secret(this_source, secret, 'signature', valid_from, expires_at);
    PERFORM intake.require_usable(source);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION intake.add_secret(text, text, timestamptz, timestamptz, jsonb) IS
    'Gives a source one more secret, valid from and until the given times beside the others, and returns its id';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.add_secret');

CREATE FUNCTION intake.drop_secret(secret_id int, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM intake.check_options(options, '{}');
    PERFORM FROM intake.source s
        WHERE s.id = (SELECT x.source_id FROM intake.source_secret x WHERE x.id = drop_secret.secret_id)
        FOR NO KEY UPDATE;
    DELETE FROM intake.secret_use u WHERE u.secret_id = drop_secret.secret_id;
    DELETE FROM intake.source_secret x WHERE x.id = drop_secret.secret_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'secret % does not exist', secret_id USING ERRCODE = 'undefined_object';
    END IF;
END
$$;
COMMENT ON FUNCTION intake.drop_secret(int, jsonb) IS 'Deletes a secret; intake.secrets shows the ids';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.drop_secret');

CREATE FUNCTION intake.rotate_secret(source text, secret text,
    overlap interval DEFAULT '24 hours', options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_source int;
    old int;
BEGIN
    PERFORM intake.hide_statement();
    PERFORM intake.check_options(options, '{}');
    this_source := intake.require_source(source);
    IF secret IS NULL OR overlap IS NULL THEN
        RAISE EXCEPTION 'rotate_secret needs a secret and an overlap'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM intake.check_duration('overlap', overlap);
    UPDATE intake.source_secret x
        SET expires_at = least(x.expires_at, now() + overlap)
        WHERE x.source_id = this_source AND x.purpose = 'signature';
    PERFORM intake.store_secret(this_source, secret);
    UPDATE intake.source s SET learn_until = NULL WHERE s.id = this_source;
    -- For a month an expired secret tells a sender that still uses it from a forger.
    FOR old IN SELECT x.id FROM intake.source_secret x
               WHERE x.source_id = this_source AND x.expires_at < now() - interval '30 days' LOOP
        PERFORM intake.drop_secret(old);
    END LOOP;
    PERFORM intake.require_usable(source);
END
$$;
COMMENT ON FUNCTION intake.rotate_secret(text, text, interval, jsonb) IS
    'Gives a source a new secret. The old ones verify for the overlap; with overlap 0 they end at once. Secrets that ended are kept for 30 days, so that rejections can say expired_secret';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.rotate_secret');

CREATE FUNCTION intake.learn_secret(source text, within interval DEFAULT '10 minutes',
    options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_source int := intake.require_source(source);
BEGIN
    PERFORM intake.check_options(options, '{}');
    IF within IS NULL THEN
        RAISE EXCEPTION 'within must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM intake.check_duration('within', within);
    UPDATE intake.source s SET learn_until = now() + within WHERE s.id = this_source;
END
$$;
COMMENT ON FUNCTION intake.learn_secret(text, interval, jsonb) IS
    'Lets the next handshake, within a time, teach a source one secret more (Asana, Notion). A source that was created without a secret is open to its first one for ten minutes';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.learn_secret');

CREATE FUNCTION intake.secret_learned(source_id int, secret text) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source_name text;
BEGIN
    UPDATE intake.source s SET learn_until = NULL
        WHERE s.id = secret_learned.source_id AND s.dropped_at IS NULL AND s.learn_until > now()
          AND (SELECT count(*) FROM intake.source_secret x
               WHERE x.source_id = s.id AND x.purpose = 'signature'
                 AND (x.expires_at > now()) IS NOT FALSE) < 10
        RETURNING s.name INTO source_name;
    IF source_name IS NULL THEN
        RETURN false;
    END IF;
    PERFORM intake.store_secret(source_id, secret, learned => true);
    -- The secret stays, also where nobody can be told.
    BEGIN
        PERFORM intake.announce('source.secret_learned', jsonb_build_object('source', source_name));
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'could not store the event source.secret_learned: %', SQLERRM;
    END;
    RETURN true;
END
$$;
COMMENT ON FUNCTION intake.secret_learned(int, text) IS
    'Internal: stores what a handshake teaches, once, and emits source.secret_learned; false where the source is not to learn';

CREATE FUNCTION intake.reveal_secret(source text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_source int := intake.require_source(source);
    sealed bytea;
BEGIN
    UPDATE intake.source_secret x SET revealed_at = now()
        WHERE x.id = (SELECT max(y.id) FROM intake.source_secret y
                      WHERE y.source_id = this_source AND y.learned AND y.revealed_at IS NULL)
        RETURNING x.secret INTO sealed;
    IF sealed IS NULL THEN
        RAISE EXCEPTION 'source "%" has learned no secret that was not shown yet', source
            USING ERRCODE = 'no_data_found';
    END IF;
    RETURN intake.unseal(sealed);
END
$$;
COMMENT ON FUNCTION intake.reveal_secret(text) IS
    'Shows, once, the secret that a handshake taught a source: Notion asks for it in its settings';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.reveal_secret');

CREATE FUNCTION intake.reencrypt_secrets() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed bigint;
    of_calls bigint;
BEGIN
    UPDATE intake.source_secret x SET secret = intake.seal(intake.unseal(x.secret))
        WHERE intake.sealed_with(x.secret) IS DISTINCT FROM intake.key_number();
    GET DIAGNOSTICS changed = ROW_COUNT;
    UPDATE intake.call_secret x SET secret = intake.seal(intake.unseal(x.secret))
        WHERE intake.sealed_with(x.secret) IS DISTINCT FROM intake.key_number();
    GET DIAGNOSTICS of_calls = ROW_COUNT;
    RETURN changed + of_calls;
END
$$;
COMMENT ON FUNCTION intake.reencrypt_secrets() IS
    'Encrypts every stored secret with the first key of pg_intake.key_file that is not yet, and returns how many. To change the key, put the new one before the old one, reload, call this in each database, and take the old one out';
INSERT INTO intake.grantable VALUES ('admin', 'EXECUTE ON FUNCTION intake.reencrypt_secrets');
