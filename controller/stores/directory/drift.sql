-- What is live held against what is declared, and put as it is declared; written once for all
-- tables. {live} is a table, {declared} the rows that a fresh load would put there, {content} what
-- a digest covers, {texts} every column of a side as text.

-- name: differing
-- Rows that stand for the same key from the same instant on are one row that changed; of the rest
-- of a key the first that is there goes with the first that should be, and so on.
WITH odd AS (
    SELECT live AS stored, declared AS wanted
      FROM {live} AS live
      FULL JOIN {declared} AS declared
             ON (live.row_key, live.effective_from)
              = (declared.row_key, declared.effective_from)
     WHERE ROW({live_content}, live.file_id)
           IS DISTINCT FROM ROW({declared_content}, declared.file_id)
),
pairs AS (
    SELECT stored, wanted FROM odd
     WHERE (stored).row_key IS NOT NULL AND (wanted).row_key IS NOT NULL
    UNION ALL
    SELECT extra.stored, missing.wanted
      FROM (SELECT stored, (stored).row_key AS row_key,
                   row_number() OVER (PARTITION BY (stored).row_key
                                      ORDER BY (stored).effective_from) AS place
              FROM odd WHERE (wanted).row_key IS NULL) AS extra
      FULL JOIN (SELECT wanted, (wanted).row_key AS row_key,
                        row_number() OVER (PARTITION BY (wanted).row_key
                                           ORDER BY (wanted).effective_from) AS place
                   FROM odd WHERE (stored).row_key IS NULL) AS missing
             USING (row_key, place)
)
SELECT (stored).row_key IS NOT NULL, (wanted).row_key IS NOT NULL, (wanted).file_id,
       (SELECT bundle || ' ' || path FROM directory.source_file
         WHERE file_id = (stored).file_id),
       {stored_texts}, {wanted_texts}
  FROM pairs
 ORDER BY coalesce((wanted).row_key, (stored).row_key),
          coalesce((wanted).effective_from, (stored).effective_from),
          (stored).effective_from

-- name: settings_of_a_heal
-- A table that somebody emptied looks so small that rows would be looked for one by one, among all
-- that are being put: for 200,000 that took longer than anybody waits.
SELECT set_config('enable_nestloop', 'off', true)

-- name: take_undeclared
-- The rows go into the history as what nobody declared: they left with a revision that heals.
WITH gone AS (
    DELETE FROM {live} AS live
     WHERE NOT EXISTS (SELECT FROM {declared} AS declared
                        WHERE (declared.row_key, declared.effective_from)
                            = (live.row_key, live.effective_from)
                          AND ROW({live_content}, live.file_id)
                              IS NOT DISTINCT FROM ROW({declared_content}, declared.file_id))
    RETURNING live.*
)
INSERT INTO {history} ({columns}, until_revision)
SELECT {gone_columns}, least(greatest(revision, 1), %(revision)s - 1), %(revision)s FROM gone

-- name: put_declared
-- A row that was changed comes with the revision that it came with before; of one that was deleted
-- nobody knows it any more.
INSERT INTO {live} ({columns})
SELECT {gone_columns},
       coalesce((SELECT max(gone.revision) FROM {history} AS gone
                  WHERE gone.row_key = declared.row_key AND gone.until_revision = %(revision)s),
                %(revision)s)
  FROM {declared} AS declared
 WHERE NOT EXISTS (SELECT FROM {live} AS live
                    WHERE (live.row_key, live.effective_from)
                        = (declared.row_key, declared.effective_from))
