"""Vectors of signed statements, and of what a bundle's statement counts."""

import json
from collections.abc import Callable
from typing import Any

from controller.artifacts.ack import AckStatement
from controller.artifacts.bundle import BundleStatement, PreviousVersion
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import Counts, NoMemory, files_root
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.artifacts.rollback import RollbackStatement
from controller.kernel.canonical import readable, sha256
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from tests.support.audit import digest_of
from tests.support.trees import MemoryObjects
from tests.support.trust import NOW, REPOSITORY
from tests.support.vectors.people import AT, b64

BUNDLE = BundleStatement(
    repository=REPOSITORY,
    bundle=BundleId("card-bin", "binlist"),
    version=2,
    previous=PreviousVersion(1, digest_of("version 1")),
    window=Window.parse("2026-12-01T00:00:00Z", None),
    environments=("production", "staging"),
    files_root=digest_of("files"),
    git_tree=Oid(b"\2" * 20),
    tables={"ranges": Counts(3, 1000, 48213)},
    documents={"rules": Counts(1, 0, 120)},
)
RELEASE = ReleaseStatement(
    repository=REPOSITORY,
    environment="production",
    serial=2,
    previous=ReleaseRef(1, digest_of("release 1")),
    rollback_of=None,
    created=NOW,
    expires=None,
    policies={"card-bin": digest_of("policies")},
    bundles=(
        LiveBundle(
            BUNDLE.bundle, 1, digest_of("version 1"), Window.parse(None, "2026-12-01T00:00:00Z")
        ),
        LiveBundle(BUNDLE.bundle, 2, sha256(BUNDLE.payload())),
    ),
)
ROLLBACK = RollbackStatement(
    REPOSITORY, "production", 1, digest_of("release 1"), "wrong ranges", NOW, NOW.replace(day=27)
)
ACK = AckStatement(REPOSITORY, "production", digest_of("plan"), "we mean it", NOW)


