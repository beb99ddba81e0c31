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

-- multipart/form-data: what curl -F sends, fields only.
CREATE FUNCTION bo_part(name text, value text) RETURNS text
    LANGUAGE sql AS $$ SELECT format(E'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n', name, value) $$;
CREATE FUNCTION bo_parts(source text, body text, type text DEFAULT 'multipart/form-data; boundary=b') RETURNS text
    LANGUAGE sql AS $$ SELECT bo_send(source, convert_to(body || E'--b--\r\n', 'UTF8'), jsonb_build_object('Content-Type', type)) $$;
SELECT bo_parts('bo-json', bo_part('other', 'x') || bo_part('payload', '{"id": "m1", "type": "a&b"}') || bo_part('file"; filename="f', 'payload'));
SELECT * FROM bo_last('bo-json');
SELECT bo_parts('bo-json', bo_part('payload', '{"id": "m2"}') || bo_part('payload', '{"id": "m3"}'));
SELECT * FROM bo_why();
SELECT bo_parts('bo-json', bo_part('payload', '{"id": "m2"}'), 'multipart/form-data; boundary=c');
SELECT * FROM bo_why();
SELECT bo_parts('bo-json', bo_part('payload', '{"id": "m2"}'), 'application/x-www-form-urlencoded');
SELECT * FROM bo_why();
SELECT bo_parts('bo-form', bo_part('id', '1') || bo_part('payload', '{"id": "m1"}')), bo_parts('bo-form', bo_part('payload', '{"id": "m1"}') || bo_part('x', ''));
SELECT * FROM bo_why();
SELECT bo_parts('bo-any', bo_part('id', 'm1')), bo_parts('bo-any', bo_part('id', 'm2'), 'text/plain');
SELECT CASE WHEN length(key) = 64 THEN 'a digest' ELSE key END AS key, type, payload FROM intake.events WHERE source = 'bo-any' ORDER BY id DESC LIMIT 2;

