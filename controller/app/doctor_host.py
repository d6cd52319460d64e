"""What the machine itself is like: programs, limits, locale and time zone."""

import platform
import re
import resource
import shutil
import sys
import zoneinfo
from pathlib import Path

from controller.adapters.gitcli import run_git
from controller.app.doctor_look import Check, fail, ok, warn
from controller.app.settings import ambient

PYTHON_MIN = (3, 11)
GIT_MIN, GIT_SSH_MIN = (2, 30), (2, 34)
DESCRIPTORS_FAIL, DESCRIPTORS_WARN = 64, 256
MEMORY_WARN_BYTES = 1024**3
"""A first load of millions of rows holds 600 MiB, beside what the system needs."""

_GIT_SECONDS = 10.0
_GIT_VERSION = re.compile(rb"git version (\d+)\.(\d+)")
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def python() -> Check:
    """Look at the interpreter."""
    found = platform.python_version()
    if sys.version_info >= PYTHON_MIN:
        return ok("python", found)
    return fail("python", found, "install Python 3.11 or later")


def git() -> Check:
    """Look at git. A controller only reads with it, for which 2.30, Debian 11's, is enough.

    Commits of people need 2.34: from then on git signs with SSH keys, and `init` and `rollback` let
    it.
    """
    said = run_git(["version"], Path("/"), timeout_seconds=_GIT_SECONDS).stdout
    match = _GIT_VERSION.match(said)
    shown = said.decode("utf-8", "replace").strip()
    found = (int(match[1]), int(match[2])) if match is not None else (0, 0)
    if found < GIT_MIN:
        return fail("git", f"{shown}: older than any that we support", "install git 2.34 or later")
    if found < GIT_SSH_MIN:
        return warn(
            "git",
            f"{shown}: it cannot sign commits with SSH keys, as a rollback by commit needs",
            "install git 2.34 or later",
        )
    return ok("git", shown)


def ssh_keygen() -> Check:
    """Look for OpenSSH."""
    found = shutil.which("ssh-keygen")
    if found is not None:
        return ok("ssh-keygen", found)
    return warn(
        "ssh-keygen",
        "not found: git cannot sign commits here, nor can FIDO2 or encrypted keys be used",
        "install OpenSSH; key files and ssh-agent work without it",
    )


def locale() -> Check:
    """Look at how file names and output are written, and at the time zone's name."""
    encodings = {sys.getfilesystemencoding().lower(), (sys.stdout.encoding or "utf-8").lower()}
    if encodings != {"utf-8"}:
        return warn(
            "locale",
            f"text is written as {', '.join(sorted(encodings))}: others than ASCII fail",
            "export LC_ALL=C.UTF-8",
        )
    zone = ambient().get("TZ", "")
    if "/" in zone and not zone.startswith(("/", ":")):
        try:
            zoneinfo.ZoneInfo(zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            return warn("locale", f"there is no time zone {zone!r} here", "export TZ=UTC")
    return ok("locale", f"utf-8, time zone {zone or 'of the host'}; we read and write UTC alone")


def descriptors() -> Check:
    """Look at how many files a process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft:,}"
    about = f"a process may open {shown} files"
    mend = "ulimit -n 1024, or LimitNOFILE=1024 in the service's unit"
    if soft == resource.RLIM_INFINITY or soft >= DESCRIPTORS_WARN:
        return ok("descriptors", about)
    if soft < DESCRIPTORS_FAIL:
        return fail("descriptors", about, mend)
    return warn("descriptors", f"{about} (at most {hard:,})", mend)


def memory() -> Check:
    """Look at how much memory a process can get: what is free, and what limits it."""
    found = [limit for limit in (_available(), *_limits()) if limit is not None]
    if not found:
        return ok("memory", "cannot be told here")
    about = f"{min(found) // 1024**2:,} MiB for a process"
    if min(found) < MEMORY_WARN_BYTES:
        return warn(
            "memory", f"{about}: a first load of millions of rows needs more", "give it 1 GiB"
        )
    return ok("memory", about)


def _available() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _limits() -> list[int | None]:
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return [
        None if soft == resource.RLIM_INFINITY else soft,
        *(_number(file) for file in _CGROUP_LIMITS),
    ]


def _number(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
