"""Remotes: real servers over https, ssh and file, and each way in which they let us down."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from controller.adapters.git import GitRepository
from controller.adapters.gitcli import GitStopped
from controller.adapters.keyfiles import UnsafeKeyFile
from controller.adapters.mirror import Mirror
from controller.adapters.remote import ls_remote, push
from controller.adapters.remoteaddress import BadBranchName, Remote
from controller.adapters.remotefaults import (
    BadToken,
    BranchGone,
    CertificateRefused,
    CredentialsRefused,
    HostKeyRefused,
    PushOvertaken,
    PushRefused,
    RedirectRefused,
    RemoteAbsent,
    RemoteDeadline,
    RemoteMalformed,
    RemoteTooLarge,
    RemoteUnreachable,
    shown,
)
from controller.kernel.errors import ControllerError
from controller.kernel.objects import Oid
from tests.support.gitservers import (
    Manner,
    SshServer,
    https_server,
    make_authority,
    make_client_key,
    silent_listener,
    ssh_server,
    system_sshd,
    why_no_system_sshd,
)
from tests.support.house import ROOT
from tests.support.repositories import ALICE, MAIN, bare
from tests.support.trees import git

TOKEN = "s3cret-t0ken"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the files of a throw-away CA and of the server that it vouches for."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def upstream(tmp_path: Path) -> GitRepository:
    """Return the repository that others push to."""
    return bare(tmp_path, {"a": b"1\n"}, {"a": b"2\n"})


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.made(tmp_path / "state" / "mirror.git", "main")


@pytest.fixture
def manner() -> Manner:
    return Manner()


@pytest.fixture
def over_https(
    upstream: GitRepository, manner: Manner, authority: tuple[Path, Path]
) -> Iterator[Remote]:
    """Return the remote that a well-behaved https server makes of `upstream`."""
    ca_file, certificate = authority
    with https_server(upstream.path.parent, manner, certificate) as address:
        yield Remote("remote", f"{address}/{upstream.path.name}", ca_file=ca_file, seconds=20)


@pytest.fixture
def client_key(tmp_path: Path) -> Path:
    return make_client_key(tmp_path / "deploy_key")


@pytest.fixture
def sshd(upstream: GitRepository, client_key: Path) -> Iterator[SshServer]:
    with ssh_server(upstream.path.parent, client_key) as server:
        yield server


def over_ssh(sshd: SshServer, upstream: GitRepository, key: Path, known_hosts: Path) -> Remote:
    address = f"{sshd.address}/{upstream.path.name}"
    return Remote("remote", address, ssh_key=key, known_hosts=known_hosts, seconds=20)


def token_file(folder: Path, token: str = TOKEN) -> Path:
    file = folder / "token"
    file.write_text(f"{token}\n")
    file.chmod(0o600)
    return file


def tip(repository: GitRepository) -> Oid:
    found = repository.target(MAIN)
    assert found is not None
    return found


def left_in(mirror: Mirror) -> list[str]:
    """Return what a child that was killed could have left in a mirror."""
    objects = mirror.git_dir / "objects"
    left = [*objects.rglob("tmp_*"), *objects.rglob("pack_git2_*"), *objects.rglob(".tmp-*")]
    locks = [one for one in mirror.git_dir.rglob("*.lock") if "countersign" not in one.name]
    return [str(one) for one in left + locks]


@contextmanager
def watching(look: Callable[[], None]) -> Iterator[None]:
    """Look from another thread while the block runs."""
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield
    thread.join(5)


def orphans_of_git() -> set[int]:
    """Return the processes of git and ssh that live and whose parent is gone."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,stat=,comm="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 3) for line in found.stdout.splitlines()]
    return {
        int(pid)
        for pid, parent, state, name in rows
        if name.startswith(("git", "ssh")) and parent == "1" and state[0] != "Z"
    }


# https


def test_a_branch_is_seen_and_fetched_over_https(
    over_https: Remote, upstream: GitRepository, mirror: Mirror, manner: Manner
) -> None:
    assert ls_remote(over_https, MAIN) == tip(upstream)
    assert mirror.fetch(over_https, MAIN) == tip(upstream)

    assert mirror.repository.entry(mirror.repository.tree_of(tip(upstream)), "a") is not None
    assert mirror.repository.target(MAIN) is None
    assert any("git-upload-pack" in one for one in manner.seen)


def test_a_host_whose_certificate_nobody_vouches_for_is_refused(over_https: Remote) -> None:
    stranger = Remote("remote", over_https.url)

    with pytest.raises(CertificateRefused):
        ls_remote(stranger, MAIN)