-- Dropbox Sign: JSON in a field of a multipart form, another boundary with each try. Two events of
-- one second have one hash.
SELECT intake.create_source('bo-dropbox-sign', 'dropbox-sign', secret => 'api-key') > 0 AS created;
CREATE FUNCTION bo_sign(event_type text, request text, boundary text, signer text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT r.status || ' ' || r.body FROM intake.ingest('bo-dropbox-sign', jsonb_build_object('Content-Type', 'multipart/form-data; boundary=' || boundary),
        convert_to(replace(bo_part('json', jsonb_build_object('event', jsonb_build_object('event_type', event_type, 'event_time', '1700000000', 'event_metadata', jsonb_build_object('related_signature_id', signer),
            'event_hash', encode(hmac('1700000000' || event_type, 'api-key', 'sha256'), 'hex')), 'signature_request', jsonb_build_object('signature_request_id', request))::text) || E'--b--\r\n', '--b', '--' || boundary), 'UTF8')) r $$;
SELECT bo_sign('signature_request_viewed', 'r1', 'x'), bo_sign('signature_request_viewed', 'r1', 'y'), bo_sign('signature_request_viewed', 'r2', 'x'), bo_sign('signature_request_viewed', 'r2', 'x', 's2'), bo_sign('signature_request_sent', 'r1', 'x');
SELECT type, verified, payload #>> '{signature_request,signature_request_id}' AS request, count(*) FROM intake.events WHERE source = 'bo-dropbox-sign' GROUP BY 1, 2, 3 ORDER BY min(id);

-- Mailgun's routes: the signature is in the form, and is made anew with each try.
SELECT intake.create_source('bo-routes', 'mailgun-routes', secret => 'the-key') > 0 AS created;
CREATE FUNCTION bo_route(message text, at text, boundary text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT r.status || ' ' || (r.body::jsonb ->> 'status') FROM (SELECT encode(hmac(at || md5(at), 'the-key', 'sha256'), 'hex') AS signature) s, intake.ingest('bo-routes',
        jsonb_build_object('Content-Type', coalesce('multipart/form-data; boundary=' || boundary, 'application/x-www-form-urlencoded')),
        convert_to(CASE WHEN boundary IS NULL THEN format('body-plain=%s&timestamp=%s&token=%s&signature=%s', message, at, md5(at), s.signature)
            ELSE replace(bo_part('body-plain', message) || bo_part('attachment-1"; filename="a.txt', 'text') || bo_part('timestamp', at) || bo_part('token', md5(at)) || bo_part('signature', s.signature) || E'--b--\r\n', '--b', '--' || boundary) END, 'UTF8')) r $$;
SELECT bo_route('one', '1700000001', 'x'), bo_route('one', '1700000002', 'y'), bo_route('two', '1700000003', 'x'), bo_route('three', '1700000004'), bo_route('three', '1700000005');
SELECT verified, count(*) FROM intake.events WHERE source = 'bo-routes' GROUP BY 1;

-- Content-Encoding: the signature is over what was sent, the payload what was packed.
CREATE FUNCTION bo_packed(source text, body bytea, coding text DEFAULT 'gzip', headers jsonb DEFAULT '{}') RETURNS text
    LANGUAGE sql AS $$ SELECT bo_send(source, body, jsonb_build_object('Content-Encoding', coding) || headers) $$;
SELECT bo_packed('bo-json', '\x1f8b0800000000000203ab56ca4c51b252504a3754d251502aa92c4805f14a946a018d1519ea19000000');
SELECT * FROM bo_last('bo-json');
SELECT bo_packed('bo-json', '\x789cab56ca4c51b2524a3752aa050013600321', 'deflate'), bo_packed('bo-json', '\xab56ca4c51b2524a3756aa0500', 'deflate'), bo_packed('bo-json', '\x1f8b08000000000002032b48acccc94f4cb1553577523532ca4c0112aac68e4032dd14c4347701003c6d736921000000', 'X-GZIP'), bo_packed('bo-json', '{"id":"g4"}', 'identity');
SELECT key, payload FROM intake.events WHERE source = 'bo-json' ORDER BY id DESC LIMIT 4;
SELECT intake.verify_explain('bo-json', jsonb_build_object('Content-Encoding', 'gzip', 'X-Signature', encode(hmac('\x1f8b0800000000000203ab56ca4c51b252504a3754d251502aa92c4805f14a946a018d1519ea19000000'::bytea, 'secret', 'sha256'), 'hex')), '\x1f8b0800000000000203ab56ca4c51b252504a3754d251502aa92c4805f14a946a018d1519ea19000000');
-- Where the payload cannot be had: refused where the body must be JSON, else stored without one.
SELECT bo_packed('bo-json', '\x1f8b0800000000000203ab56ca4c51b252504a3754d251502aa92c4805f14a946a018d1519', 'gzip'); -- truncated
SELECT * FROM bo_why();
SELECT bo_packed('bo-json', '\x1f8b0800000000000203ab56ca4c51b252504a3754d251502aa92c4805f14a946a018d1519ea1900000078', 'gzip'); -- trailing
SELECT * FROM bo_why();
SELECT bo_packed('bo-json', '\x1f8b0800000000000203ab56ca4c51b252504a3754d251502aa92c4805f14a946a018d1519ea190000001f8b0800000000000203ab56ca4c51b252504a3754d251502aa92c4805f14a946a018d1519ea19000000', 'gzip'); -- two members
SELECT * FROM bo_why();
SELECT bo_packed('bo-json', '\x1f8b080000000000020393efe660000126e6d561a77c023705057899875c0a0cd05aa9e3c1fad16b4a1663afa8e42b49a00a00dd78d8fe2a000000', 'gzip, gzip'); -- twice
SELECT * FROM bo_why();
SELECT bo_packed('bo-json', '\x0b0280abcd03', 'br'); -- unknown
SELECT * FROM bo_why();
SELECT bo_packed('bo-json', convert_to('payload=%7B%22id%22%3A1%7D', 'UTF8'), 'gzip'); -- none
SELECT * FROM bo_why();
SELECT bo_packed('bo-json', '\x', 'gzip'); -- empty
SELECT * FROM bo_why();
SELECT bo_packed('bo-json', '\x1f8b0800000000000203ab56ca4c51b252504a3754d251502aa92c4805f14a946a010000000019000000', 'gzip'); -- checksum
SELECT * FROM bo_why();
SELECT bo_packed('bo-json', '\x7b226964223a20226731222c202274797065223a202274227d', ''), bo_packed('bo-json', '{"id":"g6"}', 'gzip'), bo_packed('bo-json', '{"id":"g7"}', 'UTF-8'); -- begins as JSON
SELECT bo_packed('bo-any', '\x1f8b0800000000000203ab56ca4c51b252504a3754d251502aa92c4805f14a946a018d1519');
SELECT * FROM bo_why();
SELECT length(key) AS key, payload FROM bo_last('bo-any');

-- The sender may sign the plain text.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, content, signs, key_from)
    VALUES ('bo_plain', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', 'json', 'plain', '$.id');
SELECT intake.create_source('bo-plain', 'bo_plain', secret => 'secret') > 0 AS created;
CREATE FUNCTION bo_plain(packed bytea, plain bytea) RETURNS text LANGUAGE sql AS $$
    SELECT bo_packed('bo-plain', packed, 'gzip', jsonb_build_object('X-Signature', encode(hmac(plain, 'secret', 'sha256'), 'hex'))) $$;
SELECT bo_plain('\x1f8b0800000000000203ab56ca4c51b2522a3054aa0500883a1fd80b000000', '{"id":"p1"}'), bo_plain('\x1f8b0800000000000403ab56ca4c51b2522a3054aa0500883a1fd80b000000', '{"id":"p1"}'), bo_plain('\x1f8b0800000000000203ab56ca4c51b2522a3054aa0500883a1fd80b000000', '{"id":"p2"}');
SELECT key, body = '\x1f8b0800000000000203ab56ca4c51b2522a3054aa0500883a1fd80b000000' AS as_it_came, payload FROM intake.events WHERE source = 'bo-plain';
SELECT * FROM bo_why();
SELECT bo_plain('\x1f8b0800000000000203ab56ca4c51b2522a3054aa0500883a1fd80b', '{"id":"p1"}');
SELECT * FROM bo_why();
