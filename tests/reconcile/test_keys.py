"""What somebody types to name a row, read in every way that it can mean."""

import pytest

from controller.app import wiring
from controller.reconcile.keys import Asked, BadKey, Key, asked
from controller.reconcile.resolve import TooManyDigits

SCHEMES = wiring.schemes()
PAN = "4111111111111111"


def _keys(text: str) -> list[str]:
    return [str(key) for key in asked(SCHEMES, text).keys]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("participants/a/b", "participants/a/b"),
        ("participant/a", "participants/a"),
        ("endpoint/x", "endpoints/x"),
        ("identifiers/bic/deutdeffxxx", "identifiers/bic/DEUTDEFF"),
        ("bic/deutdeffxxx", "identifiers/bic/DEUTDEFF"),
        ("identifiers/unregistered/As Written", "identifiers/unregistered/As Written"),
        ("ranges/990105", "ranges/990105000000/990105999999"),
        ("ranges/990100-990104", "ranges/990100000000/990104999999"),
        ("ranges/990100000000/990104999999", "ranges/990100000000/990104999999"),
        ("rules/rail/name/id", "rules/rail/name/id"),
        ("capabilities/e/////m/EUR", "capabilities/e/////m/EUR"),
    ],
)
def test_a_key_with_its_table_or_scheme_means_one_row(text: str, key: str) -> None:
    assert key in _keys(text)
    assert asked(SCHEMES, key).keys == asked(SCHEMES, text).keys


def test_a_slash_inside_of_a_part_is_read_in_every_way() -> None:
    found = asked(SCHEMES, "rules/rail/name/id").keys

    assert set(found) == {
        Key("rules", ("rail/name", "id")),
        Key("rules", ("rail", "name/id")),
    }


def test_a_bare_word_is_tried_in_every_table_that_it_can_stand_in() -> None:
    assert _keys("DEUTDEFF")[0] == "identifiers/bic/DEUTDEFF"
    assert {"participants/DEUTDEFF", "endpoints/DEUTDEFF"} < set(_keys("DEUTDEFF"))
    assert asked(SCHEMES, "DEUTDEFF").rule == "DEUTDEFF"


@pytest.mark.parametrize(("text", "digits"), [("990105", "990105"), ("99010", ""), ("a", "")])
def test_six_to_eleven_bare_digits_can_be_part_of_a_card_number(text: str, digits: str) -> None:
    assert asked(SCHEMES, text).digits == digits


@pytest.mark.parametrize("text", [PAN, f"iin/{PAN}", f"bic/{PAN}", "4111 1111 1111 1111"])
def test_what_could_be_a_card_number_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(TooManyDigits) as refusal:
        asked(SCHEMES, text)

    assert "1111" not in str(refusal.value) + refusal.value.hint


@pytest.mark.parametrize("table", ["participants", "endpoints", "identifiers/gln"])
def test_where_a_table_is_named_a_long_number_is_a_key_that_is_not_repeated(table: str) -> None:
    found: Asked = asked(SCHEMES, f"{table}/{PAN}")

    assert found.keys[0].parts[-1] == PAN
    assert "1111" not in found.value


@pytest.mark.parametrize(
    "text",
    ["ranges/", "participants/", "rules/id", "capabilities/e", f"ranges/{PAN}", "ranges/a-b"],
)
def test_a_key_that_its_table_cannot_have_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadKey) as refusal:
        asked(SCHEMES, text)

    assert "countersign trace" in refusal.value.hint
    assert "1111" not in str(refusal.value) + refusal.value.hint
