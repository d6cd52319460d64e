-- The directory: who can be reached where, from when until when.
--
-- A row's window is data that every reader judges by time: visible at t means
-- effective_from <= t < effective_to. Nothing is written when a boundary passes.
--
-- row_key stands for the key's text (the first eight bytes of a SHA-256), so keys and references
-- are eight bytes wide however long the identifiers are. The cells are kept as the signed line
-- says them, absent cells as NULL, so that the line can be rebuilt; cell_from and cell_to are the
-- line's own window, which the version's window may narrow.
--
-- No extension, no GiST and no exclusion constraint: loading 343,000 ranges under one took 46
-- times as long. The apply asserts inside its transaction what they would have asserted.
--
-- A rebuild puts a new table in the place of the old one. Therefore no view and no foreign key may
-- depend on these tables, and privileges come from ALTER DEFAULT PRIVILEGES.

CREATE SCHEMA directory;

-- Where rows come from. Rows carry the number, not the names.
CREATE TABLE directory.source_file (
    file_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bundle text NOT NULL,
    path text NOT NULL,
    UNIQUE (bundle, path)
);

-- What each table should add up to; kept by the apply, recomputable by one query.
CREATE TABLE directory.table_digest (
    table_name text PRIMARY KEY,
    rows bigint NOT NULL DEFAULT 0 CHECK (rows >= 0),
    digest bigint NOT NULL DEFAULT 0,
    algorithm text NOT NULL
);

INSERT INTO directory.table_digest (table_name, algorithm)
SELECT name,
       'bit_xor hash_record_extended, PostgreSQL '
       || current_setting('server_version_num')::integer / 10000
  FROM unnest(ARRAY['participant', 'identifier', 'endpoint', 'capability', 'range', 'rule'])
       AS name;

-- Who can be reached.
CREATE TABLE directory.participant (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    id text NOT NULL,
    name text,
    legal_name text,
    country text,
    roles text,
    currencies text,
    parent_id text,
    contact text,
    status text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (row_key, effective_from),
    CHECK (effective_from < effective_to)
);

CREATE INDEX participant_starts ON directory.participant (effective_from)
    WHERE effective_from > '-infinity';
CREATE INDEX participant_ends ON directory.participant (effective_to)
    WHERE effective_to < 'infinity';

CREATE TABLE directory.participant_history (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    id text NOT NULL,
    name text,
    legal_name text,
    country text,
    roles text,
    currencies text,
    parent_id text,
    contact text,
    status text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    until_revision bigint NOT NULL
);

CREATE INDEX participant_history_key ON directory.participant_history (row_key);

-- What a participant is known by: BIC, LEI, IFSC, …
CREATE TABLE directory.identifier (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    participant_key bigint NOT NULL,
    participant_id text NOT NULL,
    scheme text NOT NULL,
    value text NOT NULL,
    usage text,
    "primary" text,
    successor_scheme text,
    successor_value text,
    removal_date text,
    status text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (row_key, effective_from),
    CHECK (effective_from < effective_to)
);

CREATE INDEX identifier_participant ON directory.identifier (participant_key);
CREATE INDEX identifier_starts ON directory.identifier (effective_from)
    WHERE effective_from > '-infinity';
CREATE INDEX identifier_ends ON directory.identifier (effective_to)
    WHERE effective_to < 'infinity';

CREATE TABLE directory.identifier_history (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    participant_key bigint NOT NULL,
    participant_id text NOT NULL,
    scheme text NOT NULL,
    value text NOT NULL,
    usage text,
    "primary" text,
    successor_scheme text,
    successor_value text,
    removal_date text,
    status text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    until_revision bigint NOT NULL
);

CREATE INDEX identifier_history_key ON directory.identifier_history (row_key);

-- Where a participant can be reached.
CREATE TABLE directory.endpoint (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    participant_key bigint NOT NULL,
    id text NOT NULL,
    participant_id text NOT NULL,
    protocol text,
    transport_profile text,
    address text,
    certificate_fingerprint_sha256 text,
    certificate_subject text,
    certificate_not_before text,
    certificate_not_after text,
    priority text,
    weight text,
    require_business_level_signature text,
    status text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (row_key, effective_from),
    CHECK (effective_from < effective_to)
);

CREATE INDEX endpoint_participant ON directory.endpoint (participant_key);
CREATE INDEX endpoint_starts ON directory.endpoint (effective_from)
    WHERE effective_from > '-infinity';
CREATE INDEX endpoint_ends ON directory.endpoint (effective_to)
    WHERE effective_to < 'infinity';

