-- What PostgreSQL itself takes for rows whose keys come in another order, without the extension: tables
-- with the columns and indexes of intake.done and intake.queue, filled by SQL. For psql, where width.sql is.

CREATE TABLE bare_done (job_id bigint PRIMARY KEY, event_id bigint, finished_at timestamptz, workflow_id int, attempts int,
	result jsonb);
CREATE INDEX ON bare_done (event_id);
CREATE TABLE bare_queue (position bigint, job_id bigint, event_id bigint, lane int, attempts int, PRIMARY KEY (lane, position));
CREATE INDEX ON bare_queue (job_id);

-- Jobs of 10,000 workflows, ten of each, as an executor ends them: those of 25 workflows are a batch, in
-- the order in which they came.
CREATE TABLE bare_end AS
	SELECT batch * 250 + turn * 25 + lane AS place, turn * 10000 + batch * 25 + lane AS job
		FROM generate_series(0, 399) batch, generate_series(0, 9) turn, generate_series(0, 24) lane ORDER BY place;

-- Inserts 100,000 rows above BASE, and gives the seconds of the CPU that one takes.
CREATE FUNCTION bare_done(base bigint, in_order boolean) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	start float8 := cpu();
BEGIN
	INSERT INTO bare_done SELECT base + n, base + n, now(), 1, 1, NULL
		FROM (SELECT CASE WHEN in_order THEN place ELSE job END AS n FROM bare_end ORDER BY place) job;
	RETURN (cpu() - start) / 100000;
END
$$;

-- Likewise in batches of 100, into so many lanes in no order.
CREATE FUNCTION bare_queue(base bigint, lanes int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	start float8 := cpu();
BEGIN
	FOR batch IN 0 .. 999 LOOP
		INSERT INTO bare_queue SELECT base + n, base + n, base + n, 1 + n::bigint * 7919 % lanes, 0
			FROM generate_series(batch * 100, batch * 100 + 99) n;
	END LOOP;
	RETURN (cpu() - start) / 100000;
END
$$;

-- So many rounds of each; bare_value gives the least, in microseconds.
CREATE TABLE bare (what text, us float8);
CREATE PROCEDURE bare_rounds(rounds int) LANGUAGE plpgsql AS $$
DECLARE
	base bigint := 0;
	lanes int;
	in_order boolean;
BEGIN
	FOR round IN 1 .. rounds LOOP
		FOREACH in_order IN ARRAY ARRAY[true, false] LOOP
			INSERT INTO bare SELECT 'done_' || in_order, 1e6 * bare_done(base, in_order);
			base := base + 100000;
			COMMIT;
		END LOOP;
		FOREACH lanes IN ARRAY ARRAY[1, 100, 10000] LOOP
			TRUNCATE bare_queue;
			COMMIT;
			INSERT INTO bare SELECT 'queue_' || lanes, 1e6 * bare_queue(base, lanes);
			base := base + 100000;
			COMMIT;
		END LOOP;
	END LOOP;
END
$$;
CREATE FUNCTION bare_value(measured text) RETURNS numeric LANGUAGE sql AS
	$$ SELECT round(min(us)::numeric, 2) FROM bare WHERE what = measured $$;
