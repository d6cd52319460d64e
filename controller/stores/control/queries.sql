-- name: read_applied
SELECT environment, repository, commit, release_sha256, serial_current, serial_high, root_version,
       policies_digest, revision, epoch, max_time_seen, applied_at,
       reset_serial, reset_sha256
  FROM controller.applied
 WHERE environment = %(environment)s;

-- name: lock_applied
SELECT environment, revision FROM controller.applied FOR UPDATE;

-- name: insert_applied
INSERT INTO controller.applied
       (environment, repository, commit, release_sha256, serial_current, serial_high, root_version,
        policies_digest, revision, epoch, max_time_seen, applied_at,
        reset_serial, reset_sha256)
VALUES (%(environment)s, %(repository)s, %(commit)s, %(release_sha256)s, %(serial_current)s,
        %(serial_high)s, %(root_version)s, %(policies_digest)s, %(revision)s, %(epoch)s,
        %(max_time_seen)s, %(applied_at)s, %(reset_serial)s,
        %(reset_sha256)s)
    ON CONFLICT DO NOTHING
RETURNING environment, repository, commit, release_sha256, serial_current, serial_high, root_version,
          policies_digest, revision, epoch, max_time_seen, applied_at, reset_serial, reset_sha256;

-- name: update_applied
-- The lease is looked at first and held: whoever takes it over raises its epoch, so what this
-- statement sees of production and of roots is no older than the lease that it found.
WITH held AS (
    SELECT FROM controller.lease
     WHERE environment = %(environment)s AND holder = %(holder)s AND epoch = %(epoch)s
       FOR SHARE
)
UPDATE controller.applied
   SET repository = %(repository)s, commit = %(commit)s, release_sha256 = %(release_sha256)s,
       serial_current = %(serial_current)s, serial_high = %(serial_high)s,
       root_version = %(root_version)s, policies_digest = %(policies_digest)s,
       revision = %(revision)s, epoch = %(epoch)s,
       max_time_seen = greatest(max_time_seen, %(max_time_seen)s),
       applied_at = %(applied_at)s,
       reset_serial = %(reset_serial)s, reset_sha256 = %(reset_sha256)s
 WHERE environment = %(environment)s AND revision = %(expected)s
   AND commit = %(expected_commit)s AND epoch <= %(epoch)s
   AND EXISTS (SELECT FROM held)
   AND NOT EXISTS (SELECT FROM controller.root WHERE version > %(newest_root)s)
RETURNING environment, repository, commit, release_sha256, serial_current, serial_high, root_version,
          policies_digest, revision, epoch, max_time_seen, applied_at, reset_serial, reset_sha256;

-- name: later_root
SELECT version FROM controller.root WHERE version > %(newest_root)s LIMIT 1;

-- name: share_lease
SELECT holder, epoch FROM controller.lease WHERE environment = %(environment)s FOR SHARE;

-- name: acquire_lease
INSERT INTO controller.lease AS held (environment, holder, epoch, expires_at)
VALUES (%(environment)s, %(holder)s, 1, clock_timestamp() + %(duration)s)
    ON CONFLICT (environment) DO UPDATE
   SET holder = excluded.holder, epoch = held.epoch + 1, expires_at = excluded.expires_at
 WHERE held.holder IN ('', excluded.holder) OR held.expires_at <= clock_timestamp()
RETURNING environment, holder, epoch, expires_at;

-- name: renew_lease
UPDATE controller.lease SET expires_at = clock_timestamp() + %(duration)s
 WHERE environment = %(environment)s AND holder = %(holder)s AND epoch = %(epoch)s
RETURNING environment, holder, epoch, expires_at;

-- name: release_lease
UPDATE controller.lease SET holder = '', expires_at = clock_timestamp()
 WHERE environment = %(environment)s AND holder = %(holder)s AND epoch = %(epoch)s;

-- name: read_lease
SELECT environment, holder, epoch, expires_at
  FROM controller.lease WHERE environment = %(environment)s;

