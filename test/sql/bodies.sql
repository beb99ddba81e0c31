-- Bodies as senders send them: a form with JSON in a field.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION bo_send(source text, body bytea, headers jsonb DEFAULT '{}') RETURNS text
    LANGUAGE sql AS $$
    SELECT r.status || coalesce(' ' || (r.body::jsonb ->> 'status'), '')
    FROM intake.ingest(source, jsonb_build_object('X-Signature', encode(hmac(body, 'secret', 'sha256'), 'hex')) || headers, body) r $$;
CREATE FUNCTION bo_why() RETURNS TABLE (reason text, detail text, status int)
    LANGUAGE sql AS $$ SELECT r.reason, r.detail, r.status FROM intake.rejections r ORDER BY r.id DESC LIMIT 1 $$;
CREATE FUNCTION bo_last(source text) RETURNS TABLE (key text, type text, payload jsonb)
    LANGUAGE sql AS $$ SELECT e.key, e.type, e.payload FROM intake.events e WHERE e.source = $1 ORDER BY e.id DESC LIMIT 1 $$;

INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, content, json_from, key_from, type_from, missing_key)
    SELECT 'bo_' || n, 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', content, 'form:payload', key_from, '$.type', missing_key
    FROM (VALUES ('json', 'json', '$.id', 'reject'), ('any', 'any', '$.id | form:id', 'digest'), ('form', 'form:payload,id', '$.id', 'reject')) v(n, content, key_from, missing_key);
INSERT INTO intake.scheme (name, kind, json_from) VALUES ('bo_wrong', 'none', '$.a');
INSERT INTO intake.scheme (name, kind, json_from) VALUES ('bo_wrong', 'none', 'query:a');
SELECT count(intake.create_source('bo-' || n, 'bo_' || n, secret => 'secret')) FROM unnest('{json,any,form}'::text[]) n;

-- JSON in a field, or by itself.
SELECT bo_send('bo-json', 'a=1&payload=%7B%22id%22%3A%22one%22%2C+%22type%22%3A%22t%2B%22%7D'), bo_send('bo-json', '{"id":"two","type":"u"}');
SELECT key, type, payload FROM intake.events WHERE source = 'bo-json' ORDER BY id;
SELECT bo_send('bo-json', 'payload=%7B%22id%22%3A%22one%22%7D&a=2');

-- What is no JSON there, twice there, or not there.
SELECT bo_send('bo-json', 'payload=%7B%22id%22:3');
SELECT * FROM bo_why();
SELECT bo_send('bo-json', 'payload=abc');
SELECT * FROM bo_why();
SELECT bo_send('bo-json', 'payload=');
SELECT * FROM bo_why();
SELECT bo_send('bo-json', 'payload=%7B%22id%22%3A%22x%22%7D&p%61yload=%7B%22id%22%3A%22y%22%7D');
SELECT * FROM bo_why();
SELECT bo_send('bo-json', 'other=%7B%22id%22%3A%22x%22%7D');
SELECT * FROM bo_why();
-- Bytes that were signed for something else are no form.
SELECT bo_send('bo-json', convert_to(E'Dear reader,\n&payload={"id":"x"}&', 'UTF8'));
SELECT * FROM bo_why();

-- Content any: both are read; JSON in a form hides no field of it.
SELECT bo_send('bo-any', 'id=f1'), bo_send('bo-any', 'id=f2&payload=%7B%22type%22%3A%22t%22%7D'), bo_send('bo-any', '{"id":"j"}');
SELECT key, type, payload FROM intake.events WHERE source = 'bo-any' ORDER BY id;
SELECT bo_send('bo-any', 'id=f3&payload=abc'), bo_send('bo-any', 'payload=%7B%7D&payload=%7B%7D');
SELECT CASE WHEN length(key) = 64 THEN 'a digest' ELSE key END AS key, type, payload FROM intake.events WHERE source = 'bo-any' ORDER BY id DESC LIMIT 2;

-- Content form: nothing but a form, and no field that is not named.
SELECT bo_send('bo-form', 'payload=%7B%22id%22%3A%22x%22%7D'), bo_send('bo-form', '{"id":"y"}'), bo_send('bo-form', 'payload=%7B%22id%22%3A%22z%22%7D&type=q');
SELECT * FROM bo_last('bo-form');

-- The payload by hand, of a filter and in a job.
SELECT intake.payload('a=1&payload=%5B1%5D', 'form:payload'), intake.payload('a=1&payload=%5B1%5D'), intake.payload('{"a":1}', 'form:payload'), intake.payload(NULL, 'form:payload');
CREATE TABLE bo_seen (key text, payload jsonb);
CREATE FUNCTION bo_see(job intake.job) RETURNS void LANGUAGE sql AS $$ INSERT INTO bo_seen VALUES ($1.key, $1.payload) $$;
CREATE FUNCTION bo_wait(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    met boolean;
BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXECUTE 'SELECT ' || condition INTO met;
        IF met THEN
            RETURN 'yes';
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no';
END $$;
SELECT intake.create_workflow('bo-see', 'bo_see(intake.job)', source => 'bo-json', filter => '$.wanted') > 0 AS created;
SELECT bo_send('bo-json', 'payload=%7B%22id%22%3A%22w1%22%7D'), bo_send('bo-json', 'payload=%7B%22id%22%3A%22w2%22%2C%22wanted%22%3A1%7D');
SELECT bo_wait('count(*) = 1 FROM bo_seen');
TABLE bo_seen;
SELECT intake.drop_workflow('bo-see');
