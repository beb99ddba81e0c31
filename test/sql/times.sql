-- Times that are signed have one form each: intake.sign writes it, and nothing else is taken.
\set VERBOSITY terse
SET client_min_messages = error;
SELECT count(intake.create_source('st_' || n, n, secret => 'a secret')) FROM unnest(ARRAY['slack', 'airwallex', 'box', 'zendesk', 'twitch', 'orb', 'metronome']) n;
CREATE FUNCTION signed(source text, at timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT h.value FROM jsonb_each_text(intake.sign(source, '{}', at => at)) h WHERE h.key ~ '(time|timestamp|date)$' ORDER BY length(h.key) DESC LIMIT 1 $$;
SELECT n, signed('st_' || n, '2026-11-30 03:05:15.678+00'), signed('st_' || n, '1970-01-01 00:00:05+00') FROM unnest(ARRAY['slack', 'airwallex', 'box', 'zendesk', 'twitch', 'orb', 'metronome']) n;
SELECT intake.sign('st_slack', '{}', at => '1969-12-31 23:59:59+00');
SELECT intake.sign('st_box', '{}', at => '2287-01-01');
SELECT intake.sign('st_box', '{}', at => 'infinity');

-- What verifies with the signature of the time that is written so.
CREATE FUNCTION verdict(source text, header text, message text, signature text, written text) RETURNS text LANGUAGE sql AS $$
    SELECT intake.verify_explain(source, jsonb_build_object(header, written, signature, CASE source WHEN 'st_orb' THEN 'v1=' WHEN 'st_slack' THEN 'v0=' ELSE '' END || encode(hmac(convert_to(format(message, written), 'UTF8'), 'a secret', 'sha256'), CASE source WHEN 'st_zendesk' THEN 'base64' ELSE 'hex' END)), '{}', at => '2026-11-30 03:05:15+00') $$;
SELECT t, verdict('st_slack', 'x-slack-request-timestamp', 'v0:%s:{}', 'x-slack-signature', t) FROM unnest(ARRAY['1796007915', '01796007915', '+1796007915', '1796007915.0', '1796007915000', '179600791']) t;
SELECT t, verdict('st_airwallex', 'x-timestamp', '%s{}', 'x-signature', t) FROM unnest(ARRAY['1796007915000', '01796007915000', '1796007915', '1796007915000.5']) t;
SELECT t, verdict('st_zendesk', 'x-zendesk-webhook-signature-timestamp', '%s{}', 'x-zendesk-webhook-signature', t) FROM unnest(ARRAY['2026-11-30T03:05:15Z', '2026-11-30T03:05:15.678Z', '2026-11-30T04:05:15+01:00', '2026-11-29T22:05:15-0500', '2026-11-30T03:05:15', '2026-11-30T03:05:15z', '2026-11-30t03:05:15Z', '2026-11-30 03:05:15Z', '2026-11-30T03:05:15.Z', '2026-11-30T03:05:15+01', '2026-11-30T03:05:15.1234567890123Z', '2026-02-30T03:05:15Z']) t;
SELECT t, verdict('st_orb', 'x-orb-timestamp', 'v1:%s:{}', 'x-orb-signature', t) FROM unnest(ARRAY['2026-11-30T03:05:15', '2026-11-30T03:05:15.551', '2026-11-30T03:05:15Z', '2026-11-30T03:05:15+00:00', '2026-11-30 03:05:15']) t;
SELECT t, verdict('st_metronome', 'x-metronome-date', E'%s\n{}', 'metronome-webhook-signature', t) FROM unnest(ARRAY['Mon, 30 Nov 2026 03:05:15 GMT', 'Tue, 30 Nov 2026 03:05:15 GMT', 'Mon, 30 Nov 2026 03:05:15 UTC', 'mon, 30 nov 2026 03:05:15 gmt', 'Monday, 30-Nov-26 03:05:15 GMT']) t;

SELECT count(intake.drop_source(name)) FROM intake.sources WHERE name LIKE 'st\_%';
DROP FUNCTION signed(text, timestamptz), verdict(text, text, text, text, text);
