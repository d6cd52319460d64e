-- name: read_drift
SELECT id, revision, digest, found_at, report
  FROM controller.drift WHERE environment = %(environment)s AND ended_at IS NULL;

-- name: put_drift
INSERT INTO controller.drift AS known (environment, revision, digest, found_at, report)
VALUES (%(environment)s, %(revision)s, %(digest)s, %(now)s, %(report)s::jsonb)
    ON CONFLICT (environment) WHERE ended_at IS NULL DO UPDATE
   SET revision = excluded.revision, digest = excluded.digest, report = excluded.report;

-- name: end_drift
UPDATE controller.drift SET ended_at = greatest(found_at, %(now)s), ended_by = %(by)s
 WHERE environment = %(environment)s AND ended_at IS NULL;

-- name: count_drifts_ended
SELECT count(*) AS ended FROM controller.drift
 WHERE environment = %(environment)s AND ended_by = %(by)s AND ended_at > %(since)s;
