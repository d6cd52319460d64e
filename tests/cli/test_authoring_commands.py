"""The commands with which people change an artifact repository, as they type them."""

import json
from pathlib import Path

import pytest
from typer.main import get_command

from controller.cli.main import app
from tests.support import openssh
from tests.support.authoring import CARDS, Shop, build_shop, copy_shop
from tests.support.cli import Ran, countersign
from tests.support.house import ROOT


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shop(original: Shop, tmp_path: Path) -> Shop:
    return copy_shop(original, tmp_path)


def run(shop: Shop, *arguments: str | Path) -> Ran:
    config = str(shop.keys / "countersign.toml")
    return countersign(*arguments, folder=shop.folder, COUNTERSIGN_CONFIG=config)


def commands(group: object, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    """Every command with what its help ends with."""
    nested = getattr(group, "commands", {})
    found = [(words, str(getattr(group, "epilog", "") or ""))]
    for name, command in nested.items():
        found += commands(command, (*words, name))
    return found


@pytest.mark.parametrize(
    ("words", "epilog"),
    [
        pytest.param(words, epilog, id=" ".join(words))
        for words, epilog in commands(get_command(app))[1:]
    ],
)
def test_every_help_shows_an_example(words: tuple[str, ...], epilog: str) -> None:
    assert f"countersign {words[0]}" in epilog


def test_the_morning_of_a_new_repository(tmp_path: Path) -> None:
    started = countersign("init", "shop", "--demo-keys", "keys", folder=tmp_path)
    assert started.code == 0, started.said
    shop = Shop(tmp_path)
    source = tmp_path / "ranges.csv"
    source.write_text(
        "iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,bank_name,"
        "bank_logo,bank_url,bank_phone,bank_city\n"
        "45717360,,16,,visa,Visa/Dankort,debit,,DK,Jyske Bank,,,,\n"
    )

    ran = [
        run(
            shop,
            "import",
            "--rail",
            "card-bin",
            "--name",
            "binlist",
            "--map",
            "binlist",
            "../ranges.csv",
        ),
        run(shop, "sign", "card-bin/binlist", "--key", "../keys/alice"),
        run(shop, "sign", "card-bin/binlist", "--key", "../keys/bob"),
    ]
    shop.commit("binlist 1")
    ran.append(
        run(
            shop,
            "promote",
            "card-bin/binlist@1",
            "--key",
            "../keys/alice",
            "--key",
            "../keys/bob",
        )
    )

    assert [(one.code, one.said) for one in ran if one.code] == []
    assert "Release 2 of production: card-bin/binlist@1" in ran[-1].out
    assert shop.status() == ""


def test_machine_output_of_signing_and_releasing(shop: Shop) -> None:
    shop.add_range()

    signed = run(
        shop, "sign", str(CARDS), "--key", "../keys/alice", "--key", "../keys/bob", "-o", "json"
    )
    shop.commit("version 2")
    released = run(
        shop,
        "promote",
        f"{CARDS}@2",
        "--key",
        "../keys/alice",
        "--key",
        "../keys/bob",
        "--tag",
        "-o",
        "json",
    )

    assert [one["owner"] for one in signed.data["signed"]] == ["alice", "bob"]
    assert released.data["serial"] == 2
    assert released.data["tag"] == "production-2"


def test_findings_that_block_are_shown_and_end_with_1(shop: Shop) -> None:
    shop.add_range("99060,,16,true,house,Short,credit,false,GB,GBP,tidewater-bank,,\n")

    ran = run(shop, "sign", str(CARDS), "--key", "../keys/alice")

    assert ran.code == 1
    assert f"bundles/{CARDS}/files/ranges.csv:13" in ran.out


def test_a_key_that_may_not_sign_ends_with_3(shop: Shop) -> None:
    ran = run(shop, "sign", str(CARDS), "--key", "../keys/rollback")

    assert ran.code == 3
    assert "hint: those who may: alice, bob, carol" in ran.said


def test_too_few_signatures_end_with_3(shop: Shop) -> None:
    shop.second_version()

    ran = run(shop, "promote", f"{CARDS}@2", "--key", "../keys/alice")

    assert ran.code == 3
    assert "needs 2 owners, 1 signed" in ran.said


def test_a_rollback_uses_the_key_that_git_signs_with(shop: Shop) -> None:
    shop.second_version()
    shop.promote(f"{CARDS}@2")

    ran = run(shop, "rollback", "--to", "1", "-o", "json")

    assert (ran.code, ran.data["serial"], ran.data["owners"]) == (0, 1, ["rollback"])


def test_a_rollback_to_a_bundle_version_is_a_new_release(shop: Shop) -> None:
    shop.second_version()
    shop.promote(f"{CARDS}@2")

    ran = run(
        shop,
        "rollback",
        "--to",
        f"{CARDS}@1",
        "--key",
        "../keys/alice",
        "--key",
        "../keys/bob",
        "-o",
        "json",
    )

    assert ran.data["serial"] == 3


def test_an_acknowledgement_is_signed_and_committed(shop: Shop) -> None:
    plan, why = "cd" * 32, ("--reason", "merger", "--unchecked")

    ran = run(shop, "ack", plan, *why, "--key", "../keys/alice", "-o", "json")

    assert (ran.code, ran.data["owners"]) == (0, ["alice"])
    assert shop.git("log", "-1", "--format=%s").startswith("Acknowledge plan cdcd")


def test_an_export_says_what_it_holds(shop: Shop) -> None:
    ran = run(shop, "export", f"{CARDS}@1", "../cards.tar", "-o", "json")

    assert (ran.code, ran.data["files"]) == (0, 5)
    assert (shop.home / "cards.tar").exists()


def test_refused_rows_go_to_a_file_and_strict_minds_them(shop: Shop, tmp_path: Path) -> None:
    source = tmp_path / "ranges.csv"
    source.write_text(
        "iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,bank_name,"
        "bank_logo,bank_url,bank_phone,bank_city\n"
        "457173,,16,,visa,Visa,debit,,DK,Jyske Bank,,,,\n"
        "4571,,16,,visa,Visa,debit,,DK,Jyske Bank,,,,\n"
    )
    words = ("import", "--rail", "card-bin", "--name", "binlist", "--map", "binlist", source)

    tolerant = run(shop, *words, "--rejects", "../rejects.jsonl", "-o", "json")
    strict = run(shop, *words, "--strict")

    assert (tolerant.code, strict.code) == (0, 1)
    assert tolerant.data["refused_by_rule"] == {"card-bin/SYN001": 1}
    (line,) = (shop.home / "rejects.jsonl").read_text().splitlines()
    assert json.loads(line)["findings"][0]["rule"] == "card-bin/SYN001"


def test_sharding_a_canonical_draft_says_so(shop: Shop) -> None:
    assert "canonical already" in run(shop, "shard", str(CARDS)).out


def test_sharding_counts_the_rows_that_stood_in_two_files(shop: Shop) -> None:
    ranges = shop.read(f"bundles/{CARDS}/files/ranges.csv")
    shop.write(f"bundles/{CARDS}/files/ranges/99.csv", b"".join(ranges.splitlines(True)[:2]))
    assert "left out 1 row that stood in two files of ranges" in run(shop, "shard", str(CARDS)).out


def test_keys_are_made_and_shown_without_their_secret(tmp_path: Path) -> None:
    made = countersign("key", "new", "dora", folder=tmp_path)
    shown = [countersign("key", "show", name, folder=tmp_path) for name in ("dora", "dora.pub")]

    assert [one.out for one in shown] == [made.out] * 2
    assert "PRIVATE" not in made.out
    assert (tmp_path / "dora").stat().st_mode & 0o777 == 0o600


def test_a_root_is_proposed_signed_shown_and_proved(tmp_path: Path) -> None:
    for name in ("ann", "ben"):
        countersign("key", "new", name, folder=tmp_path)
    proposed = countersign(
        "root", "init", "--owner", "ann=ann.pub", "--owner", "ben=ben.pub", folder=tmp_path
    )
    digest = proposed.out.split()[-1]

    signed = countersign(
        "root", "sign", "root-1.json", "--key", "ann", "--key", "ben", "-o", "json", folder=tmp_path
    )
    shown = countersign("root", "show", "1.root.json", folder=tmp_path)
    proved = countersign("root", "verify", "1.root.json", "--pin", digest, folder=tmp_path)
    refused = countersign("root", "verify", "1.root.json", "--pin", "0" * 64, folder=tmp_path)
    started = countersign("init", "shop", "--root", "1.root.json", folder=tmp_path)

    assert (signed.data["sha256"], signed.data["owners"]) == (digest, ["ann", "ben"])
    assert digest in shown.out
    assert (proved.code, refused.code, started.code) == (0, 3, 0)


def test_the_next_root_is_proposed_from_the_present_one(shop: Shop) -> None:
    run(shop, "key", "new", "../keys/dora")
    fingerprint = run(shop, "key", "show", "../keys/carol.pub").out.split()[0]

    ran = run(
        shop,
        "root",
        "propose",
        "--add-key",
        "root=dora:../keys/dora.pub",
        "--revoke",
        f"{fingerprint}=left",
        "--set-threshold",
        "root=3",
        "--out",
        "../root-2.json",
    )

    assert ran.code == 0, ran.said
    document = json.loads((shop.home / "root-2.json").read_text())
    assert (document["version"], document["roles"]["root"]["threshold"]) == (2, 3)
    assert fingerprint in document["revoked"]


def test_without_a_host_it_is_said_that_the_root_vouches_for_itself(shop: Shop) -> None:
    ran = countersign("sign", str(CARDS), "--key", "../keys/carol", folder=shop.folder)

    assert ran.code == 0
    assert "vouches for itself" in ran.said


def test_the_environment_of_git_does_not_leak_in(shop: Shop) -> None:
    shop.second_version()

    ran = countersign(
        "promote",
        f"{CARDS}@2",
        "--key",
        "../keys/alice",
        "--key",
        "../keys/bob",
        folder=shop.folder,
        GIT_DIR=str(ROOT / ".git"),
        GIT_WORK_TREE=str(ROOT),
    )

    assert ran.code == 0, ran.said
    assert shop.git("log", "-1", "--format=%s").startswith("Release 2")


def test_an_agent_signs_with_the_key_that_is_named(shop: Shop, tmp_path: Path) -> None:
    shop.add_range()
    config = str(shop.keys / "countersign.toml")

    with openssh.running_agent(tmp_path) as socket:
        for name in ("alice", "carol"):
            openssh.run("ssh-add", "-q", str(shop.keys / name), agent=socket)
        settings = {"COUNTERSIGN_CONFIG": config, "SSH_AUTH_SOCK": str(socket)}
        words = ("sign", str(CARDS), "--agent")
        unnamed = countersign(*words, folder=shop.folder, **settings)
        named = countersign(*words, "--key", "../keys/carol.pub", folder=shop.folder, **settings)

    assert (unnamed.code, named.code) == (2, 0), named.said
    assert "signed card-bin/house-cards@2 by carol" in named.out


def test_without_an_agent_there_is_nobody_to_ask(shop: Shop) -> None:
    ran = run(shop, "sign", str(CARDS), "--agent")

    assert ran.code == 2
    assert "there is no ssh-agent" in ran.said
