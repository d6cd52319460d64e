-- name: known_files
SELECT file_id, bundle, path
  FROM directory.source_file
  JOIN unnest(%(bundles)s::text[], %(paths)s::text[]) AS wanted (bundle, path)
       USING (bundle, path)

-- name: find_files
WITH wanted AS (
    SELECT DISTINCT bundle, path
      FROM unnest(%(bundles)s::text[], %(paths)s::text[]) AS wanted (bundle, path)
),
found AS (
    SELECT file_id, bundle, path FROM directory.source_file JOIN wanted USING (bundle, path)
),
made AS (
    INSERT INTO directory.source_file (bundle, path)
    SELECT bundle, path FROM wanted EXCEPT SELECT bundle, path FROM found
    RETURNING file_id, bundle, path
)
SELECT * FROM found UNION ALL SELECT * FROM made

-- name: name_files
SELECT file_id, bundle, path FROM directory.source_file WHERE file_id = ANY(%(files)s::integer[])

-- name: settings_of_a_load
-- Whole pages of new indexes compress badly: it costs more time than writing them. Not every role
-- may say so.
SELECT set_config('work_mem', '64MB', true), set_config('maintenance_work_mem', '256MB', true),
       CASE WHEN has_parameter_privilege('wal_compression', 'SET')
            THEN set_config('wal_compression', 'off', true) END

-- name: settings_of_few
-- Few rows are always found by key, so no plan depends on the values, nor on how small a table is;
-- planning anew would take longer than doing it.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('enable_seqscan', 'off', true)

-- name: kept_digests
SELECT table_name, rows, digest, algorithm FROM directory.table_digest ORDER BY table_name

-- name: store_digest
UPDATE directory.table_digest
   SET rows = %(rows)s, digest = %(digest)s, algorithm = %(algorithm)s
 WHERE table_name = %(table_name)s

-- name: index_definitions
SELECT index.relname AS name, pg_get_indexdef(index.oid) AS definition,
       pg_index.indisprimary AS is_primary,
       coalesce(strpos(pg_get_expr(pg_index.indpred, pg_index.indrelid), 'effective_'), 0) > 0
           AS is_of_boundaries
  FROM pg_index
  JOIN pg_class AS index ON index.oid = pg_index.indexrelid
 WHERE pg_index.indrelid = %(table)s::regclass
 ORDER BY index.relname

-- name: identifier_at
SELECT identifier.participant_id, identifier.scheme, identifier.value, identifier.usage,
       identifier."primary", identifier.successor_scheme, identifier.successor_value,
       identifier.removal_date, identifier.status, file.bundle AS file_bundle, file.path AS file_path,
       nullif(identifier.effective_from, '-infinity') AS starts,
       nullif(identifier.effective_to, 'infinity') AS ends
  FROM directory.identifier
  JOIN directory.source_file AS file USING (file_id)
 WHERE row_key = %(key)s AND scheme = %(scheme)s AND value = %(value)s
   AND effective_from <= %(at)s AND %(at)s < effective_to

-- name: participant_at
SELECT participant.id, participant.name, participant.legal_name, participant.country,
       participant.roles, participant.currencies, participant.parent_id, participant.contact,
       participant.status, file.bundle AS file_bundle, file.path AS file_path,
       nullif(participant.effective_from, '-infinity') AS starts,
       nullif(participant.effective_to, 'infinity') AS ends
  FROM directory.participant
  JOIN directory.source_file AS file USING (file_id)
 WHERE row_key = %(key)s AND id = %(id)s
   AND effective_from <= %(at)s AND %(at)s < effective_to

-- name: ranges_around
-- Every range that holds the digits and is visible at the instant or later, smallest first.
-- A range of level n spans less than 2^n numbers, so at each level only the few that start less
-- than that below can reach; no number of other ranges is looked at.
WITH RECURSIVE levels AS (
    SELECT min(level) AS level FROM directory.range
    UNION ALL
    SELECT (SELECT min(level) FROM directory.range WHERE level > levels.level)
      FROM levels WHERE levels.level IS NOT NULL
)
SELECT around.iin_start, around.iin_end, around.number_length, around.number_luhn,
       around.scheme, around.brand, around.type, around.prepaid, around.country,
       around.currency, around.participant_id, file.bundle AS file_bundle, file.path AS file_path,
       nullif(around.effective_from, '-infinity') AS starts,
       nullif(around.effective_to, 'infinity') AS ends
  FROM levels
 CROSS JOIN LATERAL (
    SELECT * FROM directory.range
     WHERE range.level = levels.level
       AND range.lo <= %(lo)s
       AND range.lo > %(lo)s - (1::bigint << levels.level)
       AND range.hi >= %(hi)s
       AND range.effective_to > %(at)s
    OFFSET 0  -- keeps the planner from reading all levels at once
 ) AS around
 CROSS JOIN LATERAL (
    SELECT bundle, path FROM directory.source_file
     WHERE source_file.file_id = around.file_id
    OFFSET 0
 ) AS file
 ORDER BY around.hi - around.lo, around.effective_from

