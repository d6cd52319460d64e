"""Write the frozen vectors that are not there yet: `python -m tests.support.write_vectors`.

A file that stands in `tests/vectors` is never written again: what was signed once must verify for
ever. A new format gets a new file. The keys are made of published seeds and sign nothing else.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.vectors.heartbeats import heartbeats
from tests.support.vectors.keys import envelopes, keys, ssh_signatures
from tests.support.vectors.plans import plans, policies, row_keys
from tests.support.vectors.records import audit, checkpoints, commits
from tests.support.vectors.roots import roots, who_counts
from tests.support.vectors.statements import counts, statements
from tests.support.vectors.texts import json_texts

VECTORS = Path(__file__).parents[1] / "vectors"

FILES: Mapping[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "keys.json": ("Keys and key ids", keys),
    "sshsig.json": ("SSHSIG", ssh_signatures),
    "envelopes.json": ("Envelopes", envelopes),
    "json.json": ("JSON", json_texts),
    "roots.json": ("Root", roots),
    "who-counts.json": ("Who counts", who_counts),
    "statements.json": ("Statements", statements),
    "counts.json": ("Bundle statement", counts),
    "plans.json": ("Plan digest", plans),
    "row-keys.json": ("Row keys", row_keys),
    "policies.json": ("Policies digest", policies),
    "audit.json": ("Audit record", audit),
    "checkpoints.json": ("Checkpoint", checkpoints),
    "commits.json": ("Git objects", commits),
    "heartbeats.json": ("Heartbeat", heartbeats),
}
"""By file: the heading of docs/formats.md that it is about, and what makes it."""


def render(heading: str, made: Mapping[str, Any]) -> str:
    """Return a file's text."""
    about = f"docs/formats.md, {heading}; frozen, see README.md"
    return json.dumps({"about": about, **made}, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    for name, (heading, make) in FILES.items():
        path = VECTORS / name
        if not path.exists():
            path.write_text(render(heading, make()))
