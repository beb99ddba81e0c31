-- A scheme whose JSON cannot be read closes its own sources, and no other.
\set VERBOSITY terse
SET client_min_messages = warning;

INSERT INTO intake.scheme (name, kind, algorithm, encoding, message, signature_from, key_from)
SELECT 'rows_' || n, 'hmac', 'sha256', 'hex', '{body}', '{header:X-Signature}', 'header:x-id' FROM generate_series(0, 8) n;
SELECT count(intake.create_source('rows_' || n, 'rows_' || n, secret => 'secret-x')) FROM generate_series(0, 8) n;
CREATE FUNCTION rows_send() RETURNS TABLE (name text, status int, problem text) LANGUAGE sql AS $$
    SELECT s.name, (intake.ingest(s.name, jsonb_build_object('X-Signature', encode(hmac('b', 'secret-x', 'sha256'), 'hex'),
        'X-Id', clock_timestamp()), 'b')).status, s.problem
    FROM intake.sources s WHERE s.name ~ '^rows_' ORDER BY s.name $$;
SELECT * FROM rows_send();

-- Past the trigger that refuses them, as a later version may find them.
ALTER TABLE intake.scheme DISABLE TRIGGER prove_scheme;
UPDATE intake.scheme SET variants = '[5]' WHERE name = 'rows_1';
UPDATE intake.scheme SET variants = '[{"when": [["header:x", "*"]], "tolerance": "soon"}]' WHERE name = 'rows_2';
UPDATE intake.scheme SET variants = '[{"when": 5}]' WHERE name = 'rows_3';
UPDATE intake.scheme SET variants = '[{"when": [["header:x", "*"]], "tolerance": "-1 year 361 days"}]' WHERE name = 'rows_4';
UPDATE intake.scheme SET variants = '[{"when": [["header:x", "*"]], "message": "{nothing}"}]' WHERE name = 'rows_5';
UPDATE intake.scheme SET handshake = '[5]' WHERE name = 'rows_6';
UPDATE intake.scheme SET handshake = '[{"method": "GET", "status": "fine"}]' WHERE name = 'rows_7';
UPDATE intake.scheme SET handshake = '[{"method": "GET", "json": [["a", "b"], 7]}]' WHERE name = 'rows_8';
ALTER TABLE intake.scheme ENABLE TRIGGER prove_scheme;
SELECT * FROM rows_send();
SELECT source, reason, detail FROM intake.rejections WHERE source ~ '^rows_' AND reason <> 'replayed' ORDER BY source;

-- Whoever makes such a source is told.
SELECT intake.create_source('rows_more', 'rows_6', secret => 'secret-x');

-- What is put right accepts again.
UPDATE intake.scheme SET variants = '[]', handshake = '[]' WHERE name ~ '^rows_';
SELECT * FROM rows_send();

SELECT intake.drop_source(name) FROM intake.sources WHERE name ~ '^rows_';
DELETE FROM intake.source WHERE name ~ '^rows_';
DELETE FROM intake.scheme WHERE name ~ '^rows_';
DROP FUNCTION rows_send;
