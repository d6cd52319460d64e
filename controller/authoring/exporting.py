"""Export: one bundle version as a tar, files and signatures, for a place without a network.

The same version gives the same bytes on every machine: names in order, no times, no owners.
"""

import io
import tarfile
from datetime import datetime
from pathlib import Path

from controller.adapters.keyfiles import write_new
from controller.artifacts import walk
from controller.artifacts.layout import BundleId, files_path, version_dir
from controller.artifacts.merkle import NoMemory
from controller.authoring.draft import FILE_SIZE_MAX_BYTES
from controller.authoring.versions import VerifiedVersion, verified_version
from controller.authoring.view import View, Workspace
from controller.kernel.objects import Oid
from controller.reconcile.admit import find_files
from controller.reconcile.filestrees import FilesTrees
from controller.trust.root import Root


def export(
    workspace: Workspace, root: Root, bundle: BundleId, version: int, target: Path, now: datetime
) -> tuple[VerifiedVersion, int]:
    """Write a version that its role signed; return it and how many files the tar holds."""
    view = workspace.committed()
    verified = verified_version(view, bundle, version, root, now)
    repository, statement = workspace.repository, verified.statement
    trees = FilesTrees.of_one(repository, workspace.tip(), statement)
    tree = find_files(repository, statement, trees, NoMemory())
    files = _files(view, tree, files_path(bundle))
    folder = version_dir(bundle, version)
    for entry in view.children(folder):
        files[f"{folder}/{entry.name}"] = walk.read_blob(
            view.objects, entry.oid, f"{folder}/{entry.name}", FILE_SIZE_MAX_BYTES
        )
    write_new(target, tar(files), mode=0o644)
    return verified, len(files)


def tar(files: dict[str, bytes]) -> bytes:
    """Return a tar of files by path; it depends on nothing else."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size = len(files[path])
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(files[path]))
    return buffer.getvalue()


def _files(view: View, tree: Oid, path: str) -> dict[str, bytes]:
    return {
        file.path: walk.read_blob(view.objects, file.oid, file.path, FILE_SIZE_MAX_BYTES)
        for file in walk.files(view.objects, tree, path)
    }
