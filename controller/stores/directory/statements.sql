-- The statements of an apply, written once for all tables. `statements.py` fills in the words in
-- braces: {live} a table, {columns} its columns, {content} what its digest covers, {incoming} and
-- {leaving} the rows to put and to drop (arrays for a few rows, a staged table for many).

-- name: move
WITH moved AS (
    UPDATE {live} AS live SET file_id = moved.file_id
      FROM unnest(%(keys)s::bigint[], %(starts)s::timestamptz[], %(files)s::integer[])
           AS moved (row_key, effective_from, file_id)
     WHERE (live.row_key, live.effective_from) = (moved.row_key, moved.effective_from)
    RETURNING live.row_key
)
INSERT INTO directory.moved (revision, table_name, row_key)
SELECT %(revision)s, {name}, row_key FROM moved

-- name: move_staged
-- Rows of other content may have come under the same key and start: those stay, to be refused.
WITH moved AS (
    UPDATE {live} AS live SET file_id = incoming.file_id
      FROM {incoming}
     WHERE (live.row_key, live.effective_from) = (incoming.row_key, incoming.effective_from)
       AND ROW({live_content}) IS NOT DISTINCT FROM ROW({incoming_content})
       AND EXISTS (SELECT FROM {leaving}
                    WHERE (leaving.row_key, leaving.effective_from)
                        = (incoming.row_key, incoming.effective_from))
    RETURNING live.row_key, live.effective_from, incoming.ctid AS place
),
noted AS (
    INSERT INTO directory.moved (revision, table_name)
    SELECT DISTINCT %(revision)s::bigint, {name} FROM moved
),
stays AS (
    DELETE FROM {leaving} USING moved
     WHERE (leaving.row_key, leaving.effective_from) = (moved.row_key, moved.effective_from)
)
DELETE FROM {incoming} USING moved WHERE incoming.ctid = moved.place

-- name: take
WITH gone AS (
    DELETE FROM {live} AS live USING {leaving}
     WHERE (live.row_key, live.effective_from) = (leaving.row_key, leaving.effective_from)
    RETURNING live.*
),
kept AS (
    INSERT INTO {history} ({columns}, until_revision)
    SELECT {columns}, %(revision)s FROM gone
)
UPDATE directory.table_digest AS sums
   SET rows = sums.rows - part.rows, digest = sums.digest # part.digest
  FROM (SELECT count(*) AS rows,
               coalesce(bit_xor(hash_record_extended(ROW({content}), 0)), 0) AS digest
          FROM gone) AS part
 WHERE sums.table_name = {name}
RETURNING part.rows AS rows, sums.rows AS kept, sums.digest AS digest

-- name: put
WITH put AS (
    INSERT INTO {live} ({columns}) SELECT {columns} FROM {incoming}
    ON CONFLICT DO NOTHING
    RETURNING *
)
UPDATE directory.table_digest AS sums
   SET rows = sums.rows + part.rows, digest = sums.digest # part.digest
  FROM (SELECT count(*) AS rows,
               coalesce(bit_xor(hash_record_extended(ROW({content}), 0)), 0) AS digest
          FROM put) AS part
 WHERE sums.table_name = {name}
RETURNING part.rows AS rows, sums.rows AS kept, sums.digest AS digest

-- name: change
-- Rows that keep key and window and get other cells: updated in place.
WITH old AS (
    SELECT live.*
      FROM {live} AS live
      JOIN {incoming}
        ON (live.row_key, live.effective_from, live.effective_to)
         = (incoming.row_key, incoming.effective_from, incoming.effective_to)
       AND ROW({live_key}) IS NOT DISTINCT FROM ROW({incoming_key})
),
kept AS (
    INSERT INTO {history} SELECT old.*, %(revision)s FROM old
),
new AS (
    UPDATE {live} AS live SET ({columns}) = ROW({incoming_columns})
      FROM {incoming}
      JOIN old USING (row_key, effective_from)
     WHERE (live.row_key, live.effective_from) = (incoming.row_key, incoming.effective_from)
    RETURNING live.*
)
UPDATE directory.table_digest AS sums
   SET digest = sums.digest # part.digest
  FROM (SELECT count(*) AS rows,
               coalesce(bit_xor(hash_record_extended(ROW({content}), 0)), 0) AS digest
          FROM (SELECT * FROM old UNION ALL SELECT * FROM new) AS both_sides) AS part
 WHERE sums.table_name = {name}
