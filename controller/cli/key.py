"""`countersign key`: key files in OpenSSH's format."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.options import OutputOption
from controller.cli.output import Output, emit, emit_json

if TYPE_CHECKING:
    from controller.trust.keys import PublicLine

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Make and look at signing keys."
)


@app.command("new", epilog="Example: countersign key new alice --comment alice@bank")
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The private key; FILE.pub too.")],
    comment: Annotated[str, typer.Option("--comment", help="Kept in both files.")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Make an Ed25519 key that ssh-keygen, ssh-agent and git can use too."""
    from controller.app.signers import new_key

    _show(new_key(file, comment or file.name).public, output)


@app.command("show", epilog="Example: countersign key show alice.pub")
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A private or a public key file.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Print a key's fingerprint and its public line; never anything secret."""
    from controller.app.signers import load_public, load_signer

    _show(load_public(file) if file.suffix == ".pub" else load_signer(file).public, output)


def _show(public: "PublicLine", output: Output) -> None:
    if output is Output.JSON:
        emit_json({"fingerprint": public.id, "public": public.line})
        return
    emit(public.id)
    emit(public.line)
