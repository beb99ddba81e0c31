-- A body that is packed or divided anew, at another time, is the one that came before.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION same_send(source text, body bytea, headers jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.status, r.body::jsonb ->> 'status') FROM intake.ingest(source, intake.sign(source, body) || headers, body) r $$;
CREATE FUNCTION same_form(boundary text, value text) RETURNS bytea LANGUAGE sql AS $$
    SELECT convert_to(format(replace(E'--%1$s\nContent-Disposition: form-data; name="id"\n\na\n--%1$s\nContent-Disposition: form-data; name="n"\n\n%2$s\n--%1$s--\n', E'\n', E'\r\n'), boundary, value), 'UTF8') $$;
SELECT intake.create_source('same_packed', 'hmac', secret => 'secret', key_from => '$.id') > 0 AND intake.create_source('same_form', 'hmac', secret => 'secret', key_from => 'form:id') > 0 AS created;

SELECT same_send('same_packed', body, '{"Content-Encoding": "gzip"}') FROM unnest('{"\\x1f8b08000100000002ffab56ca4c51b2524a54d251ca53b232ac0500b8dafd8f10000000","\\x1f8b08000200000002ffab56ca4c51b2524a54d251ca53b232ac0500b8dafd8f10000000"}'::bytea[]) body;
SELECT same_send('same_form', same_form(boundary, '1'), jsonb_build_object('Content-Type', 'multipart/form-data; boundary=' || boundary)) FROM unnest('{one,two}'::text[]) boundary;
SELECT source, reason FROM intake.rejections WHERE source LIKE 'same_%';
-- What is in it is compared.
SELECT same_send('same_packed', '\x1f8b08000300000002ffab56ca4c51b2524a54d251ca53b232aa05007b89d0a410000000', '{"Content-Encoding": "gzip"}'), same_send('same_form', same_form('three', '2'), '{"Content-Type": "multipart/form-data; boundary=three"}');
SELECT source, reason FROM intake.rejections WHERE source LIKE 'same_%' ORDER BY id;

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'same_%';
DROP FUNCTION same_send(text, bytea, jsonb), same_form(text, text);
