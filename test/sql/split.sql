-- One delivery, many events: each item is an event by itself, and nothing is lost between them.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION sp_send(source text, body text, at timestamptz DEFAULT now()) RETURNS text LANGUAGE sql AS $$
    SELECT r.status || coalesce(' ' || (r.body::jsonb ->> 'status'), '')
    FROM intake.ingest(source, intake.sign(source, convert_to(body, 'UTF8'), '{}', at), convert_to(body, 'UTF8')) r $$;
-- What is stored, with the digests of deliveries cut short.
CREATE FUNCTION sp_events(source text) RETURNS TABLE (delivery text, "position" int, key text, type text, body text) LANGUAGE sql AS $$
    SELECT CASE WHEN e.delivery_id IS NULL THEN 'alone' ELSE 'd' || dense_rank() OVER (PARTITION BY e.delivery_id IS NULL ORDER BY e.delivery_id) END,
           e.position, regexp_replace(e.key, '^[0-9a-f]{64}', 'digest'), e.type, left(encode(e.body, 'escape'), 60)
    FROM intake.events e WHERE e.source = sp_events.source ORDER BY e.id $$;

-- Two messages in one delivery; the second delivery has one of them, and a third.
SELECT intake.create_source('sp', 'hmac', secret => 'sp-secret', key_from => '$.id', type_from => '$.type', options => '{"split": "$.events"}') > 0 AS created;
SELECT name, key_from, type_from, missing_key, split, problem FROM intake.sources WHERE name = 'sp';
SELECT sp_send('sp', '{"events":[{"id":"a","type":"x"}, {"id" : "b" , "type":"y"} ]}');
SELECT sp_send('sp', '{"events":[{"id":"a","type":"x"}, {"id" : "b" , "type":"y"} ]}');
SELECT sp_send('sp', '{"events":[{"id":"a","type":"x"},{"id":"c","type":"y"}]}');
-- All of them came before, in other deliveries.
SELECT sp_send('sp', '{"events":[{"id":"c","type":"y"},{"id":"b","type":"y"}]}');
-- An item twice; odd items; the same odd items once more, to the byte, and in another delivery.
SELECT sp_send('sp', '{"events":[{"id":"d","type":"x"},{"id":"d","type":"x"}]}');
SELECT sp_send('sp', '{"events":[{"no":"id"},"text",12.50,null,[],{"id":{}},{"id":""},{"id":"e\u0000"},{"id":"e","type":"t\u0000"}]}');
SELECT sp_send('sp', '{"events":[{"no":"id"},"text",12.50,null,[],{"id":{}},{"id":""},{"id":"e\u0000"},{"id":"e","type":"t\u0000"}]}');
SELECT sp_send('sp', '{"events":[{"no":"id"}]}');
-- A key and a type that are too long.
SELECT sp_send('sp', format('{"events":[{"id":"%s","type":"k"},{"id":"f","type":"%s"}]}', repeat('k', 1025), repeat('t', 257)));
SELECT * FROM sp_events('sp');
SELECT e.headers, e.verified, e.secret_id IS NOT NULL AS has_secret, e.payload FROM intake.events e WHERE e.source = 'sp' AND e.position > 0 ORDER BY e.id LIMIT 2;
SELECT e.headers <> '{}' AS has_headers, intake.find_event('sp', e.key) = e.id AS found FROM intake.events e WHERE e.source = 'sp' AND e.position = 0 AND e.id = e.delivery_id ORDER BY e.id LIMIT 1;
SELECT count(*) AS items, bool_and(intake.find_event('sp', e.key) = e.id) AS found FROM intake.events e WHERE e.source = 'sp' AND e.position > 0;

