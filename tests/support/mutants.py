"""Mutants as mutmut left them: what each one changed, and whether a test noticed.

mutmut writes every mutant of a function beside it, as `x_name__mutmut_7`, and the exit code of its
tests into a `.meta` file. Here both become values. A mutant that only rewords what people read (the
message or hint of an error, a sentence) is `wording`: it is not tried and counts for nothing.
"""

import ast
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import zip_longest
from pathlib import Path

from tests.support.house import ROOT

_ORIGINAL = "_mutmut_orig"
_CLASS = "ǁ"
# Two words: a sentence. Only the frames of SSH's own formats look alike.
_PROSE = re.compile(r"^(?!-----).*\b[a-z']+ [a-z]{3,}\b", re.IGNORECASE | re.DOTALL)
_TEXT = (ast.JoinedStr, ast.Constant, ast.BinOp, ast.IfExp)
# Letters shown on either side of a change in a long line.
_AROUND = 40
_SPOKEN = ("hint", "message")


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMEOUT = "timeout"
    UNCOVERED = "not covered"
    WORDING = "wording"
    UNTRIED = "not tried"


# mutmut's exit codes are pytest's, a signal's, or its own (33: no tests, 34: left out).
FATES = {
    None: Fate.UNTRIED,
    0: Fate.SURVIVED,
    1: Fate.KILLED,
    3: Fate.KILLED,
    5: Fate.UNCOVERED,
    33: Fate.UNCOVERED,
    34: Fate.UNTRIED,
}
LEFT_OUT = 34


@dataclass(frozen=True)
class Mutant:
    """One changed place: `where` is the function, `was` and `now` the line that differs."""

    key: str
    where: str
    was: str
    now: str
    wording: bool

    def fate(self, code: int | None) -> Fate:
        """Return what an exit code says of it; whatever is not pytest's ran out of time."""
        return Fate.WORDING if self.wording else FATES.get(code, Fate.TIMEOUT)


def mutants_of(folder: Path, module: str) -> list[Mutant]:
    """Return the mutants that mutmut wrote into its copy of a module, in its order."""
    names = f"{_dotted(module)}."
    functions = dict(_functions(ast.parse((folder / module).read_text())))
    found = []
    for key in codes_of(folder, module):
        name = key.removeprefix(names)
        stem = name.rpartition("__mutmut_")[0]
        original = functions[f"{stem}_{_ORIGINAL}"]
        lines = _changed_lines(original, functions[name])
        wording = _is_wording(_difference(original, functions[name]))
        found.append(Mutant(key, names + _plain(stem), *lines, wording))
    return found


def codes_of(folder: Path, module: str) -> dict[str, int | None]:
    """Return mutmut's exit code for each mutant of a module; `None` was not tried yet."""
    path = folder / f"{module}.meta"
    codes = json.loads(path.read_text())["exit_code_by_key"] if path.exists() else {}
    return {str(key): code for key, code in codes.items()}


def set_codes(folder: Path, module: str, codes: Mapping[str, int | None]) -> None:
    """Write the exit codes back, from which mutmut's next run takes what is left to try."""
    path = folder / f"{module}.meta"
    meta = json.loads(path.read_text()) | {"exit_code_by_key": dict(codes)}
    path.write_text(json.dumps(meta, indent=4))


def count(mutants: Iterable[Mutant], codes: Mapping[str, int | None]) -> Counter[Fate]:
    """Return how many mutants met which fate."""
    return Counter(one.fate(codes[one.key]) for one in mutants)


def _dotted(module: str) -> str:
    return module.removesuffix(".py").replace("/", ".")


def _plain(stem: str) -> str:
    """Return a function's own name: `x_f` is `f`, `xǁCǁf` is `C.f`."""
    return stem.removeprefix("x_").removeprefix(f"x{_CLASS}").replace(_CLASS, ".")