-- name: record_release
INSERT INTO controller.release AS known (environment, chain, serial, sha256, commit, seen_at)
VALUES (%(environment)s, %(chain)s, %(serial)s, %(sha256)s, %(commit)s, %(seen_at)s)
    ON CONFLICT (environment, chain, serial) DO UPDATE SET sha256 = excluded.sha256
 WHERE known.sha256 <> excluded.sha256;

-- name: read_releases
SELECT DISTINCT ON (known.serial)
       known.chain, known.serial, known.sha256, known.commit, known.seen_at,
       known.applied_revision, put.applied_at,
       (SELECT min(later.applied_at) FROM controller.revision AS later
         WHERE later.environment = known.environment AND later.revision > known.applied_revision
           AND later.release_sha256 <> known.sha256) AS live_until
  FROM controller.release AS known
  LEFT JOIN controller.revision AS put
    ON (put.environment, put.revision) = (known.environment, known.applied_revision)
 WHERE known.environment = %(environment)s
   AND known.serial >= %(since)s
 ORDER BY known.serial, known.seen_order DESC;

-- name: record_bundle_versions
INSERT INTO controller.bundle_version AS known (bundle, version, sha256)
SELECT bundle, version, sha256
  FROM unnest(%(bundles)s::text[], %(versions)s::bigint[], %(digests)s::text[])
       AS fresh (bundle, version, sha256)
    ON CONFLICT (bundle, version) DO UPDATE SET sha256 = excluded.sha256
 WHERE known.sha256 <> excluded.sha256;

-- name: read_bundle_versions
SELECT bundle, version, sha256 FROM controller.bundle_version ORDER BY bundle, version;

-- name: read_live_bundles
SELECT bundle, version, payload_sha256, files_root, files_tree, effective_from, effective_to,
       policy_digest
  FROM controller.live_bundle
 WHERE environment = %(environment)s
 ORDER BY bundle, version;

-- name: replace_live_bundles
-- Those that go and those that come are never the same (bundle, version).
WITH gone AS (
    DELETE FROM controller.live_bundle
     USING unnest(%(bundles)s::text[], %(versions)s::bigint[]) AS leaving (bundle, version)
     WHERE environment = %(environment)s
       AND (live_bundle.bundle, live_bundle.version) = (leaving.bundle, leaving.version)
)
INSERT INTO controller.live_bundle
       (environment, bundle, version, payload_sha256, files_root, files_tree, effective_from,
        effective_to, policy_digest)
SELECT environment, bundle, version, payload_sha256, files_root, files_tree, effective_from,
       effective_to, policy_digest
  FROM jsonb_populate_recordset(NULL::controller.live_bundle, %(rows)s::jsonb)
    ON CONFLICT (environment, bundle, version) DO UPDATE
   SET payload_sha256 = excluded.payload_sha256, files_root = excluded.files_root,
       files_tree = excluded.files_tree, effective_from = excluded.effective_from,
       effective_to = excluded.effective_to, policy_digest = excluded.policy_digest;

-- name: record_root
INSERT INTO controller.root AS known (version, sha256, envelope)
VALUES (%(version)s, %(sha256)s, %(envelope)s)
    ON CONFLICT (version) DO UPDATE SET sha256 = excluded.sha256
 WHERE known.sha256 <> excluded.sha256;

-- name: read_roots
SELECT version, sha256, envelope FROM controller.root ORDER BY version;

-- name: append_revision
WITH appended AS (
    INSERT INTO controller.revision
           (environment, revision, kind, commit, release_sha256, serial, from_revision, applied_at,
            counts, plan_digest)
    VALUES (%(environment)s, %(revision)s, %(kind)s, %(commit)s, %(release_sha256)s, %(serial)s,
            %(from_revision)s, %(applied_at)s, %(counts)s::jsonb, %(plan_digest)s)
)
UPDATE controller.release SET applied_revision = %(revision)s
 WHERE environment = %(environment)s AND serial = %(serial)s AND sha256 = %(release_sha256)s;

