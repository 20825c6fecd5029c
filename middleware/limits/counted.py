"""A limiter whose decisions somebody counts."""

from __future__ import annotations

from typing import Protocol

from spacekey.domain.principal import Limit

from .decision import Decision, Limiter


class LimitObserver(Protocol):
    """What is told of decisions. Called on the request path: it must be quick, and must not raise."""

    def limit_decision(self, allowed: bool) -> None:
        """A charge was taken, or was not."""
        ...


class CountedLimiter:
    """Another limiter, whose decisions are told."""

    def __init__(self, inner: Limiter, observer: LimitObserver) -> None:
        self._inner = inner
        self._observer = observer

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        """The inner one's decision, where it has one at once."""
        decision = self._inner.charge_at_once(key, limit, cost)
        if decision is not None:
            self._observer.limit_decision(decision.allowed)
        return decision

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """The inner one's decision."""
        decision = await self._inner.charge(key, limit, cost)
        self._observer.limit_decision(decision.allowed)
        return decision

    async def aclose(self) -> None:
        """Close the inner one."""
        await self._inner.aclose()