def test_a_token_of_a_file_lets_us_in(
    over_https: Remote, upstream: GitRepository, mirror: Mirror, manner: Manner, tmp_path: Path
) -> None:
    manner.login = ("git", TOKEN)
    known = Remote(
        "remote", over_https.url, ca_file=over_https.ca_file, token_file=token_file(tmp_path)
    )

    assert ls_remote(known, MAIN) == tip(upstream)
    assert mirror.fetch(known, MAIN) == tip(upstream)


@pytest.mark.parametrize("token", [None, "n0t-the-one"])
def test_no_token_and_a_wrong_one_are_told_and_never_shown(
    over_https: Remote, manner: Manner, tmp_path: Path, token: str | None
) -> None:
    manner.login = ("git", TOKEN)
    file = token_file(tmp_path, token) if token else None
    stranger = Remote("remote", over_https.url, ca_file=over_https.ca_file, token_file=file)

    with pytest.raises(CredentialsRefused) as refusal:
        ls_remote(stranger, MAIN)

    assert "n0t-the-one" not in f"{refusal.value} {refusal.value.hint}"


def test_a_token_stands_in_no_argument_and_in_no_variable(
    over_https: Remote, manner: Manner, tmp_path: Path
) -> None:
    manner.is_silent = True
    named = Remote(
        "remote",
        over_https.url,
        ca_file=over_https.ca_file,
        token_file=token_file(tmp_path),
        look_seconds=1.5,
    )
    seen: list[bytes] = []

    def look() -> None:
        while len(seen) < 3:
            for one in Path("/proc").glob("[0-9]*"):
                try:
                    words = (one / "cmdline").read_bytes()
                    if b"ls-remote" in words or b"remote-https" in words:
                        seen.append(words + (one / "environ").read_bytes())
                except OSError:
                    continue
            time.sleep(0.05)

    with watching(look), pytest.raises(RemoteDeadline):
        ls_remote(named, MAIN)

    assert seen
    assert all(TOKEN.encode() not in one for one in seen)


def test_a_token_that_others_may_read_is_not_used(over_https: Remote, tmp_path: Path) -> None:
    file = token_file(tmp_path)
    file.chmod(0o644)
    named = Remote("remote", over_https.url, ca_file=over_https.ca_file, token_file=file)

    with pytest.raises(UnsafeKeyFile):
        ls_remote(named, MAIN)


def test_no_settings_of_a_home_and_no_password_in_it_are_used(
    over_https: Remote, manner: Manner, upstream: GitRepository, tmp_path: Path
) -> None:
    manner.login = ("git", TOKEN)
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login git password {TOKEN}\n")
    settings = f'[url "file://{upstream.path}"]\n\tinsteadOf = {over_https.url}\n'
    (tmp_path / ".gitconfig").write_text(settings)
    script = (
        "import sys; from pathlib import Path\n"
        "from controller.adapters.remote import ls_remote\n"
        "from controller.adapters.remoteaddress import Remote\n"
        "from controller.adapters.remotefaults import CredentialsRefused\n"
        "remote = Remote('remote', sys.argv[1], ca_file=Path(sys.argv[2]))\n"
        "try:\n    print(ls_remote(remote, 'refs/heads/main'))\n"
        "except CredentialsRefused as error:\n    print(error.code)"
    )

    said = subprocess.run(
        [sys.executable, "-c", script, over_https.url, str(over_https.ca_file)],
        env={"HOME": str(tmp_path), "PATH": os.defpath, "GIT_ASKPASS": "/bin/echo"},
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert said.stdout.split() == [CredentialsRefused.code]


@pytest.mark.parametrize("token", ["", "two\nlines", "caf\u00e9", "bell\a"])
def test_a_token_is_one_printable_line(over_https: Remote, tmp_path: Path, token: str) -> None:
    file = token_file(tmp_path, token)
    named = Remote("remote", over_https.url, ca_file=over_https.ca_file, token_file=file)

    with pytest.raises(BadToken):
        ls_remote(named, MAIN)


def test_nobody_is_followed_to_another_host_with_our_token(
    over_https: Remote,
    upstream: GitRepository,
    manner: Manner,
    authority: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    elsewhere = Manner()
    with https_server(upstream.path.parent, elsewhere, authority[1]) as address:
        manner.location = address
        named = Remote(
            "remote", over_https.url, ca_file=over_https.ca_file, token_file=token_file(tmp_path)
        )

        with pytest.raises(RedirectRefused):
            ls_remote(named, MAIN)

    assert elsewhere.seen == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (503, RemoteUnreachable),
        (500, RemoteUnreachable),
        (429, RemoteUnreachable),
        (404, RemoteAbsent),
        (403, CredentialsRefused),
    ],
)
def test_what_a_server_answers_is_told_apart(
    over_https: Remote,
    manner: Manner,
    status: int,
    error: type[ControllerError],
) -> None:
    manner.status = status

    with pytest.raises(error):
        ls_remote(over_https, MAIN)