-- name: read_revisions
SELECT environment, revision, kind, commit, release_sha256, serial, from_revision, applied_at,
       counts, plan_digest
  FROM controller.revision
 WHERE environment = %(environment)s AND revision < %(before)s
 ORDER BY revision DESC
 LIMIT %(limit)s;

-- name: enqueue
INSERT INTO controller.outbox (kind, controller, journal_seq, payload, due_at)
VALUES (%(kind)s, %(controller)s, %(journal_seq)s, %(payload)s::jsonb, %(due_at)s)
RETURNING id;

-- name: claim_outbox
SELECT id, kind, controller, journal_seq, payload, due_at, attempts, last_error
  FROM controller.outbox
 WHERE kind = %(kind)s AND state = 'queued' AND due_at <= %(now)s
 ORDER BY id
 LIMIT %(limit)s
   FOR UPDATE SKIP LOCKED;

-- name: finish_outbox
UPDATE controller.outbox SET state = 'done', attempts = attempts + 1, last_error = ''
 WHERE id = ANY(%(ids)s::bigint[]);

-- name: postpone_outbox
UPDATE controller.outbox
   SET attempts = attempts + 1, last_error = left(%(error)s, 1000), due_at = %(due_at)s
 WHERE id = %(id)s;

-- name: count_queued
SELECT count(*) AS queued FROM controller.outbox
 WHERE kind = %(kind)s AND state = 'queued'
   AND (%(controller)s::text IS NULL OR controller = %(controller)s);

-- name: get_merkle
-- The records of some trees and those they stand on, each down to a whole one.
WITH RECURSIVE chain AS (
    SELECT tree, base, record, 0 AS step
      FROM controller.merkle_memory WHERE tree = ANY(%(trees)s::bytea[])
    UNION ALL
    SELECT chain.tree, older.base, older.record, chain.step + 1
      FROM chain JOIN controller.merkle_memory AS older ON older.tree = chain.base
     WHERE chain.step < 1000  -- a damaged table may hold a ring
)
SELECT tree, base, record FROM chain ORDER BY step;

-- name: put_merkle
INSERT INTO controller.merkle_memory AS known (tree, base, record)
SELECT tree, base, record
  FROM unnest(%(trees)s::bytea[], %(bases)s::bytea[], %(records)s::bytea[])
       AS fresh (tree, base, record)
    ON CONFLICT (tree) DO UPDATE SET base = excluded.base, record = excluded.record
 WHERE (known.base, known.record) IS DISTINCT FROM (excluded.base, excluded.record);

-- name: lead
UPDATE controller.lease
   SET expires_at = clock_timestamp() + %(duration)s, process = %(process)s,
       compared_at = coalesce(%(compared_at)s, compared_at)
 WHERE environment = %(environment)s AND holder = %(holder)s AND epoch = %(epoch)s
RETURNING environment, holder, epoch, expires_at;

-- name: read_leader
SELECT holder, epoch, process, compared_at, expires_at, expires_at > clock_timestamp() AS is_held
  FROM controller.lease WHERE environment = %(environment)s;

-- name: request_wake
INSERT INTO controller.wake AS known (environment, requested, requested_at, reason)
VALUES (%(environment)s, 1, %(now)s, %(reason)s)
    ON CONFLICT (environment) DO UPDATE
   SET requested = known.requested + 1, requested_at = excluded.requested_at,
       reason = excluded.reason
RETURNING environment, requested, handled, requested_at, reason;

-- name: notify_wake
SELECT pg_notify('countersign_wake', %(environment)s);

-- name: read_wake
SELECT environment, requested, handled, requested_at, reason
  FROM controller.wake WHERE environment = %(environment)s;

-- name: handle_wake
UPDATE controller.wake SET handled = greatest(handled, %(requested)s)
 WHERE environment = %(environment)s AND requested >= %(requested)s AND handled < %(requested)s;

