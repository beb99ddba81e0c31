-- What `make bench-wide` measures with, in each of its databases. For psql, as superuser, where the
-- extension is.
CREATE EXTENSION dblink;

-- Of this backend: the time of the CPU that it has taken, in seconds, and the memory that it shares
-- with nobody, in kB. The kernel brings the time up to date when a process waits.
CREATE FUNCTION cpu() RETURNS float8 LANGUAGE sql VOLATILE AS
	$$ SELECT pg_sleep(0.001); SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e9 $$;
CREATE FUNCTION own_memory() RETURNS int LANGUAGE sql VOLATILE AS
	$$ SELECT substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)')::int $$;

-- A name that load.c makes, too.
CREATE FUNCTION label(letter text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$ SELECT letter || lpad(n::text, 5, '0') $$;

CREATE TABLE effect (job_id bigint);
CREATE FUNCTION write_one(job intake.job) RETURNS void LANGUAGE sql AS 'INSERT INTO public.effect VALUES (job.id)';

-- Sources s00001, s00002, ..., and as many workflows with names, of the sources s00001, ... or of
-- all sources and the types t00001, ...
CREATE FUNCTION create_sources(n int) RETURNS bigint LANGUAGE sql AS
	$$ SELECT count(intake.create_source(label('s', i), 'hmac', secret => 'bench')) FROM generate_series(1, n) i $$;
CREATE FUNCTION create_workflows(n int, by_type boolean) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(intake.create_workflow(label('w', i), 'write_one(intake.job)', timeout => '1 hour',
			source => CASE WHEN by_type THEN '*' ELSE label('s', i) END, type => CASE WHEN by_type THEN label('t', i) ELSE '*' END))
		FROM generate_series(1, n) i
$$;

-- The same rows, where the functions take too long.
CREATE FUNCTION store_sources(n int) RETURNS void LANGUAGE sql AS $$
	WITH new AS (INSERT INTO intake.source (name, scheme) SELECT label('s', i), 'hmac' FROM generate_series(1, n) i RETURNING id)
	INSERT INTO intake.source_secret (source_id, secret) SELECT id, intake.seal('bench') FROM new
$$;
CREATE FUNCTION store_workflows(n int, by_type boolean) RETURNS void LANGUAGE sql AS $$
	INSERT INTO intake.workflow (name, handler, timeout, source, type)
		SELECT label('w', i), 'public.write_one(intake.job)', '1 hour', CASE WHEN by_type THEN '*' ELSE label('s', i) END,
			CASE WHEN by_type THEN label('t', i) ELSE '*' END
		FROM generate_series(1, n) i
$$;

-- Requests in batches of 100, as the shim passes them to intake.receive.
CREATE UNLOGGED TABLE batch (id int PRIMARY KEY, methods bytea[], sources bytea[], queries bytea[], headers bytea[],
	bodies bytea[], peers text[]);
ALTER TABLE batch ALTER methods SET STORAGE EXTERNAL, ALTER sources SET STORAGE EXTERNAL, ALTER headers SET STORAGE EXTERNAL,
	ALTER bodies SET STORAGE EXTERNAL;

-- So many requests, with bodies of 1 KiB, to that many sources in no order; prefix sets their keys
-- apart from those of others.
CREATE PROCEDURE make_batches(prefix text, requests int, sources int) LANGUAGE sql AS $$
	TRUNCATE batch;
	INSERT INTO batch
		SELECT 1 + n / 100, array_agg('POST'::bytea), array_agg(convert_to(label('s', 1 + n::bigint * 7919 % sources), 'UTF8')),
			array_agg(''::bytea), array_agg(convert_to(format(E'Host: bench\r\nContent-Type: application/json\r\n'
				'User-Agent: load\r\nX-Signature: %s\r\nContent-Length: %s\r\n',
				encode(hmac(body, 'bench', 'sha256'), 'hex'), octet_length(body)), 'UTF8')),
			array_agg(body), array_agg(''::text)
		FROM (SELECT n, convert_to(rpad(format('{"event":"bench.event","data":{"id":"%s-%s","pad":"', prefix, n), 1021, 'x') || '"}}', 'UTF8') AS body
			FROM generate_series(0, requests - 1) n) AS request
		GROUP BY 1 + n / 100;
$$;

-- Receives these batches, or some of them, each in a transaction; an error unless all are accepted. Gives
-- the seconds of the CPU that one request takes.
CREATE PROCEDURE receive_batches(INOUT per_request float8 DEFAULT NULL, first int DEFAULT 1, last int DEFAULT NULL)
	LANGUAGE plpgsql AS $$
DECLARE
	start float8 := cpu();
	good bigint;
	total bigint := 0;
BEGIN
	FOR i IN first .. coalesce(last, (SELECT max(id) FROM batch)) LOOP
		SELECT count(*) FILTER (WHERE a.status = 200) INTO good
			FROM batch b, intake.receive(b.methods, b.sources, b.queries, b.headers, b.bodies, b.peers) a WHERE b.id = i;
		IF good < (SELECT cardinality(methods) FROM batch WHERE id = i) THEN
			RAISE EXCEPTION 'a request was refused';
		END IF;
		total := total + good;
		COMMIT;
	END LOOP;
	per_request := (cpu() - start) / total;
END
$$;

-- So many events; gives the seconds of the CPU that one takes.
CREATE FUNCTION emit_some(type text, n int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	start float8 := cpu();
BEGIN
	PERFORM intake.emit(type, '{"n": 1}') FROM generate_series(1, n);
	RETURN (cpu() - start) / n;
END
$$;

-- How dblink reaches another database of this server.
CREATE FUNCTION connection_to(database text) RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=postgres', current_setting('unix_socket_directories'), current_setting('port'), database)
$$;

-- Sessions of several widths do something in turns, so often and in another order each time: the speed of
-- the machine swings by more than what is compared. Before that each is prepared. In both commands %1$s is
-- the width, and %2$s the turn. Gives what each got on average.
CREATE FUNCTION take_turns(database text, widths int[], prepare text[], command text, turns int)
	RETURNS TABLE (width int, value float8) LANGUAGE plpgsql AS $$
DECLARE
	part text;
BEGIN
	FOREACH width IN ARRAY widths LOOP
		PERFORM dblink_connect('turn_' || width, connection_to(format('%s_%s', database, width)));
		FOREACH part IN ARRAY prepare LOOP
			PERFORM FROM dblink('turn_' || width, format(part, width)) AS x(result text);
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT w, avg(v) FROM (SELECT w, t FROM unnest(widths) w, generate_series(1, turns) t ORDER BY t, random()) turn,
		dblink('turn_' || w, format(command, w, t)) AS x(v float8) GROUP BY w;
	PERFORM dblink_disconnect('turn_' || w) FROM unnest(widths) w;
END
$$;

-- The executors of several databases run as many jobs at the same time, and so at the same speed of the
-- machine; each is there, and nobody else's jobs are. A command makes the jobs of each database. Gives the
-- seconds of the CPU that a job takes.
CREATE FUNCTION executor_cpu(pid int) RETURNS float8 LANGUAGE sql AS
	$$ SELECT split_part(pg_read_file(format('/proc/%s/schedstat', pid)), ' ', 1)::float8 / 1e9 $$;
CREATE FUNCTION run_together(databases text[], commands text[], jobs int)
	RETURNS TABLE (database text, value float8) LANGUAGE plpgsql AS $$
DECLARE
	pids int[];
	before float8[];
BEGIN
	FOR i IN 1 .. cardinality(databases) LOOP
		pids[i] := (SELECT a.pid FROM pg_stat_activity a
			WHERE a.backend_type = 'pg_intake executor' AND a.datname = databases[i]);
		PERFORM dblink_connect('together_' || i, connection_to(databases[i]));
		PERFORM dblink_exec('together_' || i, 'BEGIN');
		PERFORM FROM dblink('together_' || i, commands[i]) AS x(n bigint);
		before[i] := executor_cpu(pids[i]);
	END LOOP;
	PERFORM dblink_exec('together_' || i, 'COMMIT') FROM generate_series(1, cardinality(databases)) i;
	FOR i IN 1 .. cardinality(databases) LOOP
		WHILE (SELECT n FROM dblink('together_' || i, 'SELECT count(*) FROM effect') AS x(n bigint)) < jobs LOOP
			PERFORM pg_sleep(0.1);
		END LOOP;
		database := databases[i];
		value := (executor_cpu(pids[i]) - before[i]) / jobs;
		PERFORM dblink_disconnect('together_' || i);
		RETURN NEXT;
	END LOOP;
END
$$;

-- Another session adds one more source or workflow, again and again, and this one, which knows all
-- others, does what comes next: a request to a source that was there, and one to the new source; or
-- an event, and one for the new workflow. In ms.
CREATE TABLE added (what text, create_ms float8, next_ms float8, new_ms float8);
CREATE FUNCTION receive_one(source text, key text) RETURNS int LANGUAGE sql AS $$
	SELECT a.status FROM convert_to(format('{"event":"t","data":{"id":"%s"}}', key), 'UTF8') AS body,
		intake.receive('{POST}', ARRAY[convert_to(source, 'UTF8')], '{""}',
			ARRAY[convert_to(E'X-Signature: ' || encode(hmac(body, 'bench', 'sha256'), 'hex') || E'\r\n', 'UTF8')], ARRAY[body], '{""}') a
$$;
CREATE PROCEDURE add_one(what text, known text, n int) LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz[];
	name text;
	command text := CASE what WHEN 'source' THEN 'SELECT intake.create_source(%1$L, ''hmac'', secret => ''bench'')'
		ELSE 'SELECT intake.create_workflow(%1$L, ''write_one(intake.job)'', source => ''intake'', type => %1$L)' END;
	next text := CASE what WHEN 'source' THEN 'SELECT receive_one(%L, %L)' ELSE 'SELECT intake.emit(%L, ''{}'', %L)' END;
BEGIN
	PERFORM dblink_connect('other', connection_to(current_database()));
	PERFORM dblink_exec('other', 'SET client_min_messages = error');
	FOR i IN 1 .. n LOOP
		name := format('added_%s', txid_current());
		EXECUTE format(next, known, name || 'before');
		COMMIT;
		at[1] := clock_timestamp();
		PERFORM FROM dblink('other', format(command, name)) AS x(id int);
		at[2] := clock_timestamp();
		EXECUTE format(next, known, name || 'after');
		COMMIT;
		at[3] := clock_timestamp();
		EXECUTE format(next, name, name || 'new');
		COMMIT;
		at[4] := clock_timestamp();
		INSERT INTO added SELECT what, 1000 * extract(epoch FROM at[2] - at[1]), 1000 * extract(epoch FROM at[3] - at[2]),
			1000 * extract(epoch FROM at[4] - at[3]);
		COMMIT;
	END LOOP;
	PERFORM dblink_disconnect('other');
END
$$;
