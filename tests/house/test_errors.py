"""The error tree: one code for each leaf, and the exit code comes from the branch."""

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator

import controller
from controller.kernel import errors
from controller.kernel.errors import ControllerError

CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*(\.[a-z0-9]+(_[a-z0-9]+)*)+")
EXIT_CODES = {
    errors.Refused: 2,
    errors.Untrusted: 3,
    errors.Held: 4,
    errors.Unclean: 1,
    errors.Unavailable: 2,
    errors.DeadlinePassed: 124,
    errors.Corrupt: 2,
}


def tree(root: type[ControllerError] = ControllerError) -> Iterator[type[ControllerError]]:
    for child in root.__subclasses__():
        if child.__module__.startswith("controller."):
            yield child
            yield from tree(child)


def leaves() -> list[type[ControllerError]]:
    for module in pkgutil.walk_packages(controller.__path__, "controller."):
        if not module.name.endswith("__main__"):
            # By string, because the promise is about every module there is, also tomorrow's.
            importlib.import_module(module.name)  # noqa: TID251
    return [
        leaf
        for leaf in dict.fromkeys(tree())
        # A private class only lends its constructor to several leaves; it is never raised.
        if leaf.__module__ != errors.__name__ and not leaf.__name__.startswith("_")
    ]


def name(error: type[ControllerError]) -> str:
    return f"{error.__module__}.{error.__qualname__}"


def test_the_branches_keep_their_exit_codes() -> None:
    assert {branch: branch.exit_code for branch in EXIT_CODES} == EXIT_CODES


def test_every_error_has_a_code_of_its_own_form() -> None:
    bad = [name(leaf) for leaf in leaves() if not CODE.fullmatch(vars(leaf).get("code", ""))]

    assert bad == []


def test_no_two_errors_share_a_code() -> None:
    codes = Counter(leaf.code for leaf in leaves())

    assert [code for code, count in codes.items() if count > 1] == []


def test_every_error_hangs_on_a_branch_and_takes_its_exit_code() -> None:
    stray = [
        name(leaf)
        for leaf in leaves()
        if not issubclass(leaf, tuple(EXIT_CODES)) or "exit_code" in vars(leaf)
    ]

    assert stray == []
