"""Vectors of strict and canonical JSON."""

from typing import Any

from controller.kernel.canonical import Json, canonical, readable
from tests.support.vectors.people import b64


def json_texts() -> dict[str, Any]:
    good: list[Json] = [
        {"b": [1, True, None], "a": 'é"\n\u007f\u2028'},
        [2**53 - 1, 1 - 2**53, 0, "", {}, []],
        {"\t": "\b\f\r\\/", "~": "\u0001\u001f"},
        "𝄞",
    ]
    bad = {
        "a fraction": b"1.0",
        "an exponent": b"1e2",
        "an integer beyond 2^53 - 1": b"9007199254740992",
        "a key twice": b'{"a": 1, "a": 1}',
        "a key twice, once escaped": b'{"a": 1, "\\u0061": 1}',
        "a lone surrogate": b'"\\ud800"',
        "not UTF-8": b'"\xff"',
        "a byte order mark": b"\xef\xbb\xbf1",
        "NaN": b"NaN",
        "Infinity": b"-Infinity",
        "a control character": b'"\n"',
        "33 levels": b"[" * 33 + b"]" * 33,
        "two documents": b"1 2",
        "nothing": b"",
        "a comma too many": b"[1,]",
        "a single quote": b"'a'",
        "a comment": b"/* */ 1",
        "a leading zero": b"01",
        "a plus": b"+1",
    }
    return {
        "good": [{"bytes": b64(readable(one)), "canonical": b64(canonical(one))} for one in good]
        + [{"bytes": b64(b"[" * 32 + b"]" * 32), "canonical": b64(b"[" * 32 + b"]" * 32)}],
        "bad": [{"reason": reason, "bytes": b64(data)} for reason, data in bad.items()],
    }
