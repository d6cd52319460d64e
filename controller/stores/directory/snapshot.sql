-- The copy that a resolver keeps of the directory: rows as it keeps them, and what changed since.
--
-- Every copied row is: its key, its window, a number it refers by (a participant's or an endpoint's
-- key; a range's first number), a small number (1: removed; an endpoint's priority, -1: not in use;
-- a range's level), its file, two texts, and its part of an answer as JSON. The JSON is what
-- `controller/reconcile/answer.py` makes of the same row; a law holds both to it.
-- {window} and {wanted} are words that `snapshot_source.py` fills in.

-- name: copied_participants
SELECT stored.row_key, stored.effective_from, stored.effective_to, 0::bigint, 0, stored.file_id,
       stored.id, ''::text, row_to_json(document)
  FROM directory.participant AS stored
 CROSS JOIN LATERAL (
    SELECT stored.id, coalesce(stored.name, '') AS name,
           coalesce(stored.legal_name, '') AS legal_name, coalesce(stored.country, '') AS country,
           coalesce(string_to_array(stored.roles, '|'), '{{}}') AS roles,
           coalesce(string_to_array(stored.currencies, '|'), '{{}}') AS currencies,
           coalesce(stored.parent_id, '') AS parent_id, coalesce(stored.contact, '') AS contact,
           coalesce(stored.status, 'active') AS status, {window}
 ) AS document
 WHERE {wanted}

-- name: copied_identifiers
SELECT stored.row_key, stored.effective_from, stored.effective_to, stored.participant_key,
       CASE WHEN stored.status = 'removed' THEN 1 ELSE 0 END, stored.file_id,
       stored.scheme || E'\x1f' || stored.value,
       stored.participant_id || CASE WHEN stored.successor_scheme <> '' AND stored.successor_value <> ''
                                     THEN E'\x1f' || stored.successor_scheme
                                       || E'\x1f' || stored.successor_value ELSE '' END,
       row_to_json(document)
  FROM directory.identifier AS stored
 CROSS JOIN LATERAL (
    SELECT stored.scheme, stored.value, stored.participant_id, coalesce(stored.usage, '') AS usage,
           stored."primary" = 'true' AS "primary",
           CASE WHEN stored.successor_scheme <> '' AND stored.successor_value <> ''
                THEN json_build_object('scheme', stored.successor_scheme,
                                       'value', stored.successor_value) END AS successor,
           coalesce(stored.removal_date, '') AS removal_date,
           coalesce(stored.status, 'active') AS status, {window}
 ) AS document
 WHERE {wanted}

-- name: copied_endpoints
SELECT stored.row_key, stored.effective_from, stored.effective_to, stored.participant_key,
       CASE WHEN coalesce(stored.status, 'active') NOT IN ('active', 'deprecated') THEN -1
            WHEN stored.priority ~ '^[0-9]{{1,9}}$' THEN stored.priority::integer
            ELSE 2147483647 END,
       stored.file_id, stored.participant_id, stored.id, row_to_json(document)
  FROM directory.endpoint AS stored
 CROSS JOIN LATERAL (
    SELECT stored.id, stored.participant_id, coalesce(stored.protocol, '') AS protocol,
           coalesce(stored.transport_profile, '') AS transport_profile,
           coalesce(stored.address, '') AS address,
           coalesce(stored.certificate_fingerprint_sha256, '') AS certificate_fingerprint_sha256,
           coalesce(stored.certificate_subject, '') AS certificate_subject,
           coalesce(stored.certificate_not_before, '') AS certificate_not_before,
           coalesce(stored.certificate_not_after, '') AS certificate_not_after,
           coalesce(stored.priority, '') AS priority, coalesce(stored.weight, '') AS weight,
           coalesce(stored.require_business_level_signature, '')
               AS require_business_level_signature,
           coalesce(stored.status, 'active') AS status, {window}
 ) AS document
 WHERE {wanted}

-- name: copied_capabilities
SELECT stored.row_key, stored.effective_from, stored.effective_to, stored.endpoint_key,
       CASE WHEN coalesce(stored.status, 'active') IN ('active', 'deprecated') THEN 0 ELSE -1 END,
       stored.file_id, stored.endpoint_id,
       coalesce(stored.message, '') || E'\x1f' || coalesce(stored.document_type, '')
           || E'\x1f' || coalesce(stored.currency, ''),
       ''::text
  FROM directory.capability AS stored
 WHERE {wanted}

-- name: copied_ranges
SELECT stored.row_key, stored.effective_from, stored.effective_to, stored.lo, stored.level::integer,
       stored.file_id, coalesce(stored.participant_id, ''), stored.hi::text, row_to_json(document)
  FROM directory.range AS stored
 CROSS JOIN LATERAL (
    SELECT stored.iin_start, coalesce(stored.iin_end, '') AS iin_end,
           coalesce(stored.number_length, '') AS number_length,
           coalesce(stored.number_luhn, '') AS number_luhn, coalesce(stored.scheme, '') AS scheme,
           coalesce(stored.brand, '') AS brand, coalesce(stored.type, '') AS type,
           coalesce(stored.prepaid, '') AS prepaid, coalesce(stored.country, '') AS country,
           coalesce(stored.currency, '') AS currency,
           coalesce(stored.participant_id, '') AS participant_id,
           length(stored.iin_start) AS length, {window}
 ) AS document
 WHERE {wanted}

-- name: copied_files
SELECT file_id, bundle, path FROM directory.source_file WHERE file_id > %(after)s

-- name: copied_boundaries
-- The indexes these conditions name hold only rows with a boundary.
SELECT DISTINCT (extract(epoch FROM boundary) * 1000000)::bigint - 946684800000000 AS boundary
  FROM ({boundaries}) AS edges (boundary)
 ORDER BY 1

-- name: table_places
-- A rebuilt table is another one: what changed since cannot be asked of it.
SELECT array_agg(name::regclass::oid::bigint ORDER BY place) AS places
  FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS named (name, place)

-- name: moved_many
SELECT EXISTS (SELECT FROM directory.moved WHERE revision > %(revision)s AND row_key IS NULL)

-- name: touched
SELECT {table} AS of, row_key, {ref} AS ref FROM directory.{name} WHERE revision > %(revision)s
UNION ALL
SELECT {table}, row_key, {ref} FROM directory.{name}_history WHERE until_revision > %(revision)s
UNION ALL
SELECT {table}, live.row_key, live.{ref}
  FROM directory.moved
  JOIN directory.{name} AS live USING (row_key)
 WHERE moved.revision > %(revision)s AND moved.table_name = '{name}'
