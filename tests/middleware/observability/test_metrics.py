"""What a protected app shows of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spacekey import MemoryLimiter, TokenMiddleware, public, requires
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult, Reason, Rejected, Unavailable
from spacekey.domain.clock import boot_clock, utc_now
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret
from spacekey.domain.usage import UsageBatch
from spacekey.middleware.limits.limiter import Flooded, ObservedLimiter
from spacekey.middleware.observability.metrics import (
    READ_SECONDS,
    AppMetrics,
    Family,
    Histogram,
    Sample,
    answer_of,
    exposition,
    metrics_endpoint,
)
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.middleware.verifiers.cached import Reading, cache_over
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call
from support.verifiers.contract import principal


class Nowhere:
    """A sink that keeps nothing."""

    async def send(self, batch: UsageBatch) -> None:
        """Forget it."""

    async def aclose(self) -> None:
        """Nothing to close."""


@requires("a")
async def protected(_request: Request) -> Response:
    """A page."""
    return Response("here")


async def test_an_app_shows_what_its_requests_did() -> None:
    memory = MemoryVerifier()
    secret = memory.issue("a", rate_limit=Limit(per_minute=1, burst=2))

    async def read(asked: Secret) -> Reading:
        return Reading(await memory.verify(asked), 60.0)

    metrics = AppMetrics()
    usage = UsageCollector(Nowhere())
    metrics.follow(usage)
    app = Starlette(
        routes=[Route("/", protected), Route("/metrics", public(metrics_endpoint(metrics)))],
        middleware=[
            Middleware(
                TokenMiddleware,
                verifier=cache_over(read, metrics, clock=boot_clock, now=utc_now, entries_max=10),
                on_result=metrics.result,
                limits=ObservedLimiter(MemoryLimiter(), metrics),
                usage=usage,
            )
        ],
    )
    statuses = [(await call(app, "GET", "/", bearer(secret.reveal()))).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    memory.outage = "gone"
    other = memory.issue("a")
    for headers in ([], bearer("nonsense"), bearer(other.reveal())):
        await call(app, "GET", "/", headers)
    answer = await call(app, "GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.body.decode().splitlines()
    for line in (
        'spacekey_verifications_total{reason="",result="authenticated"} 3',
        'spacekey_verifications_total{reason="",result="anonymous"} 1',
        'spacekey_verifications_total{reason="malformed",result="rejected"} 1',
        'spacekey_verifications_total{reason="",result="unavailable"} 1',
        'spacekey_verifications_total{reason="revoked",result="rejected"} 0',
        'spacekey_cache_lookups_total{result="hit"} 2',
        'spacekey_cache_lookups_total{result="miss"} 2',
        "spacekey_read_seconds_count 2",
        "spacekey_revocation_delay_seconds 60",
        'spacekey_limit_decisions_total{decision="allowed"} 2',
        'spacekey_limit_decisions_total{decision="limited"} 1',
        "spacekey_limits_fallback 0",
        "spacekey_usage_waiting 1",
        "spacekey_usage_lost_total 0",
    ):
        assert line in lines, line
    assert float(_value(lines, "spacekey_usage_lag_seconds")) > 0
    for private in (secret.reveal(), secret.reveal()[:12], "key_1", "ws_1"):
        assert private not in answer.body.decode()
    await usage.aclose()
    shown = (await call(app, "GET", "/metrics")).body.decode().splitlines()
    assert "spacekey_usage_lag_seconds 0" in shown


def test_a_fallback_and_its_end_are_seen() -> None:
    metrics = AppMetrics()
    for fallen_back in (True, False):
        metrics.limits_fall_back(fallen_back)
        assert f"spacekey_limits_fallback {int(fallen_back)}" in metrics.text().splitlines()


def test_reads_without_an_answer_are_counted_apart_and_leave_t_as_it_was() -> None:
    metrics = AppMetrics()
    assert "spacekey_revocation_delay_seconds" not in metrics.text()
    metrics.read(0.01, answered=True, staleness_seconds=0.5)
    metrics.read(2.0, answered=False, staleness_seconds=None)
    lines = metrics.text().splitlines()
    for line in (
        "spacekey_revocation_delay_seconds 0.5",
        "spacekey_reads_unanswered_total 1",
        "spacekey_read_seconds_count 2",
        "spacekey_read_seconds_sum 2.01",
        'spacekey_read_seconds_bucket{le="0.01"} 1',
    ):
        assert line in lines, line


def test_without_a_cache_none_is_shown() -> None:
    metrics = AppMetrics(caching=False)
    metrics.hit()
    metrics.miss()
    assert "cache" not in metrics.text()


def test_each_answer_has_its_own_word_and_every_series_is_there_from_the_start() -> None:
    outcomes: dict[AuthenticationResult, str] = {
        Anonymous(): "anonymous",
        Authenticated(principal()): "authenticated",
        Unavailable("x"): "unavailable",
        Flooded("x"): "rate_limited",
        **{Rejected(reason, "key_1"): "rejected" for reason in Reason},
    }
    metrics = AppMetrics()
    series = len(metrics.families()[0].samples)
    for outcome, word in outcomes.items():
        assert answer_of(outcome)[0] == word
        metrics.verification(outcome)
    samples = metrics.families()[0].samples
    assert len(samples) == series == len(outcomes)
    assert {sample.value for sample in samples} == {1}


def test_what_is_no_outcome_is_never_counted_as_valid() -> None:
    assert answer_of(None) == ("unavailable", "")  # type: ignore[arg-type]


def _value(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.startswith(f"{name} ")).split()[1]


# --- the text format: https://prometheus.io/docs/instrumenting/exposition_formats/


def test_a_family_is_its_help_its_type_and_its_samples() -> None:
    counter = Family("a_total", "counter", "What a is.", [Sample(3, {"x": "1", "y": ""}), Sample(0.25)])
    gauge = Family("b", "gauge", "What b is.", [])
    assert exposition([counter, gauge]).splitlines() == [
        "# HELP a_total What a is.",
        "# TYPE a_total counter",
        'a_total{x="1",y=""} 3',
        "a_total 0.25",
        "# HELP b What b is.",
        "# TYPE b gauge",
    ]


def test_the_text_ends_its_last_line() -> None:
    assert exposition([Family("a", "gauge", "A.", [Sample(1)])]).endswith("a 1\n")


@pytest.mark.parametrize(
    ("value", "written"),
    [("plain", "plain"), ('a"b', 'a\\"b'), ("a\\b", "a\\\\b"), ("a\nb", "a\\nb"), ('\\"', '\\\\\\"')],
)
def test_no_label_can_end_its_line_or_its_quotes(value: str, written: str) -> None:
    text = exposition([Family("a", "gauge", "A.", [Sample(1, {"x": value})])])
    assert text.splitlines()[2:] == [f'a{{x="{written}"}} 1']


def test_a_histogram_counts_what_lies_at_or_below_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.0, 0.1, 0.5, 1.0, 7.0):
        histogram.add(seconds)
    assert exposition([Family("s", "histogram", "S.", histogram.samples())]).splitlines()[2:] == [
        's_bucket{le="0.1"} 2',
        's_bucket{le="1"} 4',
        's_bucket{le="+Inf"} 5',
        "s_sum 8.6",
        "s_count 5",
    ]


@given(st.lists(st.floats(min_value=0, max_value=10)))
def test_every_value_is_in_a_bucket_and_buckets_only_grow(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    *buckets, _, count = histogram.samples()
    assert [bucket.value for bucket in buckets] == [
        *(sum(value <= bound for value in values) for bound in READ_SECONDS),
        len(values),
    ]
    assert count.value == len(values)
