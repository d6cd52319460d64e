"""What `countersign root` says when a signature is short, a file is broken or a key is wrong."""

import base64
import json
from pathlib import Path

import pytest

from tests.support.cli import countersign

EVERYBODY = ("ann", "ben", "oncall")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with keys and a proposal that two owners have to sign."""
    for name in EVERYBODY:
        countersign("key", "new", name, folder=tmp_path)
    owners = ("--owner", "ann=ann.pub", "--owner", "ben=ben.pub", "--threshold", "2")
    ran = countersign("root", "init", *owners, "--rollback", "oncall=oncall.pub", folder=tmp_path)
    assert ran.code == 0, ran.said
    return tmp_path


def test_a_root_that_lacks_signatures_is_named_and_how_to_sign_it(folder: Path) -> None:
    signed = countersign("root", "sign", "root-1.json", "--key", "ann", folder=folder)
    short = countersign("root", "verify", "1.root.json", folder=folder)
    countersign("root", "sign", "1.root.json", "--key", "ben", folder=folder)
    whole = countersign("root", "verify", "1.root.json", folder=folder)

    assert "another owner: countersign root sign 1.root.json --key FILE" in signed.said
    assert (short.code, whole.code) == (3, 0)
    assert "root 1: role 'root' needs 2 owners, 1 signed" in short.said
    assert "`countersign root sign`" in short.said


@pytest.mark.parametrize("command", ["sign", "verify", "show"])
def test_a_broken_root_is_named(folder: Path, command: str) -> None:
    document = json.loads((folder / "root-1.json").read_bytes())
    del document["created"]
    (folder / "broken.json").write_text(json.dumps(document))
    key = ("--key", "ann") if command == "sign" else ()

    broken = countersign("root", command, "broken.json", *key, folder=folder)

    assert broken.code == 3
    assert "broken.json: root /: lacks 'created'" in broken.said


@pytest.mark.parametrize("command", ["sign", "gather", "verify", "show"])
@pytest.mark.parametrize("payload", [b"{broken", b"{}", b"\xff"])
def test_an_envelope_of_a_broken_root_is_named(folder: Path, command: str, payload: bytes) -> None:
    countersign("root", "sign", "root-1.json", "--key", "ann", folder=folder)
    document = json.loads((folder / "1.root.json").read_bytes())
    document["payload"] = base64.b64encode(payload).decode()
    (folder / "broken.json").write_text(json.dumps(document))
    key = ("--key", "ann") if command == "sign" else ()

    broken = countersign("root", command, "broken.json", *key, folder=folder)

    assert broken.code == 3
    assert "error: broken.json: root /: " in broken.said


@pytest.mark.parametrize("command", ["sign", "gather", "show"])
def test_an_envelope_of_something_else_is_named(folder: Path, command: str) -> None:
    countersign("root", "sign", "root-1.json", "--key", "ann", folder=folder)
    document = json.loads((folder / "1.root.json").read_bytes())
    document["payloadType"] = "application/other"
    (folder / "other.json").write_text(json.dumps(document))
    key = ("--key", "ann") if command == "sign" else ()

    other = countersign("root", command, "other.json", *key, folder=folder)

    assert other.code == 3
    assert "error: other.json: payload type 'application/other' where" in other.said


@pytest.mark.parametrize("command", ["sign", "gather"])
def test_a_file_that_is_no_json_is_named(folder: Path, command: str) -> None:
    (folder / "broken.json").write_text("{broken")
    key = ("--key", "ann") if command == "sign" else ()

    broken = countersign("root", command, "broken.json", *key, folder=folder)

    assert broken.code == 2
    assert "error: broken.json: line 1 column 2: " in broken.said


def test_a_first_root_is_not_signed_by_a_key_outside_its_role(folder: Path) -> None:
    refused = countersign("root", "sign", "root-1.json", "--key", "oncall", folder=folder)

    assert refused.code == 3
    assert "oncall is not in the role `root`" in refused.said
    assert not (folder / "1.root.json").exists()


def test_a_later_root_is_signed_by_a_key_outside_its_role_with_a_warning(folder: Path) -> None:
    for name in ("ann", "ben"):
        countersign("root", "sign", "root-1.json", "--key", name, folder=folder)
    proposed = countersign(
        *("root", "propose", "1.root.json", "--set-threshold", "root=1"), folder=folder
    )
    assert proposed.code == 0, proposed.said

    outside = countersign("root", "sign", "root-2.json", "--key", "oncall", folder=folder)
    inside = countersign("root", "sign", "root-2.json", "--key", "ann", folder=folder)

    assert "warning: oncall is not in this root's role `root`" in outside.said
    assert (inside.code, "warning" in inside.said) == (0, False)


def test_a_key_that_is_not_there_is_told_from_a_link(folder: Path) -> None:
    (folder / "link").symlink_to("ann")

    gone = countersign("root", "sign", "root-1.json", "--key", "nobody", folder=folder)
    link = countersign("root", "sign", "root-1.json", "--key", "link", folder=folder)

    assert "there is no such file" in gone.said
    assert "not a link" not in gone.said
    assert "name a plain file, not a link" in link.said
