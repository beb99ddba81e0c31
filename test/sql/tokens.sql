-- Tokens that are the body: each counts once, whatever else its scheme says.
\set VERBOSITY terse
SET client_min_messages = error;
INSERT INTO intake.scheme (name, kind, algorithm, signature_from, borders, missing_key) VALUES
    ('t-token', 'jwt', 'ES256', '{body:}', 'firm', 'digest'),
    ('t-loose', 'jwt', 'ES256', '{body:}', 'loose', 'digest');
SELECT count(intake.create_source(scheme, scheme, secret => '{"kty":"EC","x":"VdCbbt3Gw6UWawWCrDKJ71JBIfqHQc5IqtRLxY9Fwak","y":"QHm_SVs3ikLHcFwVhzIUCwkIBBizFk-8m9ON81SWbS4","crv":"P-256"}')) FROM unnest('{t-token,t-loose}'::text[]) scheme;

-- Of two numbers that are a signature of ECDSA, everybody can make two others.
SELECT source, n, substring((intake.ingest(source, '{}', convert_to('eyJhbGciOiJFUzI1NiJ9.eyJuIjoxfQ.' || signature, 'UTF8'))).body from '"status":"(\w+)"') AS status
    FROM unnest('{t-token,t-loose}'::text[]) source, unnest(ARRAY[
        'iKhMY7H0yOPvAmT5x8RA1m36-9KCkAEMl2bA_Sa_dWvsWsVkqpmK_7o6rzYNo63UlFjV8DsTuV1xzoZ_TU7yrQ',
        'iKhMY7H0yOPvAmT5x8RA1m36-9KCkAEMl2bA_Sa_dWsTpTqaVWZ1AUXFUMnyXFIrKI4kvWwD5SeB60RDrxQypA',
        'iKhMY7H0yOPvAmT5x8RA1m36-9KCkAEMl2bA_Sa_dWvsWsVkqpmK_7o6rzYNo63UlFjV8DsTuV1xzoZ_TU7yrQ']) WITH ORDINALITY u(signature, n) ORDER BY source, n;
SELECT source, count(*) FROM intake.events WHERE source IN ('t-token', 't-loose') GROUP BY 1 ORDER BY 1;

SELECT count(intake.drop_source(name)) FROM unnest('{t-token,t-loose}'::text[]) name;
DELETE FROM intake.scheme WHERE name LIKE 't-%';
