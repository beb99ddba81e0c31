-- How long what is no documented id of an event stands for its event: repetitions until then, news afterwards.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION sent(source text, body text, headers jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text) FROM intake.ingest(source, intake.sign(source, convert_to(body, 'UTF8'), headers), convert_to(body, 'UTF8')) r $$;
-- A batch of requests to one source.
CREATE FUNCTION batch(source text, headers jsonb, VARIADIC bodies text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(coalesce(substring(r.body from '"status":"(\w+)"'), r.status::text), ', ' ORDER BY r.n)
      FROM intake.receive(array_fill('POST'::bytea, ARRAY[cardinality(bodies)]), array_fill(source::bytea, ARRAY[cardinality(bodies)]), array_fill(''::bytea, ARRAY[cardinality(bodies)]),
          ARRAY(SELECT convert_to((SELECT string_agg(key || ': ' || value || E'\r\n', '') FROM jsonb_each_text(intake.sign(source, convert_to(b, 'UTF8'), headers))), 'UTF8') FROM unnest(bodies) WITH ORDINALITY u(b, n) ORDER BY n),
          ARRAY(SELECT convert_to(b, 'UTF8') FROM unnest(bodies) WITH ORDINALITY u(b, n) ORDER BY n), array_fill(''::text, ARRAY[cardinality(bodies)]))
      WITH ORDINALITY r(status, content_type, headers, body, n) $$;
-- Lets time pass over the events of a source.
CREATE FUNCTION passes(source text, span interval) RETURNS bigint LANGUAGE sql AS $$
    WITH older AS (UPDATE intake.event e SET received_at = e.received_at - span FROM intake.source s WHERE s.id = e.source_id AND s.name = passes.source RETURNING 1) SELECT count(*) FROM older $$;
CREATE FUNCTION rows(source text) RETURNS TABLE (events bigint, keys bigint, stale bigint) LANGUAGE sql AS $$
    SELECT count(DISTINCT e.id), count(k.event_id), count(k.event_id) FILTER (WHERE NOT EXISTS (SELECT FROM intake.event x WHERE x.id = k.event_id)) FROM intake.events e LEFT JOIN intake.event_key k ON k.event_id = e.id WHERE e.source = rows.source $$;

-- A key that is the digest of content: a row is opened, closed and opened again, word for word.
SELECT count(intake.create_source('dw', 'hmac', secret => 'a secret', key_from => 'digest'));
SELECT dedup_window FROM intake.sources WHERE name = 'dw';
SELECT sent('dw', '{"row":"open"}'), sent('dw', '{"row":"open"}');
SELECT passes('dw', '6 days 23 hours'), sent('dw', '{"row":"open"}');
SELECT passes('dw', '1 hour'), sent('dw', '{"row":"open"}'), sent('dw', '{"row":"open"}');
SELECT * FROM rows('dw');
SELECT intake.find_event('dw', key) = max(id) AS of_the_newer FROM intake.events WHERE source = 'dw' GROUP BY key;
-- In a batch, beside others, and twice in it.
SELECT batch('dw', '{}', '{"n":1}', '{"n":2}', '{"n":3}');
SELECT passes('dw', '8 days'), batch('dw', '{}', '{"n":2}', '{"n":4}', '{"n":2}', '{"row":"open"}', '{"n":3}');
SELECT batch('dw', '{}', '{"n":2}', '{"n":4}');
SELECT * FROM rows('dw');
-- A part that is the digest counts as well; the fallback to it, too; an id alone has no end.
SELECT intake.alter_source('dw', key_from => '$.id + digest | $.event', missing_key => 'digest');
CREATE TABLE dw_bodies AS SELECT * FROM unnest(ARRAY['{"id":1}', '{"event":"e1"}', '{"none":1}']) WITH ORDINALITY t(b, n);
SELECT b, sent('dw', b), sent('dw', b) FROM dw_bodies ORDER BY n;
SELECT passes('dw', '8 days') > 0 AS later;
SELECT b, sent('dw', b), sent('dw', b) FROM dw_bodies ORDER BY n;
DROP TABLE dw_bodies;

-- Keys of a scheme whose id names a thing, or nobody knows what, unless the source has a key of its own.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, key_from, key_class, dedup_window) VALUES
    ('dw-thing', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', '$.id + $.status', 'thing', '3 days'), ('dw-unknown', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', '$.id + $.status', 'unknown', '3 days'),
    ('dw-event', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', '$.id', 'event', '3 days');
SELECT count(intake.create_source(s, s, secret => 'a secret')) FROM unnest('{dw-thing,dw-unknown,dw-event}'::text[]) s;
SELECT count(intake.create_source('dw-own', 'dw-thing', secret => 'a secret', key_from => '$.id'));
\set each 'FROM unnest(''{dw-thing,dw-unknown,dw-event,dw-own}''::text[]) WITH ORDINALITY t(s, n) ORDER BY n;'
SELECT s, sent(s, '{"id":1,"status":"open"}') :each
SELECT s, passes(s, '2 days'), sent(s, '{"id":1,"status":"open"}') AS soon :each
SELECT s, passes(s, '1 day'), sent(s, '{"id":1,"status":"open"}') AS late :each

-- A source's own, of any length. It counts when the next request comes, not when the event came.
SELECT count(intake.create_source('dw-short', 'dw-thing', secret => 'a secret', options => '{"dedup_window": "1 hour"}'));
SELECT sent('dw-short', '{"id":1}');
SELECT passes('dw-short', '59 minutes'), sent('dw-short', '{"id":1}');
SELECT passes('dw-short', '1 minute'), sent('dw-short', '{"id":1}');
SELECT passes('dw-short', '2 hours'), intake.alter_source('dw-short', options => '{"dedup_window": "1 day"}'), sent('dw-short', '{"id":1}');
SELECT dedup_window FROM intake.sources WHERE name = 'dw-short';
SELECT intake.alter_source('dw-short', options => '{"dedup_window": null}');
SELECT dedup_window FROM intake.sources WHERE name = 'dw-short';
SELECT intake.alter_source('dw-short', options => '{"dedup_window": "0"}');
SELECT sent('dw-short', '{"id":2}');
SELECT sent('dw-short', '{"id":2}');
SELECT intake.alter_source('dw-short', options => '{"dedup_window": "-1 s"}');
SELECT intake.alter_source('dw-short', options => '{"dedup_window": "11 years"}');
SELECT intake.alter_source('dw-short', options => '{"dedup_window": "soon"}');
SELECT intake.alter_source('dw-short', options => '{"dedup_window": 7}');
SELECT intake.alter_source('dw-short', options => '{"dedup_window": [7]}');
SELECT intake.alter_source('dw-short', options => '{"dedup_windows": "1 day"}');
UPDATE intake.scheme SET dedup_window = '-1 s' WHERE name = 'dw-thing';
UPDATE intake.scheme SET key_class = 'things' WHERE name = 'dw-thing';


-- An event that is gone with its partition stands for nothing, unless its key is a documented id.
SELECT sent('dw-unknown', '{"id":7}'), sent('dw-event', '{"id":7}');
WITH gone AS (DELETE FROM intake.event e USING intake.source s WHERE s.id = e.source_id AND s.name IN ('dw-unknown', 'dw-event') RETURNING 1) SELECT count(*) > 0 AS gone FROM gone;
SELECT sent('dw-unknown', '{"id":7}'), sent('dw-unknown', '{"id":7}'), sent('dw-event', '{"id":7}');

-- What the replay guard remembers ends, too.
SELECT count(intake.create_source('dw-guard', 'github', secret => 'a secret'));
CREATE FUNCTION hub(id text, body text) RETURNS text LANGUAGE sql AS $$ SELECT sent('dw-guard', body, jsonb_build_object('X-GitHub-Delivery', id, 'X-GitHub-Event', 'push')) $$;
SELECT hub('d1', '{}'), hub('d2', '{}'), hub('d1', '{}');
SELECT passes('dw-guard', '7 days'), hub('d3', '{}') AS news, hub('d4', '{}'), hub('d3', '{}'), hub('d1', '{}');
SELECT * FROM rows('dw-guard');
SELECT reason, count(*) FROM intake.rejections WHERE source = 'dw-guard' GROUP BY 1 ORDER BY 1;

-- A tool that copies the table while it is in use is told of both halves.
CREATE TABLE dw_log (n serial, what text, event_id bigint);
CREATE FUNCTION dw_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.dw_log (what, event_id) VALUES (TG_OP, coalesce(NEW.event_id, OLD.event_id)); RETURN NULL; END $$;
CREATE TRIGGER dw_follow AFTER INSERT OR UPDATE OR DELETE ON intake.event_key FOR EACH ROW EXECUTE FUNCTION dw_note();
ALTER TABLE intake.event_key ENABLE ALWAYS TRIGGER dw_follow;
SELECT passes('dw-unknown', '8 days') > 0 AS later, sent('dw-unknown', '{"id":7}');
SELECT l.what, l.event_id = (SELECT max(id) FROM intake.events WHERE source = 'dw-unknown') AS is_the_newest FROM dw_log l ORDER BY n;
DROP TRIGGER dw_follow ON intake.event_key;
DROP FUNCTION dw_note();
DROP TABLE dw_log;

-- Every delivery an event: for senders whose requests say only that something has changed.
SELECT count(intake.create_source('dw-each', 'hmac', secret => 'a secret', key_from => '$.id', missing_key => 'each'));
SELECT sent('dw-each', '{"list":1}'), sent('dw-each', '{"list":1}'), sent('dw-each', '{"id":"k"}'), sent('dw-each', '{"id":"k"}'), sent('dw-each', jsonb_build_object('id', repeat('k', 1025))::text);
SELECT batch('dw-each', '{}', '{"list":1}', '{"id":"k"}', '{"list":1}', '{"id":"l"}', '{"id":"l"}', '{"list":2}'), batch('dw-each', '{}', '{"list":1}', '{"list":1}');
SELECT key ~ '^emit/' AS made, count(*), count(DISTINCT key) AS keys, bool_and(key = 'emit/' || id) FILTER (WHERE key ~ '^emit/') AS of_their_ids, bool_and(intake.find_event('dw-each', key) = id) AS found FROM intake.events WHERE source = 'dw-each' GROUP BY 1 ORDER BY 1;
SELECT * FROM rows('dw-each');
-- Content is guarded by nothing there.
SELECT count(intake.create_source('dw-each2', 'github', secret => 'a secret', missing_key => 'each'));
SELECT sent('dw-each2', '{}') FROM generate_series(1, 2);
SELECT (intake.ingest('dw-each2', jsonb_build_object('x-hub-signature-256', 'sha256=' || encode(hmac('{}', 'a secret', 'sha256'), 'hex')), '{}')).status FROM generate_series(1, 2);
SELECT * FROM rows('dw-each2');

-- The sender's own id again with another body: answered as ever, and told. A process compares ten bodies in a second.
\c -
SET client_min_messages = error;
SELECT count(intake.create_source('dw-other', 'hmac', secret => 'a secret', key_from => '$.data.id'));
SELECT sent('dw-other', '{"data":{"id":1},"n":1}'), sent('dw-other', '{"data":{"id":1},"n":1}'), sent('dw-other', '{"data":{"id":1},"n":2}');
SELECT status, reason, regexp_replace(detail, '\d+', 'N') AS detail, requests FROM intake.rejections WHERE source = 'dw-other';
SELECT batch('dw-other', '{}', '{"data":{"id":2},"n":1}', '{"data":{"id":2},"n":2}', '{"data":{"id":3},"n":2}', '{"data":{"id":3},"n":2}');
SELECT sum(requests) FROM intake.rejections WHERE source = 'dw-other';
-- What was fetched and not sent has no body of the sender's.
SELECT intake.record('dw-other', 'r1', NULL, '{"data": {"id": "r1"}, "of": "the API"}') > 0 AS recorded;
SELECT sent('dw-other', '{"data":{"id":"r1"},"n":1}');
SELECT sum(requests) AS as_before FROM intake.rejections WHERE source = 'dw-other';
-- What changes between tries is no other content: neither here, nor where signed bytes are used up by a second try.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, key_from, timestamp_from, timestamp_unit, require, volatile) VALUES
    ('dw-tries', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{timestamp}.{body}', 'header:x-id', 'header:x-time', 's', '{header:x-time,"~^[0-9]{10}$"}', '{$.attempt}');
SELECT count(intake.create_source('dw-tries', 'dw-tries', secret => 'a secret'));
SELECT sent('dw-tries', '{"n":1,"attempt":1}', '{"x-id": "t1", "x-time": "1796000001"}'), sent('dw-tries', '{"n":1,"attempt":2}', '{"x-id": "t1", "x-time": "1796000002"}'), sent('dw-tries', '{"n":1,"attempt":2}', '{"x-id": "made-up", "x-time": "1796000002"}'),
    sent('dw-tries', '{"n":2,"attempt":2}', '{"x-id": "t1", "x-time": "1796000003"}'), sent('dw-tries', '{"n":2,"attempt":2}', '{"x-id": "t2", "x-time": "1796000003"}');
SELECT reason, requests FROM intake.rejections WHERE source = 'dw-tries' ORDER BY 1;
\c -
SET client_min_messages = error;
SELECT batch('dw-other', '{}', VARIADIC array_fill('{"data":{"id":1},"n":3}'::text, ARRAY[40])) ~ '^(already_accepted(, )?){40}$' AS all_known;
SELECT sum(requests) BETWEEN 3 AND 22 AS few FROM intake.rejections WHERE source = 'dw-other';
-- Where no id is documented, the body is what the key is about, and nothing is compared.
SELECT sent('dw-thing', '{"id":9,"status":"a","n":1}'), sent('dw-thing', '{"id":9,"status":"a","n":2}');
SELECT count(*) FROM intake.rejections WHERE source = 'dw-thing';

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'dw%';
DELETE FROM intake.scheme WHERE name LIKE 'dw-%';
DROP FUNCTION hub(text, text), rows(text), passes(text, interval), batch(text, jsonb, text[]), sent(text, text, jsonb);
