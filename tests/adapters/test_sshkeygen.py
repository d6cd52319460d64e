"""The ssh-keygen child: its complaints, its absence and its silence have names."""

from pathlib import Path

import pytest

from controller.adapters.sshkeygen import (
    SshKeygen,
    SshKeygenFailed,
    SshKeygenMissing,
    SshKeygenTimeout,
)
from tests.support.openssh import need


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_a_key_that_is_not_there_fails(tmp_path: Path) -> None:
    need("ssh-keygen")

    with pytest.raises(SshKeygenFailed):
        SshKeygen(tmp_path / "nothing").sign(b"x", "git")


def test_a_missing_program_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(SshKeygenMissing):
        SshKeygen(tmp_path / "key", program=str(tmp_path / "nothing")).sign(b"x", "git")


def test_a_program_that_waits_for_ever_is_ended(tmp_path: Path) -> None:
    slow = program(tmp_path / "slow", "exec sleep 30")

    with pytest.raises(SshKeygenTimeout):
        SshKeygen(tmp_path / "key", program=slow, timeout_seconds=0.2).sign(b"x", "git")


def test_a_program_that_answers_is_believed_for_now(tmp_path: Path) -> None:
    quick = program(tmp_path / "quick", "cat >/dev/null; echo signature")

    assert SshKeygen(tmp_path / "key", program=quick).sign(b"x", "git") == "signature\n"
