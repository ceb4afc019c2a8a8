"""Traces of requests for OpenTelemetry, where its own variables ask for them.

FastAPI makes the spans. Its own set-up would send paths and query strings along, which hold ids
and what people search for; here they are taken out first. See docs/operations.md.
"""

import logging
import os
from typing import TYPE_CHECKING, Final

from fastapi.telemetry import TelemetryConfig

from src.core.logging import log_event

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

OFF: Final = TelemetryConfig(tracing=False, metrics=False, logs=False)
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
NOT_TOLD: Final = "not told"
# The library's ten would keep a server that stops from ending in time where a collector is silent.
SEND_SECONDS: Final = 1.0
_UNTOLD: Final = ("url.path", "url.query")


def tracing() -> TelemetryConfig:
    """What FastAPI is to trace: requests, once the environment says where spans go to."""
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_disabled or not any(map(os.environ.get, ENDPOINTS)):
        return OFF
    try:
        provider = _provider()
    except ImportError as error:
        log_event("traces-not-sent", level=logging.WARNING, cause=f"{error.name} is not installed")
        return OFF
    return TelemetryConfig(
        tracing=True,
        tracer_provider=provider,
        metrics=False,
        logs=False,  # they would hold messages of exceptions
        operation_spans=False,
        auto_configure=False,
    )


def _provider() -> "TracerProvider":
    """Raises: ImportError where OpenTelemetry's packages are not installed."""
    from opentelemetry.context import Context  # noqa: PLC0415 - optional, all of them
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    class Discreet(SpanProcessor):
        """Takes out of a span what must not leave; the route's template stays."""

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
            told = span.attributes or {}
            for name in _UNTOLD:
                if name in told:
                    span.set_attribute(name, NOT_TOLD)

    provider = TracerProvider()
    provider.add_span_processor(Discreet())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=SEND_SECONDS)))
    return provider
