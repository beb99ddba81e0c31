-- Events that were fetched from their sender and recorded, because no delivery came.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;

SELECT count(intake.create_source(s, 'hmac', secret => 'secret-x', key_from => '$.data.id')) FROM unnest('{rec,rec_other}'::text[]) s;
CREATE FUNCTION rec_send(source text, body text, headers jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.status, r.body::jsonb ->> 'status')
    FROM intake.ingest(source, headers || jsonb_build_object('X-Signature', encode(hmac(body, 'secret-x', 'sha256'), 'hex')), body::bytea) r $$;
CREATE FUNCTION rec_events(wanted text) RETURNS TABLE (key text, type text, verified text, secret boolean, headers jsonb, body text) LANGUAGE sql AS $$
    SELECT e.key, e.type, e.verified, e.secret_id IS NOT NULL, e.headers - 'x-signature', convert_from(e.body, 'UTF8')
    FROM intake.events e WHERE e.source = wanted ORDER BY e.id $$;
CREATE FUNCTION rec_handler(job intake.job) RETURNS void LANGUAGE sql AS $$ SELECT intake.fail_permanently('gone for good') $$;
SELECT intake.create_workflow('rec', 'rec_handler(intake.job)', source => 'rec', type => 'paid', filter => '$.data.amount') > 0 AS created;
SELECT intake.pause_workflow('rec');

-- Recorded, then delivered.
SELECT intake.record('rec', 'a', 'paid', '{"data": {"id": "a", "amount": 5}}', '{"X-Id": "1", "Authorization": "Bearer x", "Cookie": "c"}') > 0 AS recorded;
SELECT rec_send('rec', '{"event":"paid","data":{"id":"a","amount":5}}');
-- Delivered, then recorded.
SELECT rec_send('rec', '{"event":"paid","data":{"id":"b","amount":6}}');
SELECT intake.record('rec', 'b', 'paid', '{"data": {"id": "b", "amount": 6}}') = intake.find_event('rec', 'b') AS known;
-- Recorded twice.
SELECT intake.record('rec', 'a', 'paid', '{"other": true}') = intake.find_event('rec', 'a') AS known;
SELECT * FROM rec_events('rec');
SELECT e.key, j.state FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE j.workflow = 'rec' ORDER BY e.id;
-- Another source has keys of its own.
SELECT intake.record('rec_other', 'a', 'paid', '{}') <> intake.find_event('rec', 'a') AS fresh;

-- What is not said is read as from a delivery.
SELECT intake.record('rec', NULL, NULL, '{"event": "sold", "data": {"id": "c"}}') > 0 AS recorded;
SELECT intake.record('rec', 'd', NULL, '{"event": "sold", "data": {"id": "c"}}') > 0 AS recorded;
SELECT intake.record('rec', 'e', '', '{"event": "sold"}') > 0 AS recorded;
SELECT intake.record('rec', 'f', NULL, '7') > 0 AS recorded;
SELECT * FROM rec_events('rec') OFFSET 2;
SELECT rec_send('rec', '{"event":"sold","data":{"id":"c"}}');
SELECT intake.record('rec', NULL, 'sold', '{"data": {}}');
SELECT intake.record('rec', NULL, 'sold', '[]');
SELECT intake.alter_source('rec_other', key_from => 'header:x-id', type_from => 'header:x-topic');
SELECT intake.record('rec_other', NULL, NULL, '{}', '{"x-ID": "h1", "X-Topic": "sold"}') > 0 AS recorded;
SELECT rec_send('rec_other', '{}', '{"X-Id": "h1", "X-Topic": "sold"}');
SELECT * FROM rec_events('rec_other') OFFSET 1;
SELECT intake.record('rec_other', NULL, NULL, '{}', '{"x-id": "h\nx-topic: sold"}');
SELECT intake.record('rec_other', NULL, NULL, '{}', '{"x-a: 1\nx-id": "h"}');

-- Keys of several parts.
SELECT intake.alter_source('rec_other', key_from => '$.id + $.status | header:x-a + header:x-b + digest', type_from => '$.status');
SELECT intake.record('rec_other', '7/paid', NULL, '{"id": 7, "status": "paid"}') > 0 AS recorded;
SELECT rec_send('rec_other', '{"id":7,"status":"paid"}'), rec_send('rec_other', '{"id":7,"status":"sent"}');
SELECT intake.record('rec_other', '7/sent', NULL, '{}') = intake.find_event('rec_other', '7', 'sent') AS known;
SELECT intake.record('rec_other', NULL, NULL, '{"id": 7, "status": "sent"}') = intake.find_event('rec_other', '7', 'sent') AS known;
SELECT intake.record('rec_other', '7/', NULL, '{}') > 0 AS recorded, rec_send('rec_other', '{"id":7}');
SELECT intake.record('rec_other', '7', NULL, '{}');
SELECT intake.record('rec_other', '/paid', NULL, '{}');
SELECT intake.record('rec_other', '1/2/3/4', NULL, '{}');
SELECT intake.record('rec_other', NULL, NULL, '{}', '{"x-a": "1"}');
SELECT intake.record('rec_other', NULL, NULL, '{"id": 8, "status": "a/b"}') > 0 AS recorded, rec_send('rec_other', '{"id":8,"status":"a/b"}');
SELECT intake.alter_source('rec_other', key_from => '$.id + $.status | header:x-id');
SELECT intake.record('rec_other', '9/paid', NULL, '{}');
SELECT intake.record('rec_other', '9', NULL, '{}') > 0 AS recorded, rec_send('rec_other', '{}', '{"X-Id": "9"}');
SELECT key, type FROM rec_events('rec_other') OFFSET 2;

