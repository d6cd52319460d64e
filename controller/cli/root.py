"""`countersign root`: who may sign what, from the first root to its rotation."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import workspace
from controller.cli.options import (
    AgentOption,
    ConfigOption,
    KeyOption,
    OutputOption,
    RepositoryOption,
    SshKeygenOption,
)
from controller.cli.output import Output, emit, emit_json, emit_table, say

if TYPE_CHECKING:
    from controller.authoring.rootdoc import Changes, KeyOf
    from controller.authoring.rootfiles import RootFile
    from controller.kernel.canonical import Digest
    from controller.trust.core import Role
    from controller.trust.keys import PublicKey
    from controller.trust.root import Root

YEAR_DAYS = 365

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The root of trust: who may sign what. Nothing here needs a network.",
)

ExpiresOption = Annotated[
    str | None, typer.Option("--expires", metavar="WHEN", help="By default in a year.")
]
PinOption = Annotated[
    str | None,
    typer.Option("--pin", metavar="SHA256", help="To start from; by default this host's."),
]


@app.command(
    "init",
    epilog="Example: countersign root init --owner alice=alice.pub --owner bob=bob.pub "
    "--threshold 2 --rollback oncall=oncall.pub --audit countersign=audit.pub",
)
def init(  # noqa: PLR0913, PLR0917  one parameter per option
    owner: Annotated[
        list[str],
        typer.Option(
            "--owner",
            metavar="NAME=FILE.pub",
            help="Signs roots, bundles and releases; FILE.pub,sshsig when by ssh-keygen.",
        ),
    ],
    threshold: Annotated[
        int | None, typer.Option("--threshold", min=1, help="Owners who sign a root (majority).")
    ] = None,
    bundle_threshold: Annotated[
        int | None, typer.Option("--bundle-threshold", min=1, help="Owners who sign a bundle.")
    ] = None,
    release_threshold: Annotated[
        int | None, typer.Option("--release-threshold", min=1, help="Owners who sign a release.")
    ] = None,
    environment: Annotated[
        list[str] | None, typer.Option("--environment", help="By default production.")
    ] = None,
    rail: Annotated[
        list[str] | None, typer.Option("--rail", help="By default every shipped rail.")
    ] = None,
    rollback: Annotated[
        list[str] | None,
        typer.Option("--rollback", metavar="NAME=FILE.pub", help="May roll back, one is enough."),
    ] = None,
    audit: Annotated[
        list[str] | None,
        typer.Option("--audit", metavar="CONTROLLER=FILE.pub", help="Signs the audit trail."),
    ] = None,
    expires: ExpiresOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE")] = Path("root-1.json"),
) -> None:
    """Propose a first root; its owners then sign it."""
    from controller.authoring import starting
    from controller.authoring.rootdoc import FirstRoot

    owners = tuple(_key_of(text) for text in owner)
    people = len({key.owner for key in owners})
    majority = people // 2 + 1
    now = workspace.now()
    payload = FirstRoot(
        repository=starting.new_repository_id(),
        owners=owners,
        created=now,
        expires=_expires(expires, now),
        root_threshold=threshold or majority,
        bundle_threshold=bundle_threshold or min(2, people),
        release_threshold=release_threshold or min(2, people),
        environments=tuple(environment or ["production"]),
        rails=tuple(rail or starting.shipped_rails()),
        rollback=tuple(_key_of(text) for text in rollback or ()),
        audit={text.partition("=")[0]: _key_of(text) for text in audit or ()},
    ).payload()
    _write(out, payload)


@app.command(
    "propose",
    epilog="Example: countersign root propose --add-key release/production=dora:dora.pub "
    "--revoke carol=lost",
)
def propose(  # noqa: PLR0913, PLR0917  one parameter per option
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE…", help="The roots so far; by default the repository's."),
    ] = None,
    add_key: Annotated[
        list[str] | None,
        typer.Option("--add-key", metavar="ROLE=NAME:FILE.pub", help="Let a key sign for a role."),
    ] = None,
    revoke: Annotated[
        list[str] | None,
        typer.Option(
            "--revoke",
            metavar="KEY|OWNER=REASON",
            help="Take a key, or all keys of an owner, out of every role.",
        ),
    ] = None,
    set_threshold: Annotated[
        list[str] | None,
        typer.Option("--set-threshold", metavar="ROLE=N", help="How many owners have to sign."),
    ] = None,
    floor: Annotated[
        list[str] | None,
        typer.Option(
            "--floor",
            metavar="ENVIRONMENT|BUNDLE=N",
            help="The lowest serial or version that may be live from now on.",
        ),
    ] = None,
    reset: Annotated[
        list[str] | None,
        typer.Option(
            "--reset",
            metavar="ENVIRONMENT=SERIAL:SHA256",
            help="The last good release: serials start again from it.",
        ),
    ] = None,
    grandfather: Annotated[
        list[str] | None,
        typer.Option(
            "--grandfather",
            metavar="SHA256",
            help="A payload whose signatures count whatever became of their keys.",
        ),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option("--from-file", metavar="FILE", help="A document that you edited yourself."),
    ] = None,
    expires: ExpiresOption = None,
    pin: PinOption = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE")] = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
) -> None:
    """Propose the next root: the present one with changes. Both roots' owners sign it.

    The present root is the newest in the repository, or of the files that are named: carried to a
    machine without a network, they are all it takes. That it has expired is no hindrance.
    """
    from controller.authoring import rootdoc, rootfiles

    present = rootfiles.newest(_chain(files, repository), _pinned(config, pin))
    version = present.root.version + 1
    now = workspace.now()
    if from_file is not None:
        payload = rootdoc.numbered(rootfiles.read_bytes(from_file), version)
    else:
        changes = _changes(
            add_key or [],
            revoke or [],
            set_threshold or [],
            floor or [],
            reset or [],
            grandfather or [],
            renewed=expires is not None,
        )
        payload = rootdoc.next_payload(
            present.payload, changes, created=now, expires=_expires(expires, now)
        )
    _write(out or Path(f"root-{version}.json"), payload)


@app.command("sign", epilog="Example: countersign root sign root-1.json --key alice")
def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proposal, or its envelope.")],
    key: KeyOption = None,
    agent: AgentOption = False,
    ssh_keygen: SshKeygenOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Sign a proposed root. The envelope is written beside it as `<version>.root.json`."""
    from controller.authoring.rootfiles import sign_root

    done = [
        sign_root(file, one) for one in workspace.signers(key, agent=agent, ssh_keygen=ssh_keygen)
    ]
    if output is Output.TEXT:
        for one in done:
            emit(f"{one.owner} signed {'before' if one.was_signed_before else str(one.path)}")
    for one in done:
        if not one.is_of_role:
            say(
                f"warning: {one.owner} is not in this root's role `root`: the signature counts "
                "only where the root before lists the key there"
            )
    _tell_signed(done[-1].file, done[-1].path, output)


