"""Spans and metrics as the SDK of the app receives them."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spacekey import MemoryLimiter, TokenMiddleware, requires
from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable, Verdict
from spacekey.domain.clock import boot_clock, utc_now
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret
from spacekey.domain.usage import UsageBatch
from spacekey.domain.verifier import Verifier
from spacekey.middleware.limits.limiter import ObservedLimiter
from spacekey.middleware.observability.opentelemetry import Telemetry
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.middleware.verifiers.cached import Reading, cache_over
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call

ROOT = Path(__file__).resolve().parents[3]


class Sdk:
    """An SDK that keeps everything in memory, and nothing global."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.telemetry = Telemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    def spans(self) -> list[ReadableSpan]:
        """Those that have ended."""
        return list(self.exporter.get_finished_spans())

    def points(self, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
        """A metric's values by attributes; of a histogram, how many were recorded."""
        data = self.reader.get_metrics_data()
        found = [
            metric
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return {
            tuple(sorted((point.attributes or {}).items())): getattr(point, "value", getattr(point, "count", None))
            for metric in found
            for point in metric.data.data_points
        }


@pytest.fixture
def sdk() -> Sdk:
    return Sdk()


class Answering(Verifier):
    """A verifier that answers, or fails, as it is told."""

    def __init__(self, answer: Callable[[], Verdict]) -> None:
        self.answer = answer
        self.closed = False

    async def verify(self, _: Secret) -> Verdict:
        """What it was told to."""
        return self.answer()

    async def aclose(self) -> None:
        """Noted."""
        self.closed = True


def described(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes without our prefix."""
    return {name.removeprefix("spacekey."): value for name, value in (span.attributes or {}).items()}


MINT = MemoryVerifier()
SECRET = MINT.issue("a")
VALID = MINT._verdicts[SECRET.digest()]


@pytest.mark.parametrize(
    ("verdict", "attributes", "failed"),
    [
        (VALID, {"result": "authenticated", "token.id": "key_1"}, False),
        (Rejected(Reason.UNKNOWN), {"result": "rejected", "reason": "unknown"}, False),
        (Rejected(Reason.REVOKED, "key_7"), {"result": "rejected", "reason": "revoked", "token.id": "key_7"}, False),
        (Unavailable("why"), {"result": "unavailable"}, True),
    ],
)
async def test_a_verification_is_a_span_that_says_what_it_came_to(
    sdk: Sdk, verdict: Verdict, attributes: dict[str, Any], failed: bool
) -> None:
    verifier = sdk.telemetry.verifier(Answering(lambda: verdict))
    assert await verifier.verify(SECRET) is verdict
    (span,) = sdk.spans()
    assert span.name == "spacekey.verify"
    assert described(span) == attributes | {"cached": False}
    assert (span.status.status_code is StatusCode.ERROR) == failed


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError])
async def test_a_failure_is_a_failed_span_that_does_not_hold_what_was_said(sdk: Sdk, kind: type[BaseException]) -> None:
    def fail() -> Verdict:
        raise kind(f"the driver says: {SECRET.reveal()}")

    with pytest.raises(kind):
        await sdk.telemetry.verifier(Answering(fail)).verify(SECRET)
    (span,) = sdk.spans()
    assert described(span) == {"result": "unavailable", "cached": False}
    assert span.status.status_code is StatusCode.ERROR
    assert SECRET.reveal() not in span.to_json()


async def test_the_secret_is_in_no_span_and_no_metric(sdk: Sdk) -> None:
    verifier = sdk.telemetry.verifier(MINT)
    for sent in (SECRET, Secret("nonsense"), MemoryVerifier().issue()):
        await verifier.verify(sent)
        everything = "".join(span.to_json() for span in sdk.spans()) + str(sdk.reader.get_metrics_data())
        assert sent.reveal() not in everything
        assert sent.reveal()[:12] not in everything
    assert len(sdk.spans()) == 3


def _cached(sdk: Sdk, inner: Verifier, begun: Callable[[], None] = lambda: None) -> Any:
    async def read(secret: Secret) -> Reading:
        begun()
        return Reading(await inner.verify(secret), 60.0)

    return cache_over(read, sdk.telemetry, clock=boot_clock, now=utc_now, entries_max=10)


async def test_what_memory_answers_is_marked_and_the_warm_path_makes_no_span(sdk: Sdk) -> None:
    verifier = sdk.telemetry.verifier(_cached(sdk, MINT))
    await verifier.verify(SECRET)
    await verifier.verify(SECRET)
    assert [described(span)["cached"] for span in sdk.spans()] == [False, True]
    assert verifier.peek(SECRET.bearer()) == VALID
    assert verifier.peek(SECRET.bearer()) is not None
    assert len(sdk.spans()) == 2
    assert sdk.points("spacekey.cache.lookups") == {(("result", "miss"),): 1, (("result", "hit"),): 3}


async def test_spans_of_the_read_belong_to_the_verification(sdk: Sdk) -> None:
    """The span of an HTTP client's instrumentation, for one, also where the read is a task of the cache."""

    def begun() -> None:
        with sdk.tracers.get_tracer("client").start_as_current_span("POST"):
            pass

    await sdk.telemetry.verifier(_cached(sdk, MINT, begun)).verify(SECRET)
    inner, outer = sdk.spans()
    assert (inner.name, outer.name) == ("POST", "spacekey.verify")
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id


async def test_a_memory_that_fails_is_verified_past(sdk: Sdk) -> None:
    class Broken(Answering):
        def peek(self, _: bytes) -> Verdict | None:
            """Fails."""
            raise ValueError

    assert await sdk.telemetry.verifier(Broken(lambda: VALID)).verify(SECRET) == VALID


async def test_a_verifier_without_memory_gets_none_and_is_closed_with_its_span(sdk: Sdk) -> None:
    inner = Answering(lambda: VALID)
    verifier = sdk.telemetry.verifier(inner)
    assert (verifier.peek(SECRET.bearer()), verifier.usage) == (None, None)
    await verifier.aclose()
    assert inner.closed


class Nowhere:
    """A sink that keeps nothing."""

    async def send(self, batch: UsageBatch) -> None:
        """Forget it."""

    async def aclose(self) -> None:
        """Nothing to close."""


async def test_an_apps_requests_are_measured(sdk: Sdk) -> None:
    @requires("a")
    async def page(_request: Request) -> Response:
        return Response("here")

    memory = MemoryVerifier()
    secret = memory.issue("a", rate_limit=Limit(per_minute=1, burst=1))
    usage = UsageCollector(Nowhere())
    telemetry = sdk.telemetry
    telemetry.follow(usage)
    telemetry.follow(None)
    app = Starlette(
        routes=[Route("/", page)],
        middleware=[
            Middleware(
                TokenMiddleware,
                verifier=telemetry.verifier(_cached(sdk, memory)),
                on_result=telemetry.result,
                limits=ObservedLimiter(MemoryLimiter(), telemetry),
                usage=usage,
            )
        ],
    )
    with sdk.tracers.get_tracer("app").start_as_current_span("GET /"):
        assert (await call(app, "GET", "/", bearer(secret.reveal()))).status == 200
    assert (await call(app, "GET", "/", bearer(secret.reveal()))).status == 429
    await call(app, "GET", "/", bearer("nonsense"))
    telemetry.limits_fall_back(True)
    request = next(span for span in sdk.spans() if span.name == "GET /")
    assert described(request) == {"result": "authenticated", "token.id": "key_1"}
    assert sdk.points("spacekey.verifications") == {
        (("reason", ""), ("result", "authenticated")): 2,
        (("reason", "malformed"), ("result", "rejected")): 1,
    }
    assert sdk.points("spacekey.cache.lookups") == {(("result", "miss"),): 1, (("result", "hit"),): 1}
    assert sdk.points("spacekey.read.duration") == {(("answered", True),): 1}
    assert sdk.points("spacekey.revocation_delay") == {(): 60}
    assert sdk.points("spacekey.limit.decisions") == {(("decision", "allowed"),): 1, (("decision", "limited"),): 1}
    assert sdk.points("spacekey.limit.fallback") == {(): 1}
    assert sdk.points("spacekey.usage.waiting") == {(): 1}
    assert sdk.points("spacekey.usage.lag")[()] > 0
    assert sdk.points("spacekey.usage.lost") == {(): 0}
    await usage.aclose()


async def test_without_an_sdk_nothing_happens() -> None:
    telemetry = Telemetry()
    verifier = telemetry.verifier(MINT)
    assert isinstance(await verifier.verify(SECRET), Authenticated)
    telemetry.read(0.1, answered=True, staleness_seconds=1.0)
    telemetry.follow(UsageCollector(Nowhere()))


def test_one_file_alone_imports_opentelemetry() -> None:
    """So nothing else needs the extra, but the example that shows how to export what it records."""
    folders = ("domain", "middleware", "models", "resolvers", "schema", "server", "examples")
    found = {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if _imports_opentelemetry(path)
    }
    assert found == {"middleware/observability/opentelemetry.py", "examples/telemetry.py"}


def _imports_opentelemetry(path: Path) -> bool:
    modules: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
    return any("opentelemetry" in module.split(".") or module.endswith(".otel") for module in modules)
