-- What a controller that runs for months keeps beside what it applied: who asked it to look again,
-- what holds it, how it stands, and what happened. None of it decides what is in production.

-- Who leads, for people: where its process runs, and when it last compared production with the
-- branch. Both are written when the lease is renewed, so looking costs no write of its own.
ALTER TABLE controller.lease
    ADD COLUMN process text NOT NULL DEFAULT '',
    ADD COLUMN compared_at timestamptz;

-- Requests to look again: while requested is ahead of handled, somebody asked since the last look
-- began. Any number of requests are one.
CREATE TABLE controller.wake (
    environment text PRIMARY KEY,
    requested bigint NOT NULL DEFAULT 0 CHECK (requested >= 0),
    handled bigint NOT NULL DEFAULT 0 CHECK (handled >= 0),
    requested_at timestamptz,
    reason text NOT NULL DEFAULT '',
    CHECK (handled <= requested)
);

-- How the controller stands, one row for each type of condition; a row changes when its status,
-- its reason or its words do, and since is when the status last did.
CREATE TABLE controller.condition (
    environment text NOT NULL,
    type text NOT NULL CHECK (type <> ''),
    status text NOT NULL CHECK (status IN ('True', 'False', 'Unknown')),
    reason text NOT NULL CHECK (reason <> ''),
    message text NOT NULL,
    hint text NOT NULL DEFAULT '',
    observed_commit controller.oid,
    since timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (environment, type)
);

-- What happened, for people and machines that watch; the proof is the journal.
CREATE TABLE controller.event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment text NOT NULL,
    at timestamptz NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    actor text NOT NULL DEFAULT '',
    revision bigint,
    commit controller.oid,
    message text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}'
);
CREATE TRIGGER event_is_never_rewritten BEFORE UPDATE OR TRUNCATE ON controller.event
    FOR EACH STATEMENT EXECUTE FUNCTION controller.refuse_change();

-- What a person holds back: suspend keeps new revisions out, freeze does so in an incident, and an
-- override lets them through windows and a suspension for a while, never through a freeze.
-- A hold ends when it is lifted or when it expires; rows stay as a record of who held what.
CREATE TABLE controller.hold (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('suspend', 'freeze', 'override')),
    actor text NOT NULL CHECK (actor <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    placed_at timestamptz NOT NULL,
    expires_at timestamptz,
    lifted_at timestamptz,
    lifted_by text NOT NULL DEFAULT '',
    lifted_reason text NOT NULL DEFAULT '',
    CHECK (placed_at < expires_at),
    CHECK (placed_at <= lifted_at),
    CHECK ((lifted_at IS NULL) = (lifted_by = '')),
    CHECK (kind <> 'override' OR expires_at IS NOT NULL)
);
CREATE UNIQUE INDEX hold_once ON controller.hold (environment, kind) WHERE lifted_at IS NULL;
CREATE TRIGGER hold_is_kept BEFORE DELETE OR TRUNCATE ON controller.hold
    FOR EACH STATEMENT EXECUTE FUNCTION controller.refuse_change();

-- Asked by every transaction that lets a revision in. Whoever asks holds a lock until it commits, and
-- whoever has placed a hold waits for that lock once: what begins after that sees the hold.
CREATE FUNCTION controller.refuse_held(served text, at_instant timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    held record;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('countersign hold ' || served, 0));
    SELECT hold.kind, hold.actor, hold.reason INTO held
      FROM controller.hold
     WHERE hold.environment = served AND hold.lifted_at IS NULL
       AND (hold.expires_at IS NULL OR at_instant < hold.expires_at)
       AND (hold.kind = 'freeze'
            OR hold.kind = 'suspend' AND NOT EXISTS (
                SELECT FROM controller.hold AS pass
                 WHERE pass.environment = served AND pass.kind = 'override'
                   AND pass.lifted_at IS NULL AND at_instant < pass.expires_at))
     ORDER BY hold.kind LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% by %: %', held.kind, held.actor, held.reason USING ERRCODE = 'CS007';
    END IF;
END $$;

-- What was said to whom: one row for each target and subject, so that a thing is said once, again
-- after an interval, and taken back when it is over.
CREATE TABLE controller.notice (
    target text NOT NULL CHECK (target <> ''),
    subject text NOT NULL CHECK (subject <> ''),
    reason text NOT NULL,
    revision text NOT NULL,
    is_open boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    said_at timestamptz NOT NULL,
    PRIMARY KEY (target, subject)
);

-- A notice that its receiver refuses, or that cannot be delivered for too long, is dead: nobody
-- sends it any more. Notices are outbox rows whose payload names the target.
INSERT INTO controller.outbox_move (from_state, to_state) VALUES ('queued', 'dead');
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX outbox_notices ON controller.outbox ((payload ->> 'target'), id)
    WHERE kind = 'notice' AND state = 'queued';

-- Live rows that nobody declared, as they were found: one row for each finding of a difference.
CREATE TABLE controller.drift (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment text NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    digest controller.sha256 NOT NULL,
    found_at timestamptz NOT NULL,
    report jsonb NOT NULL,
    ended_at timestamptz,
    ended_by text NOT NULL DEFAULT '',
    CHECK ((ended_at IS NULL) = (ended_by = ''))
);
CREATE UNIQUE INDEX drift_once ON controller.drift (environment) WHERE ended_at IS NULL;

-- Whoever keeps a copy of production is told that there is a new revision, and which; what changed
-- they ask for. Said with the transaction that makes it, whoever writes.
CREATE FUNCTION controller.tell_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('countersign_revision', NEW.revision::text);
    RETURN NULL;
END $$;
CREATE TRIGGER revision_is_told AFTER INSERT ON controller.revision
    FOR EACH ROW EXECUTE FUNCTION controller.tell_revision();