RETURNING part.rows / 2 AS rows, sums.rows AS kept, sums.digest AS digest

-- name: taken
SELECT {incoming_facts}, {live_other_facts}
  FROM {incoming}
  JOIN {live} AS live USING (row_key, effective_from)
 WHERE ROW({live_content}, live.file_id)
       IS DISTINCT FROM ROW({incoming_content}, incoming.file_id)
 LIMIT 1

-- name: clashing
SELECT {one_facts}, {other_facts}
  FROM {live} AS one
  JOIN {live} AS other USING (row_key)
 WHERE one.row_key IN (SELECT row_key FROM {touched})
   AND (one.effective_from, one.ctid) < (other.effective_from, other.ctid)
   AND (other.effective_from < one.effective_to
        OR ROW({one_key}) IS DISTINCT FROM ROW({other_key}))
 LIMIT 1

-- name: repeated
SELECT row_key FROM {live} GROUP BY row_key HAVING count(*) > 1

-- name: started
SELECT row_key FROM {live} WHERE effective_from > '-infinity'

-- name: straddling
WITH RECURSIVE levels AS (
    SELECT min(level) AS level FROM {live}
    UNION ALL
    SELECT (SELECT min(level) FROM {live} WHERE level > levels.level)
      FROM levels WHERE levels.level IS NOT NULL
)
SELECT {incoming_facts}, {other_facts}
  FROM {incoming}
  JOIN levels ON levels.level IS NOT NULL
 CROSS JOIN LATERAL (
    SELECT * FROM {live} AS across
     WHERE across.level = levels.level
       AND across.lo > incoming.lo - (1::bigint << levels.level)
       AND across.lo < incoming.lo
       AND across.hi >= incoming.lo AND across.hi < incoming.hi
    UNION ALL
    SELECT * FROM {live} AS across
     WHERE across.level = levels.level
       AND across.lo > greatest(incoming.lo, incoming.hi - (1::bigint << levels.level))
       AND across.lo <= incoming.hi
       AND across.hi > incoming.hi
    OFFSET 0  -- keeps the planner from reading all levels at once
 ) AS other
 WHERE other.effective_from < incoming.effective_to
   AND incoming.effective_from < other.effective_to
 LIMIT 1

