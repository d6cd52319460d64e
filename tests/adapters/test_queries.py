"""Queries come from their file by name, exactly as they stand there."""

import pytest

from controller.adapters.queries import BadQueries, load, parse


def test_a_block_runs_to_the_next_name_and_loses_only_its_semicolon() -> None:
    text = "-- Head.\n\n-- name: first\nSELECT 1;\n\n-- name: second\n-- why\nSELECT '%';\n"

    assert parse(text, place="x") == {"first": "SELECT 1", "second": "-- why\nSELECT '%'"}


@pytest.mark.parametrize(
    "text",
    [
        "-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n",
        "SELECT 0;\n-- name: one\nSELECT 1;\n",
        "-- name: one\n-- name: two\nSELECT 2;\n",
        "-- name: One\nSELECT 1;\n",
        "-- Name: one\nSELECT 1;\n",
        "-- name one\nSELECT 1;\n",
    ],
)
def test_a_file_that_would_need_a_guess_is_refused(text: str) -> None:
    with pytest.raises(BadQueries):
        parse(text, place="x")


def test_a_file_is_found_beside_its_package() -> None:
    assert "SELECT" in load("controller.stores.control", "queries.sql")["read_lease"]
