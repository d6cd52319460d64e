"""What the artifact repository, the root and the audit branch of a host are like."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from controller.adapters.git import GitRepository
from controller.adapters.gitcli import GitDeadline, GitFailed, run_git
from controller.app import host
from controller.app.doctor_files import owned
from controller.app.doctor_look import Check, fail, ok, warn
from controller.app.settings import Settings
from controller.app.signers import load_signer
from controller.audit.commit import reference
from controller.kernel.errors import ControllerError
from controller.kernel.instants import format_instant
from controller.kernel.objects import Oid
from controller.reconcile.proof import branch_root
from controller.reconcile.world import NoBaseline
from controller.source.repository import Source
from controller.trust import root as roots
from controller.trust.root import Root

EXPIRY_WARN = timedelta(days=30)
LOOSE_WARN = 20_000
"""git collects from 6,700 loose objects on; every pass of ours adds a few dozen."""

_REMOTE_SECONDS = 10.0


def opens(settings: Settings) -> bool:
    """Whether there is a repository to look at."""
    try:
        host.artifact_repository(settings)
    except (ControllerError, OSError):
        return False
    return True


def repository(settings: Settings) -> Check:
    """Look at the branch that is followed, and whether it grew out of the baseline."""
    found, branch = host.artifact_repository(settings), settings.repository.branch
    head, baseline = Source(found, branch).head().commit, settings.repository.baseline
    shallow = _common(found) / "shallow"
    if shallow.exists():
        return fail(
            "repository",
            f"{found.git_dir} is a shallow clone: it lacks the history that proofs need",
            f"git -C {found.git_dir} fetch --unshallow",
        )
    if baseline is None:
        error = NoBaseline()
        return fail("repository", str(error), error.hint)
    start = Oid(bytes.fromhex(baseline))
    if not found.has(start) or not found.is_ancestor(start, head):
        return fail(
            "repository",
            f"{branch} does not descend from the baseline {baseline[:12]}",
            "the branch was rewritten, or it is another repository: "
            f"git -C {found.git_dir} log --oneline {branch}",
        )
    kind = "bare" if found.is_bare else "with a work tree"
    return ok("repository", f"{branch} is at {head.hex()[:12]}; {kind}")


def objects(settings: Settings) -> Check:
    """Look for what makes git show other objects than are there, and for objects kept elsewhere."""
    found = host.artifact_repository(settings)
    where = _common(found)
    replaced = sorted(found.references("refs/replace/"))
    if replaced:
        short = replaced[0].removeprefix("refs/replace/")
        return warn(
            "objects",
            f"{len(replaced)} replace refs: git shows people other objects than we verify",
            f"git -C {where} replace -d {short}",
        )
    grafts, alternates = where / "info" / "grafts", where / "objects" / "info" / "alternates"
    if grafts.exists():
        return warn("objects", f"{grafts} makes git show another history", f"rm {grafts}")
    if alternates.exists():
        return warn(
            "objects",
            f"{alternates}: objects are kept in another repository, and go with it",
            f"git -C {where} repack -a -d && rm {alternates}",
        )
    return ok("objects", "no replace refs, no grafts, no alternates")


def loose(settings: Settings) -> Check:
    """Count the objects that are not packed."""
    where = _common(host.artifact_repository(settings))
    count = sum(1 for _ in _loose(where / "objects"))
    about = f"{count:,} loose objects"
    if count > LOOSE_WARN:
        return warn("packing", f"{about}: every look-up is slower", f"git -C {where} gc")
    return ok("packing", about)


def remotes(settings: Settings) -> Check:
    """Ask every remote for its branches, as a fetch or a push would; its address is not shown."""
    found = host.artifact_repository(settings)
    names = _remotes(found)
    for name in names:
        try:
            command = ("ls-remote", "--quiet", "--heads", name)
            run_git(command, found.git_dir, timeout_seconds=_REMOTE_SECONDS)
        except (GitFailed, GitDeadline):
            # git's own words may hold the address, and that a password.
            return warn(
                "remote",
                f"remote {name} does not answer: nothing new arrives from there",
                f"git -C {found.git_dir} ls-remote {name}",
            )
    return ok("remote", f"{', '.join(names)} answer" if names else "the repository has no remote")


def pinned_root(settings: Settings, now: datetime) -> Check:
    """Look at the pinned root and at the newest one that the branch leads to from it."""
    pin = host.pin(settings)
    try:
        repository = host.artifact_repository(settings)
        Source(repository, settings.repository.branch).head()
    except ControllerError:
        newest = roots.pin(pin.envelope, pin.sha256).root  # the repository has a check of its own
    else:
        newest = branch_root(repository, pin, settings.repository.branch, now).root
    about = f"version {newest.version} until {format_instant(newest.expires)}, pinned {pin.sha256}"
    if newest.expires - now < EXPIRY_WARN:
        return (fail if newest.expires <= now else warn)(
            "root",
            about,
            "it expires soon: `countersign root propose`, let owners sign it, and commit it",
        )
    return ok("root", about)


def audit_key(settings: Settings, now: datetime) -> Check:
    """Look at the audit key's file, and whether the root lists it."""
    name, key = settings.controller.name, settings.audit.key
    if key is None:
        return warn(
            "audit key",
            "none is set: audit records wait and are not published",
            "set audit.key to a key of the root's audit role",
        )
    file = settings.path(key)
    signer = load_signer(file)
    wrong = owned("audit key", file)
    if wrong is not None:
        return wrong
    listed = _root(settings, now)
    if listed is None:
        return ok("audit key", f"{signer.public.id}; whether the root lists it cannot be told")
    if signer.public.id not in {one.id for one in listed.audit_keys(name)}:
        return fail(
            "audit key",
            f"{signer.public.id} is not in the audit role of {name}",
            "use the right key, or let a new root list this one (`countersign root propose`)",
        )
    return ok("audit key", f"{signer.public.id} signs audit/{name}")


def audit_branch(settings: Settings) -> Check:
    """Look at whether remotes hold what was published here."""
    found = host.artifact_repository(settings)
    ref = reference(settings.controller.name)
    tip = found.target(ref)
    branch = ref.removeprefix("refs/heads/")
    if tip is None:
        return ok("audit branch", "nothing has been published yet")
    for name in _remotes(found):
        theirs = found.target(f"refs/remotes/{name}/{branch}")
        if theirs != tip:
            return warn(
                "audit branch",
                f"{name} was last seen {'behind' if theirs else 'without'} {branch}",
                f"git -C {found.git_dir} push {name} {branch}",
            )
    return ok("audit branch", f"{branch} is at {tip.hex()[:12]}")


def _root(settings: Settings, now: datetime) -> Root | None:
    try:
        repository = host.artifact_repository(settings)
        return branch_root(repository, host.pin(settings), settings.repository.branch, now).root
    except ControllerError:
        return None


def _remotes(repository: GitRepository) -> list[str]:
    said = run_git(("remote",), repository.git_dir, timeout_seconds=_REMOTE_SECONDS).stdout
    return said.decode("utf-8", "replace").split()


def _common(repository: GitRepository) -> Path:
    """Return the folder that all work trees of a repository share."""
    said = run_git(
        ("rev-parse", "--git-common-dir"), repository.git_dir, timeout_seconds=_REMOTE_SECONDS
    )
    return (repository.git_dir / said.stdout.decode("utf-8", "replace").strip()).resolve()


def _loose(folder: Path) -> Iterator[Path]:
    return (one for below in folder.glob("[0-9a-f][0-9a-f]") for one in below.iterdir())
