"""Commits and folders that git would not write, put on a shop's branch with git's plumbing."""

from controller.artifacts import layout
from controller.artifacts.release import ReleaseStatement
from tests.support.trees import git, write_literally
from tests.support.world import MAIN, TWO, Shop
from tests.tools.changes import ENVELOPE, PLACE

STRAY = f"{PLACE}/README"


def commit_anyhow(shop: Shop, raw: bytes) -> None:
    """Put any bytes on the branch as its newest commit; git itself refuses some of them."""
    oid = write_literally(shop.folder, "commit", raw)
    (shop.folder / ".git" / MAIN).write_text(f"{oid.hex()}\n")


def tip_headers(shop: Shop) -> tuple[list[bytes], bytes]:
    """The header lines of the newest commit, and the rest: an empty line and the message."""
    head, gap, message = shop.repository.raw_commit(shop.tip).partition(b"\n\n")
    return head.split(b"\n"), gap + message


def reorder(shop: Shop, order: str) -> None:
    """Write the newest commit anew, its headers in the order of their initials, `tpac` is git's."""
    lines, rest = tip_headers(shop)
    ordered = [line for initial in order for line in lines if line.startswith(initial.encode())]
    assert len(ordered) == len(lines)
    commit_anyhow(shop, b"\n".join(ordered) + rest)


def add_header(shop: Shop, line: bytes) -> None:
    """Write a commit on top whose headers end with one more line."""
    shop.commit({"README.md": line})
    lines, rest = tip_headers(shop)
    commit_anyhow(shop, b"\n".join([*lines, line]) + rest)


def capitals(shop: Shop) -> None:
    """Write a commit on top that names tree and parent in capital digits."""
    shop.commit({"README.md": b"capitals"})
    lines, rest = tip_headers(shop)
    shouted = [
        word + b" " + value.upper() if word in (b"tree", b"parent") else line
        for line in lines
        for word, _, value in [line.partition(b" ")]
    ]
    commit_anyhow(shop, b"\n".join(shouted) + rest)


def hide(shop: Shop, statement: ReleaseStatement, *, by: str | None = None) -> None:
    """Put a release into a folder that cannot be read as long as a stray file is in it."""
    payload = statement.payload()
    files = {layout.release_path(statement.environment): payload, STRAY: b"x"}
    shop.commit({**files, ENVELOPE: shop.sealed(payload, TWO)}, by=by)


def show(shop: Shop, *, by: str | None = None) -> None:
    """Take the stray file away."""
    shop.commit({STRAY: None}, by=by)


def folder_as(shop: Shop, mode: str, kind: str) -> None:
    """Put an object of some kind where the environment's folder stands, under some mode."""
    data = {"tree": b"no tree", "blob": b"no folder"}[kind]
    oid = write_literally(shop.folder, kind, data).hex()
    parts = PLACE.split("/")
    entry = f"{mode} {parts[1]}\0".encode() + bytes.fromhex(oid)
    above = write_literally(shop.folder, "tree", entry).hex()
    listed = git(shop.folder, "ls-tree", MAIN).splitlines()
    kept = [line for line in listed if not line.endswith(f"\t{parts[0]}")]
    lines = "\n".join([*kept, f"040000 tree {above}\t{parts[0]}"]) + "\n"
    tree = git(shop.folder, "mktree", "--missing", stdin=lines.encode())
    raw = f"tree {tree}\nparent {shop.tip.hex()}\n" + "author A <a@b> 1 +0000\n"
    commit_anyhow(shop, f"{raw}committer A <a@b> 1 +0000\n\nodd\n".encode())


def folder_again(shop: Shop, tree: str) -> None:
    """Commit a whole earlier tree again."""
    made = git(shop.folder, "commit-tree", tree, "-p", shop.tip.hex(), "-m", "As before")
    git(shop.folder, "update-ref", MAIN, made)
