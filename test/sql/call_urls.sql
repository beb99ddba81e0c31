-- URLs of calls: one grammar, which the makers of requests and those of secrets share.
\set VERBOSITY terse

CREATE FUNCTION try_url(url text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (intake.request(url)).url;
EXCEPTION WHEN invalid_parameter_value OR null_value_not_allowed THEN
    RETURN 'refused: ' || SQLERRM;
END $$;
CREATE FUNCTION try_host(host text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN intake.call_host(host);
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN 'refused';
END $$;

SELECT u AS url FROM unnest(ARRAY['https://api.example.com', 'http://api.example.com:8080/v1/x?a=b&c=%20',
    'https://[2001:db8::7]:8443/', 'https://192.0.2.7/', 'https://API.example.com/', 'https://my_service/']) u WHERE try_url(u) = u;
SELECT u AS url, try_url(u) FROM unnest(ARRAY[NULL, '', 'api.example.com', 'ftp://x/', 'file:///etc/passwd', 'https://', 'https://user:secret@x/',
    'https://x\@y/', 'https://x%2ey/', 'https://bücher.example/', 'https://127.1/', 'https://0x7f.0.0.1/', 'https://2130706433/', 'https://127.0.0.01/',
    'https://[::ffff:127.0.0.1]/', 'https://[fe80::1%25eth0]/', 'https://x.:443/', 'https://x:0/', 'https://x:99999/', 'https://x?y', 'https://x/#y',
    'https://x/a b', E'https://x/\r\nHost: y', 'https://x/%zz', 'https://x/ä', 'https://*.example.com/']) u;
SELECT try_url('https://x/' || repeat('a', 7990)) LIKE 'https://x/a%' AS fits, try_url('https://x/' || repeat('a', 7991)) AS does_not;
-- The URL itself is in no error: it may have something secret in it.
SELECT try_url('https://user:s3cret@x/') ~ 's3cret' AS shown;

SELECT h AS host, try_host(h) FROM unnest(ARRAY['api.example.com', 'API.Example.com:8443', '[2001:DB8:0::7]', '192.0.2.7:1', '*.example.com', 'https://x', 'x/', 'u@x', '127.1', '']) h;

DROP FUNCTION try_url(text), try_host(text);
