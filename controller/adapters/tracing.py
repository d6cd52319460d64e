"""Traces in the words of OpenTelemetry: one for each revision, its id taken from the commit.

Whoever knows a commit finds its trace. The library is an extra, and loaded when a trace is sent.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from controller.adapters import keyfiles
from controller.kernel.errors import Refused
from controller.kernel.objects import Oid

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

SEND_SECONDS: Final = 5.0
SERVICE: Final = "countersign"
_TRACE_BYTES: Final = 16

Facts: TypeAlias = Mapping[str, str | int]


class TracingNotInstalled(Refused):
    """Traces are asked for, and what sends them is not installed."""

    code = "telemetry.tracing_not_installed"

    def __init__(self) -> None:
        super().__init__(
            "telemetry.traces_url is set, and what sends traces is not installed",
            hint="install the extra: pip install 'countersign[otel]'",
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a trace, in Unix nanoseconds; `error` is a code, or empty."""

    name: str
    began: int
    ended: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """What it took to apply a commit; there is at least one step."""

    commit: Oid
    facts: Facts
    steps: tuple[Step, ...]

    @property
    def id(self) -> int:
        """The first half and more of the commit's id."""
        return int.from_bytes(self.commit[:_TRACE_BYTES])


Send: TypeAlias = Callable[[Trace], None]


@dataclass(frozen=True, slots=True)
class Collector:
    """Where traces go: OTLP over HTTP."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None


def check_installed() -> None:
    """Raise `TracingNotInstalled` where the extra is missing; load nothing of it."""
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise TracingNotInstalled


def exporter_to(collector: Collector) -> "SpanExporter":
    """Return what sends to a collector."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  an extra
        OTLPSpanExporter,
    )

    headers = {}
    if collector.token_file is not None:
        token = keyfiles.read_secret(collector.token_file).decode("utf-8", "replace").strip()
        headers["authorization"] = f"Bearer {token}"
    certificates = str(collector.ca_file) if collector.ca_file is not None else None
    return OTLPSpanExporter(
        collector.url, headers=headers, certificate_file=certificates, timeout=SEND_SECONDS
    )


@contextmanager
def sending(exporter: "SpanExporter", about: Facts) -> Iterator[Send]:
    """Give what sends traces, each before it returns. `about` is who sends them."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415
    from opentelemetry.trace import Status, StatusCode, set_span_in_context  # noqa: PLC0415

    class OfCommits(RandomIdGenerator):
        trace_id = 0

        def generate_trace_id(self) -> int:
            return self.trace_id or super().generate_trace_id()

    ids = OfCommits()
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": SERVICE, **about}),
        id_generator=ids,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer(SERVICE)

    def send(trace: Trace) -> None:
        ids.trace_id = trace.id
        began, ended = (pick(trace) for pick in (_began, _ended))
        whole = tracer.start_span("revision", attributes=dict(trace.facts), start_time=began)
        inside = set_span_in_context(whole)
        for step in trace.steps:
            part = tracer.start_span(step.name, context=inside, start_time=step.began)
            if step.error:
                part.set_status(Status(StatusCode.ERROR, step.error))
            part.end(step.ended)
        whole.end(ended)

    try:
        yield send
    finally:
        provider.shutdown()


def _began(trace: Trace) -> int:
    return min(step.began for step in trace.steps)


def _ended(trace: Trace) -> int:
    return max(step.ended for step in trace.steps)
