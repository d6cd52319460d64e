-- The controller's own state: what is applied, who may write, what was seen and what was done.
--
-- Digests are SHA-256 as 64 lower-case hex digits; commits and trees are 20 raw bytes.
-- SQLSTATEs of ours, raised by the triggers below:
--   CS001 a row of a history was changed or removed      CS004 a bundle version with other bytes
--   CS002 a history does not continue where it ended     CS005 an outbox row made an illegal move
--   CS003 a release serial with other bytes              CS006 a root version with other bytes
CREATE SCHEMA controller;

-- squawk-ignore ban-create-domain-with-constraint
CREATE DOMAIN controller.sha256 AS text CHECK (VALUE ~ '^[0-9a-f]{64}$');
-- squawk-ignore ban-create-domain-with-constraint
CREATE DOMAIN controller.oid AS bytea CHECK (octet_length(VALUE) = 20);

CREATE FUNCTION controller.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is a history: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'CS001';
END $$;

-- What production is at, one row per environment; written by compare-and-set only.
CREATE TABLE controller.applied (
    environment text PRIMARY KEY,
    repository uuid NOT NULL,
    commit controller.oid NOT NULL,
    release_sha256 controller.sha256 NOT NULL,
    serial_current bigint NOT NULL CHECK (serial_current >= 1),
    serial_high bigint NOT NULL CHECK (serial_high >= serial_current),
    root_version bigint NOT NULL CHECK (root_version >= 1),
    policies_digest controller.sha256 NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    epoch bigint NOT NULL CHECK (epoch >= 1),
    max_time_seen timestamptz NOT NULL,
    applied_at timestamptz NOT NULL,
    reset_serial bigint CHECK (reset_serial >= 1),
    reset_sha256 controller.sha256,
    CHECK ((reset_serial IS NULL) = (reset_sha256 IS NULL))
);
-- The stores have no environment column: a second environment in one database would overwrite
-- the first, so there is room for one row only.
CREATE UNIQUE INDEX applied_serves_one_environment ON controller.applied ((true));

-- Who may write. The epoch only grows; a writer whose epoch is not the lease's is fenced off.
CREATE TABLE controller.lease (
    environment text PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL CHECK (epoch >= 1),
    expires_at timestamptz NOT NULL
);

-- Every release that verified in the chain, applied or not. A serial means one sequence of bytes,
-- until a root lets serials start again: then another chain begins, named by the release it
-- starts from ('' is the first). The newest row of a serial counts.
CREATE TABLE controller.release (
    environment text NOT NULL,
    chain text NOT NULL,
    serial bigint NOT NULL CHECK (serial >= 1),
    sha256 controller.sha256 NOT NULL,
    commit controller.oid NOT NULL,
    seen_at timestamptz NOT NULL,
    applied_revision bigint,
    seen_order bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (environment, chain, serial)
);

CREATE FUNCTION controller.guard_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sha256 <> OLD.sha256 THEN
        RAISE EXCEPTION 'release % of % is %, not %',
            OLD.serial, OLD.environment, OLD.sha256, NEW.sha256 USING ERRCODE = 'CS003';
    END IF;
    IF (NEW.environment, NEW.chain, NEW.serial, NEW.commit, NEW.seen_at, NEW.seen_order)
        IS DISTINCT FROM
        (OLD.environment, OLD.chain, OLD.serial, OLD.commit, OLD.seen_at, OLD.seen_order) THEN
        RAISE EXCEPTION 'release % of % was seen once', OLD.serial, OLD.environment
            USING ERRCODE = 'CS001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER release_is_immutable BEFORE UPDATE ON controller.release
    FOR EACH ROW EXECUTE FUNCTION controller.guard_release();
CREATE TRIGGER release_is_never_removed BEFORE DELETE OR TRUNCATE ON controller.release
    FOR EACH STATEMENT EXECUTE FUNCTION controller.refuse_change();

CREATE TABLE controller.bundle_version (
    bundle text NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    sha256 controller.sha256 NOT NULL,
    PRIMARY KEY (bundle, version)
);

CREATE FUNCTION controller.guard_bundle_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bundle % version % is %, not %',
        OLD.bundle, OLD.version, OLD.sha256, NEW.sha256 USING ERRCODE = 'CS004';
END $$;
CREATE TRIGGER bundle_version_is_immutable BEFORE UPDATE ON controller.bundle_version
    FOR EACH ROW EXECUTE FUNCTION controller.guard_bundle_version();
CREATE TRIGGER bundle_version_is_never_removed BEFORE DELETE OR TRUNCATE ON controller.bundle_version
    FOR EACH STATEMENT EXECUTE FUNCTION controller.refuse_change();

-- What is applied now; replaced as a whole with each revision.
CREATE TABLE controller.live_bundle (
    environment text NOT NULL,
    bundle text NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    payload_sha256 controller.sha256 NOT NULL,
    files_root controller.sha256 NOT NULL,
    files_tree controller.oid NOT NULL,
    effective_from timestamptz,
    effective_to timestamptz,
    policy_digest controller.sha256 NOT NULL,
    PRIMARY KEY (environment, bundle, version),
    CHECK (effective_from < effective_to)
);

CREATE TABLE controller.root (
    version bigint PRIMARY KEY CHECK (version >= 1),
    sha256 controller.sha256 NOT NULL,
    envelope bytea NOT NULL
);

CREATE FUNCTION controller.guard_root() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'root % is %, not %', OLD.version, OLD.sha256, NEW.sha256
        USING ERRCODE = 'CS006';
END $$;
CREATE TRIGGER root_is_immutable BEFORE UPDATE ON controller.root
    FOR EACH ROW EXECUTE FUNCTION controller.guard_root();