def statements() -> dict[str, Any]:
    good = {
        "bundle": BUNDLE.payload(),
        "release": RELEASE.payload(),
        "rollback": ROLLBACK.payload(),
        "ack": ACK.payload(),
    }

    def bent(kind: str, change: Callable[[Any], object]) -> str:
        made = json.loads(good[kind])
        change(made)
        return readable(made).decode()

    changes: dict[str, tuple[str, Callable[[Any], object]]] = {
        "another statement type": ("bundle", lambda one: one.update(_type="x")),
        "another predicate type": (
            "bundle",
            lambda one: one.update(predicateType="urn:countersign:bundle:v2"),
        ),
        "an unknown member": ("bundle", lambda one: one["predicate"].update(more=1)),
        "a member that is missing": ("bundle", lambda one: one["predicate"].pop("effective_to")),
        "a version that is true": ("bundle", lambda one: one["predicate"].update(version=True)),
        "a version of 0": ("bundle", lambda one: one["predicate"].update(version=0)),
        "a previous that is not the one before": (
            "bundle",
            lambda one: one["predicate"]["previous"].update(version=2),
        ),
        "no previous": ("bundle", lambda one: one["predicate"].update(previous=None)),
        "an environment twice": (
            "bundle",
            lambda one: one["predicate"].update(environments=["a", "a"]),
        ),
        "no environment": ("bundle", lambda one: one["predicate"].update(environments=[])),
        "a window of nothing": (
            "bundle",
            lambda one: one["predicate"].update(effective_to="2026-12-01T00:00:00Z"),
        ),
        "a day that is not": (
            "bundle",
            lambda one: one["predicate"].update(effective_to="2027-02-29T00:00:00Z"),
        ),
        "an offset": (
            "bundle",
            lambda one: one["predicate"].update(effective_to="2027-02-28T00:00:00+00:00"),
        ),
        "two subjects": ("bundle", lambda one: one["subject"].append(one["subject"][0])),
        "another folder": (
            "bundle",
            lambda one: one["subject"][0].update(name="bundles/card-bin/other/files"),
        ),
        "a digest in capitals": (
            "bundle",
            lambda one: one["subject"][0]["digest"].update(countersignTree1="A" * 64),
        ),
        "a UUID in capitals": (
            "bundle",
            lambda one: one["predicate"].update(repository=REPOSITORY.upper()),
        ),
        "a negative count": (
            "bundle",
            lambda one: one["predicate"]["tables"]["ranges"].update(rows=-1),
        ),
        "subjects out of order": ("release", lambda one: one["subject"].reverse()),
        "a subject twice": ("release", lambda one: one["subject"].insert(0, one["subject"][0])),
        "a name with a leading zero": (
            "release",
            lambda one: one["subject"][0].update(
                name="bundles/card-bin/binlist/versions/01/bundle.json"
            ),
        ),
        "annotations of nothing": ("release", lambda one: one["subject"][0].update(annotations={})),
        "an annotation that is null": (
            "release",
            lambda one: one["subject"][0].update(annotations={"effective_to": None}),
        ),
        "serial 1 with a previous": ("release", lambda one: one["predicate"].update(serial=1)),
        "serial 2 without one": ("release", lambda one: one["predicate"].update(previous=None)),
        "a previous that is later": (
            "release",
            lambda one: one["predicate"]["previous"].update(serial=2),
        ),
        "an end before the beginning": ("release", lambda one: one["predicate"].update(expires=AT)),
        "a rail that is no name": (
            "release",
            lambda one: one["predicate"].update(policies={"../x": "a" * 64}),
        ),
        "a permission without an end": (
            "rollback",
            lambda one: one["predicate"].update(expires=None),
        ),
        "a permission that ends before it is made": (
            "rollback",
            lambda one: one["predicate"].update(expires=AT),
        ),
        "another release's name": (
            "rollback",
            lambda one: one["subject"][0].update(name="environments/staging/release.json"),
        ),
        "no reason": ("rollback", lambda one: one["predicate"].update(reason="")),
        "a reason with a white edge": (
            "rollback",
            lambda one: one["predicate"].update(reason=" x"),
        ),
        "a reason with a direction mark": (
            "rollback",
            lambda one: one["predicate"].update(reason="a\u202eb"),
        ),
        "a reason of 501 characters": (
            "ack",
            lambda one: one["predicate"].update(reason="x" * 501),
        ),
        "another plan's name": (
            "ack",
            lambda one: one["subject"][0].update(name="environments/production/release.json"),
        ),
    }
    null_notes = bent("release", lambda one: one["subject"][1].update(annotations=None))
    return {
        "good": [
            {"kind": kind, "payload": payload.decode(), "sha256": sha256(payload)}
            for kind, payload in good.items()
        ]
        + [{"kind": "release", "payload": null_notes, "sha256": sha256(null_notes.encode())}],
        "bad": [
            {"kind": kind, "reason": reason, "payload": bent(kind, change)}
            for reason, (kind, change) in changes.items()
        ],
    }


def counts() -> dict[str, Any]:
    folders: list[dict[str, bytes]] = [
        {},
        {"ranges.csv": b"h\n1\n2\n", "rules/main.json": b"{}\n", "notes.v2.txt": b"\xff\x00"},
        {
            "ranges/4.csv": b"h\n1\n",
            "ranges/45/457.csv": b"h\n1\n2",
            "ranges.csv": b"",
            "ranges.md": b"x",
        },
        {"a.csv": b"h", "a.b.csv": b"h\n", "a/b/c/d.csv": b"\n\n\n"},
    ]
    found = []
    for files in folders:
        objects, nested = MemoryObjects(), dict[str, Any]()
        for path, data in files.items():
            *above, name = path.split("/")
            level = nested
            for folder in above:
                level = level.setdefault(folder, {})
            level[name] = data
        summary = files_root(objects, objects.tree(nested), "files", NoMemory())
        tables = {
            k: {"files": v.files, "rows": v.rows, "bytes": v.bytes}
            for k, v in summary.tables.items()
        }
        documents = {k: {"files": v.files, "bytes": v.bytes} for k, v in summary.documents.items()}
        encoded = {path: b64(data) for path, data in files.items()}
        found.append(
            {"files": encoded, "root": summary.root, "tables": tables, "documents": documents}
        )
    return {"good": found}
