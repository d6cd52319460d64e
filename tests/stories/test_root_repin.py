"""The threshold of the root is lost: a person pins another one, and the trail says so."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from controller.artifacts.layout import ROOT_DIR
from controller.authoring.rootfiles import read_root
from tests.support.commands import Desk
from tests.support.examined import set_text
from tests.support.house import ROOT
from tests.support.owners import Owners, owners_of
from tests.support.world import NEW_RANGE, OTHER_RANGE

NEW = ("dora", "erin")


def start_again(owners: Owners, *more: str) -> Path:
    """Return a root that new owners alone signed: two of the three old keys are gone."""
    gone = [word for name in ("alice", "bob") for word in owners.revokes(name, "burnt")]
    words = [word for name in NEW for word in owners.joins(name)]
    return owners.sign_root(owners.propose(*words, *gone, *more), *NEW)


def settings_pin(owners: Owners, envelope: Path) -> str:
    """Pin an envelope in the host's settings by hand, and return its SHA-256."""
    digest = read_root(envelope).digest
    shutil.copy(envelope, owners.desk.home / "keys" / "1.root.json")
    text = owners.desk.config.read_text()
    before = text.partition('root_sha256 = "')[2][:64]
    owners.desk.config.write_text(text.replace(before, digest))
    return str(digest)


def publish(owners: Owners, envelope: Path) -> None:
    """Commit the new root, and everything that is live with the new owners' signatures."""
    shutil.copy(envelope, owners.desk.folder / ROOT_DIR)
    owners.commit("A new beginning")


@pytest.fixture
def burnt(owners: Owners) -> tuple[Owners, Path]:
    """Return owners who lost two keys after their second release, and the root they made."""
    owners.publish(NEW_RANGE)
    assert owners.reconcile() == 2
    return owners, start_again(owners)


@pytest.mark.stops("root.lost")
def test_a_root_that_new_owners_alone_signed_leads_nowhere(burnt: tuple[Owners, Path]) -> None:
    owners, envelope = burnt
    publish(owners, envelope)

    assert owners.refused() in {"trust.threshold_not_met", "trust.signer_not_in_role"}
    owners.types("root", "verify", ends=3)


@pytest.mark.stops("root.lost", "installation.unpinned-root")
def test_another_pin_in_the_settings_is_not_enough(burnt: tuple[Owners, Path]) -> None:
    owners, envelope = burnt
    settings_pin(owners, envelope)
    publish(owners, envelope)

    said = owners.host("reconcile", "--once", ends=3)
    status = owners.asks("status")

    assert "countersign root pin" in said.err
    assert (status["condition"]["type"], status["condition"]["reason"]) == (
        "Stalled",
        "pin.changed",
    )
    assert owners.shop.revision == 2


@pytest.mark.stops("root.lost", "installation.unpinned-root")
@pytest.mark.parametrize("command", [("reconcile", "--once"), ("plan",)], ids=" ".join)
def test_a_host_with_nothing_to_do_says_that_its_pin_was_changed(
    burnt: tuple[Owners, Path], command: tuple[str, ...]
) -> None:
    owners, envelope = burnt
    assert owners.host(*command).err == ""
    settings_pin(owners, envelope)

    said = owners.host(*command, ends=3)
    status = owners.asks("status")

    assert "countersign root pin" in said.err
    assert status["sync"] == "Synced"
    assert (status["condition"]["type"], status["condition"]["reason"]) == (
        "Stalled",
        "pin.changed",
    )


@pytest.mark.allows("root.lost")
def test_a_host_with_nothing_to_do_goes_on_once_its_pin_is_recorded(
    burnt: tuple[Owners, Path],
) -> None:
    owners, envelope = burnt
    owners.host("root", "pin", settings_pin(owners, envelope))

    owners.host("reconcile", "--once")

    assert owners.asks("status")["condition"]["type"] == "Ready"


@pytest.mark.allows("root.lost")
def test_a_pin_that_a_person_records_is_a_new_beginning(burnt: tuple[Owners, Path]) -> None:
    owners, envelope = burnt
    digest = settings_pin(owners, envelope)
    publish(owners, envelope)
    rows = owners.shop.ranges()

    said = owners.host("root", "pin", digest)

    history = owners.asks("history")["revisions"]
    assert digest in said.out
    assert [(one["kind"], one["serial"]) for one in history[:2]] == [("repin", 2), ("forward", 2)]
    assert history[0]["audit_commit"]
    assert owners.shop.ranges() == rows
    owners.types("root", "verify")
    owners.sign_again(*NEW)
    owners.host("reconcile", "--once")
    assert owners.asks("status")["root"]["sha256"] == digest
    owners.improve(OTHER_RANGE, by=NEW)
    owners.host("reconcile", "--once")
    assert owners.asks("status")["applied"]["serial"] == 3
    owners.host("audit", "verify")