def test_a_silent_server_costs_no_more_than_the_deadline() -> None:
    with silent_listener() as port:
        silent = Remote("remote", f"https://127.0.0.1:{port}/a.git", look_seconds=0.5)
        started = time.monotonic()

        with pytest.raises(RemoteDeadline):
            ls_remote(silent, MAIN)

    assert time.monotonic() - started < 5


def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(RemoteUnreachable):
        ls_remote(Remote("remote", f"https://127.0.0.1:{port}/a.git"), MAIN)


def test_a_dripping_server_is_given_up_and_leaves_nothing(
    over_https: Remote, upstream: GitRepository, mirror: Mirror, manner: Manner
) -> None:
    manner.drips = True
    hasty = Remote("remote", over_https.url, ca_file=over_https.ca_file, seconds=2)
    before = orphans_of_git()

    with pytest.raises(RemoteDeadline):
        mirror.fetch(hasty, MAIN)

    assert left_in(mirror) == []
    assert orphans_of_git() <= before
    manner.drips = False
    assert mirror.fetch(hasty, MAIN) == tip(upstream)


def test_a_fetch_that_nobody_waits_for_any_more_is_killed_and_leaves_nothing(
    over_https: Remote, mirror: Mirror, manner: Manner
) -> None:
    manner.drips = True
    until = time.monotonic() + 0.7

    with pytest.raises(GitStopped):
        mirror.fetch(over_https, MAIN, stopped=lambda: time.monotonic() > until)

    assert time.monotonic() - until < 5
    assert left_in(mirror) == []


def test_a_pack_that_is_cut_off_is_fetched_again(
    over_https: Remote, upstream: GitRepository, mirror: Mirror, manner: Manner
) -> None:
    noise = os.urandom(200_000)
    upstream.commit_files(MAIN, {"noise": noise}, message="noise", author=ALICE)
    manner.cut_after_bytes = 100_000

    with pytest.raises(RemoteUnreachable):
        mirror.fetch(over_https, MAIN)

    assert left_in(mirror) == []
    assert mirror.fetched(over_https) is None
    manner.cut_after_bytes = None
    assert mirror.fetch(over_https, MAIN) == tip(upstream)


@pytest.mark.stops("endless-data.fetch")
def test_a_pack_that_is_larger_than_allowed_is_refused(
    over_https: Remote, upstream: GitRepository, mirror: Mirror
) -> None:
    upstream.commit_files(MAIN, {"noise": os.urandom(3_000_000)}, message="noise", author=ALICE)
    small = Remote("remote", over_https.url, ca_file=over_https.ca_file, size_max_bytes=1_000_000)

    with pytest.raises(RemoteTooLarge):
        mirror.fetch(small, MAIN)

    assert left_in(mirror) == []
    assert sum(one.stat().st_size for one in mirror.git_dir.rglob("*") if one.is_file()) < 500_000


@pytest.mark.allows("endless-data.fetch")
def test_a_pack_that_is_as_large_as_allowed_is_taken(
    over_https: Remote, upstream: GitRepository, mirror: Mirror
) -> None:
    upstream.commit_files(MAIN, {"noise": os.urandom(3_000_000)}, message="noise", author=ALICE)
    enough = Remote("remote", over_https.url, ca_file=over_https.ca_file, size_max_bytes=4_000_000)

    assert mirror.fetch(enough, MAIN) == tip(upstream)


@pytest.mark.stops("endless-data.fetch")
def test_references_without_end_are_refused_by_their_memory(
    over_https: Remote, manner: Manner
) -> None:
    manner.refs_without_end = True
    patient = Remote("remote", over_https.url, ca_file=over_https.ca_file, look_seconds=90)

    with pytest.raises(RemoteTooLarge):
        ls_remote(patient, MAIN)


# Objects and names