-- name: touching
-- Whether any two spans share a number at all: when none do, nothing else need be asked.
SELECT EXISTS (
    SELECT FROM (SELECT lo, max(hi) OVER (ORDER BY lo, hi
                                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                            AS reached
                   FROM {live}) AS swept
     WHERE reached >= lo) AS found

-- name: straddled
-- Every pair that overlaps in part is met from the span that starts later.
WITH RECURSIVE levels AS (
    SELECT min(level) AS level FROM {live}
    UNION ALL
    SELECT (SELECT min(level) FROM {live} WHERE level > levels.level)
      FROM levels WHERE levels.level IS NOT NULL
)
SELECT {incoming_facts}, {other_facts}
  FROM {incoming}
  JOIN levels ON levels.level IS NOT NULL
 CROSS JOIN LATERAL (
    SELECT * FROM {live} AS across
     WHERE across.level = levels.level
       AND across.lo > incoming.lo - (1::bigint << levels.level)
       AND across.lo < incoming.lo
       AND across.hi >= incoming.lo AND across.hi < incoming.hi
    OFFSET 0
 ) AS other
 WHERE other.effective_from < incoming.effective_to
   AND incoming.effective_from < other.effective_to
 LIMIT 1

-- name: missing_target
SELECT {incoming_facts}
  FROM {incoming}
 WHERE incoming.{reference} IS NOT NULL
   AND NOT EXISTS (SELECT FROM {target} AS target
                    WHERE target.row_key = incoming.{reference})
 LIMIT 1

-- name: orphaned
SELECT {live_facts}
  FROM {leaving}
  JOIN {live} AS live ON live.{reference} = leaving.row_key
 WHERE NOT EXISTS (SELECT FROM {target} AS target WHERE target.row_key = leaving.row_key)
 LIMIT 1

-- name: dangling
SELECT {live_facts}
  FROM {live} AS live
 WHERE live.{reference} IS NOT NULL
   AND NOT EXISTS (SELECT FROM {target} AS target WHERE target.row_key = live.{reference})
 LIMIT 1

-- name: dangles
-- Whether any row names something that is not there: both sides come in order from their indexes.
SELECT EXISTS (
    SELECT FROM (SELECT {reference} AS row_key FROM {live} WHERE {reference} IS NOT NULL
                  GROUP BY {reference}) AS named
     WHERE NOT EXISTS (SELECT FROM {target} AS target
                        WHERE target.row_key = named.row_key)) AS found

-- name: matched
SELECT count(*) AS rows
  FROM {leaving}
  JOIN {live} AS live USING (row_key, effective_from)

-- name: keep_revision
UPDATE {next} AS incoming SET revision = live.revision
  FROM {live} AS live
  JOIN {leaving} USING (row_key, effective_from)
 WHERE (incoming.row_key, incoming.effective_from) = (live.row_key, live.effective_from)
   AND ROW({live_content}) IS NOT DISTINCT FROM ROW({incoming_content})

-- name: keep_history
INSERT INTO {history} ({columns}, until_revision)
SELECT {live_columns}, %(revision)s
  FROM {live} AS live
  JOIN {leaving} USING (row_key, effective_from)
  LEFT JOIN {next} AS incoming
         ON (incoming.row_key, incoming.effective_from) = (live.row_key, live.effective_from)
        AND ROW({live_content}) IS NOT DISTINCT FROM ROW({incoming_content})
 WHERE incoming.row_key IS NULL

-- name: carry_over
INSERT INTO {next} ({columns})
SELECT {live_columns} FROM {live} AS live
 WHERE NOT EXISTS (SELECT FROM {leaving}
                    WHERE (leaving.row_key, leaving.effective_from)
                        = (live.row_key, live.effective_from))

-- name: recompute
SELECT count(*) AS rows,
       coalesce(bit_xor(hash_record_extended(ROW({content}), 0)), 0) AS digest
  FROM {live}

-- name: trace
SELECT {live_cells}, live.revision, NULL::bigint AS until_revision, file.bundle AS file_bundle,
       file.path AS file_path, nullif(effective_from, '-infinity') AS starts,
       nullif(effective_to, 'infinity') AS ends
  FROM {live} AS live
  JOIN directory.source_file AS file USING (file_id)
 WHERE row_key = %(key)s
UNION ALL
SELECT {live_cells}, live.revision, until_revision, file.bundle, file.path,
       nullif(effective_from, '-infinity'), nullif(effective_to, 'infinity')
  FROM {history} AS live
  JOIN directory.source_file AS file USING (file_id)
 WHERE row_key = %(key)s
 ORDER BY revision DESC, until_revision DESC NULLS FIRST, starts DESC NULLS LAST

-- name: read_all
SELECT live.row_key, {live_cells}, file.bundle AS file_bundle, file.path AS file_path,
       nullif(effective_from, '-infinity') AS starts, nullif(effective_to, 'infinity') AS ends
  FROM {live} AS live
  JOIN directory.source_file AS file USING (file_id)
 ORDER BY row_key, effective_from

-- name: endless
SELECT count(*)
  FROM (SELECT FROM {live} WHERE effective_to = 'infinity' LIMIT %(most)s) AS found
