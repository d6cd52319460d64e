"""What the receivers of notices are like, as far as can be told without sending them anything."""

from collections.abc import Callable, Iterator
from functools import partial

from controller.adapters.outbound import host_of
from controller.adapters.senders import secret_line
from controller.app import telling
from controller.app.doctor_look import Check, ok
from controller.app.settings import NotifySection, Settings


def looks(settings: Settings) -> Iterator[tuple[str, Callable[[], Check]]]:
    """Yield one look for each receiver that the settings name."""
    for section in settings.notify:
        name = f"notify {section.name}"
        yield name, partial(_readable, name, section, settings)


def _readable(name: str, section: NotifySection, settings: Settings) -> Check:
    """Read its address and its secret, as sending would; what is wrong with them is raised."""
    host = host_of(section.name, telling.place(section, settings).address())
    for path in (section.secret_file, section.token_file):
        if (file := telling.file_of(settings, path)) is not None:
            secret_line(file)
    return ok(name, f"{section.kind} at {host}; `countersign notify test {section.name}` tries it")
