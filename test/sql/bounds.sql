-- Headers and queries have bounds of their own: whatever is in larger ones is not looked at.
\set VERBOSITY terse
SET client_min_messages = error;
SELECT count(intake.create_source('head_' || n, n, secret => 'secret', public_url => 'https://example.com/h')) FROM unnest(ARRAY['github', 'twilio']) n;
CREATE FUNCTION judge(source text, headers text, query text DEFAULT '', peer text DEFAULT '192.0.2.1') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answered text;
    next text := to_jsonb(gen_random_uuid());
    before bigint := coalesce((SELECT max(r.id) FROM intake.rejections r), 0);
BEGIN
    SELECT string_agg(a.status::text, ' ') INTO answered
    FROM intake.receive(ARRAY['POST', 'POST']::bytea[], ARRAY[convert_to(source, 'UTF8'), 'head_github'], ARRAY[convert_to(query, 'UTF8'), ''], ARRAY[convert_to(headers, 'UTF8'), convert_to(signed(next), 'UTF8')], ARRAY['{}', convert_to(next, 'UTF8')], ARRAY[peer, '192.0.2.1']) a;
    RETURN concat_ws(' ', answered, (SELECT r.reason FROM intake.rejections r WHERE r.id > before));
END $$;
CREATE FUNCTION signed(body text, more text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT more || format(E'X-GitHub-Delivery: %s\r\nX-Hub-Signature-256: sha256=%s\r\n', gen_random_uuid(), encode(hmac(body, 'secret', 'sha256'), 'hex')) $$;

-- At the bound, and a byte beyond it. The other request of each batch is stored.
SELECT judge('head_github', signed('{}', 'X: ' || repeat('x', 262144 - length(signed('{}')) - 5) || E'\r\n')) AS fits;
SELECT judge('head_github', signed('{}', 'X: ' || repeat('x', 262144 - length(signed('{}')) - 4) || E'\r\n')) AS too_large;
SELECT judge('head_twilio', E'X-Twilio-Signature: AAAA\r\n', repeat('x', 262144)) AS fits, judge('head_twilio', E'X-Twilio-Signature: AAAA\r\n', repeat('x', 262145)) AS too_large;

-- 24 MB of lines, of names, of one value; for a source, and for none.
SELECT judge('head_github', repeat(E'\n', 24000000)) AS lines, judge('nobody', repeat(E'\n', 24000000)) AS for_none;
SELECT judge('head_github', (SELECT string_agg(format(E'h%s:\n', n), '') FROM generate_series(1, 255) n) || repeat(E'h255:\n', 4000000)) AS names;
SELECT judge('head_github', signed('{}', 'X: ' || repeat('x', 24000000) || E'\r\n')) AS value;
SELECT (intake.ingest('head_github', jsonb_build_object('X', repeat('x', 300000)), '{}')).status AS from_sql;
SELECT source, status, reason, detail, peer FROM intake.rejections ORDER BY id DESC LIMIT 1;

-- What is no address is not kept.
SELECT judge('nobody', '', peer => repeat('x', 1000000)) AS unknown, (SELECT max(length(peer)) <= 100 FROM intake.rejections) AS short;

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'head\_%';
DROP FUNCTION judge(text, text, text, text), signed(text, text);
