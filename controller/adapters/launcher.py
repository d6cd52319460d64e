"""Become another program: drop privileges, promise to die with the owner, exec.

Run by path in an isolated interpreter, before anything of ours is imported. The order matters:
changing the user clears the parent-death signal, so it is asked for afterwards; and the owner may
have died before it was asked for, so it is looked at last.

    launcher.py OWNER_PID UID GID PROGRAM ARGUMENT…
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_OWNER_IS_GONE = 3


def main(owner: str, uid: str, gid: str, *command: str) -> None:
    """Replace this process by `command`, running as `uid` and `gid`."""
    if os.geteuid() != int(uid):
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != int(owner):
        sys.exit(_OWNER_IS_GONE)
    os.umask(0o077)
    os.execv(command[0], command)  # noqa: S606  (no shell is the point)


if __name__ == "__main__":
    main(*sys.argv[1:])
