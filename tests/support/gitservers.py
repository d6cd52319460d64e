"""Real git servers on loopback, which can also be told to behave badly."""

import asyncio
import base64
import ipaddress
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024


@dataclass
class Manner:
    """How a server behaves; each part is off at first."""

    login: tuple[str, str] | None = None
    status: int | None = None
    location: str | None = None
    is_silent: bool = False
    drips: bool = False
    cut_after_bytes: int | None = None
    refs_without_end: bool = False
    seen: list[str] = field(default_factory=list)

    @property
    def is_cut(self) -> bool:
        """Whether connections end without a word."""
        return self.cut_after_bytes is not None


# Certificates


def make_authority(folder: Path) -> tuple[Path, Path]:
    """Write a throw-away CA and a certificate for loopback; return the CA and the server's file."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime(2020, 1, 1, tzinfo=UTC)

    def certificate(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=365 * 100))
            .add_extension(extension, critical=True)
        )
        return built.sign(ca_key, hashes.SHA256())

    is_ca = x509.BasicConstraints(ca=True, path_length=None)
    places: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address(HOST)),
    ]
    authority = certificate(ca_name, ca_key.public_key(), is_ca)
    own = certificate(name, key.public_key(), x509.SubjectAlternativeName(places))
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    server_file.write_bytes(secret + own.public_bytes(serialization.Encoding.PEM))
    return ca_file, server_file


# https


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, root: Path, manner: Manner, certificate: Path) -> None:
        super().__init__((HOST, 0), _Handler)
        self.root, self.manner, self.ending = root, manner, threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def shutdown_request(self, request: Any) -> None:
        """End a connection as TLS wants it: otherwise its end looks like a cut."""
        if not self.manner.is_cut:
            with suppress(OSError, ValueError):
                request.settimeout(1)
                request.unwrap()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that are killed: that is what the tests do."""


class _Handler(BaseHTTPRequestHandler):
    """`git http-backend` behind HTTP/1.0, one request a connection."""

    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        manner = self.server.manner
        manner.seen.append(f"{self.command} {self.path}")
        if manner.is_silent:
            self.server.ending.wait()
            return
        if manner.location is not None:
            self.send_response(302)
            self.send_header("Location", manner.location + self.path)
            self.end_headers()
            return
        if manner.status is not None:
            self.send_error(manner.status)
            return
        if manner.login is not None and not self._is_let_in(manner.login):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        if manner.refs_without_end and self.command == "POST":
            self._refs_without_end()
            return
        self._backend(manner)

    def _is_let_in(self, login: tuple[str, str]) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        return base64.b64decode(given).decode() == ":".join(login)

    def _refs_without_end(self) -> None:
        self._head(200, {"Content-Type": "application/x-git-upload-pack-result"})
        number = 0
        while not self.server.ending.is_set():
            lines = []
            for one in range(number, number + 10_000):
                line = f"{one:040x} refs/heads/{one:060}\n"
                lines.append(f"{len(line) + 4:04x}{line}")
            number += 10_000
            self.wfile.write("".join(lines).encode())

    def _backend(self, manner: Manner) -> None:
        parts = urlsplit(self.path)
        body = self._body()
        environment = {
            "PATH": os.defpath,
            "HOME": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_KEY_1": "safe.directory",
            "GIT_CONFIG_VALUE_1": "*",
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": HOST,
        }
        said = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        ).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._head(int(lines.pop("Status", "200").split()[0]), lines)
        self._send(content, manner)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(parts)

    def _head(self, status: int, lines: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in lines.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes, manner: Manner) -> None:
        is_pack = b"PACK" in content
        if manner.cut_after_bytes is not None and is_pack:
            self.wfile.write(content[: manner.cut_after_bytes])
            return
        half = len(content) // 2
        while is_pack and manner.drips and half < len(content):
            self.wfile.write(content[:half])
            content, half = content[half:], 2
            if self.server.ending.wait(1):
                return
        self.wfile.write(content)


@contextmanager
def https_server(root: Path, manner: Manner, certificate: Path) -> Iterator[str]:
    """Serve the repositories below a folder; yield the address of that folder."""
    server = _Server(root, manner, certificate)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"https://{HOST}:{server.server_address[1]}"
    finally:
        server.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silent_listener() -> Iterator[int]:
    """Listen, let everybody connect and never say a word; yield the port."""
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


# ssh


