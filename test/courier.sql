-- courier.sql: what intake-courier sees of the database, in plain tables, for tests and figures of the
-- courier alone. A call is a row of standin.call; its answer is written to the same row.
CREATE SCHEMA standin;

CREATE TABLE standin.call (
	call_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	method text NOT NULL DEFAULT 'POST',
	scheme text NOT NULL DEFAULT 'http',
	host text NOT NULL DEFAULT '127.0.0.1',
	port int NOT NULL,
	target text NOT NULL DEFAULT '/',
	headers text NOT NULL DEFAULT '',
	body bytea,
	milliseconds bigint NOT NULL DEFAULT 10000,
	most_bytes bigint NOT NULL DEFAULT 1048576,
	due_at timestamptz NOT NULL DEFAULT now(),
	token bigint,                -- of the courier that holds it
	taken int NOT NULL DEFAULT 0, -- how often
	cancelled boolean NOT NULL DEFAULT false,
	cancel_told boolean NOT NULL DEFAULT false,
	ended_at timestamptz,
	status int,
	answer_headers bytea,
	answer bytea,
	error text,
	duration bigint
) WITH (fillfactor = 50);
CREATE INDEX ON standin.call (due_at) WHERE token IS NULL AND ended_at IS NULL;
CREATE INDEX ON standin.call (token) WHERE ended_at IS NULL;

CREATE TABLE standin.courier (token bigint PRIMARY KEY, name text, entered_at timestamptz DEFAULT clock_timestamp());

-- Every exchange: what the courier said.
CREATE TABLE standin.exchange (
	id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	token bigint, most int, most_bytes bigint, answers int, held int, ignored int, requests int,
	at timestamptz DEFAULT clock_timestamp()
);

CREATE SCHEMA intake;

CREATE FUNCTION intake.enter_courier(name text) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO standin.courier VALUES ((random() * 9e15)::bigint, name) RETURNING token
$$;

CREATE FUNCTION intake.leave_courier(token bigint) RETURNS void LANGUAGE sql AS $$
	UPDATE standin.call SET token = NULL WHERE token = leave_courier.token AND ended_at IS NULL;
	DELETE FROM standin.courier c WHERE c.token = leave_courier.token;
$$;

CREATE PROCEDURE intake.wait_for_calls(token bigint, at_most interval) LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + at_most;
BEGIN
	LOOP
		EXIT WHEN clock_timestamp() > until
			OR EXISTS (SELECT FROM standin.call c WHERE c.token IS NULL AND ended_at IS NULL AND due_at <= clock_timestamp())
			OR EXISTS (SELECT FROM standin.call c WHERE c.token = wait_for_calls.token AND ended_at IS NULL AND cancelled AND NOT cancel_told);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

CREATE FUNCTION intake.exchange(token bigint, most int, room bigint,
	call_ids bigint[], job_ids bigint[], statuses int[], heads bytea[], bodies bytea[], errors text[], durations bigint[],
	OUT kind "char", OUT call_id bigint, OUT job_id bigint, OUT method text, OUT scheme text, OUT host text, OUT port int,
	OUT target text, OUT headers bytea, OUT body bytea, OUT milliseconds bigint, OUT most_bytes bigint)
	RETURNS SETOF record LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	own ALIAS FOR $1;
	named bigint[];
	stored int;
	taken int;
	exchange_id bigint;
BEGIN
	IF NOT EXISTS (SELECT FROM standin.courier c WHERE c.token = own) THEN
		RAISE EXCEPTION 'this courier has ended' USING ERRCODE = 'WH005';
	END IF;
	UPDATE standin.call c SET token = CASE WHEN a.error LIKE 'released%' THEN NULL ELSE c.token END,
			taken = c.taken - CASE WHEN a.error LIKE 'released%' THEN 1 ELSE 0 END,
			ended_at = CASE WHEN a.error LIKE 'released%' AND NOT c.cancelled THEN NULL ELSE clock_timestamp() END,
			status = a.status, answer_headers = a.header, answer = a.body, error = a.error, duration = a.duration
		FROM unnest($4, $5, $6, $7, $8, $9, $10) a(call_id, job_id, status, header, body, error, duration)
		WHERE c.call_id = a.call_id AND a.job_id = -a.call_id AND c.token = own AND c.ended_at IS NULL
			AND a.error IS DISTINCT FROM 'held';
	GET DIAGNOSTICS stored = ROW_COUNT;
	SELECT array_agg(a.call_id) INTO named FROM unnest($4, $9) a(call_id, error) WHERE a.error = 'held';
	IF named IS NOT NULL THEN
		UPDATE standin.call c SET token = NULL, taken = c.taken - 1
			WHERE c.token = own AND ended_at IS NULL AND c.call_id <> ALL (named);
	END IF;
	INSERT INTO standin.exchange (token, most, most_bytes, answers, held, ignored)
		VALUES (own, $2, $3, stored, cardinality(named), cardinality($4) - coalesce(cardinality(named), 0) - stored)
		RETURNING id INTO exchange_id;
	RETURN QUERY UPDATE standin.call c SET token = own, taken = c.taken + 1
		FROM (SELECT call_id FROM standin.call WHERE token IS NULL AND ended_at IS NULL AND due_at <= clock_timestamp()
			ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) due
		WHERE c.call_id = due.call_id
		RETURNING 'r'::"char", c.call_id, -c.call_id, c.method, c.scheme, c.host, c.port, c.target,
			convert_to(c.headers, 'UTF8'), c.body, c.milliseconds, c.most_bytes;
	GET DIAGNOSTICS taken = ROW_COUNT;
	UPDATE standin.exchange SET requests = taken WHERE id = exchange_id;
	RETURN QUERY UPDATE standin.call c SET cancel_told = true WHERE c.token = own AND c.ended_at IS NULL AND c.cancelled
			AND NOT c.cancel_told
		RETURNING 'c'::"char", c.call_id, -c.call_id, NULL::text, NULL::text, NULL::text, NULL::int, NULL::text, NULL::bytea,
			NULL::bytea, NULL::bigint, NULL::bigint;
	RETURN QUERY SELECT 'w'::"char", NULL::bigint, NULL::bigint, NULL::text, NULL::text, NULL::text, NULL::int, NULL::text,
		NULL::bytea, NULL::bytea,
		(SELECT ceil(extract(epoch FROM greatest(c.due_at - clock_timestamp(), interval '0')) * 1000)::bigint
			FROM standin.call c WHERE token IS NULL AND ended_at IS NULL ORDER BY due_at LIMIT 1), NULL::bigint;
END $$;