def test_an_object_that_git_refuses_is_not_taken(
    over_https: Remote, upstream: GitRepository, mirror: Mirror
) -> None:
    tree = upstream.tree_of(tip(upstream)).hex()
    malformed = f"tree {tree}\nauthor nobody\ncommitter nobody\n\nno date\n".encode()
    commit = git(
        upstream.path, "hash-object", "-t", "commit", "-w", "--stdin", "--literally",
        stdin=malformed,
    )  # fmt: skip
    git(upstream.path, "update-ref", MAIN, commit)

    with pytest.raises(RemoteMalformed):
        mirror.fetch(over_https, MAIN)

    assert mirror.fetched(over_https) is None
    assert left_in(mirror) == []


def test_a_branch_is_no_tag_of_the_same_name_and_no_longer_name(
    over_https: Remote, upstream: GitRepository, mirror: Mirror
) -> None:
    first = upstream.parents_of(tip(upstream))[0]
    git(upstream.path, "update-ref", "refs/tags/main", first.hex())
    git(upstream.path, "update-ref", "refs/a/refs/heads/main", first.hex())

    assert ls_remote(over_https, MAIN) == tip(upstream)
    assert mirror.fetch(over_https, MAIN) == tip(upstream)

    git(upstream.path, "update-ref", "-d", MAIN)
    assert ls_remote(over_https, MAIN) is None
    with pytest.raises(BranchGone):
        mirror.fetch(over_https, MAIN)


def test_a_short_name_is_refused_before_anybody_is_asked(
    over_https: Remote, manner: Manner
) -> None:
    with pytest.raises(BadBranchName):
        ls_remote(over_https, "main")

    assert manner.seen == []


def test_only_what_the_branch_needs_is_fetched(
    over_https: Remote, upstream: GitRepository, mirror: Mirror
) -> None:
    git(upstream.path, "tag", "-a", "-m", "one", "v1", MAIN)
    git(upstream.path, "update-ref", "refs/heads/other", tip(upstream).hex())

    mirror.fetch(over_https, MAIN)

    assert list(mirror.repository.references("refs/")) == ["refs/quarantine/remote"]


# ssh


def test_a_branch_is_seen_fetched_and_pushed_over_ssh(
    sshd: SshServer, upstream: GitRepository, mirror: Mirror, client_key: Path, tmp_path: Path
) -> None:
    found = over_ssh(sshd, upstream, client_key, sshd.known_hosts(tmp_path / "known hosts 100%"))

    assert ls_remote(found, MAIN) == tip(upstream)
    assert mirror.fetch(found, MAIN) == tip(upstream)
    mirror.repository.move("refs/heads/audit/one", None, tip(upstream))
    push(found, "refs/heads/audit/one", git_dir=mirror.git_dir, old=None)

    assert upstream.target("refs/heads/audit/one") == tip(upstream)
    assert [one.split()[0] for one in sshd.ran] == [
        "git-upload-pack", "git-upload-pack", "git-receive-pack",
    ]  # fmt: skip


def test_a_host_with_another_key_is_refused(
    sshd: SshServer, upstream: GitRepository, client_key: Path, tmp_path: Path
) -> None:
    with ssh_server(upstream.path.parent, client_key) as other:
        wrong = sshd.known_hosts(tmp_path / "known_hosts", other.host_key)

        with pytest.raises(HostKeyRefused):
            ls_remote(over_ssh(sshd, upstream, client_key, wrong), MAIN)

    assert sshd.ran == []


def test_a_host_that_is_not_known_is_refused(
    sshd: SshServer, upstream: GitRepository, client_key: Path, tmp_path: Path
) -> None:
    nobody = tmp_path / "known_hosts"
    nobody.touch()

    with pytest.raises(HostKeyRefused):
        ls_remote(over_ssh(sshd, upstream, client_key, nobody), MAIN)


def test_a_key_that_the_server_does_not_know_is_told(
    sshd: SshServer, upstream: GitRepository, tmp_path: Path
) -> None:
    other = make_client_key(tmp_path / "other")
    known_hosts = sshd.known_hosts(tmp_path / "known_hosts")

    with pytest.raises(CredentialsRefused):
        ls_remote(over_ssh(sshd, upstream, other, known_hosts), MAIN)


def test_a_key_that_others_may_read_is_not_used(
    sshd: SshServer, upstream: GitRepository, client_key: Path, tmp_path: Path
) -> None:
    client_key.chmod(0o640)
    known_hosts = sshd.known_hosts(tmp_path / "known_hosts")

    with pytest.raises(UnsafeKeyFile):
        ls_remote(over_ssh(sshd, upstream, client_key, known_hosts), MAIN)