-- What is no delivery with items is one event: none, no array, duplicate names, too many.
SELECT intake.create_source('sp_whole', 'hmac', secret => 'sp-secret', key_from => '$.id', options => '{"split": "$.events[*]"}') > 0 AS created;
SELECT sp_send('sp_whole', '{"events":[]}');
SELECT sp_send('sp_whole', '{"events":[]}');
SELECT sp_send('sp_whole', '{"other":1}');
SELECT sp_send('sp_whole', '{"events":{"id":"a"}}');
SELECT sp_send('sp_whole', '[]');
SELECT sp_send('sp_whole', '{"events":[{"id":"a"}],"events":[{"id":"b"}]}');
SELECT sp_send('sp_whole', 'no JSON');
SELECT sp_send('sp_whole', '{"events":[' || string_agg('{"id":"' || n || '"}', ',') || ']}') FROM generate_series(1, 10001) n;
SELECT count(*), count(*) FILTER (WHERE delivery = 'alone') AS alone FROM sp_events('sp_whole');
SELECT sp_send('sp_whole', '{"events":[' || string_agg('{"id":"' || n || '"}', ',') || ']}') FROM generate_series(1, 10000) n;
SELECT count(*), count(DISTINCT key) AS keys, max(position) AS last, bool_and(convert_from(body, 'UTF8')::jsonb ->> 'id' = key AND key = position::text) AS right,
       bool_and(id = delivery_id + position) AS in_order FROM intake.events WHERE source = 'sp_whole' AND position > 0;
SELECT reason, detail, status, requests FROM intake.rejections WHERE source = 'sp_whole' ORDER BY id;

-- JSON that jsonb cannot hold spoils the items that have it, and no other; a byte order mark is none of them.
SELECT sp_send('sp_whole', U&'\FEFF{"x":"\\u0000","events":[{"id":"u1","ü":"\00FC"},{"id":"u2","x":"\\ud800"}]}');
SELECT key, payload FROM intake.events WHERE source = 'sp_whole' AND key LIKE 'u_' ORDER BY id;

-- An element on the way to items that has none is an event as well, without a key.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, key_from, key_class, missing_key, type_from, split, split_key_from, split_type_from)
    VALUES ('sp-chat', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', '$.entry[0].changes[0].value.messages[0].id', 'unknown', 'digest', '$.object',
            '$.entry[*].changes[*].value.messages[*] | $.entry[*].changes[*].value.statuses[*]', '$.id + $.status', '$.status | $.type');
SELECT intake.create_source('sp_chat', 'sp-chat', secret => 'sp-secret', options => '{"split": true}') > 0 AS created;
SELECT key_from, type_from, missing_key, split, problem FROM intake.sources WHERE name = 'sp_chat';
SELECT sp_send('sp_chat', '{"object":"o","entry":[{"changes":[{"value":{"messages":[{"id":"a","type":"text"}]}},{"field":"template"},{"value":{"statuses":[{"id":"a","status":"sent"},{"id":"a","status":"read"}]}}]}]}');
SELECT sp_send('sp_chat', '{"object":"o","entry":[{"changes":[{"value":{"statuses":[{"id":"a","status":"read"}],"messages":[{"id":"a","type":"text"},{"id":"b"}]}}]}]}');
SELECT sp_send('sp_chat', '{"object":"o","entry":[{"changes":[{"field":"template"}]}]}');
SELECT * FROM sp_events('sp_chat');

-- A digest is that of the item; a place outside of JSON is the same for all items.
SELECT intake.create_source('sp_digest', 'hmac', secret => 'sp-secret', key_from => 'digest', type_from => '$.type | header:x-type', options => '{"split": "$[*]"}') > 0 AS created;
SELECT sp_send('sp_digest', '[{"n":1},{"n":2, "type":"t"},{"n":1}]');
SELECT sp_send('sp_digest', '[{"n":2},{"n":1}]');
SELECT delivery, position, type, body FROM sp_events('sp_digest');
SELECT e.key = encode(sha256('item:' || e.body), 'hex') AS is_digest FROM intake.events e WHERE e.source = 'sp_digest' AND position > 0;
-- What is an item here is a delivery there, and is none of the other's repetitions.
SELECT sp_send('sp_digest', '[["x"]]'), sp_send('sp_digest', '["x"]'), sp_send('sp_digest', '[[["x"]]]'), sp_send('sp_digest', '{}'), sp_send('sp_digest', '[{}]');
SELECT position, body FROM sp_events('sp_digest') WHERE body ~ 'x' OR body = '{}';

