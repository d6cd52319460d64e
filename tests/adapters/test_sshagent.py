"""The agent's socket: bounded, with a deadline, and every failure has a name."""

import socket
import threading
from pathlib import Path

import pytest

from controller.adapters.sshagent import AgentUnavailable, SshAgent


def answering(path: Path, answer: bytes | None) -> threading.Thread:
    """Serve one connection: send `answer`, or stay silent when it is `None`."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(5)
            if answer is None:
                connection.recv(1)
            else:
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_an_answer_is_returned_without_its_length(tmp_path: Path) -> None:
    thread = answering(tmp_path / "agent", b"\x00\x00\x00\x03abc")

    assert SshAgent(tmp_path / "agent").exchange(b"\x0b") == b"abc"
    thread.join()


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00\x00", b"\x00\x00\x00\x00", b"\x00\x00\x00\x05abc", b"\x7f\x00\x00\x00", None],
)
def test_a_broken_agent_is_unavailable(tmp_path: Path, answer: bytes | None) -> None:
    thread = answering(tmp_path / "agent", answer)

    with pytest.raises(AgentUnavailable):
        SshAgent(tmp_path / "agent", timeout_seconds=0.2).exchange(b"\x0b")
    thread.join()


def test_no_agent_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(AgentUnavailable):
        SshAgent(tmp_path / "agent").exchange(b"\x0b")
