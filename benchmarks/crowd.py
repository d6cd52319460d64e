"""A directory of any size, made by statements inside an empty database: for the resolver's jobs.

Nobody signs it and no pass applies it; its rows, keys and digests are those that a pass would have
left. Every third participant has two endpoints, every hundredth row ends one day, and card ranges
are nested: an issuer's six digits, products of eight, and a few of nine.
"""

from datetime import datetime
from typing import Any

from benchmarks.sizes import Size
from controller.adapters.postgres import Connection, transaction
from controller.stores.directory import digest, store

ENVIRONMENT = "production"
SCHEME = "lei"
_KEY = "('x' || encode(substring(sha256(convert_to({}, 'UTF8')) FOR 8), 'hex'))::bit(64)::bigint"
_UNIT = r"E'\x1f'"


def key(table: str, *parts: str) -> str:
    """Return SQL for a row key of SQL texts."""
    return _KEY.format(f" || {_UNIT} || ".join((f"'{table}'", *parts)))


def value_of(number: int) -> str:
    """Return the identifier of a number from 1 on: twenty characters, as a LEI has."""
    return f"W529{number:016d}"


def fill(connection: Connection[Any], size: Size, now: datetime) -> None:
    """Make revision 1 of a directory in an empty, migrated database."""
    with transaction(connection):
        connection.execute(b"SET LOCAL synchronous_commit = off")
        connection.execute(_FILES)
        for statement in (_PARTICIPANTS, _IDENTIFIERS, _ENDPOINTS, _RANGES):
            connection.execute(
                statement,
                {
                    "participants": size.participants,
                    "identifiers": size.identifiers,
                    "endpoints": size.endpoints,
                    "ranges": size.ranges,
                },
            )
        connection.execute(_CONTROL, {"environment": ENVIRONMENT, "now": now})
        for one in store.recompute(connection).values():
            digest.keep(connection, one)
    for table in ("participant", "identifier", "endpoint", "range", "capability", "rule"):
        connection.execute(f"VACUUM ANALYZE directory.{table}".encode())


_FILES = b"""
INSERT INTO directory.source_file (bundle, path)
SELECT 'sepa/crowd', 'bundles/sepa/crowd/files/part-' || n || '.csv' FROM generate_series(1, 64) n
"""

_PARTICIPANTS = f"""
INSERT INTO directory.participant
       (row_key, effective_from, effective_to, id, name, legal_name, country, roles, currencies,
        status, file_id, revision)
SELECT {key("participants", "id")}, '-infinity',
       CASE WHEN mod(n, 100) = 0 THEN '2190-01-01Z'::timestamptz ELSE 'infinity' END,
       id, 'Participant ' || n, 'Participant Number ' || n || ' Aktiengesellschaft', 'DE',
       'issuer|acquirer', 'EUR', 'active', 1 + mod(n, 64), 1
  FROM (SELECT n, 'participant-' || n AS id
          FROM generate_series(1, %(participants)s) n) AS made
""".encode()

_IDENTIFIERS = f"""
INSERT INTO directory.identifier
       (row_key, effective_from, effective_to, participant_key, participant_id, scheme, value,
        usage, "primary", successor_scheme, successor_value, status, file_id, revision)
SELECT {key("identifiers", f"'{SCHEME}'", "value")}, '-infinity',
       CASE WHEN mod(n, 100) = 0 THEN '2190-01-01Z'::timestamptz ELSE 'infinity' END,
       {key("participants", "id")}, id, '{SCHEME}', value, 'routing', 'true', NULL, NULL,
       'active', 1 + mod(n, 64), 1
  FROM (SELECT n, 'W529' || lpad(n::text, 16, '0') AS value,
               'participant-' || (1 + mod(n, %(participants)s)) AS id
          FROM generate_series(1, %(identifiers)s) n) AS made
""".encode()

_ENDPOINTS = f"""
INSERT INTO directory.endpoint
       (row_key, effective_from, effective_to, participant_key, id, participant_id, protocol,
        transport_profile, address, certificate_fingerprint_sha256, priority, weight, status,
        file_id, revision)
SELECT {key("endpoints", "id")}, '-infinity',
       CASE WHEN mod(n, 100) = 0 THEN '2190-01-01Z'::timestamptz ELSE 'infinity' END,
       {key("participants", "participant")}, id, participant, 'https', 'as4',
       'https://gateway-' || n || '.example/as4', repeat(md5(n::text), 2), (mod(n, 3) * 10)::text,
       '1', 'active', 1 + mod(n, 64), 1
  FROM (SELECT n, 'endpoint-' || n AS id,
               'participant-' || (1 + mod(n, %(participants)s)) AS participant
          FROM generate_series(1, %(endpoints)s) n) AS made
""".encode()

# One in ten is an issuer's six digits; the others lie inside, eight or nine digits long.
_RANGES = f"""
INSERT INTO directory.range
       (row_key, effective_from, effective_to, lo, hi, level, participant_key, iin_start, scheme,
        brand, type, country, currency, participant_id, file_id, revision)
SELECT {key("ranges", "lo::text", "hi::text")}, '-infinity', 'infinity', lo, hi,
       length((hi - lo)::bit(48)::text) - strpos((hi - lo)::bit(48)::text, '1') + 1,
       {key("participants", "id")}, digits, 'visa', 'Brand ' || mod(n, 97), 'credit', 'DE', 'EUR',
       id, 1 + mod(n, 64), 1
  FROM (SELECT n, digits, rpad(digits, 12, '0')::bigint AS lo, rpad(digits, 12, '9')::bigint AS hi,
               'participant-' || (1 + mod(n, %(participants)s)) AS id
          FROM (SELECT n, CASE WHEN mod(n, 10) = 0 THEN (400000 + n / 10)::text
                               WHEN mod(n, 10) = 9
                               THEN (400000 + n / 10) || lpad(mod(n, 7)::text, 3, '0')
                               ELSE (400000 + n / 10) || lpad((mod(n, 10) * 11)::text, 2, '0') END
                       AS digits
                  FROM generate_series(0, %(ranges)s::bigint - 1) n) AS numbered) AS made
""".encode()

_CONTROL = b"""
WITH applied AS (
    INSERT INTO controller.applied
           (environment, repository, commit, release_sha256, serial_current, serial_high,
            root_version, policies_digest, revision, epoch, max_time_seen, applied_at)
    VALUES (%(environment)s, '00000000-0000-0000-0000-000000000001',
            decode(repeat('ab', 20), 'hex'),
            repeat('a', 64), 1, 1, 1, repeat('b', 64), 1, 1, %(now)s, %(now)s)
)
INSERT INTO controller.live_bundle
       (environment, bundle, version, payload_sha256, files_root, files_tree, policy_digest)
VALUES (%(environment)s, 'sepa/crowd', 1, repeat('c', 64), repeat('d', 64),
        decode(repeat('cd', 20), 'hex'), repeat('e', 64))
"""
