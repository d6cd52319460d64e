"""No error is swallowed by a door to the outside without a reason that stands here."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.house import ROOT

DOORS = ROOT / "controller" / "adapters"

REASONS = {
    # PostgreSQL on this machine
    "embedded._Child.__init__.keep: OSError": "handed to the thread that waits for the start",
    "embedded._Child.stop: TimeoutExpired": "then it is stopped harder",
    "embedded._disarm_pid_file: FileNotFoundError": "no pid file, nothing to disarm",
    "embedded._answers: DatabaseCrowded": "a server that is full answers",
    "embedded._answers: DatabaseUnavailable": "the question is whether it answers",
    "embedded._try_lock: BlockingIOError": "the question is whether it is free",
    "embedded._is_held: BlockingIOError": "the question is whether somebody holds it",
    "embedded._is_held: FileNotFoundError": "nobody holds what is not there",
    "embedded_home.open_state: FileExistsError": "somebody made it first; who owns it is looked at",
    "embedded_home.pick_account: KeyError": "the next account of the list; none is refused below",
    "embedded_home._make_private: FileExistsError": "it is there; whose it is is looked at",
    # Files
    "files._nameless: OSError": "mkstemp comes next and says what is wrong",
    # Git
    "git.GitRepository.resolve: KeyError, ValueError, GitError, OSError": "checked why first",
    "git.GitRepository.resolve: KeyError, ValueError, GitError": "checked why first",
    "git.GitRepository._named: KeyError, ValueError, GitError, OSError": "asked again, with why",
    "git.GitRepository.entry: KeyError, TypeError": "no such name; a lost tree is a GitError",
    "git._stream: BrokenPipeError": "the missing answer told already",
    "git._ask: BrokenPipeError": "the missing answer tells",
    "git._silence: ControllerError": "returned to be raised",
    "gitfaults.why_nothing: OSError": "returned as an error of ours",
    "gitfaults._shallow: FileNotFoundError": "git has this file only in a shallow clone",
    "gitleft.Left._read: FileNotFoundError": "no note, no unfinished commit",
    "gitleft._look: FileNotFoundError": "the question is whether the lock is there",
    "gitleft._git_works_in: OSError": "a process that has ended, or another user's",
    "gitleft._open_files: OSError": "a process that has ended, or another user's",
    "gitrefs.move: RepositoryBusy": "tried again when the lock was a dead one's",
    "gitrefs.target: KeyError": "no such reference, or its branch has no commit; checked why",
    "gitfaults._damaged_pack: FileNotFoundError": "a larger pack took its place",
    # Children
    "children.run: BrokenPipeError": "the child reads no more; how it ended tells",
    "children._give: BrokenPipeError": "the child reads no more; how it ended tells",
    "children._signal: ProcessLookupError, PermissionError": "it has ended, which was the point",
    "children.stop: TimeoutExpired": "not even SIGKILL ends it: nobody waits for it",
    # Remotes and their mirror
    "mirror.Mirror.made: RepositoryBusy": "who holds it clears it",
    "mirror.Mirror.tidy: RepositoryBusy": "it is tidied another time",
    "mirror._make: RepositoryBusy": "another process is making it",
    "mirror._make: OSError": "another process was first, or it is raised again",
    "mirrorlock._locked: BlockingIOError": "the question is whether it is free",
    "mirrorlock._orphans_ended: ProcessLookupError": "it has ended, which was the point",
    "mirrorlock._holders: OSError": "a process that has ended, or another user's",
    "mirrorlock._is_same: OSError": "closed meanwhile",
    "mirrorlock._is_child: OSError": "it has ended",
    "mirrorpacks._replaced: FileNotFoundError, ValueError, KeyError, TypeError": (
        "without a note nothing is removed, and packs are copied again"
    ),
    "mirrorpacks._packs: FileNotFoundError": "the pack of an index went meanwhile",
    "watch._wakes: FileNotFoundError": "a folder went; the next round looks which are there",
    "watch._facts: FileNotFoundError, NotADirectoryError": "no file is one state of it",
    # Requests to other people's servers
    "outbound.exchange: TimeoutError": "raised below, in words of ours",
    "outbound.exchange: TimeoutException": "raised below, in words of ours",
    "outbound.exchange: HTTPError": "raised below, in words of ours",
    # Packing the trail, in the background
    "gitpack.start: OSError, SubprocessError": "the next start tries again; nothing depends on it",
    "gitpack._names: FileNotFoundError": "no such folder holds no objects",
    "gitpack._held: BlockingIOError": "the question is whether it is free",
    "gitpack.main: ControllerError, OSError": "printed, and told by the exit status",
    # Forks of a first load
    "forks._Fork.start: OSError": "a small pipe only makes forks wait more often",
    "forks._Outlet._give: BlockingIOError": "the pipe is full; the rest is kept",
    "forks._answer: Exception": "told to the parent, which raises",
    "git.GitRepository._odb: AttributeError": "a thread's first question opens its own handle",
    # What runs beside the passes, and what is told of them
    "acls.is_ours_alone: OSError, AttributeError": "no lists of access here: the mode says it all",
    "logs.Log.tell: OSError, ValueError": "nobody reads the log any more; passes go on",
    "logs._Handler.emit: Exception": "logging's own way of saying so; a line is not worth a pass",
    "redaction._lines: OSError": "a secret that cannot be read cannot be said either",
    "redaction._state: OSError": "the same: whoever needs the file says what is wrong with it",
    "scraped.Scraped.serve_while: OSError": "nobody called, or whoever did is slow or gone",
    "systemd.Notifier._send: OSError": "nobody listens; what is watched notices by itself",
    "workers.Beats.beat: BlockingIOError": "its keeper has not looked yet; what it reads will do",
    "workers.Beats.beat: BrokenPipeError": "its keeper is gone, which is the answer",
    "workers.Worker.look: BlockingIOError": "no beat since the last look; how long ago is counted",
    "workers.Worker.stop: TimeoutExpired": "then it is killed",
}


def names(node: ast.expr | None) -> str:
    """Return the exceptions that a handler or `suppress` names, without their modules."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node] if node is not None else []
    return ", ".join(ast.unparse(part).rpartition(".")[2] for part in parts) or "everything"


