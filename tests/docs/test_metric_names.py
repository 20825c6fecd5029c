"""docs/how-to/metrics.md names every metric there is, with its kind and its labels, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, Histogram, InMemoryMetricReader, Metric, Sum
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import HTTPConnection

from spacekey.domain.authentication import Anonymous
from spacekey.domain.usage import UsageBatch
from spacekey.middleware.observability.metrics import AppMetrics, Family, Sample
from spacekey.middleware.observability.opentelemetry import Telemetry
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.models.engine.store import Store
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.server.metrics import Metrics
from support.world import make_world

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "metrics.md"
NONE = "–"
KINDS: dict[str, Literal["counter", "gauge", "histogram"]] = {
    "counter": "counter",
    "gauge": "gauge",
    "histogram": "histogram",
}


def rows() -> list[list[str]]:
    """The table's cells."""
    text = PAGE.read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `spacekey_")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table]


class Nowhere:
    """A sink that keeps nothing."""

    async def send(self, batch: UsageBatch) -> None:
        """Forget it."""

    async def aclose(self) -> None:
        """Nothing to close."""


def families(metrics: AppMetrics) -> dict[str, Family]:
    """All that these can show."""
    metrics.follow(UsageCollector(Nowhere()))
    metrics.read(0.1, answered=True, staleness_seconds=1.0)
    return {family.name: family for family in metrics.families()}


def of_the_server(store: Store) -> dict[str, Family]:
    """All that the server can show."""
    metrics = Metrics()
    metrics.follow(UsageCollector(Nowhere()))
    metrics.follow_refusals(RefusalLog(make_world(store).system))
    metrics.request("GET", "/", 200)
    metrics.read(0.1, answered=True, staleness_seconds=1.0)
    shown = {}
    for metric in text_string_to_metric_families(metrics.text()):
        samples = [Sample(one.value, one.labels) for one in metric.samples]
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        shown[name] = Family(name, KINDS[metric.type], metric.documentation, samples)
    return shown


def of_telemetry() -> dict[str, Metric]:
    """All that OpenTelemetry is told."""
    reader = InMemoryMetricReader()
    telemetry = Telemetry(meter_provider=MeterProvider([reader], shutdown_on_exit=False))
    telemetry.follow(UsageCollector(Nowhere()))
    telemetry.result(HTTPConnection({"type": "http"}), Anonymous())
    telemetry.hit()
    telemetry.read(0.1, answered=True, staleness_seconds=1.0)
    telemetry.limit_decision(True)
    telemetry.limits_fall_back(False)
    data = reader.get_metrics_data()
    assert data is not None
    found = [metric for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
    return {metric.name: metric for metric in found}


def test_the_table_has_every_metric_once_with_its_kind() -> None:
    known = families(AppMetrics()) | of_the_server(Store("sqlite:///never-opened.db"))
    assert [(name, kind) for name, _, kind, _ in rows()] == [
        (name, known[name].kind) for name, _, _, _ in rows() if name in known
    ]
    assert sorted(name for name, *_ in rows()) == sorted(known)


def test_what_only_the_server_or_only_an_app_shows_is_marked() -> None:
    app, server = set(families(AppMetrics())), set(of_the_server(Store("sqlite:///never-opened.db")))
    assert {name for name, *_, what in rows() if "(server only)" in what} == server - app
    assert {name for name, *_, what in rows() if "(apps only" in what} == app - server


def test_every_label_is_named() -> None:
    known = families(AppMetrics()) | of_the_server(Store("sqlite:///never-opened.db"))
    for name, _, _, what in rows():
        labels = {label for sample in known[name].samples for label in sample.labels} - {"le"}
        assert labels <= set(re.findall(r"`(\w+)`", what)), name


def test_opentelemetrys_names_and_kinds_are_those_of_the_table() -> None:
    kinds = {Sum: "counter", Gauge: "gauge", Histogram: "histogram"}
    told = {name: kinds[type(metric.data)] for name, metric in of_telemetry().items()}
    assert told == {name: kind for _, name, kind, _ in rows() if name != NONE}
