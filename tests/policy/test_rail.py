"""Reading rails: strict, offline, and told apart by their digest."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from controller.policy.rail import BadRail, RailMisnamed, overlay, read_rails
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

    refusal = _refused(files)

    assert isinstance(refusal, RailMisnamed)
    assert (refusal.folder, refusal.name) == ("card-bin", "card-bim")
    assert refusal.path == "policies/card-bin/rail.json"


@pytest.mark.parametrize(
    "path", ["card-bin/rail.json", "_common/rules.json", "_codes/iso4217.json"]
)
def test_a_refusal_names_the_file_as_it_stands_in_a_repository(path: str) -> None:
    refusal = _refused({**policy_files(), path: b"{"})

    assert refusal.path == f"policies/{path}"
    assert "line 1 column 2" in refusal.reason


def test_a_rule_of_another_rail_is_refused() -> None:
    files = policy_files()
    files["card-bin/rules.json"] = files["caip/rules.json"]

    refusal = _refused(files)

    assert refusal.path == "policies/card-bin/rules.json"
    assert "does not start with card-bin/" in refusal.reason


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

    refusal = _refused(_with(path, properties=schema["properties"]))

    assert refusal.path == f"policies/{path}"
    assert "'^(?=a)a$'" in refusal.reason


def test_a_schema_that_is_no_object_is_refused() -> None:
    path = "caip/schema/participants.schema.json"

    assert _refused({**policy_files(), path: b"[]"}).path == f"policies/{path}"


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


@pytest.mark.parametrize(
    "members",
    [
        {"$defs": {"a": {}}, "allOf": [{"$ref": "#/$defs/a"}]},
        {"$dynamicAnchor": "a"},
        {"enum": list(range(1000))},
    ],
    ids=["its own definition", "an anchor", "too many words"],
)
def test_a_schema_that_could_multiply_is_refused(members: dict[str, Any]) -> None:
    refusal = _refused(_with("caip/schema/participants.schema.json", **members))

    assert refusal.path == "policies/caip/schema/participants.schema.json"


@pytest.mark.parametrize(("count", "is_taken"), [(200, True), (201, False)])
def test_a_rail_adds_so_many_rules_and_no_more(count: int, is_taken: bool) -> None:
    document = json.loads(policy_files()["_template/rules.json"])
    one = {**document["rules"][0], "covers": []}
    ids = [f"_template/ZZ{chr(65 + n // 100)}{n % 100:03}" for n in range(count)]
    files = _with("_template/rules.json", rules=[{**one, "id": name} for name in ids])

    if is_taken:
        assert len(read_rails(files)["_template"].rules) > count
    else:
        assert "201 rules" in str(_refused(files))
