"""Formats: whatever hashes or signs bytes has its place on the page that others verify by."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.house import ROOT

PAGE = (ROOT / "docs/formats.md").read_text()
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADINGS = set(re.findall(r"^#+ (.+)$", FENCED.sub("", PAGE), re.MULTILINE))
TABLE = dict(re.findall(r"^\| `(controller/[\w/.]+)` \| \[([^\]]+)\]", PAGE, re.MULTILINE))

# What makes a digest or a signature, or hands bytes to what does.
MAKERS = {
    *("sha256", "leaf", "node", "files_root", "leaf_hash", "node_hash", "tree_root", "keccak256"),
    *("crypto_sign", "crypto_sign_open", "crypto_sign_seed_keypair", "sign_with_seed"),
    *("pae", "to_be_signed", "sign", "sshsig", "add_signature", "make_signature"),
    *("sign_commit", "sign_envelope", "sign_checkpoint"),
}
IN_SQL = re.compile(r"\b(?:hash_\w+|sha\d+|md5|hmac|digest)\(", re.IGNORECASE)


def hashes_or_signs(source: str) -> bool:
    """Whether Python code calls something that hashes or signs."""
    called = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    for function in called:
        if isinstance(function, ast.Attribute):
            if function.attr in MAKERS or ast.unparse(function.value) in {"hashlib", "hmac"}:
                return True
        elif isinstance(function, ast.Name) and function.id in MAKERS:
            return True
    return False


def hashing_modules(folder: Path) -> set[str]:
    """The modules and statements below a folder that hash or sign, as paths from its parent."""
    python = {path for path in folder.rglob("*.py") if hashes_or_signs(path.read_text())}
    sql = {path for path in folder.rglob("*.sql") if IN_SQL.search(path.read_text())}
    return {path.relative_to(folder.parent).as_posix() for path in python | sql}


def test_every_module_that_hashes_or_signs_is_on_the_page() -> None:
    found = hashing_modules(ROOT / "controller")

    assert len(found) > 40
    assert sorted(found - TABLE.keys()) == [], "say on docs/formats.md which format this is"


def test_no_module_on_the_page_has_stopped_to_hash() -> None:
    assert sorted(TABLE.keys() - hashing_modules(ROOT / "controller")) == []


def test_every_format_on_the_page_has_a_heading() -> None:
    assert sorted(set(TABLE.values()) - HEADINGS) == []


@pytest.mark.parametrize(
    "source",
    [
        "import hashlib\nhashlib.sha3_256(b'')",
        "from x import sha256\nsha256(b'')",
        "signer.sign(b'')",
        "note.sign_checkpoint(proof)",
    ],
)
def test_a_new_call_that_hashes_is_seen(tmp_path: Path, source: str) -> None:
    (tmp_path / "controller").mkdir()
    (tmp_path / "controller/new.py").write_text(source)

    assert hashing_modules(tmp_path / "controller") == {"controller/new.py"}


@pytest.mark.parametrize("source", ["digest = 'sha256'", "def sha256(): ...", "row.sha256"])
def test_a_word_alone_is_no_call(source: str) -> None:
    assert not hashes_or_signs(source)
