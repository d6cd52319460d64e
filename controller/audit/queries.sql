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
SELECT id, kind, controller, journal_seq, payload, due_at, attempts, last_error
  FROM controller.outbox
 WHERE kind = 'audit_commit' AND controller = %(controller)s AND state = 'queued'
 ORDER BY journal_seq
 LIMIT 1
   FOR UPDATE;
