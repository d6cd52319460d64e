"""Named checks a rail may call on a value: check digits and forms a pattern cannot tell.

Each takes a whole value and says whether it is right. They are kernels of one to three lines for
the row path; tests hold them against python-stdnum.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from controller.kernel.errors import Refused
from controller.kernel.instants import NotAnInstant, parse_instant
from controller.policy.keccak import keccak256
from controller.policy.patterns import compile_pattern

Check = Callable[[str], bool]

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_LEI = compile_pattern("^[A-Z0-9]{18}[0-9]{2}$")
_BIC = compile_pattern("^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$")
_IFSC = compile_pattern("^[A-Z]{4}0[A-Z0-9]{6}$")
_CAIP2 = compile_pattern("^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$")
_CAIP10 = compile_pattern("^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}:[-.%a-zA-Z0-9]{1,128}$")
_HEX_ADDRESS = compile_pattern("^0x[0-9a-fA-F]{40}$")
_INSTANT = compile_pattern("^2[01][0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")
LETTERS = {chr(ord("A") + index): str(10 + index) for index in range(26)}
"""What stands for each letter where check digits are counted modulo 97."""

_EXPAND = str.maketrans(LETTERS)


class UnknownCheck(Refused):
    """A rail names a check that does not exist."""

    code = "policy.unknown_check"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no check {name!r}", hint=f"known: {', '.join(sorted(CHECKS))}")
        self.name = name


def luhn(value: str) -> bool:
    """ISO/IEC 7812-1 annex B over a number of decimal digits."""
    if not (value.isascii() and value.isdigit()):
        return False
    digits = [int(character) for character in reversed(value)]
    return (sum(digits[::2]) + sum(_DOUBLED[digit] for digit in digits[1::2])) % 10 == 0


def lei(value: str) -> bool:
    """ISO 17442: 18 characters and two digits, the whole congruent to 1 modulo 97."""
    return bool(_LEI.match(value)) and int(value.translate(_EXPAND)) % 97 == 1


def bic(value: str) -> bool:
    """ISO 9362: party prefix, country letters, suffix and an optional branch (form only)."""
    return bool(_BIC.match(value))


def ifsc(value: str) -> bool:
    """RBI's branch code: four letters, the digit zero, six letters or digits (form only)."""
    return bool(_IFSC.match(value))


def caip2(value: str) -> bool:
    """CAIP-2 blockchain id: namespace and reference; an eip155 reference is a plain number."""
    if not _CAIP2.match(value):
        return False
    namespace, _, reference = value.partition(":")
    return namespace != "eip155" or (reference.isdigit() and not reference.startswith("0"))


def caip10(value: str) -> bool:
    """CAIP-10 account id: a CAIP-2 id and an address, which for eip155 is 20 bytes of hex."""
    chain, _, address = value.rpartition(":")
    if not (_CAIP10.match(value) and caip2(chain)):
        return False
    return not value.startswith("eip155:") or bool(_HEX_ADDRESS.match(address))


@lru_cache(maxsize=65_536)
def eip55(value: str) -> bool:
    """EIP-55 mixed-case checksum of the address that ends the value, if it is an eip155 one."""
    if value.partition(":")[0] not in ("eip155", value):
        return True
    address = value.rpartition(":")[2]
    if not _HEX_ADDRESS.match(address):
        return False
    digits = address[2:]
    hashed = keccak256(digits.lower().encode()).hex()
    return all(
        digit == (digit.upper() if nibble >= "8" else digit.lower())
        for digit, nibble in zip(digits, hashed, strict=False)
    )


def calendar(value: str) -> bool:
    """Whether a text in the form of an instant is one that the calendar has."""
    if not _INSTANT.match(value):
        return True  # another rule speaks about the form
    try:
        parse_instant(value)
    except NotAnInstant:
        return False
    return True


CHECKS: Mapping[str, Check] = {
    "bic": bic,
    "caip10": caip10,
    "caip2": caip2,
    "calendar": calendar,
    "eip55": eip55,
    "ifsc": ifsc,
    "lei": lei,
    "luhn": luhn,
}
"""Every check by the name rails use."""


def check(name: str) -> Check:
    """Return a check by name, or raise UnknownCheck."""
    try:
        return CHECKS[name]
    except KeyError:
        raise UnknownCheck(name) from None