def _functions(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name:
            # A name of its own would be a difference.
            name, node.name = node.name, _plain(node.name.partition("__mutmut_")[0])
            yield name, node


def _difference(one: ast.AST, other: ast.AST) -> list[ast.AST]:
    """Return the nodes of `one` from itself down to the innermost that differs."""
    chain = [one]
    while type(one) is type(other):
        pairs = [pair for pair in _children(one, other) if _dump(pair[0]) != _dump(pair[1])]
        before, after = pairs[0] if len(pairs) == 1 else (None, None)
        if before is not None:
            chain.append(before)
        if before is None or after is None:
            break
        one, other = before, after
    return chain


def _children(one: ast.AST, other: ast.AST) -> Iterator[tuple[ast.AST | None, ast.AST | None]]:
    for field in one._fields:
        before, after = (_listed(getattr(node, field, None)) for node in (one, other))
        if len(before) == len(after) + 1:
            # Of equal neighbours it does not matter which one is gone.
            lost = next(
                (at for at, node in enumerate(after) if _dump(node) != _dump(before[at])),
                len(after),
            )
            after = [*after[:lost], None, *after[lost:]]
        yield from zip(before, after, strict=False)


def _listed(value: object) -> list[ast.AST | None]:
    nodes = value if isinstance(value, list) else [value]
    return [node for node in nodes if isinstance(node, ast.AST)]


def _dump(node: ast.AST | None) -> str:
    return "" if node is None else ast.dump(node)


def _is_wording(chain: Sequence[ast.AST]) -> bool:
    """Whether only the words of an error or a sentence changed, and no fact that it carries."""
    last, above = chain[-1], chain[-2] if len(chain) > 1 else None
    if isinstance(above, ast.arguments):
        return _is_default_of(last, above, _SPOKEN)
    if isinstance(last, ast.Constant) and isinstance(last.value, str):
        compared = any(isinstance(node, ast.Compare) for node in chain)
        if _PROSE.search(last.value) and not compared:
            return True
    return any(
        isinstance(call, ast.Call) and _makes_error(call, above) and _is_spoken(argument)
        for above, call, argument in zip(chain, chain[1:], chain[2:], strict=False)
    )


def _is_default_of(node: ast.AST, arguments: ast.arguments, names: Collection[str]) -> bool:
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return any(node is default and argument.arg in names for argument, default in pairs)


def _makes_error(call: ast.Call, above: ast.AST) -> bool:
    if isinstance(above, ast.Raise) or ast.unparse(call.func) == "super().__init__":
        return True
    return isinstance(call.func, ast.Name) and call.func.id in _errors()


def _is_spoken(argument: ast.AST) -> bool:
    if isinstance(argument, ast.keyword):
        return argument.arg in _SPOKEN
    if isinstance(argument, ast.Call) and ast.unparse(argument.func) == "str":
        return True
    return isinstance(argument, _TEXT) and any(
        isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
        for node in ast.walk(argument)
    )


@cache
def _errors() -> frozenset[str]:
    """Return the names of our errors: the classes with a `code`."""
    trees = (ast.parse(path.read_text()) for path in (ROOT / "controller").rglob("*.py"))
    return frozenset(
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(
            isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code"
            for line in node.body
        )
    )


def _changed_lines(original: ast.AST, mutant: ast.AST) -> tuple[str, str]:
    """Return the first statement that differs, before and after, each cut to what one reads."""
    before, after = (ast.unparse(node).splitlines() for node in (original, mutant))
    pairs = zip_longest(before, after, fillvalue="")
    was, now = next((pair for pair in pairs if pair[0] != pair[1]), (before[-1], after[-1]))
    was, now = was.strip(), now.strip()
    same = _alike(was, now)
    rest = min(_alike(was[::-1], now[::-1]), min(len(was), len(now)) - same)
    return _cut(was, same, rest), _cut(now, same, rest)


def _alike(one: str, other: str) -> int:
    """Return how many letters two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, pair in pairs if pair[0] != pair[1]), min(len(one), len(other)))


def _cut(line: str, same: int, rest: int) -> str:
    """Return a line without what is far from the change, of which `same` and `rest` tell."""
    first = same - _AROUND if same > 2 * _AROUND else 0
    last = len(line) - rest + _AROUND if rest > 2 * _AROUND else len(line)
    return "…" * (first > 0) + line[first:last] + "…" * (last < len(line))
