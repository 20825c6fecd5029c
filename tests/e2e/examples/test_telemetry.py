"""The OpenTelemetry example sends spans and metrics to a collector on this machine, and no secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spacekey.examples.telemetry import make_app
from spacekey.models.engine.store import Store
from spacekey.resolvers.tokens.create import NewToken, create_token
from support.running_app import running
from support.world import OPERATOR, make_world

Sent = list[tuple[str, bytes]]


class Collector(BaseHTTPRequestHandler):
    """Takes what is sent by OTLP over HTTP and keeps it."""

    sent: Sent

    def do_POST(self) -> None:
        self.sent.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    sent: Sent = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Keeping", (Collector,), {"sent": sent})) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield sent
        server.shutdown()
        thread.join()


async def test_spans_and_metrics_arrive_at_a_collector(store: Store, collected: Sent) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "CI", ("jobs:read",)))
    app = make_app(store.url.render_as_string(hide_password=False))
    bearer = {"Authorization": f"Bearer {issued.secret.reveal()}"}
    # Served as it is, so that the middleware closes the verifier, which the app's lifespan alone does not.
    with running(app) as url:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/jobs", headers=bearer)).status_code == 200
            assert (await client.get("/jobs")).status_code == 401
            assert (await client.get("/healthz")).status_code == 200
    spans = {
        span.name: {one.key: one.value for one in span.attributes}
        for path, body in collected
        if path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert spans["spacekey.verify"]["spacekey.result"].string_value == "authenticated"
    assert spans["spacekey.verify"]["spacekey.token.id"].string_value == issued.view.token.id
    metrics = {
        metric.name
        for path, body in collected
        if path == "/v1/metrics"
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {"spacekey.verifications", "spacekey.read.duration", "spacekey.limit.decisions"} <= metrics
    assert issued.secret.reveal().encode() not in b"".join(body for _, body in collected)
