-- name: lock_journal
LOCK TABLE controller.journal IN SHARE ROW EXCLUSIVE MODE;

-- name: last_link
SELECT seq, sha256 FROM controller.journal
 WHERE controller = %(controller)s ORDER BY seq DESC LIMIT 1;

-- name: append_record
INSERT INTO controller.journal (controller, seq, prev_sha256, sha256, record)
VALUES (%(controller)s, %(seq)s, %(prev_sha256)s, %(sha256)s, %(record)s);

-- name: read_record
SELECT seq, prev_sha256, sha256, record FROM controller.journal
 WHERE controller = %(controller)s AND seq = %(seq)s;

-- name: read_journal
SELECT seq, prev_sha256, sha256, record FROM controller.journal
 WHERE controller = %(controller)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s;

-- name: spent_permissions
SELECT DISTINCT record::jsonb #>> '{rollback,evidence}' AS evidence FROM controller.journal
 WHERE record::jsonb #>> '{rollback,evidence}' IS NOT NULL;

-- name: first_published_beyond
SELECT min(journal_seq) AS seq FROM controller.outbox
 WHERE kind = 'audit_commit' AND controller = %(controller)s AND state = 'done'
   AND journal_seq > %(tip)s;

-- name: first_unowed_beyond
SELECT min(entry.seq) AS seq FROM controller.journal AS entry
 WHERE entry.controller = %(controller)s AND entry.seq > %(tip)s
   AND NOT EXISTS (SELECT FROM controller.outbox AS owed
                    WHERE owed.kind = 'audit_commit'
                      AND (owed.controller, owed.journal_seq) = (entry.controller, entry.seq));

-- name: lock_owed
-- The oldest records that wait for their commits.
SELECT owed.id, entry.seq, entry.prev_sha256, entry.sha256, entry.record
  FROM controller.outbox AS owed
  JOIN controller.journal AS entry ON (entry.controller, entry.seq)
                                    = (owed.controller, owed.journal_seq)
 WHERE owed.kind = 'audit_commit' AND owed.controller = %(controller)s AND owed.state = 'queued'
 ORDER BY owed.journal_seq
 LIMIT %(limit)s
   FOR UPDATE OF owed;

-- name: mark_lightly
SET LOCAL synchronous_commit = off;

-- name: controllers
SELECT DISTINCT controller FROM controller.journal ORDER BY controller;

-- name: revisions_after
SELECT environment, revision, kind, commit, release_sha256, serial, from_revision, applied_at,
       counts, plan_digest
  FROM controller.revision
 WHERE (environment, revision) > (%(environment)s, %(revision)s)
 ORDER BY environment, revision
 LIMIT %(limit)s;

-- name: applied_state
SELECT environment, repository, commit, release_sha256, serial_current, serial_high, root_version,
       policies_digest, revision, max_time_seen, applied_at, reset_sha256
  FROM controller.applied;

-- name: root_known
SELECT version FROM controller.root WHERE version = %(version)s;

-- name: applied_releases
-- Of each release that some revision applied: the last of them, and what its own row says.
SELECT done.environment, done.serial, done.release_sha256, done.revision,
       max(known.applied_revision) AS applied_revision, count(known.serial) AS known
  FROM (SELECT environment, serial, release_sha256, max(revision) AS revision
          FROM controller.revision GROUP BY environment, serial, release_sha256) AS done
  LEFT JOIN controller.release AS known
    ON (known.environment, known.serial, known.sha256)
     = (done.environment, done.serial, done.release_sha256)
 GROUP BY done.environment, done.serial, done.release_sha256, done.revision
HAVING max(known.applied_revision) IS DISTINCT FROM done.revision
 ORDER BY done.revision
 LIMIT 1;

-- name: release_never_applied
-- A release that says it was applied, and that no revision applied.
SELECT known.serial, known.sha256, known.applied_revision
  FROM controller.release AS known
 WHERE known.applied_revision IS NOT NULL
   AND NOT EXISTS (SELECT FROM controller.revision AS done
                    WHERE (done.environment, done.serial, done.release_sha256, done.revision)
                        = (known.environment, known.serial, known.sha256, known.applied_revision))
 ORDER BY known.serial
 LIMIT 1;

-- name: release_known
SELECT serial FROM controller.release
 WHERE environment = %(environment)s AND serial = %(serial)s LIMIT 1;

-- name: live_state
SELECT live.environment, live.bundle, live.version, live.payload_sha256, live.files_root,
       live.files_tree, live.effective_from, live.effective_to, live.policy_digest,
       known.sha256 AS known_sha256
  FROM controller.live_bundle AS live
  LEFT JOIN controller.bundle_version AS known USING (bundle, version)
 ORDER BY live.environment, live.bundle, live.version;

-- name: row_from_nowhere
-- A row whose file nobody numbered, or that came with a revision that never was.
SELECT name, row_key, file_id, revision, is_numbered
  FROM (SELECT 'participants' AS name, live.row_key, file_id, live.revision,
               file.bundle IS NOT NULL AS is_numbered
          FROM directory.participant AS live LEFT JOIN directory.source_file AS file USING (file_id)
         WHERE file.bundle IS NULL OR live.revision NOT BETWEEN 1 AND %(revision)s
        UNION ALL
        SELECT 'identifiers', live.row_key, file_id, live.revision, file.bundle IS NOT NULL
          FROM directory.identifier AS live LEFT JOIN directory.source_file AS file USING (file_id)
         WHERE file.bundle IS NULL OR live.revision NOT BETWEEN 1 AND %(revision)s
        UNION ALL
        SELECT 'endpoints', live.row_key, file_id, live.revision, file.bundle IS NOT NULL
          FROM directory.endpoint AS live LEFT JOIN directory.source_file AS file USING (file_id)
         WHERE file.bundle IS NULL OR live.revision NOT BETWEEN 1 AND %(revision)s
        UNION ALL
        SELECT 'capabilities', live.row_key, file_id, live.revision, file.bundle IS NOT NULL
          FROM directory.capability AS live LEFT JOIN directory.source_file AS file USING (file_id)
         WHERE file.bundle IS NULL OR live.revision NOT BETWEEN 1 AND %(revision)s
        UNION ALL
        SELECT 'ranges', live.row_key, file_id, live.revision, file.bundle IS NOT NULL
          FROM directory.range AS live LEFT JOIN directory.source_file AS file USING (file_id)
         WHERE file.bundle IS NULL OR live.revision NOT BETWEEN 1 AND %(revision)s
        UNION ALL
        SELECT 'rules', live.row_key, file_id, live.revision, file.bundle IS NOT NULL
          FROM directory.rule AS live LEFT JOIN directory.source_file AS file USING (file_id)
         WHERE file.bundle IS NULL OR live.revision NOT BETWEEN 1 AND %(revision)s
       ) AS stray
 LIMIT 1;
