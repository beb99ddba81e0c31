-- A filter that fails finds nothing, and harms no other workflow and no event.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION filter_handler(job intake.job) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION filter_fails(job intake.job) RETURNS void LANGUAGE sql AS $$ SELECT intake.fail_permanently('gone') $$;
CREATE FUNCTION filter_wait(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1..3000 LOOP
        EXECUTE 'SELECT ' || condition INTO holds;
        IF holds THEN RETURN 'yes'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'no: ' || condition;
END $$;

-- What never finds anything is refused, wherever the variable stands.
SELECT intake.create_workflow('filter', 'filter_handler(intake.job)', filter => '$x == 1');
SELECT intake.create_workflow('filter', 'filter_handler(intake.job)', filter => '$.a ? (@.b[*] == $"b c")');
SELECT intake.create_workflow('filter', 'filter_handler(intake.job)', filter => '$.a ? (@ == "\"" || $y > 1)');
SELECT intake.create_workflow('filter', 'filter_handler(intake.job)', filter => '$.a[$n]');
SELECT intake.create_workflow('filter', 'filter_handler(intake.job)',
    filter => '"2026-01-01".datetime() < "2026-01-01T00:00:00+00".datetime()');
-- A $ in a string or in a name is none.
SELECT intake.create_workflow('filter strings', 'filter_handler(intake.job)', type => 'filter',
    filter => '$."$x" ? (@ == "$y" || @ == "\"$z")') > 0;
SELECT intake.alter_workflow('filter strings', filter => '$x');
SELECT filter FROM intake.workflows WHERE name = 'filter strings';

-- What fails for some payloads.
SELECT intake.create_workflow('filter zone', 'filter_handler(intake.job)', type => 'filter',
    filter => '$.at ? (@.datetime() < "2026-01-01T00:00:00+00".datetime())') > 0;
SELECT intake.create_workflow('filter other', 'filter_handler(intake.job)', type => 'filter', filter => '$.n ? (@ > 1)') > 0;
SELECT intake.create_workflow('filter none', 'filter_handler(intake.job)', type => 'filter') > 0;
-- and what was written past create_workflow
UPDATE intake.workflow SET filter = '"2026-01-01".datetime() < "2026-01-01T00:00:00+00".datetime()' WHERE name = 'filter strings';
SELECT count(intake.create_source('filter', 'hmac', secret => 'secret-x', key_from => 'header:x-id', type_from => '$.type'));
CREATE FUNCTION filter_send(id text, body bytea) RETURNS int LANGUAGE sql AS $$
    SELECT status FROM intake.ingest('filter',
        jsonb_build_object('X-Signature', encode(hmac(body, 'secret-x', 'sha256'), 'hex'), 'X-Id', id), body) $$;

SELECT filter_send('1', '{"type": "filter", "at": "2025-01-01", "n": 2}');
SELECT filter_send('2', '{"type": "filter", "at": "2025-01-01T00:00:00+00", "n": 1}');
SELECT intake.emit('filter', '{"at": "2025-01-01", "n": 3}') > 0;
SELECT e.source, e.payload ->> 'n' AS n, e.payload IS NOT NULL AS json, j.workflow
FROM intake.jobs j JOIN intake.events e ON e.id = j.event_id WHERE workflow ~ '^filter ' ORDER BY e.id, workflow;
SELECT source, reason, detail, status, requests FROM intake.rejections WHERE reason = 'filter_failed' ORDER BY detail;

-- Once a minute is enough.
SELECT count(intake.emit('filter', '{"at": "2025-01-01"}')) FROM generate_series(1, 100);
SELECT sum(requests) FROM intake.rejections WHERE reason = 'filter_failed';

-- A dead letter is announced to the others, whatever somebody's filter does.
SELECT intake.create_workflow('filter alert', 'filter_handler(intake.job)', type => 'job.dead') > 0,
    intake.create_workflow('filter alert zone', 'filter_handler(intake.job)', type => 'job.dead',
        filter => '"2026-01-01T00:00:00+00".datetime() > $.error.datetime()') > 0,
    intake.create_workflow('filter dying', 'filter_fails(intake.job)', type => 'filter.dying') > 0;
UPDATE intake.workflow SET filter = '"2026-01-01".datetime() < "2026-01-01T00:00:00+00".datetime()' WHERE name = 'filter alert zone';
SELECT intake.emit('filter.dying', '{}') > 0;
SELECT filter_wait('count(*) = 1 FROM intake.dead_letters WHERE workflow = ''filter dying''');
SELECT filter_wait('count(*) = 1 FROM intake.jobs WHERE workflow = ''filter alert'' AND state = ''done''');
SELECT count(*) FROM intake.jobs WHERE workflow = 'filter alert zone';
SELECT source, reason, detail FROM intake.rejections WHERE reason = 'filter_failed' AND detail ~ 'alert';

-- A query that is cancelled is no filter that fails.
SELECT intake.create_workflow('filter slow', 'filter_handler(intake.job)', type => 'filter.slow',
    filter => '$.a[*] ? ($.a[*] == -1)') > 0;
\set VERBOSITY terse
SET statement_timeout = '200ms';
SELECT intake.emit('filter.slow', jsonb_build_object('a', array_agg(n))) FROM generate_series(1, 20000) n;
RESET statement_timeout;
SELECT count(*) FROM intake.rejections WHERE detail ~ 'slow';

-- One that takes too long is: the event is stored, and who else wants it gets it.
SELECT intake.create_workflow('filter quick', 'filter_handler(intake.job)', type => 'filter.slow', filter => '$.a[*] ? (@ == 7)') > 0;
SELECT count(intake.emit('filter.slow', payload)) FROM (SELECT jsonb_build_object('a', array_agg(n)) FROM generate_series(1, 20000) n) p(payload);
SELECT workflow, count(*) FROM intake.jobs WHERE workflow IN ('filter slow', 'filter quick') GROUP BY workflow;
SELECT source, reason, detail FROM intake.rejections WHERE detail ~ 'slow';

-- Of a delivery with many events, it is not tried for each: they are stored before anybody gives up.
SELECT intake.create_source('filter_many', 'hmac', secret => 'secret-x', key_from => '$.id', type_from => '$.type', options => '{"split": "$.e"}') > 0;
SET statement_timeout = '20s';
SELECT r.status FROM (SELECT convert_to(json_build_object('e', json_agg(json_build_object('id', m, 'type', 'filter.slow', 'a', a)))::text, 'UTF8')
    FROM generate_series(1, 40) m, (SELECT json_agg(n) FROM generate_series(1, 20000) n) t(a)) d(body), intake.ingest('filter_many', intake.sign('filter_many', body), body) r;
RESET statement_timeout;
SELECT workflow, count(*) FROM intake.jobs WHERE workflow IN ('filter slow', 'filter quick') GROUP BY workflow;
SELECT intake.drop_source('filter_many');

-- What every process keeps in its memory is bounded.
SELECT intake.create_workflow('filter long', 'filter_handler(intake.job)', type => repeat('*', 1001));
SELECT intake.create_workflow('filter long', 'filter_handler(intake.job)', source => repeat('*', 1001));
SELECT intake.create_workflow('filter long', 'filter_handler(intake.job)', filter => ('$.a ? (@ == "' || repeat('a', 10000) || '")')::jsonpath);
UPDATE intake.workflow SET handler = repeat('x', 1001) WHERE name = 'filter quick';
UPDATE intake.workflow SET database_identity = repeat('x', 101) WHERE name = 'filter quick';
SELECT intake.create_source('filter_long', 'hmac', secret => repeat('x', 100001));
SELECT intake.alter_source('filter', key_from => 'header:' || repeat('x', 1000));
SELECT intake.alter_source('filter', public_url => 'https://' || repeat('x', 8000));
SELECT intake.alter_source('filter', allowed_peers => array_fill('10.0.0.1'::cidr, ARRAY[1001]));

SELECT intake.drop_workflow(name, force => true) FROM intake.workflows WHERE name ~ '^filter ';
SELECT intake.drop_source('filter');
DROP FUNCTION filter_handler, filter_fails, filter_wait, filter_send;

-- Paths that fail in no payload are tried without a net: here is one of each kind of item.
SELECT count(*), count(found) AS known FROM (SELECT j @? p::jsonpath AS found FROM (VALUES
    ('$'),
    ('$.a'),
    ('$.a[*]'),
    ('$[0 to last]'),
    ('$.*'),
    ('$.a ? (@ > 1)'),
    ('$ ? (@.a == "x" && !(@.b != null) || exists (@.c))'),
    ('$ ? ((@ > 1) is unknown)'),
    ('$.a ? (@ starts with "b")'),
    ('$.a + 1'),
    ('-$.a'),
    ('$.a % 0'),
    ('$.a / 0'),
    ('strict $.a'),
    ('strict $.a[9]'),
    ('$.a["x"]'),
    ('strict $[10000000000]'),
    ('$[0.5]'),
    ('$.a * 1e400 * $.b')) v(p),
    unnest(ARRAY['{}', '[]', 'null', '1', '"a"', '{"a": [1, "b", {"c": 1e400}], "b": 2}', '[[], {}, 1e-400, true]']::jsonb[]) j) tried;
