"""Take note of the code that judges rows as it is: `python -m tests.support.freeze_checks`.

Before that: does it let pass what it did not, or the other way round? Then count
`controller.policy.rail.CHECKS_VERSION` up, so that what older code judged is judged anew.
"""

import ast
import hashlib
from pathlib import Path

from controller.policy.rail import CHECKS_VERSION
from tests.support.house import ROOT

FROZEN = ROOT / "tests" / "house" / "checks.txt"

JUDGES = ("policy/*.py", "artifacts/rowtext.py", "artifacts/sheets.py", "artifacts/strictcsv.py")


def digest_of_checks() -> str:
    """Return one digest of the judging code, in which words for people do not count."""
    state = hashlib.sha256()
    for path in sorted(path for one in JUDGES for path in (ROOT / "controller").glob(one)):
        state.update(f"{path.name}\n{_without_words(path)}\n".encode())
    return state.hexdigest()


def frozen_text() -> str:
    """Return what the file should say."""
    return f"checks {CHECKS_VERSION}: {digest_of_checks()}\n"


def _without_words(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_docstring(one)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


if __name__ == "__main__":
    FROZEN.write_text(frozen_text(), encoding="utf-8")
