"""The rows of a world: invented, lawful under the shipped rails, and the same on every machine.

Everything is arithmetic on a row's number: no clock, no random source. LEIs carry right check
digits, BICs a real country, and card ranges lie in ranges: six digits for an issuer, eight for its
products, ten for some of their programmes.
"""

import hashlib
from collections.abc import Iterator
from typing import TypeAlias

from benchmarks.sizes import Size

Row: TypeAlias = tuple[str, ...]

COUNTRIES = ("DE", "FR", "NL", "GB", "US", "IN", "SG", "BR", "JP", "ZA")
CURRENCIES = ("EUR", "EUR", "EUR", "GBP", "USD", "INR", "SGD", "BRL", "JPY", "ZAR")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS36 = "0123456789" + _LETTERS
_EXPAND = str.maketrans({letter: str(10 + at) for at, letter in enumerate(_LETTERS)})
_WORDS = ("Alder", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Juniper", "Larch", "Maple", "Oak")
_KINDS = ("Bank", "Savings Bank", "Credit Union", "Trust", "Payments", "Clearing House", "Capital")
_FAMILY = 34  # a range of six digits, 30 of eight inside it, and three of ten inside those


def participants(size: Size) -> Iterator[Row]:
    """Yield `id … effective_to` of the participants in rail swift-iso20022."""
    for number in range(size.participants):
        at = number % len(COUNTRIES)
        name = f"{_WORDS[number % 10]} {_KINDS[number % 7]} {number}"
        # One legal name in ten holds a comma and stands in quotes, as they do.
        legal = f"{name}, Inc." if COUNTRIES[at] == "US" else f"{name} Ltd"
        parent = participant(number - 1) if number % 10 == 9 else ""
        yield (
            *(participant(number), name, legal, COUNTRIES[at], "psp", CURRENCIES[at]),
            *(parent, f"https://p{number}.example/contact", "active", "", ""),
        )


def identifiers(size: Size) -> Iterator[Row]:
    """Yield identifiers: a BIC, a LEI and then branch BICs, dealt out to participants in turn."""
    rest = ("", "", "", "active", "", "")
    for number in range(size.identifiers):
        turn, who = divmod(number, size.participants)
        if turn == 1:
            yield (participant(who), "lei", lei(who), "", "true", *rest)
        elif turn == 0:
            yield (participant(who), "bic", bic(who), "both", "true", *rest)
        else:
            branch = f"{bic(who)}B{base36(turn, 2)}"
            yield (participant(who), "bic", branch, "routing", "false", *rest)


def endpoints(size: Size) -> Iterator[Row]:
    """Yield endpoints: an HTTPS one each, then AS4 ones with a certificate."""
    for number in range(size.endpoints):
        turn, who = divmod(number, size.participants)
        if turn == 0:
            kind = ("https", "", f"https://api.p{who}.example/iso20022", "", "", "", "")
        else:
            print_of = hashlib.sha256(f"certificate {number}".encode()).hexdigest()
            kind = (
                *("as4", "peppol-transport-as4-v2-0", f"https://as4-{turn}.p{who}.example/as4"),
                *(print_of, f"CN=p{who}", "2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
            )
        yield (
            *(f"{participant(who)}-e{turn}", participant(who), *kind),
            *(str(10 + 10 * turn), "", "", "active", "", ""),
        )


def issuers(size: Size) -> Iterator[Row]:
    """Yield the participants of rail card-bin."""
    for number in range(size.issuers):
        name = f"{_WORDS[number % 10]} Cards {number}"
        contact = f"https://cards{number}.example/help"
        country = COUNTRIES[number % len(COUNTRIES)]
        yield (issuer(number), name, name, country, "issuer", "", contact, "active", "", "")


def ranges(size: Size) -> Iterator[Row]:
    """Yield card ranges, in families that lie inside one another."""
    for number in range(size.ranges):
        family, member = divmod(number, _FAMILY)
        visa = family % 2 == 0
        prefix = str(400_000 + family * 4 if visa else 510_000 + family * 4)
        scheme = "visa" if visa else "mastercard"
        start, end = _member(prefix, member)
        country = COUNTRIES[(family + member) % len(COUNTRIES)]
        currency = CURRENCIES[(family + member) % len(COUNTRIES)]
        yield (
            *(start, end, "16", "true", scheme, f"{scheme.title()} {member}"),
            *("debit" if member % 3 == 0 else "credit", "false", country, currency),
            *(issuer((family * 7 + member) % size.issuers), "", ""),
        )


def _member(prefix: str, member: int) -> tuple[str, str]:
    if member == 0:
        return prefix, ""
    if member <= 30:
        first = 3 * (member - 1)
        return f"{prefix}{first:02d}", f"{prefix}{first + 1:02d}"
    return f"{prefix}{3 * (member - 31):02d}{10 * (member - 30):02d}", ""


def participant(number: int) -> str:
    """Return a participant's id."""
    return f"p{number:07d}"


def issuer(number: int) -> str:
    """Return an issuer's id."""
    return f"issuer-{number:05d}"


def bic(number: int) -> str:
    """Return a BIC of eight characters; the last is a letter, so it is neither test nor passive."""
    country = COUNTRIES[number % len(COUNTRIES)]
    left = number // len(COUNTRIES)
    letters = "".join(_LETTERS[left // 26**place % 26] for place in (3, 2, 1, 0))
    return f"{letters}{country}2{_LETTERS[left // 26**4 % 26]}"


def lei(number: int) -> str:
    """Return a LEI with its check digits (ISO 17442)."""
    body = f"5493{base36(number, 14)}"
    return f"{body}{98 - int((body + '00').translate(_EXPAND)) % 97:02d}"


def base36(number: int, width: int) -> str:
    """Return a number in digits and capital letters."""
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        text = _DIGITS36[digit] + text
    return text
