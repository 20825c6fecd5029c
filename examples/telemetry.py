"""An app that sends spans and metrics of its tokens to an OpenTelemetry collector, by OTLP over HTTP.

    pip install 'spacekey[server,otel]' opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python -m spacekey.examples.telemetry --port 8003

The database is the one in ``SPACEKEY_DATABASE_URL``. Where the data go, with which headers, and how often, is up to
OpenTelemetry's own variables (``OTEL_…``).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from spacekey import MemoryLimiter, ObservedLimiter, TokenMiddleware, public, requires
from spacekey.domain.extras import extra
from spacekey.middleware.observability.opentelemetry import Telemetry
from spacekey.verifiers import DatabaseVerifier

with extra("opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"):
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

PRODUCT = Path(__file__).parent / "spooled.toml"


@requires("jobs:read")
async def list_jobs(request: Request) -> JSONResponse:
    """Return no jobs, to callers that may read them."""
    return JSONResponse({"jobs": [], "caller": request.user.display_name})


@public
async def healthz(_request: Request) -> JSONResponse:
    """Return 200, always."""
    return JSONResponse({"status": "ok"})


def make_app(database_url: str) -> Starlette:
    """Return the app. Its lifespan sends what is left when it ends."""
    resource = Resource.create({SERVICE_NAME: "jobs"})
    spans = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)

    telemetry = Telemetry(tracer_provider=spans, meter_provider=meters)
    store = DatabaseVerifier(database_url, [PRODUCT], observer=telemetry)
    telemetry.follow(store.usage)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        spans.shutdown()
        meters.shutdown()

    return Starlette(
        routes=[Route("/jobs", list_jobs), Route("/healthz", healthz)],
        middleware=[
            Middleware(
                TokenMiddleware,
                verifier=telemetry.verifier(store),
                on_result=telemetry.result,
                limits=ObservedLimiter(MemoryLimiter(), telemetry),
            )
        ],
        lifespan=lifespan,
    )


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m spacekey.examples.telemetry")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; 0.0.0.0 for all")
    parser.add_argument("--port", type=int, default=8003)
    asked = parser.parse_args()
    app = make_app(os.environ.get("SPACEKEY_DATABASE_URL", "sqlite:///data/spacekey.db"))
    uvicorn.run(app, host=asked.host, port=asked.port)


if __name__ == "__main__":
    main()
