"""The limits on this server's own API: by plan for tokens, by address for floods of made-up ones."""

from __future__ import annotations

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.middleware.limits import Decision, Limiter, MemoryLimiter

from .metrics import Metrics
from .settings import Settings


class CountedLimiter:
    """Another limiter, whose decisions are counted."""

    def __init__(self, inner: Limiter, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        """The inner one's decision, where it has one at once."""
        decision = self._inner.charge_at_once(key, limit, cost)
        if decision is not None:
            self._metrics.limit_decision(decision.allowed)
        return decision

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """The inner one's decision."""
        decision = await self._inner.charge(key, limit, cost)
        self._metrics.limit_decision(decision.allowed)
        return decision

    async def aclose(self) -> None:
        """Close the inner one."""
        await self._inner.aclose()


def build_limiter(settings: Settings, metrics: Metrics) -> Limiter:
    """Over Redis where one is set; else in memory, and with several processes each hands out its part.

    :raises ConfigurationError: for a Redis URL that cannot be, or without the ``redis`` extra.
    """
    return CountedLimiter(_limiter(settings, metrics), metrics)


def _limiter(settings: Settings, metrics: Metrics) -> Limiter:
    if settings.redis_url is None:
        return MemoryLimiter(share=settings.processes)
    try:
        from spacekey.middleware.limits.redis import RedisLimiter  # needs the redis extra
    except ModuleNotFoundError as error:
        raise ConfigurationError("SPACEKEY_REDIS_URL: this needs a client; pip install 'spacekey[redis]'") from error
    return RedisLimiter(settings.redis_url, processes=settings.processes, on_fallback=metrics.limits_fall_back)
