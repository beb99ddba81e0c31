-- What alter_source has set can be taken back.
\set VERBOSITY terse
SET client_min_messages = warning;

SELECT count(intake.create_source('options', 'github', secret => 'secret-x'));
CREATE TABLE options_before AS SELECT * FROM intake.source WHERE name = 'options';
SELECT intake.alter_source('options', key_from => 'header:id', type_from => '$.type', tolerance => '1 min',
    public_url => 'https://example.com/', on_dead_duplicate => 'ignore', verify_token => 'token', missing_key => 'digest',
    signature_from => 'header:x-other', replay_guard => false, allowed_peers => '{10.0.0.0/8}');
SELECT count(*) FROM intake.source s JOIN options_before b ON s.name = b.name WHERE s = b;
SELECT count(*) FROM intake.secrets WHERE source = 'options' AND purpose = 'handshake';

-- One, and what else is set stays.
SELECT intake.alter_source('options', options => '{"tolerance": null, "allowed_peers": null}');
SELECT tolerance, allowed_peers, key_from, on_dead_duplicate FROM intake.source WHERE name = 'options';
SELECT intake.alter_source('options', options => '{"verify_token": null}');
SELECT count(*) FROM intake.secrets WHERE source = 'options' AND purpose = 'handshake';
-- A value in the same call holds.
SELECT intake.alter_source('options', type_from => '$.other', options => '{"type_from": null, "key_from": null}');
SELECT key_from, type_from FROM intake.source WHERE name = 'options';
-- All.
SELECT intake.alter_source('options', options => (SELECT jsonb_object_agg(n, NULL) FROM unnest(
    '{key_from,type_from,tolerance,public_url,on_dead_duplicate,verify_token,missing_key,signature_from,replay_guard,allowed_peers}'::text[]) n));
SELECT count(*) FROM intake.source s JOIN options_before b ON s.name = b.name WHERE s = b;

-- Neither other names nor values.
SELECT intake.alter_source('options', options => '{"name": null}');
SELECT intake.alter_source('options', options => '{"id": null}');
SELECT intake.alter_source('options', options => '{"tolerance": "1 min"}');
SELECT intake.alter_source('options', options => '{"verify_token": "token"}');
SELECT intake.alter_source('options', options => '[]');
SELECT count(*) FROM intake.source s JOIN options_before b ON s.name = b.name WHERE s = b;

-- A source without a secret is open to one for ten minutes.
SELECT count(intake.create_source('options-learn', 'notion'));
SELECT learn_until - created_at FROM intake.source WHERE name = 'options-learn';
UPDATE intake.source SET learn_until = now() - interval '1 s' WHERE name = 'options-learn';
SELECT status FROM intake.ingest('options-learn', '{}', '{"verification_token": "secret_x"}');
SELECT count(*) FROM intake.secrets WHERE source = 'options-learn';
SELECT intake.learn_secret('options-learn');
SELECT status FROM intake.ingest('options-learn', '{}', '{"verification_token": "secret_x"}');
SELECT state FROM intake.secrets WHERE source = 'options-learn';
SELECT intake.drop_source('options'), intake.drop_source('options-learn');
DROP TABLE options_before;
