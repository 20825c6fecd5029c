"""The Grafana dashboard and the Prometheus rules ask for metrics and labels that there are, and the alerts fire."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spacekey.examples.telemetry import make_app
from spacekey.middleware.observability.metrics import AppMetrics
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.models.engine.store import Store
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.server.metrics import Metrics
from support.running_app import running
from support.world import EXAMPLES, OPERATOR, make_world

FOLDER = EXAMPLES / "deploy" / "monitoring"
PROMTOOL = shutil.which("promtool")
NAME = re.compile(r"\bspacekey_\w+")
MATCHER = re.compile(r"(\bspacekey_\w+)\{([^}]*)\}")
GROUPING = re.compile(r"by \(([^)]*)\)")
OF_PROMETHEUS = {"job", "instance", "le"}
"""Labels that Prometheus adds, and that of buckets."""


class Nowhere:
    """A sink and a system that nothing is asked of."""

    async def send(self, batch: object) -> None:
        """Forget it."""

    async def aclose(self) -> None:
        """Nothing to close."""


def known() -> dict[str, set[str]]:
    """Every series that a server or an app shows → its labels."""
    metrics, app = Metrics(), AppMetrics()
    for one in (metrics, app):
        one.follow(UsageCollector(Nowhere()))
        one.read(0.1, answered=True, staleness_seconds=1.0)
    metrics.follow_refusals(RefusalLog(Nowhere()))  # type: ignore[arg-type]
    metrics.request("GET", "/", 200)
    found: dict[str, set[str]] = {}
    for line in f"{metrics.text()}\n{app.text()}".splitlines():
        if line and not line.startswith("#"):
            name, _, labels = line.rsplit(" ", 1)[0].partition("{")
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    return read


def queries() -> dict[str, str]:
    """Every query of the dashboard and of the rules by where it stands."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard()["panels"]
        for target in panel["targets"]
    }
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            found[f"variable {variable['name']}"] = variable["query"]["query"]
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]:
        found |= {f"alert {rule['alert']}": rule["expr"] for rule in group["rules"]}
    return found


@pytest.mark.parametrize("place", queries())
def test_a_query_asks_for_metrics_and_labels_that_there_are(place: str) -> None:
    query, there = queries()[place], known()
    names = set(NAME.findall(query)) - {"spacekey_metrics"}
    assert names <= set(there), names - set(there)
    for name, matchers in MATCHER.findall(query):
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= there[name] | OF_PROMETHEUS
    labels = set().union(*(there[name] for name in names)) | OF_PROMETHEUS
    for grouped in GROUPING.findall(query):
        assert {one.strip() for one in grouped.split(",")} <= labels


def test_the_dashboard_shows_every_metric_once_or_more() -> None:
    shown = {name for query in queries().values() for name in NAME.findall(query)}
    missing = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known()} - {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in shown
    }
    assert missing == set()


def test_the_dashboard_can_be_imported_anywhere() -> None:
    board = dashboard()
    sources = [one["datasource"] for panel in board["panels"] for one in (panel, *panel["targets"])]
    assert {(one["type"], one["uid"]) for one in sources} == {("prometheus", "${datasource}")}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(one["x"] >= 0 and one["x"] + one["w"] <= 24 for one in places)
    cells = [
        (x, y)
        for one in places
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert "http" not in json.dumps(board)


def promtool(*arguments: str, folder: Path = FOLDER) -> None:
    if PROMTOOL is None:
        pytest.skip("NO PROMTOOL: alert rules are NOT TESTED here; install prometheus")
    done = subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules_and_each_alert_fires_when_it_should() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts_test.yml")
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    tried = {one["name"] for one in yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]}
    assert tried == {f"{rule['alert']} {what}" for rule in rules for what in ("fires", "is quiet")}


def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    filled = [
        one.replace("$__rate_interval", "5m") for place, one in queries().items() if not place.startswith("variable")
    ]
    rules = [{"record": f"query:{number}", "expr": one} for number, one in enumerate(filled)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", "queries.yml", folder=tmp_path)


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    for name in ("prometheus.yml", "alerts.yml"):
        shutil.copy(FOLDER / name, tmp_path / name)
    text = (tmp_path / "prometheus.yml").read_text()
    (tmp_path / "token").write_text("x")
    (tmp_path / "prometheus.yml").write_text(
        text.replace("/etc/prometheus/spacekey-metrics-token", str(tmp_path / "token"))
    )
    promtool("check", "config", "prometheus.yml", folder=tmp_path)


# The OpenTelemetry example sends spans and metrics to a collector on this machine, and no secret.


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
