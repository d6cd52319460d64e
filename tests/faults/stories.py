"""The passes that die: what people change before each, and which way the change is applied."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from controller.kernel.instants import Window
from tests.support.mortal import BULK, FEW, REBUILD, retitled
from tests.support.world import CARDS, NEW_RANGE, RANGES, Shop

MANY = 100  # the campaign adds them well over a hundred times, and a file has 1 MiB
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Story:
    """A kind of pass. `change` takes a number that is never the same twice, from 1 up."""

    name: str
    change: Callable[[Shop, int], None]
    limits: tuple[int, int] = FEW
    revisions: int = 1
    own_rails: bool = False

    def begin(self, shop: Shop, number: int) -> None:
        """Make the change that a pass will apply."""
        self.change(shop, number)
        if self.own_rails:
            shop.rails = retitled(number)

    def rails(self, number: int) -> int:
        """Return which rails the watched pass judges by."""
        return number if self.own_rails else 0


def one_range(shop: Shop, number: int) -> None:
    """Publish one more card range, and take the one before it away."""
    line, before = (NEW_RANGE.replace("990600", f"{991000 + n}") for n in (number, number - 1))
    there = before in shop.read(RANGES).decode().splitlines()
    shop.publish(add=[line], drop=[before] if there else [])


def many_ranges(shop: Shop, number: int, count: int = MANY) -> None:
    """Publish up to a thousand card ranges more."""
    shop.publish(
        add=[NEW_RANGE.replace("990600", f"98{number:03}{n:03}") for n in range(count)],
    )


def _revert(shop: Shop, number: int) -> None:
    one_range(shop, number)
    shop.reconcile()
    shop.revert_release(shop.released[0])


def _schedule(shop: Shop, number: int) -> None:
    """Release a version from tomorrow on, and the one in force until then."""
    shop.clock.advance(_DAY)
    tomorrow = shop.clock.now() + _DAY
    shop.edit(add=[NEW_RANGE.replace("990600", f"{992000 + number}")])
    last = max(
        (one for one in shop.released[-1].bundles if one.bundle == CARDS),
        key=lambda one: one.version,
    )
    now = replace(last, window=Window(last.window.start if last.window else None, tomorrow))
    later = shop.sign(shop.next_version(window=Window(tomorrow)))
    release = shop.next_release(later)
    others = tuple(one for one in release.bundles if one.bundle != CARDS)
    shop.release(replace(release, bundles=(*others, now, later)))


def _nothing(shop: Shop, number: int) -> None:
    del shop, number


def _other_file(shop: Shop, number: int) -> None:
    shop.commit({"README.md": f"{number}\n".encode()})


RELEASE = Story("a release, few rows", one_range)
ROLLBACK = Story("a rollback", _revert)
STORIES = (
    RELEASE,
    Story("a release, many rows", many_ranges, BULK),
    Story("a release, a table built anew", many_ranges, REBUILD),
    ROLLBACK,
    Story("other rails", _nothing, own_rails=True),
    Story("a release with windows", _schedule),
    Story("a commit that changes nothing served", _other_file, revisions=0),
    Story("an unchanged world", _nothing, revisions=0),
)
