"""What the server counts for Prometheus: what every protected app does, its own requests, and which build this is."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version

from spacekey.middleware.observability.metrics import AppMetrics, Family, Sample
from spacekey.resolvers.refusal_log import RefusalLog

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Metrics(AppMetrics):
    """Counters of one process. Labels come from closed sets: route templates, methods, statuses, answers, reasons."""

    def __init__(self) -> None:
        super().__init__(caching=False)  # the server asks the store at every call
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._refusals: RefusalLog | None = None

    def request(self, method: str, route: str, status: int) -> None:
        """Count one answered request."""
        self._requests[method if method in _METHODS else "other", route, status] += 1

    def follow_refusals(self, refusals: RefusalLog) -> None:
        """Show what waits to be written to the audit log, and what never will be."""
        self._refusals = refusals

    def families(self) -> list[Family]:
        """Everything, as it is now."""
        build = [Sample(1, {"version": build_version()})]
        requests = [
            Sample(count, {"method": method, "route": route, "status": str(status)})
            for (method, route, status), count in sorted(self._requests.items())
        ]
        return [
            Family("spacekey_build_info", "gauge", "The version that runs.", build),
            Family("spacekey_requests_total", "counter", "HTTP requests by route template.", requests),
            *super().families(),
            *self._of_refusals(),
        ]

    def _of_refusals(self) -> list[Family]:
        log = self._refusals
        if log is None:
            return []
        return [
            Family("spacekey_refusals_waiting", "gauge", "Refusals not in the audit log yet.", [Sample(log.waiting)]),
            Family("spacekey_refusals_lost_total", "counter", "Refusals not written.", [Sample(log.lost)]),
        ]


def build_version() -> str:
    """The installed version; "unknown" when it is not installed as a package."""
    try:
        return version("spacekey")
    except PackageNotFoundError:
        return "unknown"
