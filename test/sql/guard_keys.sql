-- Events of one second that are signed alike: each is one, and only a few are let in by one signature.
\set VERBOSITY terse
SET client_min_messages = error;
-- What Dropbox Sign posts, whose signature has neither the request nor the body.
CREATE FUNCTION sign_second(type text, request text, more text DEFAULT '') RETURNS bytea LANGUAGE sql AS $$
    SELECT convert_to(format('json={"event":{"event_time":"1764500000","event_type":"%s","event_hash":"%s"},"signature_request":{"signature_request_id":"%s"}%s}',
        type, encode(hmac('1764500000' || type, 'a secret', 'sha256'), 'hex'), request, more), 'UTF8') $$;
CREATE FUNCTION one_second(type text, request text, more text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before bigint := (SELECT count(*) FROM intake.events WHERE source = 'gk');
    answer intake.answer := intake.ingest('gk', '{"Content-Type": "application/x-www-form-urlencoded"}', sign_second(type, request, more));
BEGIN
    RETURN answer.status || ' ' || (SELECT count(*) - before FROM intake.events WHERE source = 'gk');
END $$;
CREATE FUNCTION seconds(VARIADIC requests text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := (SELECT count(*) FROM intake.events WHERE source = 'gk');
    dims int[] := ARRAY[cardinality(requests)];
BEGIN
    PERFORM intake.receive(array_fill('POST'::bytea, dims), array_fill('gk'::bytea, dims), array_fill(''::bytea, dims),
        array_fill(convert_to(E'Content-Type: application/x-www-form-urlencoded\r\n', 'UTF8'), dims),
        ARRAY(SELECT sign_second(split_part(r, ' ', 1), split_part(r, ' ', 2)) FROM unnest(requests) WITH ORDINALITY u(r, n) ORDER BY n), array_fill(''::text, dims));
    RETURN (SELECT count(*) - before FROM intake.events WHERE source = 'gk');
END $$;

SELECT count(intake.create_source('gk', 'dropbox-sign', secret => 'a secret'));
SELECT one_second('sent', 'r1'), one_second('sent', 'r2'), one_second('sent', 'r1') AS again, one_second('sent', 'r2') AS again, one_second('viewed', 'r2');
-- The same key with another body is no other event, and takes no place.
SELECT one_second('sent', 'r1', ',"more":1');
-- Whoever has captured a signature can make up no more than 64 events of it.
SELECT one_second, count(*) FROM (SELECT one_second('sent', 'made-up-' || n) FROM generate_series(1, 70) n) made GROUP BY 1 ORDER BY 1;
SELECT one_second('sent', 'r2') AS again, one_second('sent', 'made-up-62') AS again;
SELECT reason, sum(requests) AS requests FROM intake.rejections WHERE source = 'gk' GROUP BY 1;
-- All at once, before and behind a storm of repetitions.
SELECT seconds('a r1', 'a r2', 'a r1', 'b r1'), seconds('a r1', 'a r2', 'a r3', 'b r1', 'b r2', 'b r2');
SELECT seconds('c r1', 'c r2', 'c r1', 'a r1'), seconds(VARIADIC ARRAY(SELECT 'd r' || n FROM generate_series(1, 70) n));
-- A key of the source's own, without the signature, says nothing of that: one event for each signature.
SELECT count(intake.alter_source('gk', key_from => '$.signature_request.signature_request_id'));
SELECT one_second('own', 'o1'), one_second('own', 'o2'), one_second('own', 'o1') AS again;
SELECT intake.drop_source('gk');

-- Where nothing is to be a repetition, nothing is, wherever the clock was.
SELECT count(intake.create_source('gk', 'paystack', secret => 'a secret', options => '{"dedup_window": "0"}'));
CREATE FUNCTION one_charge() RETURNS text LANGUAGE sql AS $$
    SELECT substring(r.body from '"status":"(\w+)"') FROM intake.ingest('gk', intake.sign('gk', '{"event":"charge"}'), '{"event":"charge"}') r $$;
SELECT one_charge(), one_charge() AS in_one_transaction;
SELECT one_charge();
UPDATE intake.event SET received_at = received_at + interval '1 hour' WHERE source_id IN (SELECT id FROM intake.source WHERE name = 'gk');
SELECT one_charge();
SELECT intake.drop_source('gk');

-- A delivery that came again with what changes between tries: what was signed then counts, too.
SELECT count(intake.create_source('gk', 'linear', secret => 'a secret'));
CREATE FUNCTION one_try(id text, number int) RETURNS text LANGUAGE sql AS $$
    SELECT substring(r.body from '"status":"(\w+)"') FROM convert_to(format('{"type":"Issue","webhookTimestamp":%s}', (extract(epoch FROM transaction_timestamp()) * 1000)::bigint + number), 'UTF8') b,
        intake.ingest('gk', intake.sign('gk', b, jsonb_build_object('Linear-Delivery', id)), b) r $$;
BEGIN;
SELECT one_try('d1', 1), one_try('d1', 2) AS the_second_try, one_try('d2', 1) AS replayed, one_try('d3', 2) AS replayed;
ROLLBACK;
SELECT intake.drop_source('gk');

-- What is packed is compared as it was before: the second try is the same, the third is not.
SELECT count(intake.create_source('gk', 'stripe', secret => 'whsec_a secret'));
SELECT n, substring(r.body from '"status":"(\w+)"') AS answer
    FROM (VALUES (1, '\x1f8b0800000000000203ab56ca4c51b2524a2d2b893754d2512a48cd4bc9cc4b8f2f4f4dcac8cfcf2e56b232aa0500baebf60023000000'::bytea),
        (2, '\x1f8b0800000000000203ab56ca4c51b2524a2d2b893754d2512a48cd4bc9cc4b8f2f4f4dcac8cfcf2e56b232ac050079b8db2b23000000'),
        (3, '\x1f8b0800000000000203ab56ca4c51b2524a2d2b893754d2512a48cd4bc9cc4b8f2f4f4dcac8cfcf2e56b232d4514acccd2fcd2b01326b0105f6b9e92e000000')) b(n, body),
        intake.ingest('gk', intake.sign('gk', b.body, '{"Content-Encoding": "gzip"}'), b.body) r;
SELECT reason, sum(requests) AS requests FROM intake.rejections WHERE source = 'gk' AND reason = 'same_key_other_content' GROUP BY 1;
SELECT intake.drop_source('gk');
