"""The system calls of Linux on x86-64, told apart: those that change something, and the rest.

A process changes nothing outside its own memory except through a system call. Both lists are
closed: a call that stands in neither fails the test that saw it, and is then put where it belongs.
Numbers are those of `arch/x86/entry/syscalls/syscall_64.tbl` in Linux.
"""

from enum import Enum, auto


class Way(Enum):
    """How the arguments of a call say what it changes."""

    OPEN = auto()  # a folder's descriptor, a path, flags
    WRITE = auto()  # a descriptor, a buffer, its size
    WRITE_MANY = auto()  # a descriptor, a list of buffers, how many
    MESSAGE = auto()  # a descriptor, a header with a list of buffers
    FILE = auto()  # a descriptor
    LOCK = auto()  # a descriptor, what to do
    RECORD_LOCK = auto()  # a descriptor, a command that is most often harmless
    PATH = auto()  # a path
    PATH_AT = auto()  # a folder's descriptor, a path
    SYMLINK = auto()  # what it says, a path
    TWO_PATHS = auto()  # a path, a path
    TWO_PATHS_AT = auto()  # a folder's descriptor, a path, a folder's descriptor, a path
    MAP = auto()  # an address, a size, protection, flags, a descriptor
    CONNECT = auto()  # a descriptor, an address
    START = auto()  # a program, its arguments
    SIGNAL = auto()  # a process, a signal


CHANGING: dict[int, tuple[str, Way]] = {
    1: ("write", Way.WRITE),
    9: ("map", Way.MAP),
    18: ("write", Way.WRITE),  # pwrite64
    20: ("write", Way.WRITE_MANY),  # writev
    42: ("connect", Way.CONNECT),
    44: ("write", Way.WRITE),  # sendto
    46: ("write", Way.MESSAGE),  # sendmsg
    59: ("start", Way.START),  # execve
    62: ("signal", Way.SIGNAL),  # kill
    72: ("lock", Way.RECORD_LOCK),  # fcntl
    73: ("lock", Way.LOCK),  # flock
    74: ("sync", Way.FILE),  # fsync
    75: ("sync", Way.FILE),  # fdatasync
    77: ("truncate", Way.FILE),  # ftruncate
    82: ("rename", Way.TWO_PATHS),
    83: ("mkdir", Way.PATH),
    84: ("rmdir", Way.PATH),
    86: ("link", Way.TWO_PATHS),
    87: ("unlink", Way.PATH),
    88: ("symlink", Way.SYMLINK),
    90: ("chmod", Way.PATH),
    91: ("chmod", Way.FILE),  # fchmod
    92: ("chown", Way.PATH),
    93: ("chown", Way.FILE),  # fchown
    94: ("chown", Way.PATH),  # lchown
    234: ("signal", Way.SIGNAL),  # tgkill
    257: ("create", Way.OPEN),  # openat
    258: ("mkdir", Way.PATH_AT),
    260: ("chown", Way.PATH_AT),
    263: ("unlink", Way.PATH_AT),
    264: ("rename", Way.TWO_PATHS_AT),
    265: ("link", Way.TWO_PATHS_AT),
    268: ("chmod", Way.PATH_AT),
    277: ("sync", Way.FILE),  # sync_file_range
    280: ("touch", Way.PATH_AT),  # utimensat
    285: ("allocate", Way.FILE),
    316: ("rename", Way.TWO_PATHS_AT),  # renameat2
    424: ("signal", Way.SIGNAL),  # pidfd_send_signal
    452: ("chmod", Way.PATH_AT),
}

_HARMLESS = """
0 read, 17 pread64, 19 readv, 45 recvfrom, 47 recvmsg, 78 getdents, 217 getdents64, 89 readlink,
267 readlinkat, 4 stat, 5 fstat, 6 lstat, 262 newfstatat, 332 statx, 137 statfs, 138 fstatfs,
21 access, 269 faccessat, 439 faccessat2, 8 lseek, 221 fadvise64, 79 getcwd, 80 chdir, 81 fchdir,
3 close, 436 close_range, 32 dup, 33 dup2, 292 dup3, 22 pipe, 293 pipe2, 16 ioctl, 41 socket,
53 socketpair, 51 getsockname, 52 getpeername, 54 setsockopt, 55 getsockopt, 48 shutdown, 7 poll,
271 ppoll, 23 select, 270 pselect6, 232 epoll_wait, 233 epoll_ctl, 281 epoll_pwait,
291 epoll_create1, 290 eventfd2, 202 futex, 24 sched_yield, 35 nanosleep, 230 clock_nanosleep,
96 gettimeofday, 201 time, 228 clock_gettime, 229 clock_getres, 10 mprotect, 11 munmap, 12 brk,
25 mremap, 28 madvise, 27 mincore, 13 rt_sigaction, 14 rt_sigprocmask, 15 rt_sigreturn,
131 sigaltstack, 127 rt_sigpending, 128 rt_sigtimedwait, 130 rt_sigsuspend, 34 pause,
36 getitimer, 37 alarm, 38 setitimer, 56 clone, 57 fork, 58 vfork, 435 clone3, 61 wait4,
247 waitid, 60 exit, 231 exit_group, 39 getpid, 186 gettid, 110 getppid, 111 getpgrp,
109 setpgid, 121 getpgid, 112 setsid, 124 getsid, 102 getuid, 104 getgid, 107 geteuid,
108 getegid, 105 setuid, 106 setgid, 115 getgroups, 116 setgroups, 118 getresuid, 120 getresgid,
63 uname, 99 sysinfo, 98 getrusage, 97 getrlimit, 302 prlimit64, 95 umask, 157 prctl,
158 arch_prctl, 203 sched_setaffinity, 204 sched_getaffinity, 218 set_tid_address,
273 set_robust_list, 334 rseq, 318 getrandom, 219 restart_syscall, 309 getcpu, 324 membarrier,
434 pidfd_open, 101 ptrace, 100 times
"""
HARMLESS = {int(one.split()[0]): one.split()[1] for one in _HARMLESS.split(",")}
"""Reading, waiting, memory, signals' masks, ids of oneself, and making threads or children: what
a child does is watched in the child, or counts as the effect that started it."""
