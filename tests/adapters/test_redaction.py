"""What must not be told is taken out of every text, however it stands in it."""

import time
from pathlib import Path

import pytest

from controller.adapters.redaction import GONE, TEXT_MAX_CHARACTERS, Redactor, SecretFiles

SECRET = "p@ss/w%rd-of-ours"
KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"
    "-----END OPENSSH PRIVATE KEY-----"
)
HOSTILE = {
    "a card": ("paid with 4111111111111111 today", "4111111111111111"),
    "a card in groups": ("4111 1111 1111 1111", "1111 1111"),
    "a card with dashes": ("x=4111-1111-1111-1111;", "1111-1111"),
    "a card with dots": ("4111.1111.1111.1111", "1111.1111"),
    "a card within letters": ("PAN4111111111111111END", "4111111111111111"),
    "a card in wide digits": ("\uff14\uff11\uff11\uff11" * 4, "\uff14\uff11\uff11"),
    "nineteen digits": ("6304000000000000009", "6304000000000000"),
    "a digest of digits alone": ("1" * 40, "1" * 40),
    "a URL": ("cannot read postgresql://ledger:hunter2@db:5432/x", "hunter2"),
    "a URL with an @ in its password": ("https://bot:hun@ter2@forge.example/a.git", "hun@ter2"),
    "a URL with a / in its password": ("https://bot:hun/ter2@forge.example/a.git", "hun/ter2"),
    "a token as user": ("https://ghp_abcdefghijkl@forge.example/a.git", "ghp_abcdefghijkl"),
    "a bearer": ("Authorization: Bearer abc.def-ghi_jkl", "abc.def"),
    "a bearer alone": ("sent bearer abcdefghijkl", "abcdefghijkl"),
    "basic": ("authorization=Basic Ym90Omh1bnRlcjI=", "Ym90"),
    "a web token": ("got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "eyJzdWIi"),
    "a forge's token": ("token glpat-abcdefghijklmnop refused", "glpat-abc"),
    "a chat's address": ("POST https://hooks.slack.com/services/T0/B0/abc", "T0/B0/abc"),
    "a query": ("GET /x?access_token=abcdef&y=1", "abcdef"),
    "a member": ('{"password": "two words", "a": 1}', "two words"),
    "a key": (f"could not parse {KEY} at all", "b3BlbnNz"),
    "a key cut off": (KEY[:70], "b3BlbnNz"),
    "a known secret": (f"tried {SECRET}!", SECRET),
    "a known secret in an address": ("https://x/?q=p%40ss%2Fw%25rd-of-ours", "p%40ss"),
}
HARMLESS = [
    "revision 12 of commit 5be22fd95be22fd95be22fd95be22fd95be22fd9",
    "ab" * 32,
    "2026-11-21T19:50:04.123456Z",
    "192.168.1.20:8380",
    "1,000,000 rows in 12345678901 ns",
    "https://forge.example/shop.git and see docs/settings.md",
    "the signature of bob is of another key",
]


def redactor() -> Redactor:
    return Redactor(lambda: [SECRET, "abc"])


@pytest.mark.parametrize(("text", "secret"), HOSTILE.values(), ids=HOSTILE)
def test_a_secret_is_taken_out(text: str, secret: str) -> None:
    cleaned = redactor().text(text)

    assert secret not in cleaned
    assert GONE in cleaned


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redactor().text(text) == text


@pytest.mark.parametrize(("text", "secret"), HOSTILE.values(), ids=HOSTILE)
def test_it_is_taken_out_of_whatever_holds_it(text: str, secret: str) -> None:
    cleaned = redactor().value({"rows": [{"cell": (text,)}, text.encode()], text: ValueError(text)})

    assert secret not in repr(cleaned)


def test_a_secret_goes_by_its_name_and_a_number_by_its_size() -> None:
    cleaned = redactor().value(
        {"token": "x", "Password": {"a": 1}, "pan": 4111111111111111, "rows": 1_000_000, "ok": True}
    )

    assert cleaned == {"token": GONE, "Password": GONE, "pan": GONE, "rows": 1_000_000, "ok": True}


def test_a_value_without_end_is_cut() -> None:
    endless: list[object] = []
    endless.append(endless)

    assert "…" in repr(redactor().value(endless))
    assert len(redactor().text("x" * 10**6)) < TEXT_MAX_CHARACTERS + 50


@pytest.mark.parametrize(
    "text",
    ["1 " * 50_000, "a://" * 50_000, "-----BEGIN " * 20_000, "token" * 50_000, "eyJ" * 50_000],
)
def test_a_text_made_to_be_slow_is_not(text: str) -> None:
    begun = time.process_time()

    redactor().text(text)

    assert time.process_time() - begun < 2.0


def test_the_lines_of_files_are_known_also_after_they_changed(tmp_path: Path) -> None:
    file, absent = tmp_path / "token", tmp_path / "absent"
    file.write_text("first-token-of-ours\n")
    known = SecretFiles([file, absent], ["given"])
    assert set(known()) == {"first-token-of-ours", "given"}

    file.write_text(f"second-token\n{KEY}\n")

    assert set(known()) == {"given", "second-token", KEY.splitlines()[1]}
    assert Redactor(known).text("was second-token") == f"was {GONE}"
