-- squawk-ignore-file require-concurrent-index-creation
-- Which rows a revision touched, cheaply: readers that keep a copy of the directory ask for what
-- changed since theirs. A block-range index costs a load next to nothing, and an update of a row
-- still touches no other index.
CREATE INDEX participant_revision ON directory.participant USING brin (revision) WITH (pages_per_range = 16);
CREATE INDEX participant_history_until ON directory.participant_history USING brin (until_revision) WITH (pages_per_range = 16);
CREATE INDEX identifier_revision ON directory.identifier USING brin (revision) WITH (pages_per_range = 16);
CREATE INDEX identifier_history_until ON directory.identifier_history USING brin (until_revision) WITH (pages_per_range = 16);
CREATE INDEX endpoint_revision ON directory.endpoint USING brin (revision) WITH (pages_per_range = 16);
CREATE INDEX endpoint_history_until ON directory.endpoint_history USING brin (until_revision) WITH (pages_per_range = 16);
CREATE INDEX capability_revision ON directory.capability USING brin (revision) WITH (pages_per_range = 16);
CREATE INDEX capability_history_until ON directory.capability_history USING brin (until_revision) WITH (pages_per_range = 16);
CREATE INDEX range_revision ON directory.range USING brin (revision) WITH (pages_per_range = 16);
CREATE INDEX range_history_until ON directory.range_history USING brin (until_revision) WITH (pages_per_range = 16);
CREATE INDEX rule_revision ON directory.rule USING brin (revision) WITH (pages_per_range = 16);
CREATE INDEX rule_history_until ON directory.rule_history USING brin (until_revision) WITH (pages_per_range = 16);

-- Rows that moved to another file and changed in nothing else: they keep their revision, and no
-- other row says that they moved. No key: so many moved that a reader copies anew.
CREATE TABLE directory.moved (
    revision bigint NOT NULL,
    table_name text NOT NULL,
    row_key bigint
);
CREATE INDEX moved_revision ON directory.moved (revision);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON directory.moved
    FOR EACH STATEMENT EXECUTE FUNCTION directory.refuse_rewriting();