CREATE TABLE directory.endpoint_history (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    participant_key bigint NOT NULL,
    id text NOT NULL,
    participant_id text NOT NULL,
    protocol text,
    transport_profile text,
    address text,
    certificate_fingerprint_sha256 text,
    certificate_subject text,
    certificate_not_before text,
    certificate_not_after text,
    priority text,
    weight text,
    require_business_level_signature text,
    status text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    until_revision bigint NOT NULL
);

CREATE INDEX endpoint_history_key ON directory.endpoint_history (row_key);

-- What an endpoint understands.
CREATE TABLE directory.capability (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    endpoint_key bigint NOT NULL,
    endpoint_id text NOT NULL,
    document_type_scheme text,
    document_type text,
    process_scheme text,
    process text,
    message text,
    currency text,
    status text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (row_key, effective_from),
    CHECK (effective_from < effective_to)
);

CREATE INDEX capability_endpoint ON directory.capability (endpoint_key);
CREATE INDEX capability_starts ON directory.capability (effective_from)
    WHERE effective_from > '-infinity';
CREATE INDEX capability_ends ON directory.capability (effective_to)
    WHERE effective_to < 'infinity';

CREATE TABLE directory.capability_history (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    endpoint_key bigint NOT NULL,
    endpoint_id text NOT NULL,
    document_type_scheme text,
    document_type text,
    process_scheme text,
    process text,
    message text,
    currency text,
    status text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    until_revision bigint NOT NULL
);

CREATE INDEX capability_history_key ON directory.capability_history (row_key);

-- Card number ranges, as spans of 12-digit numbers; level is the bit length of hi - lo.
CREATE TABLE directory.range (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    lo bigint NOT NULL,
    hi bigint NOT NULL,
    level smallint NOT NULL,
    participant_key bigint,
    iin_start text NOT NULL,
    iin_end text,
    number_length text,
    number_luhn text,
    scheme text,
    brand text,
    type text,
    prepaid text,
    country text,
    currency text,
    participant_id text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (row_key, effective_from),
    CHECK (effective_from < effective_to),
    CHECK (lo <= hi)
);

CREATE INDEX range_level ON directory.range (level, lo);
CREATE INDEX range_participant ON directory.range (participant_key) WHERE participant_key IS NOT NULL;
CREATE INDEX range_starts ON directory.range (effective_from)
    WHERE effective_from > '-infinity';
CREATE INDEX range_ends ON directory.range (effective_to)
    WHERE effective_to < 'infinity';

CREATE TABLE directory.range_history (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    lo bigint NOT NULL,
    hi bigint NOT NULL,
    level smallint NOT NULL,
    participant_key bigint,
    iin_start text NOT NULL,
    iin_end text,
    number_length text,
    number_luhn text,
    scheme text,
    brand text,
    type text,
    prepaid text,
    country text,
    currency text,
    participant_id text,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    until_revision bigint NOT NULL
);

CREATE INDEX range_history_key ON directory.range_history (row_key);

-- Routing rules: document is the canonical JSON of one rule.
CREATE TABLE directory.rule (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    participant_key bigint,
    endpoint_key bigint,
    bundle text NOT NULL,
    id text NOT NULL,
    priority text,
    document text NOT NULL,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (row_key, effective_from),
    CHECK (effective_from < effective_to)
);

CREATE INDEX rule_participant ON directory.rule (participant_key) WHERE participant_key IS NOT NULL;
CREATE INDEX rule_endpoint ON directory.rule (endpoint_key) WHERE endpoint_key IS NOT NULL;
CREATE INDEX rule_starts ON directory.rule (effective_from)
    WHERE effective_from > '-infinity';
CREATE INDEX rule_ends ON directory.rule (effective_to)
    WHERE effective_to < 'infinity';

CREATE TABLE directory.rule_history (
    row_key bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz NOT NULL,
    participant_key bigint,
    endpoint_key bigint,
    bundle text NOT NULL,
    id text NOT NULL,
    priority text,
    document text NOT NULL,
    cell_from text,
    cell_to text,
    file_id integer NOT NULL,
    revision bigint NOT NULL,
    until_revision bigint NOT NULL
);

CREATE INDEX rule_history_key ON directory.rule_history (row_key);

-- History is only ever added to.
CREATE FUNCTION directory.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'CS001';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON directory.participant_history
    FOR EACH STATEMENT EXECUTE FUNCTION directory.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON directory.identifier_history
    FOR EACH STATEMENT EXECUTE FUNCTION directory.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON directory.endpoint_history
    FOR EACH STATEMENT EXECUTE FUNCTION directory.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON directory.capability_history
    FOR EACH STATEMENT EXECUTE FUNCTION directory.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON directory.range_history
    FOR EACH STATEMENT EXECUTE FUNCTION directory.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON directory.rule_history
    FOR EACH STATEMENT EXECUTE FUNCTION directory.refuse_rewriting();
