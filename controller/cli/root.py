"""`countersign root`: who may sign what, from the first root to its rotation."""

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
    "--revoke SHA256:…=lost",
)
def propose(  # noqa: PLR0913, PLR0917  one parameter per option
    add_key: Annotated[
        list[str] | None,
        typer.Option("--add-key", metavar="ROLE=NAME:FILE.pub", help="Let a key sign for a role."),
    ] = None,
    revoke: Annotated[
        list[str] | None,
        typer.Option("--revoke", metavar="KEY=REASON", help="Take a key out of every role."),
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
    from_file: Annotated[
        Path | None,
        typer.Option("--from-file", metavar="FILE", help="A document that you edited yourself."),
    ] = None,
    expires: ExpiresOption = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE")] = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
) -> None:
    """Propose the next root: the present one with changes. Both roots' owners sign it."""
    from controller.authoring import rootdoc, rootfiles

    author = workspace.author(repository, config, committed=False)
    present = rootfiles.last_root(author.workspace.edited())
    version = author.root.version + 1
    if from_file is not None:
        payload = rootdoc.numbered(rootfiles.read_bytes(from_file), version)
    else:
        changes = _changes(add_key or [], revoke or [], set_threshold or [], floor or [])
        payload = rootdoc.next_payload(
            present.payload,
            changes,
            created=author.now,
            expires=_expires(expires, author.now),
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
    last = done[-1]
    owners = last.file.signers(workspace.now())
    threshold = last.file.root.root.threshold
    if output is Output.JSON:
        emit_json(
            {
                "file": str(last.path),
                "sha256": last.file.digest,
                "owners": sorted(owners),
                "threshold": threshold,
            }
        )
        return
    for one in done:
        emit(f"{one.owner} signed {'before' if one.was_signed_before else str(one.path)}")
    emit(f"{last.file.digest}")
    say(f"{len(owners)} of {threshold} of its own owners signed.")
    if len(owners) >= threshold:
        say(f"Next: copy {last.path.name} to trust/root/ of the repository and commit it.")


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
    pin: Annotated[
        str | None,
        typer.Option("--pin", metavar="SHA256", help="Of the first; by default this host's."),
    ] = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Prove a chain of roots, from files alone. Exit 3 where it breaks."""
    from controller.authoring import rootfiles
    from controller.authoring.view import Workspace
    from controller.kernel.canonical import Digest

    chain = (
        [rootfiles.read_bytes(file) for file in files]
        if files
        else rootfiles.chain_in(Workspace.open(repository).edited())
    )
    pinned = pin or workspace.pinned_sha256(config)
    if pinned is None:
        say("note: no --pin and no settings, so the first root vouches for itself")
    proved = rootfiles.prove_chain(chain, Digest(pinned) if pinned else None, workspace.now())
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
    ]


def _owners(role: "Role[PublicKey]") -> str:
    return ", ".join(sorted({key.owner for key in role.keys}))


def _changes(
    added: list[str], revoked: list[str], thresholds: list[str], floors: list[str]
) -> "Changes":
    from controller.authoring.rootdoc import Changes
    from controller.trust.keys import KeyId

    keys: dict[str, list[KeyOf]] = {}
    for text in added:
        role, _, key = text.partition("=")
        keys.setdefault(role, []).append(_key_of(key, ":"))
    reasons = {}
    for text in revoked:
        # A fingerprint never holds "=": its base64 is not padded.
        key_id, _, reason = text.partition("=")
        reasons[KeyId(key_id)] = reason
    if not (added or revoked or thresholds or floors):
        raise typer.BadParameter(
            "name a change: --add-key, --revoke, --set-threshold, --floor or --from-file"
        )
    return Changes(keys, reasons, dict(map(_number_of, thresholds)), dict(map(_number_of, floors)))


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
