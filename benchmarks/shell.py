"""The baseline: a clone with a work tree, `git pull`, and one `psql \\copy` for each table.

What somebody writes in an afternoon, and a good one: one transaction, one COPY for each table,
local files, hard links in the clone. It checks nothing: no signature, no schema, no key, no
reference. It keeps no history and no digest. Its tables have the columns of the files as text, the
indexes that look-ups need and the room in their pages that ours have.
"""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.publish import BANKS, BRANCH, CARDS
from controller.adapters.embedded_home import find_binaries
from controller.adapters.gitcli import child_environment, git_program
from controller.adapters.shipped import shipped
from controller.artifacts.layout import files_path
from controller.artifacts.tables import TABLES
from controller.reconcile.rails import RailSet
from controller.stores.directory.rebuilt import FILL_PERCENT

INDEXES = (
    "ALTER TABLE participants ADD PRIMARY KEY (id)",
    "ALTER TABLE identifiers ADD PRIMARY KEY (scheme, value)",
    "CREATE INDEX ON identifiers (participant_id)",
    "ALTER TABLE endpoints ADD PRIMARY KEY (id)",
    "CREATE INDEX ON endpoints (participant_id)",
    "CREATE UNIQUE INDEX ON ranges (iin_start, iin_end)",
    "CREATE INDEX ON ranges (participant_id)",
)
_SOURCES = (
    (CARDS, ("participants", "ranges")),
    (BANKS, ("participants", "identifiers", "endpoints")),
)
TABLE_NAMES = ("participants", "identifiers", "endpoints", "ranges")


@dataclass(frozen=True, slots=True)
class Shell:
    """A clone's folder and a database, as the script knows them."""

    origin: Path
    clone: Path
    url: str

    def clone_it(self) -> None:
        """Clone the branch, with a work tree."""
        self._git(
            self.origin,
            *("clone", "--quiet", "--single-branch", "--branch", BRANCH),
            *(str(self.origin), str(self.clone)),
        )

    def pull(self) -> None:
        """Bring the work tree to the branch's commit."""
        self._git(self.clone, "pull", "--quiet", "--ff-only")

    def create(self, *, indexed: bool = True) -> None:
        """Make the tables."""
        text = [
            f"CREATE TABLE {name} ({', '.join(f'{column} text' for column in columns)}) "
            f"WITH (fillfactor = {FILL_PERCENT})"
            for name, columns in ((name, _quoted(TABLES[name].columns)) for name in TABLE_NAMES)
        ]
        self.psql(";\n".join([*text, *(INDEXES if indexed else ())]) + ";")

    def index(self) -> None:
        """Make the indexes."""
        self.psql(";\n".join(INDEXES) + ";")

    def load(self, *, freeze: bool = False) -> None:
        """Empty the tables and copy every file into them, in one transaction."""
        options = "(FORMAT csv, FREEZE)" if freeze else "(FORMAT csv)"
        lines = ["BEGIN;", f"TRUNCATE {', '.join(TABLE_NAMES)};"]
        rails = RailSet(shipped("policies"), {})
        for bundle, tables in _SOURCES:
            rail, folder = rails.rail(bundle.rail), files_path(bundle)
            for table in tables:
                columns = ", ".join(_quoted(rail.tables[table].columns))
                program = (
                    f"find {folder}/{table} {folder}/{table}.csv -name *.csv -print0 2>/dev/null "
                    "| xargs -0 -r tail -q -n +2"
                )
                lines.append(f"\\copy {table} ({columns}) FROM PROGRAM '{program}' WITH {options}")
        self.psql("\n".join([*lines, "COMMIT;", ""]))

    def psql(self, script: str) -> None:
        """Run a script; stop at its first error."""
        subprocess.run(
            [
                str(find_binaries() / "psql"),
                "--no-psqlrc",
                "--quiet",
                "--set",
                "ON_ERROR_STOP=1",
                self.url,
            ],
            input=script.encode(),
            cwd=self.clone,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _git(self, cwd: Path, *arguments: str) -> None:
        command = [git_program(), "-c", "safe.directory=*", *arguments]
        subprocess.run(command, cwd=cwd, check=True, env=child_environment())


def _quoted(columns: Iterable[str]) -> list[str]:
    return [f'"{column}"' for column in columns]
