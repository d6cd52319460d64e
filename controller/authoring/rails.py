"""The rails in force for a tree: those that come with Countersign, and the repository's own."""

from collections.abc import Mapping
from functools import cache

from controller.adapters.shipped import shipped
from controller.artifacts.layout import policies_dir
from controller.artifacts.merkle import NoMemory, files_root
from controller.authoring.view import View
from controller.kernel.canonical import Digest
from controller.policy.rail import Rail, overlay, read_rails
from controller.reconcile.rails import read_policies


def rails_of(view: View) -> dict[str, Rail]:
    """Return every rail by name; one in the repository replaces the shipped one."""
    own = view.find("policies")
    files = read_policies(view.objects, own.oid) if own is not None else {}
    return read_rails(overlay(shipped("policies"), files)) if files else dict(_shipped_rails())


@cache
def _shipped_rails() -> Mapping[str, Rail]:
    return read_rails(shipped("policies"))


def overridden(view: View) -> Mapping[str, Digest]:
    """Return the files root of every rail that the repository overrides, by name."""
    return {
        entry.name: files_root(view.objects, entry.oid, policies_dir(entry.name), NoMemory()).root
        for entry in view.children("policies")
    }
