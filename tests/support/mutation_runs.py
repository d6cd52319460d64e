"""Run mutmut over the core and keep what came of it: `python -m tests.support.mutation_runs`.

Nothing is changed in the working tree but `tests/mutation/results.json` and the page: mutmut works
in a copy of what git tracks, in `.cache/mutation/`. A mutant that was killed stays killed until its
function changes; the others are tried again each time.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from tests.support.house import ROOT
from tests.support.mutants import (
    FATES,
    LEFT_OUT,
    Fate,
    codes_of,
    count,
    mutants_of,
    set_codes,
)
from tests.support.mutation_page import RESULTS, write_page

_SCRATCH = ROOT / ".cache" / "mutation"
_MUTANTS = _SCRATCH / "mutants"
# A dozen mutants: to try them makes mutmut write all the others.
_SMALL = "controller.kernel.objects.*"
_ALIVE = {code for code, fate in FATES.items() if fate is not Fate.KILLED}
_RUN_SECONDS_MAX = 24 * 3600


def run(modules: Sequence[str], workers: int) -> None:
    """Try the mutants of some modules, or of all, and keep the results beside earlier ones."""
    _copy_tree()
    # mutmut asks anew which tests reach a function for new tests only: of a function that has come
    # or moved since, it would say that none does.
    (_MUTANTS / "mutmut-stats.json").unlink(missing_ok=True)
    _mutmut(workers, _SMALL)
    every = sorted(str(path.relative_to(_MUTANTS))[: -len(".meta")] for path in _metas())
    asked = [name for name in every if not modules or _is_among(name, modules)]
    if not asked:
        raise SystemExit(f"no mutants in {', '.join(modules)}")
    for name in every:
        _choose(name, _ALIVE if name in asked else set())
    _mutmut(workers)
    keep(_MUTANTS, asked)


def keep(folder: Path, modules: Iterable[str]) -> None:
    """Write what became of the mutants of `modules` into the results and write the page."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results |= {name: _result(folder, name) for name in modules}
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    write_page()


def _result(folder: Path, module: str) -> dict[str, object]:
    mutants, codes = mutants_of(folder, module), codes_of(folder, module)
    return {
        "sha256": hashlib.sha256((ROOT / module).read_bytes()).hexdigest(),
        "fates": {fate.value: number for fate, number in sorted(count(mutants, codes).items())},
        "survivors": [
            {"where": one.where, "was": one.was, "now": one.now}
            for one in mutants
            if one.fate(codes[one.key]) in (Fate.SURVIVED, Fate.UNCOVERED)
        ],
    }


def _choose(module: str, codes_tried: Container[int | None]) -> None:
    """Mark what the next run has to try: mutants that ended so before, but for words."""
    codes = codes_of(_MUTANTS, module)
    for one in mutants_of(_MUTANTS, module):
        if not one.wording and codes[one.key] in codes_tried:
            codes[one.key] = None
        elif one.wording or codes[one.key] is None:
            codes[one.key] = LEFT_OUT
    set_codes(_MUTANTS, module, codes)


def _metas() -> list[Path]:
    """Return mutmut's notes on each module that has mutants."""
    notes = (_MUTANTS / "controller").rglob("*.meta")
    return [path for path in notes if json.loads(path.read_text())["exit_code_by_key"]]


def _is_among(name: str, modules: Iterable[str]) -> bool:
    return any(name == one or name.startswith(f"{one.rstrip('/')}/") for one in modules)


def _copy_tree() -> None:
    """Bring the copy to what the working tree holds; mutmut's own folder stays."""
    _SCRATCH.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(_MUTANTS / "tests", ignore_errors=True)
    for path in _SCRATCH.iterdir():
        if path.is_dir() and path != _MUTANTS:
            shutil.rmtree(path)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, timeout=60
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (_SCRATCH / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, _SCRATCH / name)


def _mutmut(workers: int, *names: str) -> None:
    program = Path(sys.executable).with_name("mutmut")
    subprocess.run(
        [program, "run", "--max-children", str(workers), *names],
        cwd=_SCRATCH,
        check=True,
        timeout=_RUN_SECONDS_MAX,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="paths such as controller/trust/core.py")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    run(arguments.modules, arguments.workers)
