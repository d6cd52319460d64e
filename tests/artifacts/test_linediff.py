"""The middle of contents holds every line that differs, and hardly any other."""

from hypothesis import given
from hypothesis import strategies as st

from controller.artifacts.linediff import middle

LINES = st.lists(st.sampled_from([b"a", b"b", b"bb", b"c,1", b""]), max_size=12)
CONTENT = st.builds(
    lambda lines, closed: b"\n".join(lines) + (b"\n" if closed and lines else b""),
    LINES,
    st.booleans(),
)


def test_one_changed_line_is_the_middle_with_the_line_behind_it() -> None:
    found = middle([b"h\na\nb\nc\nd\n", b"h\na\nX\nc\nd\n"])

    assert (found.first, found.start, found.parts) == (2, 4, (b"b\n", b"X\n"))


def test_a_line_that_came_is_the_middle() -> None:
    found = middle([b"h\na\nb\nc\n", b"h\na\nx\nb\nc\n"])

    assert (found.first, found.parts) == (2, (b"b\n", b"x\nb\n"))


def test_equal_contents_have_an_empty_middle() -> None:
    assert middle([b"h\na\n", b"h\na\n"]).parts == (b"", b"")
    assert middle([b"h\na\n"]).parts == (b"",)


def test_contents_that_have_nothing_in_common_are_all_middle() -> None:
    assert middle([b"a\nb", b"c\n"]).parts == (b"a\nb", b"c\n")


@given(st.lists(CONTENT, min_size=1, max_size=3))
def test_what_is_around_the_middle_is_the_same_whole_lines(contents: list[bytes]) -> None:
    found = middle(contents)

    heads = {content[: found.start] for content in contents}
    tails = {
        content[found.start + len(part) :]
        for content, part in zip(contents, found.parts, strict=True)
    }
    assert len(heads) == len(tails) == 1
    head, tail = heads.pop(), tails.pop()
    assert head.count(b"\n") == found.first
    assert not head or head.endswith(b"\n")
    for part in found.parts:
        assert not tail or not part or part.endswith(b"\n")


@given(LINES, LINES, st.lists(st.sampled_from([b"x", b"y"]), max_size=3))
def test_a_middle_grows_with_the_change_and_not_with_the_file(
    before: list[bytes], after: list[bytes], changed: list[bytes]
) -> None:
    old = b"".join(line + b"\n" for line in [*before, *after])
    new = b"".join(line + b"\n" for line in [*before, *changed, *after])

    parts = middle([old, new]).parts

    assert parts[1].count(b"\n") <= len(changed) + 1
