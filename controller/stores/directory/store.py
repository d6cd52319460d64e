"""The directory's door: apply rows in a transaction, ask as of an instant, prove the content."""

from controller.stores.directory.apply import apply, is_small, prepare
from controller.stores.directory.digest import algorithm, endless, kept, recompute, renewed, verify
from controller.stores.directory.moment import moment
from controller.stores.directory.resolve import (
    endpoints_of,
    next_boundary,
    participant,
    resolve_identifier,
    resolve_iin,
    rules_at,
)
from controller.stores.directory.trace import (
    bundles_with_rule,
    spans_around,
    stored_rows,
    trace,
)

__all__ = [
    "algorithm",
    "apply",
    "bundles_with_rule",
    "endless",
    "endpoints_of",
    "is_small",
    "kept",
    "moment",
    "next_boundary",
    "participant",
    "prepare",
    "recompute",
    "renewed",
    "resolve_identifier",
    "resolve_iin",
    "rules_at",
    "spans_around",
    "stored_rows",
    "trace",
    "verify",
]
