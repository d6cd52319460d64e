"""No parser surprises: whatever bytes arrive, a value or one of the parser's own errors comes out.

The table is `tests/support/parsers.py`. A run of the suite tries the same few inputs every time;
`make fuzz FUZZ_EXAMPLES=20000` tries so many new ones for each law.
"""

import ast
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.app.settings import BadSettings, load
from controller.policy import checks, urls
from controller.policy.text import masked, quoted
from tests.support.house import ROOT
from tests.support.parsers import PARSERS, Parser
from tests.support.policies import shipped

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # noqa: TID251  for a long campaign
FUZZ = settings(
    max_examples=EXAMPLES or 40,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
REAL = settings(FUZZ, max_examples=EXAMPLES or 12)
EACH = pytest.mark.parametrize(
    "parser",
    PARSERS,
    ids=[f"{number}-{'.'.join(one.names[0].split('.')[2:])}" for number, one in enumerate(PARSERS)],
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["", "production", "2026-12-01T00:00:00Z", "0" * 64, "a/b", "\ud800", "é"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["rules", "keys", "_type"]), inner)
    ),
    max_leaves=12,
)
TOKENS = st.sampled_from(
    [
        *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u0000", b"\\ud800", b"1e400", b"-"),
        *(
            b"\0",
            b"\r",
            b"\n",
            b"\n\n",
            b" ",
            b"\xff",
            b"\xef\xbb\xbf",
            b"\xe2\x80\xae",
            b"=",
            b"/",
        ),
        *(b"NaN", b"Infinity", b"9" * 20, b"-0", b"0.1", b"null", b"true", b"..", b"\xed\xa0\x80"),
        *("é".encode(), "e\u0301".encode(), "٣".encode(), b"[" * 40, b"a" * 5000),
    ]
)