@dataclass
class SshServer:
    """A server whose only user may run git on the repositories of one folder."""

    address: str
    port: int
    host_key: asyncssh.SSHKey
    ran: list[str] = field(default_factory=list)

    def known_hosts(self, file: Path, key: asyncssh.SSHKey | None = None) -> Path:
        """Write the line that a client wants to see: of this server's key, or of another one."""
        public = (key or self.host_key).export_public_key().decode().strip()
        file.write_text(f"[{HOST}]:{self.port} {public}\n")
        return file


@contextmanager
def ssh_server(root: Path, client_key: Path, *, is_silent: bool = False) -> Iterator[SshServer]:
    """Serve the repositories below a folder over real SSH to whoever has this private key."""
    loop = asyncio.new_event_loop()
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    allowed = asyncssh.import_authorized_keys(
        asyncssh.read_private_key(client_key).export_public_key().decode()
    )
    server = SshServer("", 0, host_key)

    async def serve(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        server.ran.append(process.command or "")
        if is_silent:
            await process.stdin.read()
            return
        verb, _, path = (process.command or "").partition(" ")
        place = path.strip("'")
        if verb not in {"git-upload-pack", "git-receive-pack"} or ".." in place:
            process.exit(127)
            return
        child = await asyncio.create_subprocess_exec(
            *("git", "-c", "safe.directory=*", verb.removeprefix("git-"), f"{root}{place}"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.defpath,
                "GIT_PROTOCOL": process.env.get("GIT_PROTOCOL", ""),
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
            },
        )
        taking = asyncio.create_task(_taken(process, child))
        await asyncio.gather(
            _given(child.stdout, process.stdout), _given(child.stderr, process.stderr)
        )
        process.exit(await child.wait())
        await taking

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            HOST,
            0,
            server_host_keys=[host_key],
            authorized_client_keys=allowed,
            process_factory=serve,
            encoding=None,
        )

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    server.port = acceptor.get_port()
    server.address = f"ssh://git@{HOST}:{server.port}"
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_close(acceptor), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _taken(
    process: "asyncssh.SSHServerProcess[bytes]", child: asyncio.subprocess.Process
) -> None:
    """Hand a child what its client says, until either has ended."""
    assert child.stdin is not None
    with suppress(OSError, asyncssh.Error):
        while data := await process.stdin.read(CHUNK_BYTES):
            child.stdin.write(data)
            await child.stdin.drain()
    child.stdin.close()


async def _given(pipe: asyncio.StreamReader | None, writer: "asyncssh.SSHWriter[bytes]") -> None:
    """Hand a client what its child says, until either has ended."""
    assert pipe is not None
    with suppress(OSError, asyncssh.Error):
        while data := await pipe.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()


async def _close(acceptor: asyncssh.SSHAcceptor) -> None:
    acceptor.close()
    await acceptor.wait_closed()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, left = await asyncio.wait(others, timeout=1)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def why_no_system_sshd() -> str | None:
    """Return why the system's own sshd cannot be run here, or `None`."""
    if _sshd() is None:
        return "needs sshd (OpenSSH's server)"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("sshd")
        except KeyError:
            return "needs the account sshd, which root's sshd runs as"
    return None


@contextmanager
def system_sshd(folder: Path, client_key: Path) -> Iterator[SshServer]:
    """Run the system's sshd for whoever runs the tests and has this private key."""
    program = _sshd()
    assert program is not None
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    key_file = folder / "host_key"
    host_key.write_private_key(key_file)
    key_file.chmod(0o600)
    authorized = folder / "authorized_keys"
    asyncssh.read_private_key(client_key).write_public_key(authorized)
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "ListenAddress": f"{HOST}:{port}",
        "HostKey": key_file,
        "AuthorizedKeysFile": authorized,
        "PidFile": "none",
        "PasswordAuthentication": "no",
        "StrictModes": "no",
        "UsePAM": "no",
        "AcceptEnv": "GIT_PROTOCOL",
    }
    if os.geteuid() == 0:
        settings["PermitRootLogin"] = "prohibit-password"
    file = folder / "sshd_config"
    file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with subprocess.Popen(
        [program, "-D", "-e", "-f", str(file)], stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert "listening" in child.stderr.readline()
        user = pwd.getpwuid(os.geteuid()).pw_name
        yield SshServer(f"ssh://{user}@{HOST}:{port}", port, host_key)
        child.terminate()


def _sshd() -> str | None:
    # It runs itself again for each connection, so it wants to be told where it is.
    places = [*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which("sshd", path=os.pathsep.join(places))


def make_client_key(file: Path) -> Path:
    """Write a private key without passphrase that ssh takes."""
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(file)
    file.chmod(0o600)
    return file
