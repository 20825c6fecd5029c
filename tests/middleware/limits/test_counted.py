"""A counted limiter decides as the one inside, and each decision is told once."""

from __future__ import annotations

from spacekey.domain.principal import Limit
from spacekey.middleware.limits import Decision, MemoryLimiter
from spacekey.middleware.limits.limiter import ObservedLimiter

LIMIT = Limit(per_minute=1, burst=1)


class Told:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.decisions: list[bool] = []

    def limit_decision(self, allowed: bool) -> None:
        """Write it down."""
        self.decisions.append(allowed)


class Waiting(MemoryLimiter):
    """Never decides at once, as over Redis."""

    closed = False

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:  # type: ignore[override]
        """Nothing yet."""
        return None

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Memory's."""
        return super().charge_at_once(key, limit, cost)

    async def aclose(self) -> None:
        """Noted."""
        self.closed = True


async def test_decisions_at_once_are_told() -> None:
    told, limiter = Told(), MemoryLimiter(clock=lambda: 1.0)
    counted = ObservedLimiter(limiter, told)
    answers = [counted.charge_at_once("key_1", LIMIT) for _ in range(2)]
    assert [answer is not None and answer.allowed for answer in answers] == told.decisions == [True, False]


async def test_decisions_that_are_waited_for_are_told_once() -> None:
    told, limiter = Told(), Waiting(clock=lambda: 1.0)
    counted = ObservedLimiter(limiter, told)
    assert counted.charge_at_once("key_1", LIMIT) is None
    assert told.decisions == []
    answers = [await counted.charge("key_1", LIMIT) for _ in range(2)]
    assert [answer.allowed for answer in answers] == told.decisions == [True, False]
    await counted.aclose()
    assert limiter.closed