-- A part with slashes in it is told by what was fetched, and one that is a digest has none.
SELECT intake.alter_source('rec_other', key_from => '$.source + $.id');
SELECT intake.record('rec_other', 'https://x/y/1', NULL, '{"source": "https://x/y", "id": "1"}') = intake.record('rec_other', NULL, NULL, '{"source": "https://x/y", "id": "1"}') AS same,
    rec_send('rec_other', '{"source":"https://x/y","id":"1"}');
SELECT intake.record('rec_other', 'https://x/y/2', NULL, '{"source": "https://x/y", "id": "1"}');
SELECT intake.alter_source('rec_other', key_from => '$.id + $.status | digest');
SELECT intake.record('rec_other', '10/paid', NULL, '{}') > 0 AS recorded, rec_send('rec_other', '{"id":10,"status":"paid"}');
-- What a header says may be no text.
SELECT intake.alter_source('rec_other', key_from => 'ce:source + ce:id');
SELECT intake.record('rec_other', NULL, NULL, '{}', '{"ce-source": "/s", "ce-id": "%ff"}');
SELECT intake.record('rec_other', NULL, NULL, '{}', '{"ce-source": "/s", "ce-id": "a%00b"}');

-- Without a key of its sender's an event cannot be recorded: it would be another one each time.
SELECT intake.alter_source('rec_other', missing_key => m) FROM unnest('{digest,each}'::text[]) m;
SELECT intake.record('rec_other', NULL, NULL, '{}');

-- Neither too long nor empty, and nothing may be missing.
SELECT intake.record('rec', '', 'paid', '{}');
SELECT intake.record('rec', repeat('k', 1025), 'paid', '{}');
SELECT intake.record('rec', 'k', repeat('t', 257), '{}');
SELECT intake.record('rec', repeat('k', 1024), repeat('t', 256), '{}') > 0 AS recorded;
SELECT intake.record('rec', 'k', 'paid', NULL);
SELECT intake.record('rec', 'k', 'paid', '{}', NULL);
SELECT intake.record('rec', 'k', 'paid', '{}', '[]');
SELECT intake.record(NULL, 'k', 'paid', '{}');
SELECT intake.record('nobody', 'k', 'paid', '{}');
SELECT intake.record('intake', 'k', 'job.dead', '{}');
BEGIN READ ONLY;
SELECT intake.record('rec', 'k', 'paid', '{}');
ROLLBACK;

-- Dead letters stay what they are: what looks again for lost deliveries is no sender who tries again.
SELECT intake.resume_workflow('rec');
DO $$
BEGIN
    FOR i IN 1..3000 LOOP
        EXIT WHEN (SELECT count(*) FROM intake.dead_letters WHERE workflow = 'rec') = 2;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT intake.pause_workflow('rec');
SELECT intake.record('rec', 'a', 'paid', '{}') > 0 AS known, (SELECT string_agg(state, ' ' ORDER BY id) FROM intake.jobs WHERE workflow = 'rec') AS jobs;
SELECT rec_send('rec', '{"event":"paid","data":{"id":"a","amount":5}}');
SELECT (SELECT string_agg(state, ' ' ORDER BY id) FROM intake.jobs WHERE workflow = 'rec') AS jobs;

-- The role must be one that may say what senders have said.
CREATE ROLE rec_role;
SELECT intake.grant_access('rec_role', 'worker'), intake.grant_access('rec_role', 'operator');
SET ROLE rec_role;
SELECT intake.record('rec', 'k', 'paid', '{}');
RESET ROLE;
SELECT intake.grant_access('rec_role', 'admin');
SET ROLE rec_role;
SELECT intake.record('rec', 'k', 'paid', '{}') > 0 AS recorded;
RESET ROLE;
SELECT intake.revoke_access('rec_role');
DROP ROLE rec_role;

-- A source that was dropped has no more events.
SELECT intake.drop_workflow('rec', force => true), intake.drop_source('rec');
SELECT intake.record('rec', 'l', 'paid', '{}');
SELECT intake.create_source('rec', 'none', key_from => '$.id') > 0 AS created;
SELECT intake.record('rec', 'a', 'paid', '{}') <> intake.find_event('rec', 'b') AS fresh;
SELECT intake.drop_source('rec'), intake.drop_source('rec_other');
DROP FUNCTION rec_send(text, text, jsonb), rec_events(text), rec_handler(intake.job);