def test_a_trail_with_a_new_beginning_is_verified_without_our_code(
    burnt: tuple[Owners, Path],
) -> None:
    owners, envelope = burnt
    digest = settings_pin(owners, envelope)
    publish(owners, envelope)
    owners.host("root", "pin", digest)

    subject = owners.git("log", "-1", "--format=%s", "audit/countersign")
    record = owners.git("log", "-1", "--format=%b", "audit/countersign")
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "tools" / "countersign_verify.py"),
            *("audit", owners.desk.folder, "--root", envelope, "--controller", "countersign"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert subject == "Pin another root for production at release 2"
    assert '"kind":"repin"' in record
    assert f'"plan_digest":"{digest}"' in record
    assert '"root_version":2' in record
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_pin_is_recorded_once(burnt: tuple[Owners, Path]) -> None:
    owners, envelope = burnt
    digest = settings_pin(owners, envelope)
    owners.host("root", "pin", digest)

    said = owners.host("root", "pin", digest, ends=2)

    assert "nothing has to be recorded" in said.err
    assert owners.shop.revision == 3


def test_a_pin_has_to_be_said_as_the_settings_say_it(burnt: tuple[Owners, Path]) -> None:
    owners, envelope = burnt
    settings_pin(owners, envelope)

    owners.host("root", "pin", "0" * 64, ends=3)
    owners.host("root", "pin", "not a digest", ends=2)

    assert owners.shop.revision == 2


def test_a_root_of_a_number_that_was_used_is_no_new_beginning(owners: Owners) -> None:
    other = start_again(owners)
    kept = owners.desk.home / "other.json"
    shutil.move(other, kept)
    owners.rotate("--floor", "production=1")
    owners.reconcile()
    digest = settings_pin(owners, kept)

    said = owners.host("root", "pin", digest, ends=3)

    assert "number it 3" in said.err
    assert owners.shop.revision == 1


def test_a_root_that_its_own_owners_did_not_sign_is_no_new_beginning(owners: Owners) -> None:
    words = [word for name in NEW for word in owners.joins(name)]
    gone = [word for name in ("alice", "bob") for word in owners.revokes(name, "burnt")]
    envelope = owners.sign_root(owners.propose(*words, *gone), "dora")
    digest = settings_pin(owners, envelope)

    owners.host("root", "pin", digest, ends=3)

    assert owners.shop.revision == 1


def test_a_newer_pin_of_the_same_chain_needs_no_record(owners: Owners) -> None:
    owners.rotate("--floor", "production=1")
    digest = settings_pin(owners, owners.desk.home / "2.root.json")

    said = owners.host("root", "pin", digest, ends=2)
    owners.host("reconcile", "--once")

    assert "nothing has to be recorded" in said.err
    assert owners.asks("status")["root"]["version"] == 2


def test_a_new_host_starts_from_what_it_pins_and_records_nothing(
    first_host: Desk, tmp_path: Path, database_url: str
) -> None:
    home = tmp_path / "new"
    home.mkdir()
    with owners_of(first_host.copy(home, database_url), database_url) as owners:
        said = owners.host("root", "pin", owners.shop.pin.sha256, ends=2)
        owners.host("reconcile", "--once")

        assert "nothing has been applied" in said.err
        assert owners.shop.revision == 1


def test_a_new_host_that_followed_a_root_in_vain_starts_from_another_that_a_person_pins(
    first_host: Desk, tmp_path: Path, database_url: str
) -> None:
    home = tmp_path / "new"
    home.mkdir()
    with owners_of(first_host.copy(home, database_url), database_url) as owners:
        (parent,) = owners.shop.repository.parents_of(owners.shop.baseline)
        set_text(owners.desk, owners.shop.baseline.hex(), parent.hex())
        owners.rotate(*owners.revokes("bob", "lost"), by=("alice", "carol"))
        owners.host("reconcile", "--once", ends=3)
        words = [word for name in NEW for word in owners.joins(name)]
        proposed = owners.propose(*words, *owners.revokes("alice", "burnt"))
        envelope = owners.sign_root(proposed, *NEW)
        digest = settings_pin(owners, envelope)
        publish(owners, envelope)
        assert "countersign root pin" in owners.asks("status")["condition"]["hint"]

        said = owners.host("root", "pin", digest)

        assert "nothing has been applied yet" in said.out
        owners.sign_again(*NEW)
        owners.host("reconcile", "--once")
        status = owners.asks("status")
        assert (status["root"]["sha256"], status["applied"]["revision"]) == (digest, 1)
        owners.host("audit", "verify")