-- name: read_conditions
SELECT type, status, reason, message, hint, observed_commit, since, changed_at
  FROM controller.condition WHERE environment = %(environment)s ORDER BY type;

-- name: put_condition
INSERT INTO controller.condition AS known
       (environment, type, status, reason, message, hint, observed_commit, since, changed_at)
VALUES (%(environment)s, %(type)s, %(status)s, %(reason)s, %(message)s, %(hint)s,
        %(observed_commit)s, %(now)s, %(now)s)
    ON CONFLICT (environment, type) DO UPDATE
   SET status = excluded.status, reason = excluded.reason, message = excluded.message,
       hint = excluded.hint, observed_commit = excluded.observed_commit,
       changed_at = excluded.changed_at,
       since = CASE known.status WHEN excluded.status THEN known.since ELSE excluded.since END
 WHERE (known.status, known.reason, known.message, known.hint, known.observed_commit)
       IS DISTINCT FROM
       (excluded.status, excluded.reason, excluded.message, excluded.hint,
        excluded.observed_commit);

-- name: append_event
INSERT INTO controller.event
       (environment, at, name, severity, actor, revision, commit, message, facts)
VALUES (%(environment)s, %(at)s, %(name)s, %(severity)s, %(actor)s, %(revision)s, %(commit)s,
        %(message)s, %(facts)s::jsonb);

-- name: read_events
SELECT id, at, name, severity, actor, revision, commit, message, facts
  FROM controller.event
 WHERE environment = %(environment)s AND id > %(after)s
 ORDER BY id LIMIT %(limit)s;

-- name: newest_events
SELECT id, at, name, severity, actor, revision, commit, message, facts
  FROM (SELECT * FROM controller.event WHERE environment = %(environment)s
         ORDER BY id DESC LIMIT %(limit)s) AS newest
 ORDER BY id;

-- name: read_clock
SELECT clock_timestamp() AS now;

-- name: read_notices
SELECT known.target, known.subject, known.reason, known.revision, known.is_open, known.opened_at,
       known.said_at,
       EXISTS (SELECT FROM controller.outbox AS owed
                WHERE owed.kind = 'notice' AND owed.state = 'queued'
                  AND owed.payload ->> 'target' = known.target
                  AND owed.payload -> 'notice' ->> 'subject' = known.subject) AS is_waiting
  FROM controller.notice AS known
 WHERE known.target = %(target)s;

-- name: open_notice
INSERT INTO controller.notice
       (target, subject, reason, revision, is_open, opened_at, said_at)
VALUES (%(target)s, %(subject)s, %(reason)s, %(revision)s, %(is_open)s, %(opened_at)s, %(said_at)s)
    ON CONFLICT (target, subject) DO NOTHING;

-- name: change_notice
UPDATE controller.notice
   SET reason = %(reason)s, revision = %(revision)s, is_open = %(is_open)s,
       opened_at = %(opened_at)s, said_at = %(said_at)s
 WHERE target = %(target)s AND subject = %(subject)s AND reason = %(was_reason)s
   AND revision = %(was_revision)s AND is_open = %(was_open)s AND said_at = %(was_said_at)s;

-- name: owe_notice
-- The id is made here: it is kept with the row, so that every try says the same one.
INSERT INTO controller.outbox (kind, payload, due_at)
VALUES ('notice', %(payload)s::jsonb || jsonb_build_object('id', gen_random_uuid()), %(due_at)s);

-- name: claim_notice
-- The oldest notice of each target alone, so that their order is kept; one that is due. Moving it
-- ahead keeps others off it while it is sent, without a transaction that stays open meanwhile.
-- What is due later than we ever put off was put off by a clock that was wrong.
WITH heads AS (
    SELECT DISTINCT ON (payload ->> 'target') id
      FROM controller.outbox
     WHERE kind = 'notice' AND state = 'queued' AND payload ->> 'target' = ANY(%(targets)s::text[])
     ORDER BY payload ->> 'target', id
), due AS (
    SELECT owed.id
      FROM controller.outbox AS owed
     WHERE owed.id IN (SELECT heads.id FROM heads)
       AND owed.state = 'queued' AND (owed.due_at <= %(now)s OR owed.due_at > %(latest)s)
     ORDER BY owed.due_at, owed.id
     LIMIT 1
       FOR UPDATE SKIP LOCKED
)
UPDATE controller.outbox AS owed
   SET due_at = %(until)s, attempts = owed.attempts + 1
  FROM due
 WHERE owed.id = due.id
