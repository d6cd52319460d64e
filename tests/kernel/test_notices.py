"""A notice is kept and read back as it was, and its texts are plain."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.canonical import Json
from controller.kernel.errors import Refused
from controller.kernel.events import Severity
from controller.kernel.notices import TEXT_MAX, Notice, NoticeKind, plain
from tests.support.control import NOON, some_oid

NOTICE = Notice(
    NoticeKind.FAILURE, "production", "Stalled", "a.b", Severity.ERROR, NOON, "no", "do this"
)
notices = st.builds(
    lambda kind, message, commit, revision, repeated: replace(
        NOTICE,
        kind=kind,
        message=plain(message),
        commit=some_oid(commit) if commit else None,
        revision=revision,
        since=NOON if commit else None,
        repeated=repeated,
    ),
    st.sampled_from(NoticeKind),
    st.text(),
    st.integers(0, 5),
    st.none() | st.integers(1, 2**40),
    st.booleans(),
)


@given(notices)
def test_what_is_kept_is_read_back_the_same(notice: Notice) -> None:
    assert Notice.from_json(notice.to_json()) == notice


@given(st.text(), st.integers(2, 50))
def test_a_plain_text_is_printable_and_short(text: str, limit: int) -> None:
    told = plain(text, limit)

    assert len(told) <= limit
    assert all(one.isprintable() or one == "\n" for one in told)
    assert plain(told, limit) == told


@pytest.mark.parametrize("text", ["", "two\nlines", "ä € \N{LARGE RED CIRCLE}", "x" * TEXT_MAX])
def test_a_text_that_is_plain_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_marks_of_direction_and_control_characters_go() -> None:
    assert plain("a\x00b\x1b[31m\u202eevil\udcff") == "a�b�[31m�evil�"


@given(st.sampled_from(NoticeKind), st.text(min_size=5))
def test_no_title_holds_the_words_of_others(kind: NoticeKind, message: str) -> None:
    told = replace(NOTICE, kind=kind, message=message, hint=message)

    assert told.title == replace(NOTICE, kind=kind).title


@pytest.mark.parametrize(
    ("name", "value"), [("kind", "other"), ("at", "now"), ("message", 1), ("revision", "seven")]
)
def test_what_is_no_notice_is_not_read_as_one(name: str, value: Json) -> None:
    changed: dict[str, Json] = {**NOTICE.to_json(), name: value}

    with pytest.raises((TypeError, ValueError, Refused)):
        Notice.from_json(changed)
