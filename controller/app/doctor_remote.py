"""What the remotes of a host are like: whether they answer, let us in, and tell one history."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from controller.adapters.mirror import Mirror
from controller.adapters.remote import ls_remote
from controller.adapters.remoteaddress import Remote
from controller.adapters.remotefaults import BranchGone
from controller.app import following
from controller.app.doctor_files import owned
from controller.app.doctor_look import Check, fail, ok
from controller.app.settings import Settings
from controller.audit.commit import reference
from controller.kernel.objects import Oid

_LOOK_SECONDS = 10.0
_OTHERS_WRITE = 0o022


def looks(settings: Settings) -> Iterator[tuple[str, Callable[[], Check]]]:
    """Yield one look for each remote that the settings name."""
    named = (following.FIRST, following.SECOND)
    wanted = (settings.remote.url, settings.remote.second and settings.remote.second.url)
    for number, (name, url) in enumerate(zip(named, wanted, strict=True)):
        if url is not None:
            yield name, partial(_followed, settings, number)
    if settings.remote.audit is not None:
        yield following.AUDIT, partial(_audit, settings)


def _followed(settings: Settings, number: int) -> Check:
    """Ask a remote where the branch stands, and hold that against the mirror."""
    found = following.remotes(settings)[number]
    wrong = _trusted(found)
    if wrong is not None:
        return wrong
    ref = f"refs/heads/{settings.repository.branch}"
    tip = ls_remote(_hasty(found), ref)
    if tip is None:
        raise BranchGone(found, ref)
    where = f"{found.shown}: {settings.repository.branch} is at {tip.hex()[:12]}"
    path = following.mirror_path(settings)
    if not path.exists():
        return ok(found.name, f"{where}; nothing is fetched yet")
    mirror = Mirror.open(path)
    ours = mirror.repository.target(ref)
    if ours is None or not mirror.repository.has(tip):
        return ok(found.name, f"{where}, which is not fetched yet")
    if _is_on_one_line(mirror, ours, tip):
        return ok(found.name, f"{where}; the mirror is at {ours.hex()[:12]}")
    return fail(
        found.name,
        f"{where}, which did not grow out of {ours.hex()[:12]}, where the mirror is",
        "the branch was rewritten, or this remote shows another history: compare it with a clone "
        "that you trust (docs/runbooks/remote.md)",
    )


def _audit(settings: Settings) -> Check:
    """Ask where the audit branch stands at the remote that it is pushed to."""
    found = following.audit_remote(settings)
    assert found is not None  # there is no such look without one
    wrong = _trusted(found)
    if wrong is not None:
        return wrong
    ref = reference(settings.controller.name)
    tip = ls_remote(_hasty(found), ref)
    stands = f"is at {tip.hex()[:12]}" if tip is not None else "was not pushed yet"
    return ok(found.name, f"{found.shown}: {ref.removeprefix('refs/heads/')} {stands}")


def _trusted(remote: Remote) -> Check | None:
    """Return what is wrong with the file that says whom we trust at the other end."""
    file = remote.known_hosts or remote.ca_file
    if file is None:
        return None
    mode = file.stat().st_mode
    if mode & _OTHERS_WRITE:
        return fail(
            remote.name,
            f"{file}: others may change whom we trust ({stat.S_IMODE(mode):04o})",
            f"chmod go-w {file}",
        )
    if not os.access(file, os.R_OK):
        return fail(remote.name, f"{file} cannot be read", f"chmod a+r {file}")
    return owned(remote.name, file)


def _hasty(remote: Remote) -> Remote:
    return replace(remote, look_seconds=min(remote.look_seconds, _LOOK_SECONDS))


def _is_on_one_line(mirror: Mirror, one: Oid, other: Oid) -> bool:
    repository = mirror.repository
    return repository.is_ancestor(one, other) or repository.is_ancestor(other, one)