@st.composite
def mutated(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """Flip, delete, insert, duplicate, swap, cut and splice what is good."""
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 1 + len(data) // 4)))
        piece = data[start:end]
        match draw(st.integers(0, 7)):
            case 0 if start < len(data):
                flipped = data[start] ^ 1 << draw(st.integers(0, 7))
                data = data[:start] + bytes([flipped]) + data[start + 1 :]
            case 1:
                data = data[:start] + data[end:]
            case 2:
                data = data[:start] + draw(TOKENS) + data[start:]
            case 3:
                data = data[:start] + piece * draw(st.integers(2, 3)) + data[end:]
            case 4:
                data = data[end:] + piece + data[:start]
            case 5:
                data = data[:start]
            case 6:
                other = draw(st.sampled_from(samples))
                data = data[:start] + other[draw(st.integers(0, len(other))) :]
            case _:
                data = data[:start] + draw(st.binary(max_size=8)) + data[end:]
    return data


@st.composite
def rewritten(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """Put other values, members or none where a good document has its own."""
    value = json.loads(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        value = _changed(draw, value)
    return json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def _changed(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 9)) == 0:
            return {name: one for name, one in value.items() if name != key}
        if draw(st.integers(0, 9)) == 0:
            return {**value, draw(st.text(max_size=5)): draw(JSON)}
        return {**value, key: _changed(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(value) - 1))
        if draw(st.integers(0, 4)) == 0:
            return [*value, value[at]]
        return [*value[:at], _changed(draw, value[at]), *value[at + 1 :]]
    return draw(JSON)


def samples_of(parser: Parser) -> tuple[list[bytes], bool]:
    """Return a parser's samples as bytes, and whether it reads text."""
    found = parser.samples()
    return [_bytes(one) for one in found], isinstance(found[0], str)


def check(parser: Parser, data: bytes | str) -> None:
    """Demand a value that keeps its promise, or exactly one of the parser's errors."""
    try:
        value = parser.read(data)
    except parser.refuses:
        return
    if parser.again is not None:
        assert parser.again(value) == data
    if parser.write is not None:
        assert parser.read(parser.write(value)) == value


def _source_with_a_list() -> bytes:
    sample = next(
        one for parser in PARSERS for one in parser.samples() if b"chainId" in _bytes(one)
    )
    return _bytes(sample).replace(b'"chainId": 1,', b'"chainId": [],')


def _mapping_from_a_list() -> bytes:
    (parser,) = (one for one in PARSERS if one.names[0].endswith("mapping.read_mapping"))
    document = json.loads(parser.samples()[0])
    next(iter(document["tables"].values()))[0]["from"] = []
    return json.dumps(document).encode()


def _bytes(sample: bytes | str) -> bytes:
    return sample.encode() if isinstance(sample, str) else sample


@EACH
def test_what_is_good_is_read(parser: Parser) -> None:
    for sample in parser.samples():
        value = parser.read(sample)

        assert parser.again is None or parser.again(value) == sample
        assert parser.write is None or parser.read(parser.write(value)) == value


FOUND: list[tuple[str, bytes | str]] = [
    ("strictcsv.read", b"\xef\xbb\xbf" * 3000),
    ("strictcsv.parse_line", "\0a,b,c"),
    ("mapping.apply_mapping", b'"'),
    ("mapping.apply_mapping", _source_with_a_list()),
    ("mapping.read_mapping", _mapping_from_a_list()),
    ("note.VerifierKey.parse", "\udce3+a5bad396+ASg8okFx/d54cKRUv2lpv5/nJAscDx8/7dqLyZnONxwZ"),
    ("patterns.compile_pattern", "^[a-z]{1,999999999999999999999}$"),
    ("patterns.compile_pattern", "^" + "(" * 500 + "a" + ")" * 500 + "$"),
    ("lines.line_of", b'{"rules": null}'),
]
"""What a parser once answered with an accident, found by campaigns."""


@pytest.mark.parametrize(("name", "data"), FOUND, ids=[name for name, _ in FOUND])
def test_what_was_an_accident_once_is_a_typed_refusal_now(name: str, data: bytes | str) -> None:
    for parser in PARSERS:
        if parser.names[0].endswith(f".{name}"):
            check(parser, data)


@EACH
def test_arbitrary_input_is_a_value_or_a_typed_refusal(parser: Parser) -> None:
    _, is_text = samples_of(parser)

    @FUZZ
    @given(
        st.text() | st.binary().map(lambda one: one.decode("latin-1")) if is_text else st.binary()
    )
    def law(data: bytes | str) -> None:
        check(parser, data)

    law()


@EACH
def test_a_mutated_sample_is_a_value_or_a_typed_refusal(parser: Parser) -> None:
    samples, is_text = samples_of(parser)

    @FUZZ
    @given(mutated(samples))
    def law(data: bytes) -> None:
        check(parser, data.decode("utf-8", "surrogateescape") if is_text else data)

    law()


def is_json(parser: Parser) -> bool:
    return all(sample[:1] in (b"{", b"[") for sample in samples_of(parser)[0])


@pytest.mark.parametrize(
    "parser",
    [parser for parser in PARSERS if is_json(parser)],
    ids=lambda parser: ".".join(parser.names[0].split(".")[2:]),
)
def test_a_document_with_other_values_is_a_value_or_a_typed_refusal(parser: Parser) -> None:
    samples, _ = samples_of(parser)

    @FUZZ
    @given(rewritten(samples) | JSON.map(lambda one: json.dumps(one).encode()))
    def law(data: bytes) -> None:
        check(parser, data)

    law()


REAL_SIZE_MAX_BYTES = 16_384
VECTORS = ROOT / "tests" / "vectors"


@cache
def real_files() -> tuple[bytes, ...]:
    """Return small real files and other people's vectors, some of every kind there is.

    Where they are absent, the vectors that this repository publishes are all.
    """
    shared = ROOT.parent / "shared"
    found: dict[tuple[str, str], list[Path]] = {}
    folders = (shared / "data", shared / "vectors", VECTORS)
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.is_file() and 0 < path.stat().st_size <= REAL_SIZE_MAX_BYTES:
            found.setdefault((path.parent.name, path.suffix), []).append(path)
    return tuple(
        path.read_bytes() for paths in found.values() for path in paths[:: 1 + len(paths) // 20]
    )


def test_real_files_are_many_and_of_many_kinds(shared_dir: Path) -> None:
    assert shared_dir == ROOT.parent / "shared"
    assert len(real_files()) > 100
    assert {data[:1] for data in real_files()} > {b"{", b"[", b"<", b"i"}


@EACH
def test_a_mutated_real_file_is_a_value_or_a_typed_refusal(parser: Parser) -> None:
    _, is_text = samples_of(parser)

    # A run of the suite draws the same places for every parser: each has another file there.
    files = real_files()
    first = PARSERS.index(parser) * len(files) // len(PARSERS)

    @REAL
    @given(mutated([*files[first:], *files[:first]]))
    def law(data: bytes) -> None:
        check(parser, data.decode("utf-8", "replace") if is_text else data)

    law()


def test_a_mutated_settings_file_is_read_or_refused() -> None:
    sample = b"""[controller]
name = "a"
environment = "production"
[repository]
path = "shop"
branch = "main"
baseline = "0000000000000000000000000000000000000000"
[trust]
root = "1.root.json"
root_sha256 = "%s"
[database]
url = "postgresql://nobody@127.0.0.1:1/nothing"
[guards]
removed_share = "0.1"
removed_rows = 100
""" % (b"0" * 64)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "countersign.toml"

        @FUZZ
        @given(mutated([sample]))
        def law(data: bytes) -> None:
            file.write_bytes(data)
            with suppress(BadSettings):
                load(file)

        law()
        for bad in (b'database = "x"', b"a = " + b"[" * 100_000):
            file.write_bytes(bad)
            with pytest.raises(BadSettings):
                load(file)
        file.write_bytes(sample)
        assert load(file).controller.name == "a"


CHECKS = sorted(checks.CHECKS)
CELLS = st.text() | st.sampled_from(
    [
        "4111111111111111",
        "DEUTDEFF",
        "SBIN0000300",
        "eip155:1",
        "https://[::1]/",
        "https://a..b/",
        "²",
    ]
)


@FUZZ
@given(st.sampled_from(CHECKS), CELLS)
def test_every_check_of_a_cell_answers_yes_or_no(name: str, cell: str) -> None:
    assert checks.check(name)(cell) in (True, False)


@FUZZ
@given(CELLS, st.sampled_from(["https", "smp", "kafka", ""]))
def test_every_complaint_about_an_address_is_words(cell: str, protocol: str) -> None:
    for judge in (urls.scheme_fits, urls.encrypted, urls.public, urls.live):
        assert isinstance(judge(protocol, cell), str)
    assert isinstance(masked(quoted(cell)), str)


@FUZZ
@given(CELLS)
def test_every_scheme_has_one_canonical_form_of_a_value(cell: str) -> None:
    for scheme in shipped()["card-bin"].schemes.values():
        once = scheme.canonical(cell)

        assert scheme.canonical(once) == once


# The table against the code

FLOORS = ("kernel", "artifacts", "trust", "policy", "plan")
ABOVE = ("controller/audit/record.py", "controller/audit/commit.py")
NAMED = re.compile(r"(?:parse|read|dearmor|decode|unpack|split)(?:_\w+)?")
TAKES_OBJECTS = {"oid", "oids", "objects"}
"""What reads git's objects by id meets the same bytes as `parse_tree` and its callers."""


def public_parsers() -> Iterator[str]:
    files = [path for floor in FLOORS for path in (ROOT / "controller" / floor).glob("*.py")]
    for path in sorted([*files, *(ROOT / name for name in ABOVE)]):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            inner = node.body if isinstance(node, ast.ClassDef) else [node]
            if isinstance(node, ast.ClassDef) and node.name.startswith("_"):
                continue
            owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            for one in inner:
                if not isinstance(one, ast.FunctionDef) or not NAMED.fullmatch(one.name):
                    continue
                if not {argument.arg for argument in one.args.args} & TAKES_OBJECTS:
                    yield f"{module}.{owner}{one.name}"


def test_every_public_parser_of_the_pure_floors_is_in_the_table() -> None:
    found = set(public_parsers())

    assert len(found) > 25
    assert sorted(found - {name for parser in PARSERS for name in parser.names}) == []


def test_every_name_in_the_table_is_a_function_that_exists() -> None:
    for parser in PARSERS:
        for name in parser.names:
            module, _, function = name.removesuffix(".parse").rpartition(".")
            path = ROOT / f"{name.rpartition('.')[0].replace('.', '/')}.py"
            if path.exists():
                assert f"def {name.rpartition('.')[2]}(" in path.read_text(), name
            else:
                text = (ROOT / f"{module.replace('.', '/')}.py").read_text()
                assert f"class {function}" in text, name
