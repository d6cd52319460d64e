"""docs/mutation.md is what mutmut found and what people judged, and words are told from facts."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.house import ROOT
from tests.support.mutants import Fate, Mutant, codes_of, count, mutants_of
from tests.support.mutation_page import (
    PAGE,
    Judgement,
    Result,
    Survivor,
    Verdict,
    judged,
    mutation_page,
    read_judgements,
    read_results,
)

MODULE = "controller/some.py"
LIVES = Survivor("controller.some.f", "return 1", "return 2")


def changed(folder: Path, was: str, now: str) -> Mutant:
    """Return the one mutant of a function of one line, as mutmut would have written it."""
    path = folder / MODULE
    path.parent.mkdir()
    path.write_text(f"def x_f__mutmut_orig(n):\n    {was}\n\ndef x_f__mutmut_1(n):\n    {now}\n")
    codes = {"exit_code_by_key": {"controller.some.x_f__mutmut_1": 0}}
    (folder / f"{MODULE}.meta").write_text(json.dumps(codes))
    return mutants_of(folder, MODULE)[0]


def changed_default(folder: Path, name: str) -> Mutant:
    """Return the one mutant of the default of an argument."""
    mutant = changed(folder, "return 1", "return 1")
    path = folder / MODULE
    text = path.read_text().replace("orig(n)", f"orig(*, {name}='')")
    path.write_text(text.replace("_1(n)", f"_1(*, {name}='XXXX')"))
    return next(one for one in mutants_of(folder, MODULE) if one.key == mutant.key)


def test_the_page_is_what_was_found_and_judged() -> None:
    assert PAGE.read_text() == mutation_page(read_results(), read_judgements())


def test_every_test_that_a_judgement_names_stands_there() -> None:
    named = [one.test.partition("::") for one in read_judgements() if one.test]

    assert [
        name for path, _, name in named if f"def {name}(" not in (ROOT / path).read_text()
    ] == []


def test_every_judgement_but_a_kill_speaks_of_a_mutant_that_lives() -> None:
    alive = {(one.where, one.now) for result in read_results() for one in result.survivors}
    spoken = [one for one in read_judgements() if one.verdict is not Verdict.KILLED]

    assert [
        (one.where, now) for one in spoken for now in one.now if (one.where, now) not in alive
    ] == []


def test_every_kill_names_the_test_that_does_it() -> None:
    assert [
        one for one in read_judgements() if (one.verdict is Verdict.KILLED) != bool(one.test)
    ] == []


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("raise Expired(n, f'{n} is over')", "raise Expired(n, None)"),
        ("raise Expired(n, hint='sign anew')", "raise Expired(n, hint=None)"),
        ("raise Expired(n, hint='sign anew')", "raise Expired(n)"),
        ("raise Expired(n, hint=n.hint)", "raise Expired(n, hint=None)"),
        ("raise Expired(n, str(n))", "raise Expired(n, str(None))"),
        ("return 'ask another owner'", "return 'XXask another ownerXX'"),
        ("return read(n, what='a signature')", "return read(n, what=None)"),
    ],
)
def test_a_mutant_of_what_people_read_is_wording(tmp_path: Path, was: str, now: str) -> None:
    assert changed(tmp_path, was, now).wording


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("raise Expired(n, f'{n} is over')", "raise Expired(None, f'{n} is over')"),
        ("raise Expired(n, have=1)", "raise Expired(n, have=None)"),
        (
            "raise Expired('/keys', 'must be a list')",
            "raise Expired('XX/keysXX', 'must be a list')",
        ),
        ("return n < 1", "return n <= 1"),
        ("return n == 'two words'", "return n == 'XXtwo wordsXX'"),
        ("return '-----BEGIN SSH KEY-----'", "return '-----begin ssh key-----'"),
        ("return read(n, '/keys')", "return read(n, None)"),
        ("return b'two words'", "return b'XXtwo wordsXX'"),
    ],
)
def test_a_mutant_of_a_fact_is_not_wording(tmp_path: Path, was: str, now: str) -> None:
    mutant = changed(tmp_path, was, now)

    assert not mutant.wording
    assert (mutant.where, mutant.was, mutant.now) == ("controller.some.f", was, now)


def test_the_default_of_a_hint_is_wording_and_that_of_a_place_is_not(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()

    hint = changed_default(tmp_path / "one", "hint")
    place = changed_default(tmp_path / "other", "path")

    assert (hint.wording, place.wording) == (True, False)


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        (None, Fate.UNTRIED),
        (0, Fate.SURVIVED),
        (1, Fate.KILLED),
        (33, Fate.UNCOVERED),
        (34, Fate.UNTRIED),
        (-24, Fate.TIMEOUT),
    ],
)
def test_an_exit_code_tells_what_became_of_a_mutant(code: int | None, fate: Fate) -> None:
    fact = Mutant("k", "w", "was", "now", wording=False)
    word = Mutant("k", "w", "was", "now", wording=True)

    assert (fact.fate(code), word.fate(code)) == (fate, Fate.WORDING)


def test_mutants_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    mutant = changed(tmp_path, "return n < 1", "return n <= 1")

    assert count([mutant], codes_of(tmp_path, MODULE)) == Counter({Fate.SURVIVED: 1})


def test_the_score_leaves_out_wording_and_what_was_not_tried() -> None:
    fates = {Fate.KILLED: 2, Fate.TIMEOUT: 1, Fate.SURVIVED: 1, Fate.UNCOVERED: 1}

    assert Result(MODULE, {**fates, Fate.WORDING: 9, Fate.UNTRIED: 9}).score == 3 / 5
    assert Result(MODULE, {Fate.WORDING: 9}).score is None


def test_a_judgement_speaks_of_its_function_and_line_only() -> None:
    judgement = Judgement(Verdict.LEFT, LIVES.where, (LIVES.now,), "because")

    assert judged(LIVES, [judgement]) is judgement
    assert judged(Survivor(LIVES.where, LIVES.was, "return 3"), [judgement]) is None
    assert judged(Survivor("controller.other.f", LIVES.was, LIVES.now), [judgement]) is None


def test_the_page_says_of_each_survivor_what_was_thought_of_it() -> None:
    result = Result(MODULE, {Fate.SURVIVED: 1, Fate.KILLED: 1}, [LIVES])
    judgement = Judgement(Verdict.EQUIVALENT, LIVES.where, (LIVES.now,), "one is two")

    assert "| `f` | `` return 1 `` | `` return 2 `` | not looked at yet |" in mutation_page(
        [result], []
    )
    page = mutation_page([result], [judgement])
    assert "**equivalent**: one is two" in page
    assert "| `controller/some.py` | 2 | 1 | 0 | 1 | 0 | 0 | 50.0 % | 1 | 0 |" in page
