-- An index that knows ranges of pages is told of rows that are inserted together only where it learns
-- from them, and finds each of them.
\set VERBOSITY terse
SET client_min_messages = warning;

SELECT count(intake.create_source('ranges', 'hmac', secret => 'keep me secret', key_from => '$.id', options => '{"split": "$.events"}'));
CREATE FUNCTION ranges_send(first int, last int) RETURNS int LANGUAGE sql AS $$
    SELECT status FROM (SELECT jsonb_build_object('events', jsonb_agg(jsonb_build_object('id', n, 'pad', repeat('x', 100))))::text::bytea AS body
                        FROM generate_series(first, last) n) b, intake.ingest('ranges', intake.sign('ranges', body), body)
$$;
-- How many events of the source an index finds.
CREATE FUNCTION ranges_found(condition text) RETURNS bigint LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off AS $$
DECLARE
    events bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM intake.event WHERE %s AND source_id = (SELECT id FROM intake.source WHERE name = %L)', condition, 'ranges') INTO events;
    RETURN events;
END $$;

-- All pages that are there are summarized, so that what comes must widen them. The delivery itself is
-- one of its events.
BEGIN;
SELECT ranges_send(1, 3);
SELECT pg_sequence_last_value('intake.event_id_seq') / 1000000 * 1000000 AS low \gset
SELECT format('CREATE INDEX ranges_position ON intake.event_%s USING brin (position, source_id) WITH (pages_per_range = 2)', :low) AS statement \gexec
SELECT count(brin_summarize_new_values(indexrelid::regclass)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
    WHERE i.indrelid = format('intake.event_%s', :low)::regclass AND a.amname = 'brin';
SELECT ranges_send(101, 300), ranges_send(301, 301);
SELECT ranges_found('position <= 3') AS three_and_once_more_and_one, ranges_found('position = 0') AS deliveries;
SELECT sum(ranges_found('position = ' || n)) AS each FROM generate_series(4, 200) n;
SELECT ranges_found('received_at >= now()') AS "all", ranges_found('received_at < now()') AS "none";
ROLLBACK;

SELECT intake.drop_source('ranges');
DROP FUNCTION ranges_send, ranges_found;
