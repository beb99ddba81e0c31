-- A large body comes in pieces, in one transaction: calls with one body and no request, and then its request, with the last piece.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA j_pieces;
SET search_path = j_pieces, public;
SELECT intake.create_source('pieces', 'hmac', secret => 'secret') > 0 AS source;
CREATE FUNCTION put(piece bytea) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM intake.receive('{}', '{}', '{}', '{}', ARRAY[piece], '{}') $$;
CREATE FUNCTION send(last bytea, signed bytea) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', status, body::jsonb ->> 'status') FROM intake.receive('{POST}'::text[]::bytea[], '{pieces}'::text[]::bytea[], '{""}',
        ARRAY[convert_to('X-Signature: ' || encode(hmac(signed, 'secret', 'sha256'), 'hex'), 'UTF8')], ARRAY[last], '{127.0.0.1}') $$;
CREATE FUNCTION body_of(id text, size int) RETURNS bytea LANGUAGE sql AS $$
    SELECT convert_to(format('{"event":"t","data":{"id":"%s"},"text":"%s"}', id, repeat('0123456789', size / 10)), 'UTF8') $$;

BEGIN;
SELECT put(substr(body_of('one', 4000000), 1, 1000000)), put(substr(body_of('one', 4000000), 1000001, 1)), put(''), put(substr(body_of('one', 4000000), 1000002, 2500000));
SELECT send(substr(body_of('one', 4000000), 3500002), body_of('one', 4000000));
SELECT count(*) AS kept FROM pg_backend_memory_contexts WHERE name = 'pg_intake pieces';
COMMIT;
SELECT body = body_of('one', 4000000) AS whole, payload ->> 'event' AS type FROM intake.events WHERE source = 'pieces';
-- Behind it, a request is whole.
SELECT send(body_of('one', 4000000), body_of('one', 4000000)), send(body_of('two', 10), body_of('two', 10));

-- What was put is gone with its transaction, or its subtransaction.
SELECT put('{');
SELECT send(body_of('three', 10), body_of('three', 10));
BEGIN;
SELECT put(substr(body_of('four', 100), 1, 20));
SAVEPOINT s;
SELECT put(substr(body_of('four', 100), 21, 20));
SELECT send(substr(body_of('four', 100), 41), body_of('four', 100)) AS whole;
ROLLBACK TO s;
SELECT send(body_of('five', 100), body_of('five', 100)) AS alone;
COMMIT;
BEGIN;
SAVEPOINT s;
SELECT put('{');
ROLLBACK TO s;
SELECT send(body_of('six', 100), body_of('six', 100)) AS alone;
COMMIT;
SELECT key FROM intake.events WHERE source = 'pieces' ORDER BY id;

-- One that is larger than may be is not kept, and refused as if it had come at once.
BEGIN;
SELECT sum(put(convert_to(repeat('x', 1 << 20), 'UTF8'))) FROM generate_series(1, 33);
SELECT send(''::bytea, '');
COMMIT;
SELECT reason, detail, status FROM intake.rejections WHERE source = 'pieces' ORDER BY id DESC LIMIT 1;

-- What is neither.
SELECT intake.receive('{}', '{}', '{}', '{}', '{a,b}'::text[]::bytea[], '{}');
SELECT intake.receive('{}', '{}', '{""}', '{}', '{a}'::text[]::bytea[], '{}');
SELECT intake.receive('{}', '{}', '{}', '{}', '{NULL}', '{}');
DROP SCHEMA j_pieces CASCADE;
