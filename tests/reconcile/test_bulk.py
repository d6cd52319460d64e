"""Many rows in several processes: what comes out is what one process would have said."""

import os
import subprocess
import sys
from collections.abc import Iterable
from hashlib import sha256

import pytest

from controller.kernel.errors import Corrupt
from controller.kernel.objects import MissingObject, Oid
from controller.plan.whole import read_facts
from controller.policy.lint import lint_shard
from controller.reconcile.bulk import FORKED_BYTES, TableFile, judged, rendering
from controller.stores.directory.copytext import FileText, render
from tests.support.directory import MemoryObjects
from tests.support.house import ROOT
from tests.support.policies import shipped

RAIL = shipped()["card-bin"]
COLUMNS = RAIL.tables["participants"].columns


def content(number: int, rows: int, *, name: str = "") -> bytes:
    """Return a file of participants in the rail's own columns."""
    some = [f"p{number:02d}-{row:05d}" for row in range(rows)]
    long = name or "A rather long name of somebody who can be reached " * 3
    lines = [
        ",".join({"id": one, "name": f"{long}{one}"}.get(column, "") for column in COLUMNS)
        for one in some
    ]
    return "\n".join([",".join(COLUMNS), *lines, ""]).encode()


def stored(objects: MemoryObjects, contents: Iterable[bytes]) -> list[TableFile]:
    files = []
    for at, data in enumerate(contents):
        name = f"{at:02d}.csv"
        oid = objects.blob(data)
        files.append(TableFile(f"participants/{name}", "participants", oid, len(data)))
    return files


def many() -> list[bytes]:
    """Return more than what is shared out, with two files that have something wrong."""
    contents = [content(at, 4_000) for at in range(14)]
    contents[3] = contents[3].replace(b"p03-00007,", b"p03-00007!,", 1)
    contents[9] = contents[9].replace(b"\n", b"\r\n", 1)
    return contents


def alone(name: str) -> None:
    """Run a function of this module in a process without other threads: only such a one forks."""
    command = [sys.executable, "-m", "tests.reconcile.test_bulk", name]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_files_are_judged_elsewhere_as_they_would_be_here() -> None:
    alone("judged_elsewhere")


def test_texts_are_made_elsewhere_as_they_would_be_here() -> None:
    alone("made_elsewhere")


def judged_elsewhere() -> None:
    objects = MemoryObjects()
    contents = many()
    files = stored(objects, contents)
    assert sum(file.size_bytes for file in files) > FORKED_BYTES

    found = list(judged(objects, RAIL, files))

    assert objects.read_oids == []  # read by others
    assert [findings for findings, _ in found] == [
        lint_shard(RAIL, "participants", data, file.path)[1]
        for file, data in zip(files, contents, strict=True)
    ]
    assert [bool(findings) for findings, _ in found].count(True) == 2
    assert [facts.is_plain for _, facts in found].count(False) == 1
    assert found[0][1] == read_facts(contents[0], "participants")


def test_a_few_files_are_judged_here() -> None:
    objects = MemoryObjects()
    files = stored(objects, [content(1, 3), content(2, 3)])

    assert [findings for findings, _ in judged(objects, RAIL, files)] == [[], []]
    assert objects.read_oids == [file.oid for file in files]


def made_elsewhere() -> None:
    objects = MemoryObjects()
    contents = [content(at, 4_000) for at in range(14)]
    wanted = [
        FileText("participants", COLUMNS, file.oid, sha256(data).digest(), file.size_bytes, at)
        for at, (file, data) in enumerate(zip(stored(objects, contents), contents, strict=True))
    ]

    assert list(rendering(objects)(wanted)) == [
        render(one, data) for one, data in zip(wanted, contents, strict=True)
    ]
    assert objects.read_oids == []


def test_a_file_that_is_missing_is_named_whoever_missed_it() -> None:
    objects = MemoryObjects()
    files = stored(objects, [content(at, 4_000) for at in range(14)])
    lost = files[5]._replace(oid=Oid(os.urandom(20)))

    with pytest.raises(MissingObject) as missing:
        list(judged(objects, RAIL, [*files[:5], lost, *files[6:]]))

    assert missing.value.oid == lost.oid


def test_a_file_that_is_not_what_was_planned_is_never_stored() -> None:
    objects = MemoryObjects()
    planned, found = content(1, 3), content(2, 3)
    oid = objects.blob(found)
    wanted = FileText("participants", COLUMNS, oid, sha256(planned).digest(), len(found), 1)

    with pytest.raises(Corrupt, match="not what was planned"):
        list(rendering(objects)([wanted]))


if __name__ == "__main__":
    {one.__name__: one for one in (judged_elsewhere, made_elsewhere)}[sys.argv[1]]()
