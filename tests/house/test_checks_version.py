"""Code that judges does not change unnoticed: what it let pass may have to be judged anew."""

from tests.support.freeze_checks import FROZEN, frozen_text


def test_the_version_of_the_checks_is_thought_of_when_their_code_changes() -> None:
    assert FROZEN.read_text(encoding="utf-8") == frozen_text(), (
        "the code that judges rows has changed. If it lets pass what it did not, or refuses "
        "what it let pass, count controller.policy.rail.CHECKS_VERSION up; in any case run "
        "`python -m tests.support.freeze_checks` and commit the file"
    )
