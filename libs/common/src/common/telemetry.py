"""One log line, exact metrics, and sampled traces. Nothing here may ever carry a request's body.

Traces: the gateway decides once per job whether it is recorded; the ``traceparent`` travels in the envelope, and
an unsampled job costs no span anywhere. Metrics count everything. Logs are JSON, one line per request or message.
"""

import logging
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO, TypeVar

import orjson
import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from prometheus_client import REGISTRY, generate_latest
from prometheus_client import Counter as _Counter
from prometheus_client import Gauge as _Gauge
from prometheus_client import Histogram as _Histogram

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
_tracer: trace.Tracer = trace.NoOpTracer()
_ratio = 0.0
_provider: TracerProvider | None = None
Metric = TypeVar("Metric")

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Counter:
    """Only ever grows."""

    def __init__(self, metric: _Counter, *, labelled: bool) -> None:
        self._metric = metric
        self._labelled = labelled

    def inc(self, *labels: str, by: float = 1) -> None:
        """Count ``by`` more for these label values, in the order the counter was declared with."""
        (self._metric.labels(*labels) if self._labelled else self._metric).inc(by)


class Gauge:
    """A level that goes up and down."""

    def __init__(self, metric: _Gauge, *, labelled: bool) -> None:
        self._metric = metric
        self._labelled = labelled

    def set(self, value: float, *labels: str) -> None:
        """The level now, for these label values."""
        (self._metric.labels(*labels) if self._labelled else self._metric).set(value)


class Histogram:
    """A distribution, in seconds unless its name says otherwise."""

    def __init__(self, metric: _Histogram, *, labelled: bool) -> None:
        self._metric = metric
        self._labelled = labelled

    def observe(self, value: float, *labels: str) -> None:
        """Record one value for these label values."""
        (self._metric.labels(*labels) if self._labelled else self._metric).observe(value)


_made: dict[str, Any] = {}


def counter(name: str, description: str, labels: Sequence[str] = ()) -> Counter:
    """The counter of this name; modules that declare the same one share it."""
    return _once(name, lambda: Counter(_Counter(f"reapi_{name}", description, labels), labelled=bool(labels)))


def gauge(name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
    """The gauge of this name; modules that declare the same one share it."""
    return _once(name, lambda: Gauge(_Gauge(f"reapi_{name}", description, labels), labelled=bool(labels)))


def histogram(
    name: str, description: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS_S
) -> Histogram:
    """The histogram of this name; modules that declare the same one share it."""
    return _once(
        name,
        lambda: Histogram(
            _Histogram(f"reapi_{name}", description, labels, buckets=tuple(buckets)), labelled=bool(labels)
        ),
    )


def _once(name: str, make: Callable[[], Metric]) -> Metric:
    metric: Metric = _made.get(name) or _made.setdefault(name, make())
    return metric


def exposition() -> bytes:
    """All metrics of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)


def logger(name: str) -> Any:
    """A structured logger; fields are keyword arguments."""
    return structlog.get_logger(module=name)


def setup(service: str, *, level: str, ratio: float, trace_file: Path | None, otlp_endpoint: str | None) -> None:
    """Configure this process once, before anything is logged."""
    global _tracer, _ratio, _provider  # noqa: PLW0603 - process-wide by nature
    minimum = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(minimum),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, force=True)
    for chatty in ("aiormq", "aio_pika"):  # a broker that is away is said once, by the bus
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    _ratio = ratio
    exporter: SpanExporter | None = None
    if ratio <= 0:
        pass
    elif trace_file is not None:
        exporter = _FileExporter(trace_file)
    elif otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter()
    if exporter is not None:
        _provider = provider = TracerProvider(resource=Resource.create({"service.name": f"reapi-{service}"}))
        provider.add_span_processor(BatchSpanProcessor(exporter))
        _tracer = provider.get_tracer("reapi")
    else:
        _ratio = 0.0


def stop() -> None:
    """Send the spans that still wait, and let go of where they go; for a process that ends."""
    if _provider is not None:
        _provider.shutdown()


def begin_trace() -> None:
    """Decide for a new job whether its trace is recorded; called once, where a request enters."""
    sampled = _ratio > 0 and secrets.randbelow(1_000_000) < _ratio * 1_000_000
    _traceparent.set(f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01" if sampled else None)


def continue_trace(traceparent: str | None) -> None:
    """Take up the trace a message brought along (or none)."""
    _traceparent.set(traceparent)


def current_traceparent() -> str | None:
    """What an outgoing message shall carry; None when this job is not recorded."""
    return _traceparent.get()


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: str | int) -> Iterator[None]:
    """A span of the current trace; costs nothing when the job is not recorded."""
    parent = _traceparent.get()
    if parent is None:
        yield
        return
    _, trace_id, span_id, _ = parent.split("-")
    context = trace.set_span_in_context(
        NonRecordingSpan(SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1)))
    )
    with _tracer.start_as_current_span(
        name,
        context=context,
        kind=kind,
        attributes=attributes,
        # Both would write down the error's text, which may quote a prompt.
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        mine = current.get_span_context()
        token = _traceparent.set(f"00-{mine.trace_id:032x}-{mine.span_id:016x}-01" if mine.is_valid else parent)
        try:
            yield
        except Exception as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            _traceparent.reset(token)


def _dumps(value: Any, **_: Any) -> bytes:
    return orjson.dumps(value, default=str)


class _FileExporter(SpanExporter):
    """Spans as JSON lines, for a stack on one machine."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._file.writelines(one.to_json(indent=None) + "\n" for one in spans)
        self._file.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._file.close()
