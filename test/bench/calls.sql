-- What `make bench-calls` measures with. For psql, as superuser, where the extension is.

CREATE TABLE sent (event_id bigint, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE answered (event_id bigint, status int, at timestamptz NOT NULL DEFAULT clock_timestamp());

-- A call to the port that the event names, and a row for the answer.
CREATE FUNCTION ask(job intake.job) RETURNS intake.next LANGUAGE plpgsql AS $$
BEGIN
    CASE job.step
    WHEN 'start' THEN
        RETURN intake.call('http://127.0.0.1:' || (job.payload ->> 'port') || '/v1/messages', job.payload);
    WHEN 'answered' THEN
        INSERT INTO public.answered (event_id, status) VALUES (job.event_id, (job.responses[1]).status);
        RETURN intake.done(job.input);
    END CASE;
END
$$;
SELECT intake.create_workflow('ask', 'ask(intake.job)', type => 'ask');

-- Events, 500 in a transaction, whose calls go to these ports in turn.
CREATE PROCEDURE send(events int, ports int[]) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. events BY 500 LOOP
        PERFORM intake.emit('ask', jsonb_build_object('n', n, 'port', ports[1 + n % cardinality(ports)]))
            FROM generate_series(i, least(i + 499, events)) n;
        COMMIT;
    END LOOP;
END
$$;

-- Events one by one, so many seconds apart.
CREATE PROCEDURE send_alone(events int, port int, apart float8) LANGUAGE plpgsql AS $$
DECLARE
    event_id bigint;
BEGIN
    FOR n IN 1 .. events LOOP
        event_id := intake.emit('ask', jsonb_build_object('n', n, 'port', port));
        COMMIT;
        INSERT INTO sent VALUES (event_id);
        COMMIT;
        PERFORM pg_sleep(apart);
        COMMIT;
    END LOOP;
END
$$;
