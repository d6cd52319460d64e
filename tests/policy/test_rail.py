"""Reading rails: strict, offline, and told apart by their digest."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from controller.policy.patterns import BadPattern
from controller.policy.rail import BadRail, overlay, read_rails
from tests.support.policies import policy_files, shipped


def _with(path: str, **members: Any) -> dict[str, bytes]:
    files = policy_files()
    document = json.loads(files[path])
    return {**files, path: json.dumps({**document, **members}).encode()}


def _refused(files: Mapping[str, bytes]) -> BadRail:
    with pytest.raises(BadRail) as refusal:
        read_rails(files)
    return refusal.value


def test_the_shipped_rails_are_read() -> None:
    assert set(shipped()) == {"_template", "caip", "card-bin", "in-imps-neft", "swift-iso20022"}


def test_an_unknown_member_refuses_the_rail() -> None:
    assert "surprise" in str(_refused(_with("card-bin/rail.json", surprise=1)))


def test_a_rail_must_be_named_after_its_folder() -> None:
    files = _with("card-bin/rail.json", rail="card-bim")
    files["card-bin/rules.json"] = b'{"version": 1, "rules": []}'

    assert "names the rail 'card-bim'" in str(_refused(files))


def test_a_rule_of_another_rail_is_refused() -> None:
    files = policy_files()
    files["card-bin/rules.json"] = files["caip/rules.json"]

    assert "does not start with card-bin/" in str(_refused(files))


def test_an_unknown_kind_of_check_is_refused() -> None:
    document = json.loads(policy_files()["caip/rules.json"])
    document["rules"][0]["check"] = {"kind": "eval"}

    assert "/rules/0/check" in str(_refused(_with("caip/rules.json", **document)))


def test_a_missing_file_is_named() -> None:
    files = policy_files()
    del files["card-bin/schema/ranges.schema.json"]

    assert "ranges.schema.json" in _refused(files).path


def test_columns_out_of_order_are_refused() -> None:
    head = json.loads(policy_files()["caip/rail.json"])
    head["tables"]["participants"]["columns"].reverse()

    assert "in this order" in str(_refused(_with("caip/rail.json", tables=head["tables"])))


def test_a_schema_that_leads_outside_is_refused() -> None:
    path = "caip/schema/participants.schema.json"
    schema = json.loads(policy_files()[path])
    schema["properties"]["name"] = {"$ref": "https://example.org/name.json"}

    assert "reference" in str(_refused(_with(path, properties=schema["properties"])))


def test_a_pattern_with_look_around_is_refused() -> None:
    path = "caip/schema/participants.schema.json"
    schema = json.loads(policy_files()[path])
    schema["properties"]["name"] = {"type": "string", "pattern": "^(?=a)a$"}

    with pytest.raises(BadPattern) as refusal:
        read_rails(_with(path, properties=schema["properties"]))
    assert refusal.value.pattern == "^(?=a)a$"


def test_the_digest_changes_with_a_rule_and_not_with_a_case() -> None:
    files = policy_files()
    case = next(path for path in files if path.startswith("card-bin/cases/"))
    same = read_rails({**files, case: b"{}"})["card-bin"].digest
    other = read_rails(_with("_codes/iso4217.json", version="2099"))["card-bin"].digest

    assert same == shipped()["card-bin"].digest
    assert other != same


def test_a_rail_in_the_repository_replaces_the_shipped_one_as_a_whole() -> None:
    files = overlay({"caip/rail.json": b"1", "caip/rules.json": b"2"}, {"caip/rail.json": b"3"})

    assert files == {"caip/rail.json": b"3"}


def test_the_shared_folders_cannot_be_overridden() -> None:
    with pytest.raises(BadRail):
        overlay(policy_files(), {"_common/rules.json": b"{}"})
