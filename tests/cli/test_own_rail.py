"""The steps of docs/rails.md, done as they stand there."""

import json
import re
import subprocess

from controller.kernel.instants import Window
from controller.policy.rail import SHARED, Rail, read_rail
from tests.support.commands import Desk, Said
from tests.support.house import ROOT
from tests.support.policies import lint_files, policy_files

OWN, CHANGED = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "rails.md").read_text(), re.DOTALL)
HEADER = (
    "id,name,legal_name,country,roles,currencies,parent_id,contact,status,"
    "effective_from,effective_to\n"
)


def _follow(steps: str, desk: Desk) -> None:
    """Type the page's lines in a checkout."""
    where = {"PATH": "/usr/bin:/bin", "REPOSITORY": str(desk.folder)}
    subprocess.run(["sh", "-euc", steps], cwd=ROOT, env=where, check=True, timeout=60)


def _validate(desk: Desk) -> Said:
    return desk.run("validate", str(desk.folder), "-o", "json")


def _found(said: Said) -> list[tuple[str, str]]:
    return [(one["rule"], one["file"]) for one in said.json["findings"]]


def _add_bundle(desk: Desk, participant: str) -> None:
    bundle = desk.folder / "bundles" / "my-rail" / "friends"
    (bundle / "files").mkdir(parents=True, exist_ok=True)
    (bundle / "files" / "participants.csv").write_text(f"{HEADER}acme,{participant},,,,,,,,,\n")
    draft = {
        "name": "friends",
        "rail": "my-rail",
        "effective_from": None,
        "effective_to": None,
        "environments": ["production"],
    }
    (bundle / "draft.json").write_text(f"{json.dumps(draft, indent=2, sort_keys=True)}\n")


def _own_rail(desk: Desk) -> Rail:
    folder = desk.folder / "policies" / "my-rail"
    own = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    shared = {path: data for path, data in policy_files().items() if path.startswith(SHARED)}
    return read_rail("my-rail", {**shared, **own})


def test_a_rail_made_from_the_template_by_the_page_judges_its_bundles(paper_desk: Desk) -> None:
    _follow(OWN, paper_desk)
    _add_bundle(paper_desk, "Acme")
    good = _validate(paper_desk)
    _add_bundle(paper_desk, "TODO")
    bad = _validate(paper_desk)

    assert (good.exit_code, _found(good)) == (0, [])
    assert (bad.exit_code, _found(bad)) == (
        1,
        [("my-rail/SYN001", "bundles/my-rail/friends/files/participants.csv")],
    )


def test_the_cases_that_were_copied_by_the_page_speak_of_the_new_rail(paper_desk: Desk) -> None:
    _follow(OWN, paper_desk)
    rail = _own_rail(paper_desk)
    folder = paper_desk.folder / "policies" / "my-rail" / "cases"

    for verdict, expected in (("fail", ["my-rail/SYN001"]), ("pass", [])):
        (path,) = (folder / verdict).iterdir()
        document = json.loads(path.read_text())
        files = {
            name: "".join(f"{x}\n" for x in lines) for name, lines in document["files"].items()
        }
        found = lint_files(rail, {name: text.encode() for name, text in files.items()}, Window())

        assert path.name == "my-rail__syn001.json"
        assert [one.rule for one in found] == expected


def test_a_rail_whose_name_was_changed_in_one_place_only_is_a_finding(paper_desk: Desk) -> None:
    _follow(OWN, paper_desk)
    head = paper_desk.folder / "policies" / "my-rail" / "rail.json"
    head.write_text(head.read_text().replace('"my-rail"', '"our-rail"'))

    said = _validate(paper_desk)

    assert _found(said) == [("trust/policy.rail_misnamed", "policies/my-rail/rail.json")]


def test_a_shipped_rail_that_was_copied_by_the_page_waits_for_its_pin(paper_desk: Desk) -> None:
    _follow(CHANGED, paper_desk)

    said = _validate(paper_desk)

    assert [rule for rule, _ in _found(said)] == ["trust/rails.not_pinned"]
