"""Signers against the real programs: ssh-keygen, ssh-agent and git agree with us, byte for byte."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.adapters.keyfiles import KeyFileExists
from controller.adapters.sshagent import SshAgent
from controller.app.signers import (
    KeyNotInAgent,
    agent_signer,
    keygen_signer,
    load_public,
    load_signer,
    new_key,
    write_key,
)
from controller.trust import sshsig
from controller.trust.commit import CommitNotTrusted, verify_commit, with_signature
from controller.trust.envelope import IN_TOTO
from controller.trust.keys import Kind, PublicKey, PublicLine, Scheme
from controller.trust.privatekey import BadPrivateKey, EncryptedPrivateKey
from controller.trust.sign import CannotSign, Signer, sign_commit, sign_envelope
from controller.trust.signers import AgentRefused, AgentSigner
from controller.trust.sshwire import string
from tests.support.openssh import need, run, running_agent
from tests.support.trust import NOW

MESSAGE = b"what was signed\n"
SEED = bytes(range(32))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    need("ssh-keygen")
    write_key(tmp_path / "key", SEED, "alice@example")
    return tmp_path / "key"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    with running_agent(tmp_path) as path:
        yield path


def test_ssh_keygen_reads_the_keys_we_write(key: Path) -> None:
    public = run("ssh-keygen", "-y", "-f", key).decode()
    printed = run("ssh-keygen", "-lf", key).decode().split()

    assert public == key.with_suffix(".pub").read_text()
    assert printed[1] == load_signer(key).public.id


def test_we_read_the_keys_ssh_keygen_writes(tmp_path: Path) -> None:
    need("ssh-keygen")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bob", "-f", tmp_path / "bob")

    assert load_signer(tmp_path / "bob").public == load_public(tmp_path / "bob.pub")


def test_a_key_with_a_passphrase_is_left_to_the_agent(tmp_path: Path) -> None:
    need("ssh-keygen")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "bob")

    with pytest.raises(EncryptedPrivateKey) as refusal:
        load_signer(tmp_path / "bob")
    assert "ssh-add" in refusal.value.hint


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    need("ssh-keygen")
    run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "bob")

    with pytest.raises(BadPrivateKey):
        load_signer(tmp_path / "bob")


def test_a_file_of_just_the_seed_is_a_key(tmp_path: Path, key: Path) -> None:
    (tmp_path / "seed").write_bytes(SEED)
    (tmp_path / "seed").chmod(0o600)

    assert load_signer(tmp_path / "seed") == load_signer(key)


def test_a_new_key_is_new_and_never_replaces_another(tmp_path: Path) -> None:
    first, second = new_key(tmp_path / "one"), new_key(tmp_path / "two", "two")

    assert first.public != second.public
    assert load_signer(tmp_path / "two") == second
    with pytest.raises(KeyFileExists):
        new_key(tmp_path / "one")


@pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
def test_our_ssh_signatures_are_those_of_ssh_keygen(key: Path, algorithm: str) -> None:
    options = ("-n", "git", "-O", f"hashalg={algorithm}", "-f", key)
    theirs = run("ssh-keygen", "-Y", "sign", "-q", *options, data=MESSAGE).decode()
    signer = load_signer(key)
    inner = signer.sign(sshsig.to_be_signed(MESSAGE, "git", algorithm))
    head = string(b"ssh-ed25519") + string(inner)

    ours = sshsig.armor(
        sshsig.assemble(signer.public.blob, head, namespace="git", hash_name=algorithm)
    )

    assert ours == theirs
    sshsig.verify(theirs, MESSAGE, "git", signer.public)
    if algorithm == "sha512":
        assert sshsig.sign(MESSAGE, signer, "git") == theirs


def test_ssh_keygen_verifies_our_envelope_signatures(tmp_path: Path, key: Path) -> None:
    signer = load_signer(key)
    envelope = sign_envelope(IN_TOTO, b"{}", [(signer, Scheme.SSHSIG)])
    (tmp_path / "allowed").write_text(f"alice {signer.public.line}\n")
    (tmp_path / "sig").write_text(sshsig.armor(envelope.signatures[0].sig))

    options = ("-f", tmp_path / "allowed", "-I", "alice", "-n", sshsig.DSSE_NAMESPACE)
    said = run(
        "ssh-keygen", "-Y", "verify", *options, "-s", tmp_path / "sig", data=envelope.message()
    )

    assert said.startswith(b"Good ")


def test_all_three_ways_make_the_same_signatures(key: Path, agent: Path) -> None:
    run("ssh-add", "-q", key, agent=agent)
    file, held = load_signer(key), agent_signer(agent)
    spawned, through = keygen_signer(key), keygen_signer(key.with_suffix(".pub"), agent)

    assert held.sign(MESSAGE) == file.sign(MESSAGE)
    signers: list[Signer] = [file, held, spawned, through]
    assert len({sshsig.sign(MESSAGE, signer, "git") for signer in signers}) == 1
    assert (held.raw, spawned.raw) == (True, False)
    with pytest.raises(CannotSign):
        spawned.sign(MESSAGE)


def test_a_key_in_the_agent_is_found_by_any_of_its_names(key: Path, agent: Path) -> None:
    public = load_signer(key).public
    with pytest.raises(KeyNotInAgent):
        agent_signer(agent)

    run("ssh-add", "-q", key, agent=agent)

    for name in (public.id, "alice@example", f"{public.line} comment", ""):
        assert agent_signer(agent, name).public == public
    with pytest.raises(KeyNotInAgent) as refusal:
        agent_signer(agent, "bob")
    assert public.id in refusal.value.hint


def test_other_kinds_of_key_in_the_agent_are_passed_over(
    tmp_path: Path, key: Path, agent: Path
) -> None:
    run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "other")
    run("ssh-add", "-q", tmp_path / "other", key, agent=agent)

    assert agent_signer(agent).public == load_signer(key).public


def test_an_agent_that_lost_the_key_refuses(key: Path, agent: Path) -> None:
    run("ssh-add", "-q", key, agent=agent)
    signer = agent_signer(agent)
    run("ssh-add", "-q", "-D", agent=agent)

    with pytest.raises(AgentRefused):
        signer.sign(MESSAGE)


def test_a_security_key_in_the_agent_never_signs_plainly(key: Path, agent: Path) -> None:
    token = PublicLine(Kind.SK_ED25519, load_signer(key).public.point, b"ssh:")
    signer = AgentSigner(token, SshAgent(agent))

    assert not signer.raw
    with pytest.raises(CannotSign):
        signer.sign(MESSAGE)


PERSON = "Alice <alice@example> 1700000000 +0000"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.fixture
def repository(tmp_path: Path, key: Path) -> Path:
    need("git")
    path = tmp_path / "repository"
    run("git", "init", "-q", path)
    (tmp_path / "allowed").write_text(f"alice@example {load_signer(key).public.line}\n")
    for name, value in {
        "gpg.format": "ssh",
        "gpg.ssh.allowedSignersFile": str(tmp_path / "allowed"),
        "user.signingKey": str(key),
        "user.name": "Alice",
        "user.email": "alice@example",
    }.items():
        run("git", "config", name, value, cwd=path)
    run("git", "hash-object", "-w", "-t", "tree", "--stdin", cwd=path)
    return path


def test_git_verifies_our_commits(repository: Path, key: Path) -> None:
    content = f"tree {EMPTY_TREE}\nauthor {PERSON}\ncommitter {PERSON}\n\nSubject\n".encode()
    raw = with_signature(content, sign_commit(content, load_signer(key)))

    stored = run("git", "hash-object", "-t", "commit", "-w", "--stdin", data=raw, cwd=repository)

    run("git", "verify-commit", stored.decode().strip(), cwd=repository)
    run("git", "fsck", "--strict", cwd=repository)


def test_we_verify_the_commits_git_signs(repository: Path, key: Path) -> None:
    run("git", "commit", "-q", "-S", "--allow-empty", "-m", "Subject", cwd=repository)
    raw = run("git", "cat-file", "commit", "HEAD", cwd=repository)
    alice = PublicKey.of(load_signer(key).public, "alice")

    assert verify_commit(raw, [alice], NOW) == alice.id


@pytest.mark.stops("commit.backdated")
def test_a_commit_dated_back_does_not_bring_an_ended_key_back(repository: Path, key: Path) -> None:
    run(
        "git",
        "commit",
        "-q",
        "-S",
        "--allow-empty",
        "-m",
        "x",
        "--date",
        "2001-01-01",
        cwd=repository,
    )
    raw = run("git", "cat-file", "commit", "HEAD", cwd=repository)
    public = load_signer(key).public
    ended = PublicKey(
        public, public.id, Scheme.ED25519, "alice", not_after=datetime(2020, 1, 1, tzinfo=UTC)
    )

    with pytest.raises(CommitNotTrusted, match="counted only until 2020"):
        verify_commit(raw, [ended], NOW)