RETURNING owed.id, owed.payload, owed.attempts;

-- name: finish_notice
UPDATE controller.outbox SET state = 'done', last_error = ''
 WHERE id = %(id)s AND state = 'queued';

-- name: postpone_notice
UPDATE controller.outbox SET last_error = left(%(error)s, 1000), due_at = %(due_at)s
 WHERE id = %(id)s AND state = 'queued';

-- name: bury_notice
UPDATE controller.outbox SET state = 'dead', last_error = left(%(error)s, 1000)
 WHERE id = %(id)s AND state = 'queued';

-- name: forget_notices
DELETE FROM controller.outbox
 WHERE kind = 'notice' AND state IN ('done', 'dead') AND due_at < %(before)s;

-- name: notice_backlog
SELECT payload ->> 'target' AS target,
       count(*) FILTER (WHERE state = 'queued') AS waiting,
       count(*) FILTER (WHERE state = 'dead') AS dead,
       (array_agg(last_error ORDER BY id DESC) FILTER (WHERE last_error <> ''))[1] AS last_error
  FROM controller.outbox
 WHERE kind = 'notice' AND state IN ('queued', 'dead')
 GROUP BY payload ->> 'target'
 ORDER BY payload ->> 'target';

-- name: read_holds
SELECT id, kind, actor, reason, placed_at, expires_at, lifted_at, lifted_by, lifted_reason
  FROM controller.hold
 WHERE environment = %(environment)s AND lifted_at IS NULL ORDER BY kind;

-- name: hold_history
SELECT id, kind, actor, reason, placed_at, expires_at, lifted_at, lifted_by, lifted_reason
  FROM controller.hold
 WHERE environment = %(environment)s ORDER BY id DESC LIMIT %(limit)s;

-- name: place_hold
INSERT INTO controller.hold (environment, kind, actor, reason, placed_at, expires_at)
VALUES (%(environment)s, %(kind)s, %(actor)s, %(reason)s, %(placed_at)s, %(expires_at)s)
    ON CONFLICT (environment, kind) WHERE lifted_at IS NULL DO NOTHING
RETURNING id, kind, actor, reason, placed_at, expires_at, lifted_at, lifted_by, lifted_reason;

-- name: lift_hold
UPDATE controller.hold
   SET lifted_at = greatest(placed_at, %(now)s), lifted_by = %(by)s, lifted_reason = %(reason)s
 WHERE environment = %(environment)s AND kind = %(kind)s AND lifted_at IS NULL
   AND (expires_at IS NULL OR %(now)s < expires_at)
RETURNING id, kind, actor, reason, placed_at, expires_at, lifted_at, lifted_by, lifted_reason;

-- name: end_expired_holds
UPDATE controller.hold
   SET lifted_at = expires_at, lifted_by = %(by)s
 WHERE environment = %(environment)s AND lifted_at IS NULL AND expires_at <= %(now)s
RETURNING id, kind, actor, reason, placed_at, expires_at, lifted_at, lifted_by, lifted_reason;

-- name: refuse_held
SELECT controller.refuse_held(%(environment)s, %(now)s);

-- name: wait_for_applies
SELECT pg_advisory_xact_lock(hashtextextended('countersign hold ' || %(environment)s, 0));

-- name: survey_outbox
SELECT kind, count(*) AS depth, min(due_at) AS due_at
  FROM controller.outbox
 WHERE state = 'queued' GROUP BY kind;
