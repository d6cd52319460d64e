"""What a part of the benchmarks found: costs by name, and bars that are met or not."""

import os
import platform
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Cost

Rows = tuple[tuple[str, Cost], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """What was wanted and what was measured, as a reader sees them."""

    name: str
    wanted: str
    measured: str
    is_met: bool

    @property
    def verdict(self) -> str:
        """Whether it is met, in words."""
        return "met" if self.is_met else "not met"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `about` states its sizes, `jobs` hold ours first, then what stands beside it."""

    name: str
    about: str
    jobs: Rows
    bars: tuple[Bar, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the part as JSON members; times in seconds."""
        return {
            "part": self.name,
            "about": self.about,
            "jobs": [
                {
                    "name": name.strip(),
                    "wall_seconds": cost.wall,
                    "cpu_seconds": cost.cpu,
                    "server_cpu_seconds": cost.server_cpu,
                }
                for name, cost in self.jobs
            ],
            "bars": [
                {
                    "name": bar.name,
                    "wanted": bar.wanted,
                    "measured": bar.measured,
                    "met": bar.is_met,
                }
                for bar in self.bars
            ],
        }


def at_least(name: str, value: float, bar: float, unit: str = "x") -> Bar:
    """Return a bar that is met from `bar` on."""
    digits = 0 if bar >= 10 else 2
    return Bar(name, f"≥ {bar:,g}{unit}", f"{value:,.{digits}f}{unit}", value >= bar)


def at_most(name: str, value: float, bar: float, unit: str) -> Bar:
    """Return a bar that is met up to `bar`."""
    return Bar(name, f"≤ {bar:,g}{unit}", f"{value:,.2f}{unit}", value <= bar)


def nothing(name: str, found: int, *, of: str) -> Bar:
    """Return a bar that is met when nothing was found."""
    return Bar(name, f"0 of {of}", f"{found:,} of {of}", found == 0)


def machine() -> str:
    """Say on what was measured, and how busy it is now."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{os.cpu_count()} processors, load {load}, Python {platform.python_version()}"