def swallowed(node: ast.AST, where: str) -> Iterator[str]:
    """Yield each place below a node where an error may end without another one in its place."""
    for child in ast.iter_child_nodes(node):
        here = where
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            here = f"{where}.{child.name}"
        if isinstance(child, ast.ExceptHandler) and not isinstance(child.body[-1], ast.Raise):
            yield f"{here}: {names(child.type)}"
        if isinstance(child, ast.With):
            for item in child.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("suppress"):
                    yield f"{here}: {', '.join(names(one) for one in call.args)}"
        yield from swallowed(child, here)


def places(file: Path) -> set[str]:
    """Return the places of one module."""
    return set(swallowed(ast.parse(file.read_text()), file.stem))


def test_every_error_that_a_door_swallows_has_its_reason_here() -> None:
    found = {place for file in sorted(DOORS.glob("*.py")) for place in places(file)}

    assert sorted(found - REASONS.keys()) == []


def test_no_reason_is_left_for_what_is_gone() -> None:
    found = {place for file in sorted(DOORS.glob("*.py")) for place in places(file)}

    assert sorted(REASONS.keys() - found) == []


def test_a_swallowed_error_is_seen_and_one_that_goes_on_is_not(tmp_path: Path) -> None:
    file = tmp_path / "door.py"
    file.write_text(
        "def read():\n"
        "    try:\n        return look()\n    except (OSError, os.error):\n        return []\n"
        "def other():\n"
        "    try:\n        return look()\n"
        "    except OSError as error:\n        raise Bad from error\n"
        "def third():\n    with suppress(KeyError):\n        look()\n"
    )

    assert places(file) == {"door.read: OSError, error", "door.third: KeyError"}
