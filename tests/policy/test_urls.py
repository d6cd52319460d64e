"""Addresses: each complaint beside the nearest address without one."""

import pytest

from controller.policy.text import quoted
from controller.policy.urls import encrypted, live, public, scheme_fits


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://2130706433/x",
        "https://localhost/x",
        "https://printer.local/x",
        "https://intranet/x",
        "https://me:secret@api.acme.com/x",
        "https://api.acme.com/x#top",
        "https://api.acme.com/${KEY}",
        "https://api.acme.com:99999/x",
        "https:///x",
    ],
)
def test_an_address_that_is_not_one_public_host_is_named(address: str) -> None:
    assert public("https", address)


def test_a_secret_in_an_address_is_not_repeated() -> None:
    assert "secret" not in public("https", "https://me:secret@api.acme.com/x")


def test_a_public_host_with_a_port_is_fine() -> None:
    assert public("https", "https://api.acme.com:8443/x") == ""


def test_each_protocol_speaks_its_own_schemes() -> None:
    assert scheme_fits("sftp", "https://acme.com")
    assert scheme_fits("sftp", "sftp://acme.com") == ""
    assert encrypted("jsonrpc", "ws://acme.com")
    assert encrypted("jsonrpc", "wss://acme.com") == ""


def test_a_stage_is_read_from_whole_words_of_the_host() -> None:
    assert live("https", "https://api-uat.acme.com")
    assert live("https", "https://latest.acme.com") == ""


def test_a_login_is_left_out_where_an_address_is_quoted() -> None:
    assert quoted("https://me:secret@acme.com/x") == "'https://…@acme.com/x'"
