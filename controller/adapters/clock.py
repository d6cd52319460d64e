"""The system clock: the only place that asks for the time."""

from datetime import UTC, datetime


class SystemClock:
    """The host's clock, in UTC."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)