CREATE TRIGGER root_is_never_removed BEFORE DELETE OR TRUNCATE ON controller.root
    FOR EACH STATEMENT EXECUTE FUNCTION controller.refuse_change();

-- Every state production was in, gapless from 1.
CREATE TABLE controller.revision (
    environment text NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    kind text NOT NULL CHECK (kind IN ('baseline', 'forward', 'rollback', 'repolicy')),
    commit controller.oid NOT NULL,
    release_sha256 controller.sha256 NOT NULL,
    serial bigint NOT NULL CHECK (serial >= 1),
    from_revision bigint,
    applied_at timestamptz NOT NULL,
    counts jsonb NOT NULL,
    plan_digest controller.sha256 NOT NULL,
    PRIMARY KEY (environment, revision),
    CHECK ((revision = 1) = (from_revision IS NULL)),
    CHECK (from_revision < revision)
);

CREATE FUNCTION controller.guard_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last bigint := (SELECT max(known.revision) FROM controller.revision AS known
                     WHERE known.environment = NEW.environment);
BEGIN
    IF NEW.revision <> coalesce(last, 0) + 1 THEN
        RAISE EXCEPTION 'revision % of % does not follow %',
            NEW.revision, NEW.environment, coalesce(last, 0) USING ERRCODE = 'CS002';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER revision_is_gapless BEFORE INSERT ON controller.revision
    FOR EACH ROW EXECUTE FUNCTION controller.guard_revision();
CREATE TRIGGER revision_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON controller.revision
    FOR EACH STATEMENT EXECUTE FUNCTION controller.refuse_change();

-- What was done, provably: one chain per controller, each record naming the digest of the last.
CREATE TABLE controller.journal (
    controller text NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 1),
    prev_sha256 controller.sha256 NOT NULL,
    sha256 controller.sha256 NOT NULL,
    record text NOT NULL,
    PRIMARY KEY (controller, seq)
);

CREATE FUNCTION controller.guard_journal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last_seq bigint;
    last_sha256 text;
BEGIN
    SELECT entry.seq, entry.sha256 INTO last_seq, last_sha256
      FROM controller.journal AS entry
     WHERE entry.controller = NEW.controller ORDER BY entry.seq DESC LIMIT 1;
    IF NEW.seq <> coalesce(last_seq, 0) + 1
        OR NEW.prev_sha256 <> coalesce(last_sha256, repeat('0', 64)) THEN
        RAISE EXCEPTION 'journal record % of % does not follow %',
            NEW.seq, NEW.controller, coalesce(last_seq, 0) USING ERRCODE = 'CS002';
    END IF;
    IF NEW.sha256 <> encode(sha256(convert_to(NEW.record, 'UTF8')), 'hex')
        OR (NEW.record::jsonb ->> 'seq')::bigint IS DISTINCT FROM NEW.seq
        OR NEW.record::jsonb ->> 'prev' IS DISTINCT FROM NEW.prev_sha256
        OR NEW.record::jsonb ->> 'controller' IS DISTINCT FROM NEW.controller THEN
        RAISE EXCEPTION 'journal record % of % is not what its columns say',
            NEW.seq, NEW.controller USING ERRCODE = 'CS002';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER journal_is_a_chain BEFORE INSERT ON controller.journal
    FOR EACH ROW EXECUTE FUNCTION controller.guard_journal();
CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON controller.journal
    FOR EACH STATEMENT EXECUTE FUNCTION controller.refuse_change();

-- Effects that a revision owes the world, written in its transaction and done after it.
CREATE TABLE controller.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind <> ''),
    controller text,
    journal_seq bigint,
    payload jsonb,
    state text NOT NULL DEFAULT 'queued',
    due_at timestamptz NOT NULL,
    attempts bigint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    last_error text NOT NULL DEFAULT '',
    FOREIGN KEY (controller, journal_seq) REFERENCES controller.journal (controller, seq),
    CHECK ((controller IS NULL) = (journal_seq IS NULL)),
    CHECK (journal_seq IS NOT NULL OR payload IS NOT NULL)
);
CREATE UNIQUE INDEX outbox_once_per_record ON controller.outbox (kind, controller, journal_seq);
CREATE INDEX outbox_queued ON controller.outbox (kind, id) WHERE state = 'queued';

CREATE TABLE controller.outbox_move (
    from_state text NOT NULL,
    to_state text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO controller.outbox_move (from_state, to_state) VALUES
    ('new', 'queued'), ('queued', 'queued'), ('queued', 'done');

CREATE FUNCTION controller.guard_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text := CASE TG_OP WHEN 'INSERT' THEN 'new' ELSE OLD.state END;
BEGIN
    IF NOT EXISTS (SELECT FROM controller.outbox_move AS move
                    WHERE (move.from_state, move.to_state) = (before, NEW.state)) THEN
        RAISE EXCEPTION 'outbox row % may not go from % to %', NEW.id, before, NEW.state
            USING ERRCODE = 'CS005';
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.kind, NEW.controller, NEW.journal_seq, NEW.payload)
        IS DISTINCT FROM (OLD.kind, OLD.controller, OLD.journal_seq, OLD.payload) THEN
        RAISE EXCEPTION 'outbox row % may not become another effect', OLD.id
            USING ERRCODE = 'CS001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER outbox_moves_legally BEFORE INSERT OR UPDATE ON controller.outbox
    FOR EACH ROW EXECUTE FUNCTION controller.guard_outbox();

-- Digests and counts of the children of a git tree whose files were hashed once. A cache: it may
-- be emptied at any time.
CREATE TABLE controller.merkle_memory (
    tree controller.oid PRIMARY KEY,
    record bytea NOT NULL
);
