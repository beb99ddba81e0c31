-- A header that was looked at is shown as it was looked at: what has its name besides is not joined to it.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION s_receive(source text, headers text, body text, query text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT r.status || coalesce(' ' || (r.body::jsonb ->> 'status'), '') FROM intake.receive(ARRAY['POST'::bytea], ARRAY[convert_to(source, 'UTF8')],
        ARRAY[convert_to(query, 'UTF8')], ARRAY[decode(headers, 'escape')], ARRAY[convert_to(body, 'UTF8')], ARRAY['']) r $$;
CREATE FUNCTION s_hex(text text, algorithm text DEFAULT 'sha256') RETURNS text LANGUAGE sql AS $$ SELECT encode(hmac(text, 'secret', algorithm), 'hex') $$;

-- The key and the type come from headers that nobody signs; others are joined, as ever.
SELECT count(intake.create_source('s-github', 'github', secret => 'secret'));
SELECT s_receive('s-github', E'X-Hub-Signature-256: sha256=' || s_hex('{"n":1}') || E'\nX-GitHub-Delivery: one\nAccept: a\nX-GitHub-Event: push\nx-github-delivery: two\nAccept: b\nX-GITHUB-EVENT: fork\n', '{"n":1}');
SELECT key, type, headers FROM intake.events WHERE source = 's-github' ORDER BY id;
-- What says the same name in another way is not it, wherever it stands.
SELECT s_receive('s-github', E'X-GitHub-Deli\\000very: evil\nX-Hub-Signature-256: sha256=' || s_hex('{"n":2}') || E'\nX-GitHub-Delivery: three\nOth\\000er: a\nOther: b\n', '{"n":2}');
-- A first one that is empty is the first.
SELECT s_receive('s-github', E'X-Hub-Signature-256: sha256=' || s_hex('{"n":3}') || E'\nX-GitHub-Delivery: four\nX-GitHub-Event:\nX-GitHub-Event: fork\n', '{"n":3}');
-- One that is not shown, since the secret is in it, gives its place to no other.
SELECT s_receive('s-github', E'X-Hub-Signature-256: sha256=' || s_hex('{"n":4}') || E'\nX-GitHub-Delivery: a secret\nX-GitHub-Delivery: five\nAccept: secret\nAccept: b\n', '{"n":4}');
SELECT key, type, headers FROM intake.events WHERE source = 's-github' ORDER BY id OFFSET 1;

-- Parts of the message, with digests of them; the time; what is required, what it must be equal to, and what chooses the variant; where the source looks instead.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, timestamp_from, timestamp_unit, require, key_from, variants)
    VALUES ('s_headers', 'hmac', 'sha256', '{header:x-mac}', 'hex', '{header:x-id}.{timestamp}.{sha256hex(header:x-part)}.{body}', 'header:x-time', 's',
        '{{header:x-id,"~^[a-z]{1,9}$"},{header:x-need,*},{header:x-same,"{header:x-other}"}}', 'header:x-id',
        '[{"when": [["header:x-variant", "v"]], "algorithm": "sha512"}]');
SELECT count(intake.create_source('s-headers', 's_headers', secret => 'secret', type_from => 'header:x-kind | header:x-sort'));
SELECT s_receive('s-headers', format(E'X-Mac: %s\n', s_hex('id.1700000000.' || encode(sha256('p'), 'hex') || '.b', 'sha512')) ||
    (SELECT string_agg(format(E'%s: %s\n%s: evil\n', name, value, upper(name)), '' ORDER BY n) FROM unnest('{x-id,x-time,x-part,x-need,x-same,x-other,x-variant,x-kind,x-sort,x-free}'::text[],
        '{id,1700000000,p,n,o,o,v,k,s,f}'::text[]) WITH ORDINALITY h(name, value, n)), 'b');
SELECT key, type, jsonb_pretty(headers) AS headers FROM intake.events WHERE source = 's-headers';

-- Headers that another one lists.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, content, missing_key)
    VALUES ('s_list', 'hmac', 'sha256', '{header:x-mac}', 'hex', '{header_list:x-signed}\n{body}', 'json', 'digest');
SELECT count(intake.create_source('s-list', 's_list', secret => 'secret'));
SELECT s_receive('s-list', E'X-Signed: x-a, X-B\nX-A: 1\nX-B: 2\nX-C: 3\nX-A: evil\nX-B: evil\nX-C: free\nX-Signed: x-c\nX-Mac: ' || s_hex('x-a:1;X-B:2' || E'\n{}') || E'\n', '{}');
SELECT headers FROM intake.events WHERE source = 's-list';

-- A form whose fields are signed one by one: what is signed is there once, whichever a handler would take; what is not may be there twice.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, key_from)
    VALUES ('s_fields', 'hmac', 'sha256', '{form:mac}', 'hex', '{form:id}', 'form:id'),
           ('s_parts', 'hmac', 'sha256', '{form:mac}', 'hex', '{sha256hex(form:id)}', 'header:x-id');
SELECT count(intake.create_source('s-fields', 's_fields', secret => 'secret')), count(intake.create_source('s-parts', 's_parts', secret => 'secret'));
SELECT s_receive('s-fields', '', format('mac=%s&id=1', s_hex('1'))), s_receive('s-fields', '', format('id=2&a=1&mac=%s&a=2', s_hex('2'))),
    s_receive('s-fields', '', format('mac=%s&id=3&id=4', s_hex('3'))), s_receive('s-fields', '', format('mac=%s&id=4&%%69d=3', s_hex('4')));
SELECT s_receive('s-parts', E'X-Id: a\n', format('mac=%s&id=1', s_hex(encode(sha256('1'), 'hex')))), s_receive('s-parts', E'X-Id: b\n', format('mac=%s&id=1&id=2', s_hex(encode(sha256('1'), 'hex'))));
SELECT source, reason, detail FROM intake.rejections WHERE source IN ('s-fields', 's-parts') ORDER BY id;

-- JSON: of members of one name the last counts, for the key as for the payload, however it is written.
SELECT count(intake.create_source('s-twice', 'none'));
SELECT s_receive('s-twice', '', '{"id":"a","id":"b","type":"x","\u0074ype":"y"}');
SELECT key, type, payload FROM intake.events WHERE source = 's-twice';
SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 's-%';
DELETE FROM intake.scheme WHERE name LIKE 's\_%';
