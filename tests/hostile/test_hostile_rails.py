"""Rails that mean harm: a repository brings its own schemas, patterns and rules."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from controller.artifacts import merkle
from controller.kernel.objects import Oid
from tests.hostile.conftest import Idle, check_cost
from tests.hostile.host import FOLDER, Attack, Host
from tests.support.policies import policy_files

SCHEMA = "schema/participants.schema.json"


def schema(**changes: Any) -> bytes:
    """Return the participants' schema with members that replace its own."""
    return json.dumps({**json.loads(policy_files()[f"caip/{SCHEMA}"]), **changes}).encode()


def pattern(text: str) -> bytes:
    """Return the participants' schema with a pattern for names."""
    good = json.loads(policy_files()[f"caip/{SCHEMA}"])
    good["properties"]["name"] = {"type": "string", "pattern": text}
    return json.dumps(good).encode()


def rules(count: int) -> bytes:
    good = json.loads(policy_files()["caip/rules.json"])
    one = {**good["rules"][0], "covers": []}
    ids = (f"caip/SYN{number:03}" for number in range(count))
    return json.dumps({**good, "rules": [{**one, "id": name} for name in ids]}).encode()


LOOP = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
BOMB = {
    f"d{number}": {"allOf": [{"$ref": f"#/$defs/d{number + 1}"}] * 10} for number in range(12)
} | {"d12": {}}
HOSTILE: Mapping[str, tuple[str, bytes]] = {
    "loop": (SCHEMA, schema(**LOOP, allOf=[{"$ref": "#/$defs/a"}])),
    "itself": (SCHEMA, schema(allOf=[{"$ref": "#"}])),
    "bomb": (SCHEMA, schema(**{"$defs": BOMB}, allOf=[{"$ref": "#/$defs/d0"}])),
    "dynamic": (SCHEMA, schema(**{"$dynamicAnchor": "x"}, allOf=[{"$dynamicRef": "#x"}])),
    "remote": (SCHEMA, schema(allOf=[{"$ref": "http://127.0.0.1:1/a.json#/$defs/a"}])),
    "named": (SCHEMA, schema(**{"$id": "http://127.0.0.1:1/"})),
    "deep": (SCHEMA, b'{"not":' * 300 + b"{}" + b"}" * 300),
    "long": (SCHEMA, schema(enum=list(range(20_000)))),
    "many": (SCHEMA, schema(anyOf=[{"pattern": f"^[a-z]{{1,{n}}}$"} for n in range(1, 900)])),
    "slow": (SCHEMA, pattern("^(a+)+$")),
    "slower": (SCHEMA, pattern("^((a|b)*c?)*$")),
    "counted": (SCHEMA, pattern("^((([a-z]{1,1000}){1,1000}){1,1000})$")),
    "alternatives": (SCHEMA, pattern("^(" + "|".join(map(str, range(100_000))) + ")$")),
    "groups": (SCHEMA, pattern("^" + "(" * 400 + "a" + ")" * 400 + "$")),
    "back": (SCHEMA, pattern(r"^(a)\1$")),
    "rules": ("rules.json", rules(900)),
    "huge": ("rules.json", b"[" * 900_000),
    "words": ("rail.json", b"[" + b"1," * 300_000 + b"1]"),
    "list": ("rail.json", b"[]"),
}


def own_rail(path: str, data: bytes) -> dict[str, bytes | None]:
    """Return the files of a rail that overrides `caip`, one of them another."""
    own = {name: data for name, data in policy_files().items() if name.startswith("caip/")}
    kept = {f"policies/{name}": one for name, one in own.items() if "/cases/" not in name}
    return {**kept, f"policies/caip/{path}": data}


def test_every_hostile_rail_is_refused_by_its_file(host: Host, idle: Idle) -> None:
    rails: dict[str, bytes | None] = {}
    for name, (path, data) in HOSTILE.items():
        for file, good in own_rail(path, data).items():
            text = (good or b"").replace(b'"caip', b'"evil-%s' % name.encode())
            rails[file.replace("/caip/", f"/evil-{name}/")] = text
    commit = host.files(host.shop.tip, rails)

    judged = host.validate(commit)

    said = {one["file"].split("/")[1] for one in json.loads(judged.out)["findings"]}
    assert sorted({f"evil-{name}" for name in HOSTILE} - said) == []
    check_cost(judged, idle.validate)


def test_its_twin_under_another_name_is_read(host: Host) -> None:
    rails: dict[str, bytes | None] = {
        file.replace("/caip/", "/good-rail/"): (data or b"").replace(b'"caip', b'"good-rail')
        for file, data in own_rail("rail.json", policy_files()["caip/rail.json"]).items()
    }

    judged = host.validate(host.files(host.shop.tip, rails))

    assert (judged.code, judged.rules) == (0, set()), judged.out


PINNED = {name: HOSTILE[name] for name in ("bomb", "counted", "rules", "many")}


@pytest.mark.parametrize("hostile", PINNED.values(), ids=PINNED.keys())
def test_a_hostile_rail_that_a_release_pins_is_refused_cheaply(
    host: Host, idle: Idle, hostile: tuple[str, bytes]
) -> None:
    shop = host.shop
    shop.force(host.files(shop.tip, own_rail(*hostile)))
    folder = shop.repository.entry(shop.tree, "policies/caip")
    assert folder is not None
    found = merkle.files_root(shop.repository, folder, "policies/caip", merkle.NoMemory())
    release = shop.release(shop.next_release(policies={"caip": found.root}))
    before = host.production()

    passed = host.reconcile(release)

    assert (passed.code, "policies/caip/" in passed.err) == (2, True), passed.said
    assert host.production() == before
    check_cost(passed, idle.reconcile)


def giant_files(host: Host) -> Oid:
    blob = host.put("blob", b" " * (1 << 20))
    return host.graft(host.shop.tip, "policies/evil", host.wide(500, blob), mode=FOLDER)


def test_a_rail_of_giant_files_is_refused_before_they_are_read(
    meet: Callable[[Attack], None],
) -> None:
    meet(Attack(giant_files, (2, "17,825,792 bytes is more"), (1, "trust/walk.too_large")))
