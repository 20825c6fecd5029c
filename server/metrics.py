"""Prometheus metrics of the server: those of every protected app, its own requests, its build and its token reads.

Each of several workers keeps its numbers in files of a folder that all of them read (prometheus_client's multiprocess
mode), so ``/metrics`` gives the same answer from every worker. The files are named by the worker's number and not by
its process id, so that a worker which replaces another one continues its counters.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from spacekey.domain.authentication import AuthenticationResult
from spacekey.domain.clock import MonotonicClock, boot_clock
from spacekey.middleware.observability.metrics import ANSWERS, READ_SECONDS, answer_of
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.middleware.verifiers.cached import VerifierObserver
from spacekey.models.lookup.facts import TokenFacts, TokenLookup
from spacekey.resolvers.audit.refusals import RefusalLog

GaugeMode: TypeAlias = Literal["livemax", "livesum", "livemostrecent"]
"""How the values that several workers have for a gauge are combined; workers that have ended do not count."""

REFRESH_SECONDS = 1.0
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(folder: Path, number: int) -> None:
    """Keep the numbers of this process in files that other workers read. Call it before the first metric is created.

    :param folder: the folder of all workers of one server, empty at first.
    :param number: the number of this worker, which no other running worker has.
    """
    os.environ[_FOLDER_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: number)  # type: ignore[no-untyped-call]


def forget_gauges(folder: Path, number: int) -> None:
    """Remove the gauges of a worker that has ended. Its counters stay."""
    mark_process_dead(number, str(folder))  # type: ignore[no-untyped-call]


class Metrics:
    """Metrics of one server, with labels from closed sets: route templates, methods, statuses, answers, reasons.

    Observes verifiers and limiters, see :class:`~spacekey.middleware.verifiers.cached.VerifierObserver`.

    :param folder: the folder for the numbers of all workers; see :func:`share_metrics`. None for a single process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._registry = CollectorRegistry()
        build = self._gauge("spacekey_build_info", "The version that runs.", "livemax", ["version"])
        build.labels(build_version()).set(1)
        self._requests = self._counter(
            "spacekey_requests", "HTTP requests by route template.", ["method", "route", "status"]
        )
        verifications = self._counter(
            "spacekey_verifications", "Results of authentication, with the reason of rejections.", ["result", "reason"]
        )
        self._verifications = {labels: verifications.labels(*labels) for labels in ANSWERS}
        self._reads = Histogram(
            "spacekey_read_seconds", "Reads of the store or server.", registry=self._registry, buckets=READ_SECONDS
        )
        self._unanswered = self._counter(
            "spacekey_reads_unanswered", "Reads that an outage, a deadline or a cancellation ended."
        )
        self._staleness: Gauge | None = None
        decisions = self._counter("spacekey_limit_decisions", "Charges against the limits of tokens.", ["decision"])
        self._allowed, self._limited = decisions.labels("allowed"), decisions.labels("limited")
        self._fallback = self._gauge(
            "spacekey_limits_fallback", "1 while Redis cannot be asked and each process hands out its share.", "livemax"
        )
        self._states: list[Callable[[], None]] = []

    def request(self, method: str, route: str, status: int) -> None:
        """Count one answered request."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()

    def verification(self, outcome: AuthenticationResult) -> None:
        """Count one outcome of credentials."""
        self._verifications[answer_of(outcome)].inc()

    def hit(self) -> None:
        """Do nothing: the server asks the store at every call."""

    def miss(self) -> None:
        """Do nothing, as for a hit."""

    def read(self, seconds: float, *, answered: bool, staleness_seconds: float | None) -> None:
        """Record a read, and T if it came with the answer."""
        self._reads.observe(seconds)
        if not answered:
            self._unanswered.inc()
        if staleness_seconds is not None:
            if self._staleness is None:  # no series before it is known
                self._staleness = self._gauge(
                    "spacekey_revocation_delay_seconds",
                    "Revocation delay: for how long an answer may be relied on, as the last good one said.",
                    "livemostrecent",
                )
            self._staleness.set(staleness_seconds)

    def limit_decision(self, allowed: bool) -> None:
        """Count one charge against a token's limit."""
        (self._allowed if allowed else self._limited).inc()

    def limits_fall_back(self, fallen_back: bool) -> None:
        """Record whether this process admits its own share because Redis is unavailable, or uses Redis again."""
        self._fallback.set(fallen_back)

    def follow(self, usage: UsageCollector) -> None:
        """Add gauges for the pending usage of this collector, and a counter for lost usage."""
        waiting = self._gauge("spacekey_usage_waiting", "Counts by token and hour not kept yet.", "livesum")
        lag = self._gauge("spacekey_usage_lag_seconds", "The age of the oldest of them.", "livemax")
        lost = _Total(self._counter("spacekey_usage_lost", "Requests that were lost and will not be counted."))

        def state() -> None:
            waiting.set(usage.waiting)
            lag.set(usage.lag_seconds)
            lost.reach(usage.lost)

        self._states.append(state)

    def follow_refusals(self, refusals: RefusalLog) -> None:
        """Add a gauge for refusals that are not in the audit log yet, and a counter for lost ones."""
        waiting = self._gauge("spacekey_refusals_waiting", "Refusals not in the audit log yet.", "livesum")
        lost = _Total(self._counter("spacekey_refusals_lost", "Refusals not written."))

        def state() -> None:
            waiting.set(refusals.waiting)
            lost.reach(refusals.lost)

        self._states.append(state)

    def refresh(self) -> None:
        """Update the gauges and counters of all that is followed."""
        for state in self._states:
            state()

    async def keep_fresh(self) -> None:
        """Update them every second until cancelled, if other workers show them."""
        while self._folder is not None:
            self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)

    def text(self) -> str:
        """Return all metrics, of all workers, in Prometheus' text format."""
        self.refresh()
        return generate_latest(_Shown(self._registry if self._folder is None else _Files(self._folder))).decode()

    def _counter(self, name: str, documentation: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(name, documentation, labels, registry=self._registry)

    def _gauge(self, name: str, documentation: str, mode: GaugeMode, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(name, documentation, labels, registry=self._registry, multiprocess_mode=mode)


class _Total:
    """Counter that follows a number which another object counts."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._reached = 0

    def reach(self, total: int) -> None:
        """Raise the counter to the other object's number."""
        self._counter.inc(max(0, total - self._reached))
        self._reached = total


class _Files(Collector):
    """Collector of the files of all workers. It skips a file that a worker has just opened and that is still empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return every metric, summed over the workers."""
        files = [str(file) for file in sorted(self._folder.glob("*.db")) if _size(file)]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


class _Shown(Collector):
    """Collector without the creation times of series, which only OpenMetrics has a place for."""

    def __init__(self, source: Collector | CollectorRegistry) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        """Return the metrics to show."""
        for metric in self._source.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # gauges of a worker that has ended
        return 0


def build_version() -> str:
    """Return the installed version; "unknown" if Spacekey is not installed as a package."""
    try:
        return version("spacekey")
    except PackageNotFoundError:
        return "unknown"


class ObservedLookup:
    """Lookup that reports the reads of another one. A secret refused for its shape is not read.

    :param default_staleness_seconds: T if the database holds none.
    """

    def __init__(
        self,
        inner: TokenLookup,
        observer: VerifierObserver,
        default_staleness_seconds: float,
        *,
        clock: MonotonicClock = boot_clock,
    ) -> None:
        self._inner = inner
        self._observer = observer
        self._default_staleness_seconds = default_staleness_seconds
        self._clock = clock

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """See :class:`~spacekey.models.lookup.facts.TokenLookup`."""
        began = self._clock()
        answered = False
        staleness: float | None = None
        try:
            facts = await self._inner.by_digest(digest)
            answered = True
            if facts is not None:
                own = facts.max_staleness_seconds
                staleness = self._default_staleness_seconds if own is None else own
            return facts
        finally:
            self._observer.read(self._clock() - began, answered=answered, staleness_seconds=staleness)

    async def by_digests(self, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
        """See :class:`~spacekey.models.lookup.facts.TokenLookup`. A batch is one read."""
        began = self._clock()
        found: dict[bytes, TokenFacts] | None = None
        try:
            found = await self._inner.by_digests(digests)
            return found
        finally:
            own = next((facts.max_staleness_seconds for facts in (found or {}).values()), None)
            staleness = (self._default_staleness_seconds if own is None else own) if found else None
            self._observer.read(self._clock() - began, answered=found is not None, staleness_seconds=staleness)

    async def aclose(self) -> None:
        """Close the wrapped lookup."""
        await self._inner.aclose()
