-- What make run sets up as superuser. :secret is the secret of the source demo.
CREATE EXTENSION IF NOT EXISTS pg_intake CASCADE;

SELECT 'CREATE ROLE intake_gateway LOGIN'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'intake_gateway') \gexec
SELECT 'CREATE ROLE intake_courier LOGIN'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'intake_courier') \gexec
SELECT 'CREATE ROLE demo LOGIN'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'demo') \gexec
SELECT intake.grant_access('intake_gateway', 'gateway');
SELECT intake.grant_access('intake_courier', 'courier');
SELECT intake.grant_access('demo', 'admin');
GRANT CREATE ON SCHEMA public TO demo;

SELECT intake.create_source('demo', 'hmac', secret => :'secret')
    WHERE NOT EXISTS (SELECT FROM intake.sources WHERE name = 'demo');
