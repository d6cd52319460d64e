"""A shell that somebody types into: lines as they stand in a page, what they say, how they end."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.adapters.embedded import remove
from tests.support.postgres import passable_folder

_END = "--- the line ended with"


@dataclass
class Terminal:
    """One shell: what is exported stays exported, and `cd` stays where it went."""

    folder: Path
    _shell: subprocess.Popen[str]
    _errors: Path

    def types(self, line: str, *, ends: Sequence[int] = (0,)) -> str:
        """Type a line and return what it says; it must end as expected."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._errors.write_text("")
        self._shell.stdin.write(f"{line}\nprintf '\\n{_END} %s\\n' $?\n")
        self._shell.stdin.flush()
        said: list[str] = []
        for heard in self._shell.stdout:
            if heard.startswith(_END):
                status = int(heard.removeprefix(_END))
                text = "".join(said)
                assert status in ends, f"$ {line}\n{text}\n{self.complained}\nended with {status}"
                return text
            said.append(heard)
        raise AssertionError(f"the shell ended at: {line}\n{self.complained}")

    def reads(self, line: str, *, ends: Sequence[int] = (0,)) -> Any:
        """Type a line and return the last JSON document it prints."""
        said = self.types(line, ends=ends)
        return json.loads(said[said.index("{") :])

    @property
    def complained(self) -> str:
        """What the last line said on the error stream."""
        return self._errors.read_text()


@contextmanager
def terminal(**environment: str) -> Iterator[Terminal]:
    """Open a shell in an empty folder, in which `countersign` is ours and git knows nobody."""
    with passable_folder() as folder:
        known = _environment(folder, environment)
        errors = folder / "errors.txt"
        with (
            errors.open("a") as stream,
            subprocess.Popen(
                ["bash", "--noprofile", "--norc"],
                cwd=folder,
                env=known,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            ) as shell,
        ):
            yield Terminal(folder, shell, errors)
            assert shell.stdin is not None
            shell.stdin.close()
        for state in folder.glob("*/state"):
            remove(state)


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    binaries = Path(sys.executable).parent
    return {
        "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        **more,
    }
