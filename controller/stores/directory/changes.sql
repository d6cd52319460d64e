-- What became of keys since a revision, for readers that keep a copy; written once for all tables.

-- name: changes
SELECT touched.row_key, coalesce(live.key, past.key) AS key,
       CASE WHEN live.rows = 0 THEN 'D' WHEN live.stayed OR past.was_there THEN 'M' ELSE 'A' END
           AS kind,
       greatest(live.newest, past.newest) AS revision
  FROM (SELECT row_key FROM directory.{name} WHERE revision > %(since)s
        UNION
        SELECT row_key FROM directory.{name}_history WHERE until_revision > %(since)s) AS touched
 CROSS JOIN LATERAL (
    SELECT count(*) AS rows, coalesce(bool_or(revision <= %(since)s), false) AS stayed,
           max(revision) AS newest, min(ARRAY[{key}]) AS key
      FROM directory.{name} WHERE row_key = touched.row_key
 ) AS live
 CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(revision <= %(since)s), false) AS was_there,
           max(until_revision) AS newest, min(ARRAY[{key}]) AS key
      FROM directory.{name}_history
     WHERE row_key = touched.row_key AND until_revision > %(since)s
 ) AS past
 WHERE (%(after)s::bigint IS NULL OR touched.row_key > %(after)s) AND
       (live.rows > 0 OR past.was_there)
 ORDER BY touched.row_key
 LIMIT %(limit)s