def test_a_server_that_says_nothing_over_ssh_costs_no_more_than_the_deadline(
    upstream: GitRepository, client_key: Path, tmp_path: Path
) -> None:
    with ssh_server(upstream.path.parent, client_key, is_silent=True) as sshd:
        silent = Remote(
            "remote",
            f"{sshd.address}/{upstream.path.name}",
            ssh_key=client_key,
            known_hosts=sshd.known_hosts(tmp_path / "known_hosts"),
            look_seconds=1.5,
        )
        before = orphans_of_git()

        with pytest.raises(RemoteDeadline):
            ls_remote(silent, MAIN)

        assert sshd.ran
    assert orphans_of_git() <= before


@pytest.mark.skipif(why_no_system_sshd() is not None, reason=str(why_no_system_sshd()))
def test_the_systems_sshd_is_fetched_from_and_pushed_to(
    upstream: GitRepository, mirror: Mirror, client_key: Path, tmp_path: Path
) -> None:
    with system_sshd(tmp_path, client_key) as sshd:
        address = f"{sshd.address}{upstream.path}"
        known = sshd.known_hosts(tmp_path / "known_hosts")
        found = Remote("remote", address, ssh_key=client_key, known_hosts=known, seconds=20)
        other = make_client_key(tmp_path / "other")
        stranger = Remote("remote", address, ssh_key=other, known_hosts=known, seconds=20)

        assert ls_remote(found, MAIN) == tip(upstream)
        assert mirror.fetch(found, MAIN) == tip(upstream)
        mirror.repository.move("refs/heads/audit/one", None, tip(upstream))
        push(found, "refs/heads/audit/one", git_dir=mirror.git_dir, old=None)
        assert upstream.target("refs/heads/audit/one") == tip(upstream)
        with pytest.raises(CredentialsRefused):
            ls_remote(stranger, MAIN)
        sshd.known_hosts(known, asyncssh.generate_private_key("ssh-ed25519"))
        with pytest.raises(HostKeyRefused):
            ls_remote(found, MAIN)


# file


def test_a_branch_is_seen_and_fetched_from_a_file(upstream: GitRepository, mirror: Mirror) -> None:
    here = Remote("remote", f"file://{upstream.path}")

    assert ls_remote(here, MAIN) == tip(upstream)
    assert mirror.fetch(here, MAIN) == tip(upstream)


def test_a_file_that_is_not_there_is_absent(tmp_path: Path) -> None:
    with pytest.raises(RemoteAbsent):
        ls_remote(Remote("remote", f"file://{tmp_path}/none.git"), MAIN)


def test_a_damaged_object_of_the_remote_is_not_taken(
    upstream: GitRepository, mirror: Mirror
) -> None:
    blob = git(upstream.path, "rev-parse", f"{MAIN}:a")
    loose = upstream.path / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"rubbish")

    with pytest.raises(ControllerError) as refusal:
        mirror.fetch(Remote("remote", f"file://{upstream.path}"), MAIN)

    assert isinstance(refusal.value, RemoteMalformed | RemoteUnreachable)
    assert mirror.fetched(Remote("remote", f"file://{upstream.path}")) is None


# Pushes


def test_a_push_goes_only_where_the_branch_was_seen(
    upstream: GitRepository, mirror: Mirror
) -> None:
    here = Remote("remote", f"file://{upstream.path}")
    mirror.fetch(here, MAIN)
    ref, old = "refs/heads/audit/one", upstream.parents_of(tip(upstream))[0]
    mirror.repository.move(ref, None, tip(upstream))
    git(upstream.path, "update-ref", ref, old.hex())

    with pytest.raises(PushOvertaken):
        push(here, ref, git_dir=mirror.git_dir, old=None)
    assert upstream.target(ref) == old

    push(here, ref, git_dir=mirror.git_dir, old=old)
    assert upstream.target(ref) == tip(upstream)


def test_a_push_that_the_remote_does_not_take_is_told(
    upstream: GitRepository, mirror: Mirror
) -> None:
    here = Remote("remote", f"file://{upstream.path}")
    mirror.fetch(here, MAIN)
    ref = "refs/heads/audit/one"
    mirror.repository.move(ref, None, tip(upstream))
    hook = upstream.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    with pytest.raises(PushRefused):
        push(here, ref, git_dir=mirror.git_dir, old=None)
    assert upstream.target(ref) is None


# Words


def test_what_is_shown_is_one_short_line_without_secrets() -> None:
    said = f"fatal: \x1b[31m{TOKEN}\nno\u202e way {'x' * 500}"

    line = shown(said, [TOKEN])

    assert TOKEN not in line
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= 300
