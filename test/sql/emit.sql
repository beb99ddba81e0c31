-- What intake.emit refuses, and the bounds of keys and types.
\set VERBOSITY terse
SET client_min_messages = warning;

-- Types of the extension's own cannot be forged.
SELECT intake.emit('job.dead', '{"job_id": 1}');
SELECT intake.emit('source.secret_learned', '{"source": "x"}');
SELECT intake.emit('calls.suspended', '{}');
SELECT intake.emit('calls.resumed', '{}');
CREATE ROLE regress_intake_worker;
SELECT intake.grant_access('regress_intake_worker', 'worker');
SET ROLE regress_intake_worker;
SELECT intake.emit('job.dead', '{"job_id": 1}');
SELECT intake.announce('job.dead', '{"job_id": 1}');
SELECT intake.emit('job.deadly', '{}') > 0 AS emitted;
RESET ROLE;

-- Nobody takes the key of an event that comes without one.
SELECT intake.emit('n', '{}', 'emit/1');
SELECT intake.emit('n', '{}', 'emit/' || last_value + 2) FROM intake.event_id_seq;
SELECT intake.emit('n', '{}', 'emit') > 0 AS emitted;
SELECT intake.emit('n', '{}') AS one, intake.emit('n', '{}') AS two \gset
SELECT key = 'emit/' || id AS says_its_id FROM intake.event WHERE id IN (:one, :two);
SELECT count(*) FROM intake.event_key WHERE event_id IN (:one, :two);
SELECT intake.find_event('intake', 'emit/' || :one) = :one AS found, intake.find_event('intake', 'emit/' || :two) = :two AS found,
    intake.find_event('intake', 'emit/0' || :one), intake.find_event('intake', 'emit/' || :two + 1000), intake.find_event('intake', 'emit/' || repeat('9', 30)),
    intake.find_event('intake', 'emit/'), intake.find_event('intake', 'emit/x'), intake.find_event('nobody', 'emit/' || :one);

-- Types have at most 256 bytes, keys 1024.
SELECT intake.emit(repeat('t', 256), '{}', repeat('k', 1024)) AS long \gset
SELECT intake.find_event('intake', repeat('k', 1024)) = :long AS found;
SELECT intake.emit(repeat('t', 257), '{}');
SELECT intake.emit(repeat(U&'\00e4', 129), '{}');
SELECT intake.emit('n', '{}', repeat('k', 1025));
SELECT intake.create_source('bounded', 'none', key_from => 'header:x-id', type_from => 'header:x-type') > 0,
    intake.create_source('digested', 'none', key_from => 'header:x-id', type_from => 'header:x-type', missing_key => 'digest') > 0;
CREATE FUNCTION send(source text, key text, type text, body text) RETURNS int LANGUAGE sql AS $$
    SELECT status FROM intake.ingest(source, jsonb_build_object('x-id', key, 'x-type', type), body::bytea) $$;
SELECT send('bounded', repeat('k', 1024), repeat('t', 256), 'a') AS both_fit, send('bounded', repeat('k', 1025), 't', 'b') AS key_does_not,
    send('bounded', 'k', repeat('t', 257), 'c') AS type_does_not, send('bounded', 'k', '', 'd') AS no_type;
SELECT send('digested', repeat('k', 1025), 't', 'e') AS key_does_not, send('digested', 'k', repeat('t', 257), 'f') AS type_does_not;
SELECT source, reason, detail, status FROM intake.rejections WHERE source IN ('bounded', 'digested') ORDER BY id;
SELECT s.name, length(e.key), length(e.type) FROM intake.event e JOIN intake.source s ON s.id = e.source_id
    WHERE s.name IN ('bounded', 'digested') ORDER BY e.id;

SELECT intake.drop_source('bounded'), intake.drop_source('digested');
DROP FUNCTION send(text, text, text, text);
DROP OWNED BY regress_intake_worker;
DROP ROLE regress_intake_worker;