-- Places that change between tries are in no digest, of a delivery or of an item, whichever others it comes with.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, missing_key, volatile, split, split_key_from)
    VALUES ('sp-tries', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', 'digest', '{$[*].try,$[*].sub.try}', '$[*]', 'digest');
SELECT intake.create_source('sp_tries', 'sp-tries', secret => 'sp-secret', options => '{"split": true}') > 0 AS created;
SELECT sp_send('sp_tries', '[{"n":1,"try":1},{"n":2,"sub":{"try":1}}]');
SELECT sp_send('sp_tries', '[{"n":1,"try":2},{"n":2,"sub":{"try":"x"}}]');
SELECT sp_send('sp_tries', '[{"n":2,"sub":{"try":null}},{"n":1,"try":{"a":[3]}},{"n":3,"try":1}]');
SELECT sp_send('sp_tries', '[{"n":1,"sub":{"try":2}},{"try":1,"n":1}]');
SELECT delivery, position, body FROM sp_events('sp_tries');

-- What is no documented id of an event stands for it as long as the window says, in items too.
SELECT intake.create_source('sp_window', 'sp-chat', secret => 'sp-secret', options => '{"split": true, "dedup_window": "0"}') > 0 AS created;
SELECT sp_send('sp_window', '{"entry":[{"changes":[{"value":{"messages":[{"id":"a"},{"id":"a","status":"s"}]}}]}]}');
SELECT sp_send('sp_window', '{"entry":[{"changes":[{"value":{"messages":[{"id":"a"},{"id":"a","status":"s"}]}}]}]}');
SELECT delivery, position, key FROM sp_events('sp_window');
SELECT intake.alter_source('sp_window', key_from => '$.id', options => '{"dedup_window": "0"}');
SELECT sp_send('sp_window', '{"entry":[{"changes":[{"value":{"messages":[{"id":"b"},{"id":"c"}]}}]}]}');
SELECT sp_send('sp_window', '{"entry":[{"changes":[{"value":{"messages":[{"id":"b"},{"id":"c"}]}}]}]}');
SELECT delivery, position, key FROM sp_events('sp_window') WHERE key !~ '^a';

-- Where each delivery is news, so is each item without a key.
SELECT intake.create_source('sp_each', 'hmac', secret => 'sp-secret', key_from => '$.id', missing_key => 'each', options => '{"split": "$.value"}') > 0 AS created;
SELECT sp_send('sp_each', '{"value":[{"id":"a"},{"changed":1}]}') FROM generate_series(1, 2);
SELECT delivery, position, regexp_replace(key, '\d+', 'n') AS key, body FROM sp_events('sp_each');

-- JSON in a field of a form. Items have no fields.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, key_from, key_class, missing_key, content, json_from, split, split_key_from, split_type_from)
    VALUES ('sp-form', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', '$[0].id + $[0].event', 'thing', 'digest', 'form', 'form:events', '$[*]', '$.id', '$.event');
SELECT intake.create_source('sp_form', 'sp-form', secret => 'sp-secret', options => '{"split": true}') > 0 AS created;
SELECT sp_send('sp_form', 'a=b&events=%5B%7B%22id%22%3A%22a%22%2C%22event%22%3A%22sent%22%7D%2C%22x%26events=%7B%7D%22%5D');
SELECT sp_send('sp_form', 'a=b&events=%5B%7B%22id%22%3A%22b%22%7D%2C%7B%22id%22%3A%22a%22%2C%22event%22%3A%22sent%22%7D%5D');
SELECT sp_send('sp_form', 'events=%5B%5D');
SELECT e.position, regexp_replace(e.key, '^[0-9a-f]{64}', 'digest') AS key, e.type, encode(e.body, 'escape') AS body, e.payload FROM intake.events e WHERE source = 'sp_form' ORDER BY id;

-- A body that is packed, or a form with other parts: an item is read as it is, and nothing else is.
CREATE FUNCTION sp_packed(source text, body bytea, headers jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT r.status || coalesce(' ' || (r.body::jsonb ->> 'status'), '') FROM intake.ingest(source, intake.sign(source, body) || headers, body) r $$;
SELECT intake.create_source('sp_packed', 'hmac', secret => 'sp-secret', key_from => '$.id', type_from => '$.type', options => '{"split": "$.events"}') > 0 AS created;
SELECT sp_packed('sp_packed', '\x1f8b0800000000000203ab56ca4c51b252ca2f2d492d52d2514a2d4bcd2b2956b28aae8688171802054b2a0b5281ec12a55a1d98b091526d6c2d0013ad075d3c000000', '{"Content-Encoding": "gzip"}');
SELECT sp_packed('sp_packed', '\x789cab56ca4c51b252ca2f2d492d52d2514a2d4bcd2b2956b28aae8688171829d5eac0d8c64ab5b1b500819f0f2d', '{"Content-Encoding": "deflate"}');
SELECT sp_send('sp_packed', '{"id":"outer","events":[{"id":"p3"},{"id":"p1","type":"t"}]}');
SELECT delivery, position, key, type, body FROM sp_events('sp_packed') WHERE position > 0;
SELECT sp_packed('sp_form', convert_to(replace(E'--b\nContent-Disposition: form-data; name="events"\n\n[{"id":"m","event":"sent"},{"id":"n"}]\n--b--\n', E'\n', E'\r\n'), 'UTF8'), '{"Content-Type": "multipart/form-data; boundary=b"}');
SELECT delivery, position, key, type, body FROM sp_events('sp_form') WHERE key ~ '^[mn]$';

-- What was unpacked to be verified is gone once it is judged, and its items are not.
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, encoding, message, signs)
    VALUES ('sp-plain', 'hmac', 'sha256', '{header:x-signature}', 'hex', '{body}', 'plain');
SELECT intake.create_source('sp_plain', 'sp-plain', secret => 'sp-secret', key_from => '$.id', type_from => '$.type', options => '{"split": "$.events"}') > 0 AS created;
SELECT string_agg(r.status::text, ' ') FROM intake.receive(array_fill('POST'::bytea, ARRAY[3]), array_fill('sp_plain'::bytea, ARRAY[3]), array_fill(''::bytea, ARRAY[3]),
    ARRAY(SELECT convert_to(E'Content-Encoding: gzip\r\nX-Signature: ' || encode(hmac(b, 'sp-secret', 'sha256'), 'hex') || E'\r\n', 'UTF8') FROM unnest('{"{\"events\":[{\"id\":\"aaaaaaaaaaaaaaaaaaaa1\",\"type\":\"taaaaaaaaaaaaaaaaaaaa\"},{\"id\":\"aaaaaaaaaaaaaaaaaaaa2\"}]}","{\"events\":[{\"id\":\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb1\",\"type\":\"tbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"},{\"id\":\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb2\"}]}","{\"events\":[{\"id\":\"cccccccccc1\",\"type\":\"tcccccccccc\"},{\"id\":\"cccccccccc2\"}]}"}'::text[]) b),
    '{"\\x1f8b0800000000000203ab564a2d4bcd2b2956b28aae56ca4c51b2524ac4020c9574944a2a0b5281d225d8e4956a75f0e83652aa8dad050098a81aba69000000","\\x1f8b0800000000000203ab564a2d4bcd2b2956b28aae56ca4c51b2524ac20b0c9574944a2a0b52810a4bf0ab54aad521ca4423a5dad85a00cbbd7f2e87000000","\\x1f8b0800000000000203ab564a2d4bcd2b2956b28aae56ca4c51b2524a860343251da592ca8254a060094254a9560743a591526d6c2d00c03b2c024b000000"}', array_fill(''::text, ARRAY[3])) r;
SELECT position, key, type, body FROM sp_events('sp_plain') WHERE position > 0;

-- What was fetched is an item, and known as such.
SELECT intake.record('sp_whole', NULL, NULL, '{"id":"r1"}') > 0 AS recorded;
SELECT sp_send('sp_whole', '{"events":[{"id":"r1"},{"id":"r2"}]}');
SELECT intake.record('sp_whole', NULL, NULL, '{"id":"r2"}') = intake.find_event('sp_whole', 'r2') AS known;
SELECT intake.record('sp_chat', 'a/sent', NULL, '{}') = intake.find_event('sp_chat', 'a', 'sent') AS known;
SELECT key, verified, position FROM intake.events WHERE key LIKE 'r_' AND source = 'sp_whole' ORDER BY id;

-- A documented id that comes with other content, in another delivery and in one. Each of the two is compared, and no more than ten in a second.
SELECT intake.create_source('sp_other', 'sp-tries', secret => 'sp-secret', key_from => '$.id', options => '{"split": "$[*]"}') > 0 AS created;
SELECT sp_send('sp_other', '[{"id":"a","n":1,"try":1},{"id":"b"}]');
SELECT sp_send('sp_other', '[{"id":"c"},{"id":"a","n":1,"try":2}]');
-- Another process has not compared anything yet.
\c -
SET client_min_messages = warning;
SELECT sp_send('sp_other', '[{"id":"d"},{"id":"a","n":2}]');
SELECT sp_send('sp_other', '[{"id":"e","n":1},{"id":"e","n":2}]');
SELECT sp_send('sp_other', '[{"id":"d"},{"id":"a","n":2}]');
SELECT reason, regexp_replace(detail, '\d{2,}', 'n') AS detail, status, requests FROM intake.rejections WHERE source = 'sp_other' ORDER BY id;
SELECT key, position FROM intake.events WHERE source = 'sp_other' AND position > 0 ORDER BY id;

-- Presets: WhatsApp's [a], then [a, b], and what happens to a message; a page's change beside them; Mandrill's form.
SELECT intake.create_source('sp_' || scheme, scheme, secret => 'sp-secret', public_url => 'https://example.com/hook', options => '{"split": true}') > 0 AS created
    FROM unnest('{meta-whatsapp,mandrill}'::text[]) scheme;
SELECT sp_send('sp_meta-whatsapp', '{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1"},"messages":[{"id":"a","timestamp":"1","type":"text"}]}}]}]}');
SELECT sp_send('sp_meta-whatsapp', '{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1"},"messages":[{"id":"a","timestamp":"1","type":"text"},{"id":"b","timestamp":"2","type":"text"}]}}]}]}');
SELECT sp_send('sp_meta-whatsapp', '{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"messages","value":{"statuses":[{"id":"a","status":"sent","timestamp":"3","recipient_id":"r"},{"id":"a","status":"read","timestamp":"4","recipient_id":"r"}]}},{"field":"account_update","value":{"event":"x"}}]}]}');
SELECT sp_send('sp_meta-whatsapp', '{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"messages","value":{"statuses":[{"id":"a","status":"read","timestamp":"4","recipient_id":"r"}]}}]}]}');
SELECT sp_send('sp_meta-whatsapp', '{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"account_update","value":{"event":"x"}}]}]}');
SELECT sp_send('sp_meta-whatsapp', '{"object":"page","entry":[{"id":"p","messaging":[{"sender":{"id":"s"},"message":{"mid":"m"}}]},{"id":"p","changes":[{"field":"feed"}]}]}');
-- What another app answers stands beside what this one is to answer.
SELECT sp_send('sp_meta-whatsapp', '{"object":"page","entry":[{"id":"p","messaging":[{"message":{"mid":"m"}}],"standby":[{"message":{"mid":"n"}}]}]}');
SELECT * FROM sp_events('sp_meta-whatsapp') WHERE position > 0 OR position IS NULL;
SELECT sp_send('sp_mandrill', 'mandrill_events=%5B%7B%22event%22%3A%22send%22%2C%22ts%22%3A1%7D%2C%7B%22event%22%3A%22open%22%2C%22ts%22%3A2%7D%5D');
SELECT sp_send('sp_mandrill', 'mandrill_events=%5B%7B%22event%22%3A%22open%22%2C%22ts%22%3A2%7D%2C%7B%22event%22%3A%22click%22%2C%22ts%22%3A3%7D%5D');
SELECT position, type, payload FROM intake.events WHERE source = 'sp_mandrill' AND position > 0 ORDER BY id;

-- What may be asked for.
SELECT intake.alter_source('sp', options => '{"split": true}');
SELECT intake.alter_source('sp', options => '{"split": 7}');
SELECT intake.alter_source('sp', options => '{"split": "header:x"}');
SELECT intake.alter_source('sp', options => '{"split": "$.a[0].b[*]"}');
SELECT intake.alter_source('sp', options => '{"split": "$"}');
SELECT intake.alter_source('sp', key_from => 'header:x-id');
SELECT intake.alter_source('sp', key_from => '$.id | query:id + header:x-id');
SELECT intake.alter_source('sp', key_from => 'header:x-id + $.id');
SELECT intake.alter_source('sp', key_from => '$.id');
SELECT intake.alter_source('sp', options => '{"split": false}');
SELECT split, missing_key FROM intake.sources WHERE name = 'sp';
SELECT sp_send('sp', '{"id":"whole","events":[{"id":"z"}]}');
SELECT intake.alter_source('sp', options => '{"split": "$.events"}');
SELECT intake.alter_source('sp', options => '{"split": null}');
SELECT split FROM intake.sources WHERE name = 'sp';
UPDATE intake.scheme SET split = '$.a[1]' WHERE name = 'sp-chat';
UPDATE intake.scheme SET split_key_from = 'nowhere' WHERE name = 'sp-chat';
UPDATE intake.scheme SET split = NULL WHERE name = 'sp-chat';
SELECT intake.verify_explain('sp_whole', intake.sign('sp_whole', b), b) FROM unnest('{"[]", "{\"events\":[1]}", "{\"events\":[1,2]}", "{\"events\":[1],\"events\":[1]}"}'::bytea[]) b;

-- Jobs are of items; what they are told; filters and globs look at the item.
CREATE TABLE sp_seen (n serial, key text, type text, payload jsonb, headers jsonb, body bytea, "position" int, of_delivery text);
CREATE FUNCTION sp_handle(job intake.job) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF job.payload ->> 'fail' = (SELECT count(*) FROM sp_seen)::text THEN
        PERFORM intake.fail_permanently('no');
    END IF;
    INSERT INTO sp_seen (key, type, payload, headers, body, "position", of_delivery)
        SELECT job.key, job.type, job.payload, job.headers, job.body, job.position, encode(e.body, 'escape') FROM intake.events e WHERE e.id = job.delivery_id;
END $$;
CREATE FUNCTION sp_wait() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..3000 LOOP
        IF (SELECT ready + delayed + running + suspect FROM intake.stats WHERE workflow = 'sp') = 0 THEN
            RETURN (SELECT string_agg(state || ' ' || "position", ', ' ORDER BY id) FROM intake.jobs WHERE workflow = 'sp');
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'waited in vain';
END $$;
SELECT intake.create_source('sp_jobs', 'hmac', secret => 'sp-secret', key_from => '$.id', type_from => '$.type', options => '{"split": "$.events"}') > 0 AS created;
SELECT intake.create_workflow('sp', 'sp_handle(intake.job)', source => 'sp_jobs', type => 'go*', filter => '$ ? (@.n > 1)') > 0 AS created;
SELECT sp_send('sp_jobs', '{"events":[{"id":"a","type":"go","n":1},{"id":"b","type":"stop","n":2},{"id":"c","type":"go.on","n":2},{"id":"d","type":"go","n":3,"fail":"1"},{"id":"e","type":"go","n":4}]}');
SELECT sp_wait();
SELECT key, type, payload, headers, convert_from(body, 'UTF8')::jsonb = payload AS same, position, length(of_delivery) AS delivery FROM sp_seen ORDER BY n;
SELECT key, position, delivery_id = event_id - position AS in_delivery FROM intake.dead_letters WHERE workflow = 'sp';

-- The delivery again, to the byte: the dead job of an item runs again. Then with others, and where that is not wanted.
SELECT sp_send('sp_jobs', '{"events":[{"id":"a","type":"go","n":1},{"id":"b","type":"stop","n":2},{"id":"c","type":"go.on","n":2},{"id":"d","type":"go","n":3,"fail":"1"},{"id":"e","type":"go","n":4}]}');
SELECT sp_wait();
SELECT sp_send('sp_jobs', '{"events":[{"id":"f","type":"go","n":5,"fail":"3"},{"id":"a","type":"go","n":1}]}');
SELECT sp_wait();
SELECT sp_send('sp_jobs', '{"events":[{"id":"f","type":"go","n":5,"fail":"3"},{"id":"g","type":"go","n":1}]}');
SELECT sp_wait();
INSERT INTO sp_seen DEFAULT VALUES;
SELECT intake.alter_source('sp_jobs', on_dead_duplicate => 'ignore');
SELECT sp_send('sp_jobs', '{"events":[{"id":"f","type":"go","n":5,"fail":"3"},{"id":"g","type":"go","n":1}]}');
SELECT sp_wait();
SELECT intake.replay(job_id) FROM intake.dead_letters WHERE workflow = 'sp';
SELECT sp_wait();

-- All or nothing: where one item cannot be stored, none is, and the others of the batch are.
ALTER TABLE intake.event ADD CONSTRAINT sp_no_boom CHECK (key <> 'boom');
SELECT string_agg(r.status::text, ' ') FROM intake.receive(array_fill('POST'::bytea, ARRAY[3]), array_fill('sp_jobs'::bytea, ARRAY[3]), array_fill(''::bytea, ARRAY[3]),
    ARRAY(SELECT convert_to('X-Signature: ' || encode(hmac(b, 'sp-secret', 'sha256'), 'hex'), 'UTF8') FROM unnest('{"{\"events\":[{\"id\":\"o1\"}]}","{\"events\":[{\"id\":\"p1\"},{\"id\":\"boom\"},{\"id\":\"p2\"}]}","{\"events\":[{\"id\":\"o2\"}]}"}'::text[]) b),
    '{"{\"events\":[{\"id\":\"o1\"}]}","{\"events\":[{\"id\":\"p1\"},{\"id\":\"boom\"},{\"id\":\"p2\"}]}","{\"events\":[{\"id\":\"o2\"}]}"}'::bytea[], array_fill(''::text, ARRAY[3])) r;
SELECT key FROM intake.events WHERE source = 'sp_jobs' AND key ~ '^[op]\d|boom' ORDER BY key;
ALTER TABLE intake.event DROP CONSTRAINT sp_no_boom;
SELECT sp_send('sp_jobs', '{"events":[{"id":"p1"},{"id":"boom"},{"id":"p2"}]}');
SELECT string_agg(key, ' ' ORDER BY id) FROM intake.events WHERE source = 'sp_jobs' AND key ~ '^[op]\d|boom';

SELECT intake.drop_workflow('sp', force => true), (SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name ~ '^sp(_|$)');
DELETE FROM intake.scheme WHERE name LIKE 'sp-%';
DROP TABLE sp_seen;
DROP FUNCTION sp_packed(text, bytea, jsonb), sp_send(text, text, timestamptz), sp_events(text), sp_handle(intake.job), sp_wait();
