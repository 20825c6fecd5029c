"""Counts for Prometheus (text format 0.0.4): requests, verifications, and which build this is. Nothing per tenant."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version

from spacekey.domain.outcome import Absent, CannotTell, Outcome, Refused
from spacekey.middleware.limits.flooded import Flooded

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Metrics:
    """Counters of one process. Labels come from closed sets: route templates, methods, statuses, answers, reasons."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._verifications: Counter[tuple[str, str]] = Counter()
        self._limits: Counter[str] = Counter()
        self._limits_fallback = False

    def request(self, method: str, route: str, status: int) -> None:
        """Count one answered request."""
        self._requests[method if method in _METHODS else "other", route, status] += 1

    def verification(self, outcome: Outcome) -> None:
        """Count one answer to credentials."""
        match outcome:
            case Refused():
                self._verifications["refused", outcome.reason.value] += 1
            case Flooded():
                self._verifications["held_up", ""] += 1
            case CannotTell():
                self._verifications["cannot_tell", ""] += 1
            case Absent():
                self._verifications["absent", ""] += 1
            case _:
                self._verifications["valid", ""] += 1

    def limit_decision(self, allowed: bool) -> None:
        """Count one charge against a token's limit."""
        self._limits["allowed" if allowed else "limited"] += 1

    def limits_fall_back(self, fallen_back: bool) -> None:
        """Redis cannot be asked, and this process hands out its own share; or it can be asked again."""
        self._limits_fallback = fallen_back

    def text(self) -> str:
        """All of it, in the exposition format."""
        lines = [
            "# HELP spacekey_build_info The version that runs.",
            "# TYPE spacekey_build_info gauge",
            f'spacekey_build_info{{version="{build_version()}"}} 1',
            "# HELP spacekey_requests_total HTTP requests by route template.",
            "# TYPE spacekey_requests_total counter",
        ]
        lines += [
            f'spacekey_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
            for (method, route, status), count in sorted(self._requests.items())
        ]
        lines += [
            "# HELP spacekey_verifications_total Answers to credentials, with the reason of refusals.",
            "# TYPE spacekey_verifications_total counter",
        ]
        lines += [
            f'spacekey_verifications_total{{answer="{answer}",reason="{reason}"}} {count}'
            for (answer, reason), count in sorted(self._verifications.items())
        ]
        lines += [
            "# HELP spacekey_limit_decisions_total Charges against the limits of tokens.",
            "# TYPE spacekey_limit_decisions_total counter",
        ]
        lines += [
            f'spacekey_limit_decisions_total{{decision="{decision}"}} {count}'
            for decision, count in sorted(self._limits.items())
        ]
        lines += [
            "# HELP spacekey_limits_fallback 1 while Redis cannot be asked and this process hands out its own share.",
            "# TYPE spacekey_limits_fallback gauge",
            f"spacekey_limits_fallback {int(self._limits_fallback)}",
        ]
        return "\n".join(lines) + "\n"


def build_version() -> str:
    """The installed version; "unknown" when it is not installed as a package."""
    try:
        return version("spacekey")
    except PackageNotFoundError:
        return "unknown"
