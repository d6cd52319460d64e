"""Named checks, held against python-stdnum and published examples."""

import hashlib

import pytest
import stdnum.bic
import stdnum.lei
import stdnum.luhn
from hypothesis import given
from hypothesis import strategies as st

from controller.policy.checks import (
    CHECKS,
    UnknownCheck,
    bic,
    caip2,
    caip10,
    calendar,
    check,
    eip55,
    ifsc,
    lei,
    luhn,
)
from controller.policy.keccak import keccak256

UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@given(st.text("0123456789", min_size=1, max_size=24))
def test_luhn_agrees_with_stdnum(value: str) -> None:
    assert luhn(value) == stdnum.luhn.is_valid(value)
    completed = value + stdnum.luhn.calc_check_digit(value)
    assert luhn(completed)


@given(st.text(UPPER, min_size=18, max_size=18), st.text("0123456789", min_size=2, max_size=2))
def test_lei_agrees_with_stdnum(body: str, digits: str) -> None:
    assert lei(body + digits) == stdnum.lei.is_valid(body + digits)
    expanded = "".join(str(int(one, 36)) for one in body) + "00"
    assert lei(f"{body}{98 - int(expanded) % 97:02d}")


@given(st.text("ABZ", min_size=6, max_size=6), st.text(UPPER, min_size=2, max_size=5))
def test_the_form_of_a_bic_is_what_stdnum_accepts_once_its_country_exists(
    head: str, tail: str
) -> None:
    if stdnum.bic.is_valid(head + tail):
        assert bic(head + tail)


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak_gives_the_published_hashes(data: bytes, digest: str) -> None:
    assert keccak256(data).hex() == digest


def test_keccak_is_not_sha3() -> None:
    assert keccak256(b"abc") != hashlib.sha3_256(b"abc").digest()


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
    ],
)
def test_the_addresses_of_eip_55_pass_and_one_changed_case_does_not(address: str) -> None:
    assert eip55(f"eip155:1:{address}")
    letter = next(at for at, one in enumerate(address) if at > 1 and one.isalpha())
    changed = address[:letter] + address[letter].swapcase() + address[letter + 1 :]
    assert not eip55(f"eip155:1:{changed}")


def test_other_namespaces_have_no_eip_55() -> None:
    assert eip55("cosmos:cosmoshub-3:cosmos1t2uflqwqe0fsj0shcfkrvpukewcw40yjj6hdc0")


@pytest.mark.parametrize(
    ("judge", "good", "bad"),
    [
        (ifsc, "SBIN0000300", "SBINO000300"),
        (caip2, "eip155:1", "eip155:01"),
        (caip2, "cosmos:cosmoshub-3", "c:x"),
        (caip10, "eip155:1:0x" + "ab" * 20, "eip155:1:0x" + "ab" * 19),
        (caip10, "cosmos:cosmoshub-3:cosmos1t2uf", "cosmos:cosmos1t2uf"),
        (calendar, "2028-02-29T00:00:00Z", "2026-02-29T00:00:00Z"),
        (bic, "DEUTDEFF500", "DEUTDEFF50"),
    ],
)
def test_a_form_is_told_from_its_nearest_miss(judge: object, good: str, bad: str) -> None:
    assert callable(judge)
    assert judge(good)
    assert not judge(bad)


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(UnknownCheck) as refusal:
        check("soundex")

    assert refusal.value.name == "soundex"


def test_a_known_check_is_found() -> None:
    assert check("luhn") is CHECKS["luhn"]


@given(st.text(max_size=200))
def test_no_check_ever_raises(value: str) -> None:
    for judge in CHECKS.values():
        assert judge(value) in (True, False)