-- name: endpoints_at
SELECT endpoint.id, endpoint.participant_id, endpoint.protocol, endpoint.transport_profile,
       endpoint.address, endpoint.certificate_fingerprint_sha256, endpoint.certificate_subject,
       endpoint.certificate_not_before, endpoint.certificate_not_after, endpoint.priority,
       endpoint.weight, endpoint.require_business_level_signature, endpoint.status, file.bundle AS file_bundle, file.path AS file_path,
       nullif(endpoint.effective_from, '-infinity') AS starts,
       nullif(endpoint.effective_to, 'infinity') AS ends,
       nullif(able.ends, 'infinity') AS able_until
  FROM directory.endpoint
  JOIN directory.source_file AS file USING (file_id)
 CROSS JOIN LATERAL (
    SELECT max(capability.effective_to) AS ends
      FROM directory.capability
     WHERE capability.endpoint_key = endpoint.row_key
       AND capability.effective_from <= %(at)s AND %(at)s < capability.effective_to
       AND coalesce(capability.status, 'active') IN ('active', 'deprecated')
       AND (%(capability)s::text IS NULL
            OR %(capability)s IN (capability.message, capability.document_type))
       AND (%(currency)s::text IS NULL
            OR coalesce(capability.currency, %(currency)s) = %(currency)s)
 ) AS able
 WHERE endpoint.participant_key = %(key)s AND endpoint.participant_id = %(participant_id)s
   AND endpoint.effective_from <= %(at)s AND %(at)s < endpoint.effective_to
   AND coalesce(endpoint.status, 'active') IN ('active', 'deprecated')
   AND (able.ends IS NOT NULL
        OR (%(capability)s::text IS NULL AND %(currency)s::text IS NULL))
   AND (%(rail)s::text IS NULL OR split_part(file.bundle, '/', 1) = %(rail)s)
 ORDER BY CASE WHEN endpoint.priority ~ '^[0-9]{1,9}$' THEN endpoint.priority::integer END
          NULLS LAST, endpoint.id COLLATE "C"

-- name: rules_at
SELECT rule.document
  FROM directory.rule
 WHERE effective_from <= %(at)s AND %(at)s < effective_to
 ORDER BY CASE WHEN rule.priority ~ '^[0-9]{1,9}$' THEN rule.priority::integer END NULLS LAST,
          rule.bundle, rule.id

-- name: next_boundary
-- The indexes these conditions name hold only rows with a boundary: few, whatever the store holds.
SELECT min(boundary) AS boundary
  FROM (SELECT min(effective_from) AS boundary FROM directory.participant
         WHERE effective_from > '-infinity' AND effective_from > %(now)s
        UNION ALL
        SELECT min(effective_to) FROM directory.participant
         WHERE effective_to < 'infinity' AND effective_to > %(now)s
        UNION ALL
        SELECT min(effective_from) FROM directory.identifier
         WHERE effective_from > '-infinity' AND effective_from > %(now)s
        UNION ALL
        SELECT min(effective_to) FROM directory.identifier
         WHERE effective_to < 'infinity' AND effective_to > %(now)s
        UNION ALL
        SELECT min(effective_from) FROM directory.endpoint
         WHERE effective_from > '-infinity' AND effective_from > %(now)s
        UNION ALL
        SELECT min(effective_to) FROM directory.endpoint
         WHERE effective_to < 'infinity' AND effective_to > %(now)s
        UNION ALL
        SELECT min(effective_from) FROM directory.capability
         WHERE effective_from > '-infinity' AND effective_from > %(now)s
        UNION ALL
        SELECT min(effective_to) FROM directory.capability
         WHERE effective_to < 'infinity' AND effective_to > %(now)s
        UNION ALL
        SELECT min(effective_from) FROM directory.range
         WHERE effective_from > '-infinity' AND effective_from > %(now)s
        UNION ALL
        SELECT min(effective_to) FROM directory.range
         WHERE effective_to < 'infinity' AND effective_to > %(now)s
        UNION ALL
        SELECT min(effective_from) FROM directory.rule
         WHERE effective_from > '-infinity' AND effective_from > %(now)s
        UNION ALL
        SELECT min(effective_to) FROM directory.rule
         WHERE effective_to < 'infinity' AND effective_to > %(now)s
       ) AS boundaries

-- name: spans_around
-- The spans of ranges that hold the digits or once held them; for `trace`, not for the hot path.
WITH RECURSIVE levels AS (
    SELECT min(level) AS level FROM directory.range
    UNION ALL
    SELECT (SELECT min(level) FROM directory.range WHERE level > levels.level)
      FROM levels WHERE levels.level IS NOT NULL
)
SELECT DISTINCT lo, hi, hi - lo AS size
  FROM (SELECT around.lo, around.hi
          FROM levels
         CROSS JOIN LATERAL (
            SELECT lo, hi FROM directory.range
             WHERE range.level = levels.level
               AND range.lo <= %(lo)s
               AND range.lo > %(lo)s - (1::bigint << levels.level)
               AND range.hi >= %(hi)s
            OFFSET 0  -- keeps the planner from reading all levels at once
         ) AS around
        UNION ALL
        SELECT lo, hi FROM directory.range_history WHERE lo <= %(lo)s AND hi >= %(hi)s) AS spans
 ORDER BY size, lo

-- name: bundles_with_rule
-- Rules are few; for `trace`, not for the hot path.
SELECT bundle FROM directory.rule WHERE id = %(id)s
UNION
SELECT bundle FROM directory.rule_history WHERE id = %(id)s
 ORDER BY bundle