@app.command("gather", epilog="Example: countersign root gather alice/2.root.json bob/2.root.json")
def gather(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Envelopes of one root, signed apart."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="By default <version>.root.json here."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Put the signatures that owners made on machines of their own into one envelope."""
    from controller.authoring import rootfiles

    target = out or Path(f"{rootfiles.read_root(files[0]).root.version}.root.json")
    _tell_signed(rootfiles.gather(files, target), target, output)


@app.command("show", epilog="Example: countersign root show -o json")
def show(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="By default the newest of the repository."),
    ] = None,
    repository: RepositoryOption = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """Print a root: the SHA-256 to compare by voice, keys, roles, expiry. Proves nothing."""
    from controller.authoring import rootfiles
    from controller.authoring.view import Workspace

    found = (
        rootfiles.read_root(file)
        if file is not None
        else rootfiles.last_root(Workspace.open(repository).edited())
    )
    if output is Output.JSON:
        emit_json(_root_json(found))
    else:
        _tell(found)


@app.command("verify", epilog="Example: countersign root verify --pin 4be1…")
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE…", help="By default the chain in the repository."),
    ] = None,
    pin: PinOption = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Prove a chain of roots, from files alone. Exit 3 where it breaks."""
    from controller.authoring import rootfiles

    pinned = _pinned(config, pin)
    proved = rootfiles.prove_chain(_chain(files, repository), pinned, workspace.now())
    if output is Output.JSON:
        emit_json(
            {
                "pinned": pinned,
                "roots": [{"version": one.version, "sha256": one.digest} for one in proved],
            }
        )
        return
    for one in proved:
        emit(f"root {one.version}: {one.digest}")
    say("The chain holds.")


@app.command("pin", epilog="Example: countersign root pin 4be1…")
def pin_(
    sha256: Annotated[
        str, typer.Argument(metavar="SHA256", help="As you heard it; the settings say the same.")
    ],
    config: ConfigOption = None,
) -> None:
    """Record that this host starts from another root: the one its settings pin now.

    Only where nothing else helps, because the threshold of the root before was lost. Nothing that
    is served changes; the audit trail says that it was done, and when. A host that has applied
    nothing keeps the root alone.
    """
    from controller.app import settings, wiring
    from controller.reconcile.cycle import publish_owed
    from controller.reconcile.repin import repin
    from controller.trust.root import PinMismatch

    read = settings.load(settings.named_file(config))
    given = _digest_of(sha256)
    if given != read.trust.root_sha256:
        raise PinMismatch(_digest_of(read.trust.root_sha256), given)
    with wiring.world(read, signs=True) as world:
        revision = repin(world)
        if revision is None:
            emit(f"This host starts from root {given}; nothing has been applied yet.")
            return
        emit(f"Revision {revision.revision} records that this host starts from root {given}.")
        for commit in publish_owed(world).commits:
            emit(f"  audit commit {commit.hex()[:12]}")


def _chain(files: list[Path] | None, repository: Path) -> list[bytes]:
    """Return the envelopes of the files that are named, or else of the repository."""
    from controller.authoring import rootfiles
    from controller.authoring.view import Workspace

    if files:
        for file in files:
            rootfiles.read_root(file)
        return [rootfiles.read_bytes(file) for file in files]
    return rootfiles.chain_in(Workspace.open(repository).edited())


def _pinned(config: Path | None, given: str | None = None) -> "Digest | None":
    """Return what a chain is held against: what is given, or what this host pins."""
    from controller.kernel.canonical import Digest

    pinned = given or workspace.pinned_sha256(config)
    if pinned is None:
        say("note: no --pin and no settings, so the first root vouches for itself")
    return Digest(pinned) if pinned is not None else None


def _tell_signed(file: "RootFile", path: Path, output: Output) -> None:
    """Say who has signed a root so far, and how many of its own owners have to."""
    owners = file.signers(workspace.now())
    threshold = file.root.root.threshold
    if output is Output.JSON:
        emit_json(
            {
                "file": str(path),
                "sha256": file.digest,
                "owners": sorted(owners),
                "threshold": threshold,
            }
        )
        return
    emit(f"{file.digest}")
    say(f"{len(owners)} of {threshold} of its own owners signed.")
    if len(owners) >= threshold:
        say(f"Next: copy {path.name} to trust/root/ of the repository and commit it.")
    else:
        say(f"Next: another owner: countersign root sign {path} --key FILE")


def _tell(found: "RootFile") -> None:
    from controller.kernel.instants import format_instant

    root = found.root
    emit(f"root {root.version} of repository {root.repository}")
    emit(f"sha256   {found.digest}")
    emit(f"expires  {format_instant(root.expires)}")
    emit(f"signed   {', '.join(sorted(found.signers(root.created))) or 'by nobody yet'}")
    emit("")
    emit_table(("owner", "key", "scheme"), [_key_row(key) for key in root.keys.values()])
    emit("")
    emit_table(
        ("role", "threshold", "owners"),
        [(name, role.threshold, _owners(role)) for name, role in _roles(root)],
    )


def _key_row(key: "PublicKey") -> tuple[str, str, str]:
    note = f" (revoked: {key.revoked_reason})" if key.revoked_at else ""
    return (key.owner, key.id + note, key.scheme.value)


def _root_json(found: "RootFile") -> dict[str, Any]:
    from controller.kernel.instants import format_instant

    root = found.root
    return {
        "repository": root.repository,
        "root_version": root.version,
        "sha256": found.digest,
        "created": format_instant(root.created),
        "expires": format_instant(root.expires),
        "signed_by": sorted(found.signers(root.created)),
        "keys": [
            {
                "id": key.id,
                "owner": key.owner,
                "scheme": key.scheme.value,
                "public": key.line,
                "revoked": format_instant(key.revoked_at) if key.revoked_at else None,
            }
            for key in root.keys.values()
        ],
        "roles": {
            name: {"threshold": role.threshold, "keys": [key.id for key in role.keys]}
            for name, role in _roles(root)
        },
    }


def _roles(root: "Root") -> list[tuple[str, "Role[PublicKey]"]]:
    return [
        ("root", root.root),
        *((one.grant.role.name, one.grant.role) for one in root.bundle),
        *((f"release/{name}", role) for name, role in root.release.items()),
        *((f"rollback/{name}", one.role) for name, one in root.rollback.items()),
        *((f"audit/{name}", role) for name, role in root.audit.items()),
        *((role.name, role) for role in (root.commit, root.heartbeat) if role is not None),
    ]


def _owners(role: "Role[PublicKey]") -> str:
    return ", ".join(sorted({key.owner for key in role.keys}))


def _changes(
    added: list[str],
    revoked: list[str],
    thresholds: list[str],
    floors: list[str],
    resets: list[str],
    grandfathered: list[str],
    *,
    renewed: bool,
) -> "Changes":
    from controller.authoring.rootdoc import Changes

    keys: dict[str, list[KeyOf]] = {}
    for text in added:
        role, _, key = text.partition("=")
        keys.setdefault(role, []).append(_key_of(key, ":"))
    reasons = {}
    for text in revoked:
        # A fingerprint never holds "=": its base64 is not padded.
        key_id, _, reason = text.partition("=")
        reasons[key_id] = reason
    changes = Changes(
        keys,
        reasons,
        dict(map(_number_of, thresholds)),
        dict(map(_number_of, floors)),
        dict(map(_reset_of, resets)),
        [_digest_of(text) for text in grandfathered],
    )
    if changes == Changes() and not renewed:
        raise typer.BadParameter(
            "name a change: --add-key, --revoke, --set-threshold, --floor, --reset, "
            "--grandfather, --expires or --from-file"
        )
    return changes


def _reset_of(text: str) -> tuple[str, tuple[int, "Digest"]]:
    name, _, release = text.partition("=")
    serial, _, sha256 = release.partition(":")
    if not (name and serial.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not ENVIRONMENT=SERIAL:SHA256")
    return name, (int(serial), _digest_of(sha256))


def _digest_of(text: str) -> "Digest":
    from controller.kernel.canonical import Digest

    if not re.fullmatch(r"[0-9a-f]{64}", text, re.ASCII):
        raise typer.BadParameter(f"{text!r} is not a SHA-256 in hex")
    return Digest(text)


def _number_of(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not (name and number.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not NAME=NUMBER")
    return name, int(number)


def _key_of(text: str, mark: str = "=") -> "KeyOf":
    from controller.app.signers import load_public
    from controller.authoring.rootdoc import KeyOf
    from controller.trust.keys import Scheme

    name, found, file = text.partition(mark)
    file, comma, scheme = file.partition(",")
    if not (name and found and file) or scheme not in ("", *Scheme):
        raise typer.BadParameter(f"{text!r} is not NAME{mark}FILE.pub or NAME{mark}FILE.pub,sshsig")
    public = load_public(Path(file))
    return KeyOf(name, public, Scheme(scheme)) if comma else KeyOf.usual(name, public)


def _expires(text: str | None, now: datetime) -> datetime:
    from controller.kernel.instants import parse_when

    return parse_when(text) if text else now + timedelta(days=YEAR_DAYS)


def _write(out: Path, payload: bytes) -> None:
    from controller.adapters.keyfiles import write_new
    from controller.kernel.canonical import sha256

    write_new(out, payload, mode=0o644)
    emit(f"wrote {out}")
    emit(sha256(payload))
    say(f"Next: compare it by voice; each owner: countersign root sign {out} --key FILE")
