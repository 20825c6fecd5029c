"""Prometheus metrics of a protected app. Nothing per tenant or token: labels are closed sets.

metrics = AppMetrics()
verifier = RemoteVerifier(url, token, observer=metrics)
metrics.follow(verifier.usage)
Route("/metrics", public(metrics_endpoint(metrics)))
Middleware(TokenMiddleware, verifier=verifier, on_result=metrics.result)
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult, Reason, Rejected
from spacekey.middleware.limits.limiter import Flooded
from spacekey.middleware.usage.collector import UsageCollector

__all__ = ["AppMetrics", "metrics_endpoint"]

ANSWERS = [
    ("anonymous", ""),
    ("unavailable", ""),
    ("rate_limited", ""),
    *(("rejected", reason.value) for reason in Reason),
    ("authenticated", ""),
]
"""Every possible series. They begin at 0, so that a rate includes the first of each."""


def answer_of(outcome: AuthenticationResult) -> tuple[str, str]:
    """Return the labels of a result: its name, and the reason of a rejection or an empty string."""
    match outcome:
        case Rejected():
            return "rejected", outcome.reason.value
        case Flooded():
            return "rate_limited", ""
        case Anonymous():
            return "anonymous", ""
        case Authenticated():
            return "authenticated", ""
        case _:  # also for an object that is not an outcome: no caller may count as valid by mistake
            return "unavailable", ""


class AppMetrics:
    """Metrics of one process, which observe verifiers, limiters and ``TokenMiddleware(on_result=…)``.

    :param caching: whether there is a cache to observe.
    """

    def __init__(self, *, caching: bool = True) -> None:
        self._verifications: Counter[tuple[str, str]] = Counter(dict.fromkeys(ANSWERS, 0))
        self._lookups: Counter[str] | None = Counter(hit=0, miss=0) if caching else None
        self._reads = Histogram()
        self._unanswered = 0
        self._staleness_seconds: float | None = None
        self._decisions: Counter[str] = Counter(allowed=0, limited=0)
        self._limits_fallback = False
        self._usage: UsageCollector | None = None

    def result(self, _connection: HTTPConnection, result: AuthenticationResult) -> None:
        """Count the result of one authentication. This is ``TokenMiddleware``'s ``on_result``."""
        self.verification(result)

    def verification(self, result: AuthenticationResult) -> None:
        """Count the result of one authentication."""
        self._verifications[answer_of(result)] += 1

    def hit(self) -> None:
        """Count a verdict from the cache."""
        if self._lookups is not None:
            self._lookups["hit"] += 1

    def miss(self) -> None:
        """Count a verdict that had to be read."""
        if self._lookups is not None:
            self._lookups["miss"] += 1

    def read(self, seconds: float, *, answered: bool, staleness_seconds: float | None) -> None:
        """Record a read, and T if it came with the answer."""
        self._reads.add(seconds)
        self._unanswered += not answered
        if staleness_seconds is not None:
            self._staleness_seconds = staleness_seconds

    def limit_decision(self, allowed: bool) -> None:
        """Count one charge against a token's limit."""
        self._decisions["allowed" if allowed else "limited"] += 1

    def limits_fall_back(self, fallen_back: bool) -> None:
        """Record that this process hands out its own share since Redis is unavailable, or uses Redis again."""
        self._limits_fallback = fallen_back

    def follow(self, usage: UsageCollector | None) -> None:
        """Report what waits in this collector, and what it has lost."""
        self._usage = usage

    def families(self) -> list[Family]:
        """Return all metrics with their present values."""
        return [*self._of_verifications(), *self._of_limits(), *self._of_usage()]

    def text(self) -> str:
        """Return all metrics in the exposition format."""
        return exposition(self.families())

    def _of_verifications(self) -> list[Family]:
        answers = [
            Sample(count, {"reason": reason, "result": result})
            for (result, reason), count in sorted(self._verifications.items())
        ]
        lookups = [Sample(count, {"result": result}) for result, count in (self._lookups or {}).items()]
        staleness = [] if self._staleness_seconds is None else [Sample(self._staleness_seconds)]
        families = [
            Family(
                "spacekey_verifications_total",
                "counter",
                "Results of authentication, with the reason of rejections.",
                answers,
            ),
            Family("spacekey_cache_lookups_total", "counter", "Answers from memory, and those to be read.", lookups),
            Family("spacekey_read_seconds", "histogram", "Reads of the store or server.", self._reads.samples()),
            Family(
                "spacekey_reads_unanswered_total",
                "counter",
                "Reads that an outage, a deadline or a cancellation ended.",
                [Sample(self._unanswered)],
            ),
            Family(
                "spacekey_revocation_delay_seconds",
                "gauge",
                "Revocation delay: for how long an answer may be relied on, as the last good one said.",
                staleness,
            ),
        ]
        return [family for family in families if family.samples]

    def _of_limits(self) -> list[Family]:
        decisions = [Sample(count, {"decision": decision}) for decision, count in self._decisions.items()]
        return [
            Family("spacekey_limit_decisions_total", "counter", "Charges against the limits of tokens.", decisions),
            Family(
                "spacekey_limits_fallback",
                "gauge",
                "1 while Redis cannot be asked and this process hands out its own share.",
                [Sample(self._limits_fallback)],
            ),
        ]

    def _of_usage(self) -> list[Family]:
        usage = self._usage
        if usage is None:
            return []
        return [
            Family(
                "spacekey_usage_waiting", "gauge", "Counts by token and hour not kept yet.", [Sample(usage.waiting)]
            ),
            Family(
                "spacekey_usage_lag_seconds", "gauge", "The age of the oldest of them.", [Sample(usage.lag_seconds)]
            ),
            Family(
                "spacekey_usage_lost_total",
                "counter",
                "Requests that were lost and will not be counted.",
                [Sample(usage.lost)],
            ),
        ]


def metrics_endpoint(metrics: AppMetrics) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that serves the metrics.

    Declare who may read them: ``Route("/metrics", public(metrics_endpoint(metrics)))``.

    :param metrics: what it shows.
    """

    async def show(_request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return show


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

READ_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds for reads: a read of SQLite takes some ten microseconds, a deadline is a second or two."""

_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Sample(NamedTuple):
    """One line: a value, its labels, and the suffix of the family's name."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class Family(NamedTuple):
    """One metric with its help text and all its samples. The unit is part of the name: seconds, or a plain number."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: Sequence[Sample]


class Histogram:
    """Counts values in seconds by fixed upper bounds.

    :param bounds: in ascending order; values above the last one are counted too.
    """

    def __init__(self, bounds: Sequence[float] = READ_SECONDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one value. A bound includes the value that equals it."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def samples(self) -> list[Sample]:
        """Return every bucket with the number of values at or below its bound, then the sum and the count."""
        found, so_far = [], 0
        for bound, count in zip((*map(_number, self._bounds), "+Inf"), self._counts, strict=True):
            so_far += count
            found.append(Sample(so_far, {"le": bound}, "_bucket"))
        return [*found, Sample(self._sum, suffix="_sum"), Sample(so_far, suffix="_count")]


def exposition(families: Iterable[Family]) -> str:
    """Return all families as text."""
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterable[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in sample.labels.items())
        yield f"{family.name}{sample.suffix}{'{' + labels + '}' if labels else ''} {_number(sample.value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
