"""OpenTelemetry traces, where the extra ``otel`` is installed and told where to send them; else nothing at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from recloop.errors import ExtraError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Traces:
    """A span per request with one per stage inside; a request that carries ``traceparent`` continues its trace.

    Spans hold the method, the route as the table has it, the status and the id of the request, and nothing that a user
    sent.

    Args:
        tracer: of OpenTelemetry; None makes no spans.
    """

    def __init__(self, tracer: Any = None) -> None:
        self._tracer = tracer

    def __bool__(self) -> bool:
        return self._tracer is not None

    def stage(self, name: str) -> AbstractContextManager[object]:
        """A span inside the one of the request."""
        if self._tracer is None:
            return nullcontext()
        span: AbstractContextManager[object] = self._tracer.start_as_current_span(name, record_exception=False)
        return span

    @contextmanager
    def request(self, headers: Mapping[str, str], answered: dict[str, Any]) -> Iterator[None]:
        """The span of a request; ``answered`` holds its attributes once the context ends."""
        if self._tracer is None:
            yield
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, StatusCode

        carrier = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        with self._tracer.start_as_current_span(
            "request", context=extract(carrier), kind=SpanKind.SERVER, record_exception=False
        ) as span:
            try:
                yield
            finally:
                span.update_name(f"{answered.get('http.request.method', '')} {answered.get('http.route', '')}")
                span.set_attributes(answered)
                if answered.get("http.response.status_code", 0) >= 500:
                    span.set_status(StatusCode.ERROR)


def traces_from_environment(environment: Mapping[str, str] = os.environ) -> Traces:
    """Traces to the collector that OpenTelemetry's variables name (``OTEL_EXPORTER_OTLP_ENDPOINT``); none without it.

    Raises:
        ExtraError: a collector is named, and the extra ``otel`` is not installed.
    """
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(map(environment.get, ENDPOINTS)):
        return Traces()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ExtraError.of("sending traces (OTEL_EXPORTER_OTLP_ENDPOINT is set)", "otel") from error
    name = environment.get("OTEL_SERVICE_NAME", "recloop")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider.get_tracer("recloop"))
