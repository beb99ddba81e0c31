-- Presets: how providers sign. They stand in sql/presets.json, which the Makefile puts in here;
-- "like" names a preset to begin with, whose facts hold unless the preset has its own.

WITH file AS (
    SELECT jsonb_array_elements($presets$
@presets.json@
$presets$::jsonb) AS preset
), whole AS (
    SELECT coalesce(base.preset - 'description' - 'unverified', '{}') || own.preset AS preset
    FROM file own LEFT JOIN file base ON base.preset ->> 'name' = own.preset ->> 'like'
)
INSERT INTO intake.scheme (name, kind, algorithm, key, signature_from, prefix, format, item_sep, kv_sep,
    tag, group_sep, encoding, message, timestamp_from, timestamp_unit, tolerance, require, each,
    url_variants, url_fields, content, json_from, borders, variants, verified, signs, key_from, key_class, missing_key,
    dedup_window, type_from, volatile, split, split_key_from, split_type_from, handshake, reject_status,
    success_body, preset, provider, description, unverified)
SELECT r.name, r.kind, r.algorithm, coalesce(r.key, 'raw'), coalesce(r.signature_from, '{}'), r.prefix,
       coalesce(r.format, 'plain'), r.item_sep, r.kv_sep, r.tag, r.group_sep, r.encoding, r.message,
       r.timestamp_from, r.timestamp_unit, r.tolerance, r.require, r.each, r.url_variants,
       r.url_fields, r.content, r.json_from, coalesce(r.borders, 'firm'),
       coalesce(r.variants, '[]'), r.verified, coalesce(r.signs, 'sent'), r.key_from, coalesce(r.key_class, 'event'),
       coalesce(r.missing_key, 'reject'), coalesce(r.dedup_window, '7 days'), r.type_from,
       r.volatile, r.split, r.split_key_from, r.split_type_from,
       coalesce(r.handshake, '[]'), coalesce(r.reject_status, 403), r.success_body, true, r.provider,
       r.description, r.unverified
FROM whole, jsonb_populate_record(NULL::intake.scheme, whole.preset) r;
