"""The limits on this server's own API: requests by plan, cost of GraphQL by caller, floods of made-up secrets."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.network import network_of
from spacekey.domain.principal import Limit, Principal
from spacekey.middleware.limits import Decision, Limiter, MemoryLimiter

from .metrics import Metrics
from .settings import Settings
from .shared_memory import SharedLimiter, SharedMemory


@dataclass(frozen=True, slots=True)
class CallerBudget:
    """What one caller may spend on GraphQL in time: a token, a member, or an anonymous caller's network."""

    limiter: Limiter
    key: str
    limit: Limit

    async def charge(self, cost: int) -> int | None:
        """Charge the cost of an operation, at most half of a full account, so that every operation is admitted in time.

        :return: None when it was charged, else the seconds until it would be.
        """
        decision = await self._charged(cost)
        if not decision.allowed and cost > decision.burst // 2:
            decision = await self._charged(max(1, decision.burst // 2))
        return None if decision.allowed else max(1, ceil(decision.retry_after_seconds or 0))

    async def _charged(self, cost: int) -> Decision:
        at_once = self.limiter.charge_at_once(self.key, self.limit, cost)
        return at_once if at_once is not None else await self.limiter.charge(self.key, self.limit, cost)


def budget_of(limiter: Limiter, settings: Settings, principal: Principal | None, ip: str) -> CallerBudget:
    """Return the budget of a request's caller.

    :param ip: the client's address; callers without credentials share the budget of its network.
    """
    if principal is None:
        per_minute, key = settings.anonymous_cost_per_minute, network_of(ip)
    else:
        per_minute, key = settings.graphql_cost_per_minute, principal.limit_key
    return CallerBudget(limiter, f"cost:{key}", Limit(per_minute, per_minute))


def build_limiter(settings: Settings, metrics: Metrics, memory: SharedMemory | None = None) -> Limiter:
    """Over Redis where one is set; else in memory, and with several servers each hands out its part.

    :param memory: what the workers of this server share; while Redis is unavailable each hands out its own part.
    :raises ConfigurationError: for a Redis URL that cannot be, or without the ``redis`` extra.
    """
    if settings.redis_url is None:
        if memory is not None:
            return SharedLimiter(memory.table("limits"), share=settings.processes)
        return MemoryLimiter(share=settings.processes)
    try:
        from spacekey.middleware.limits.redis import RedisLimiter  # needs the redis extra
    except ModuleNotFoundError as error:
        raise ConfigurationError("SPACEKEY_REDIS_URL: this needs a client; pip install 'spacekey[redis]'") from error
    try:
        processes = settings.processes * settings.workers
        return RedisLimiter(settings.redis_url, processes=processes, on_fallback=metrics.limits_fall_back)
    except ConfigurationError as error:
        raise ConfigurationError(f"SPACEKEY_REDIS_URL: {str(error).removeprefix('the Redis URL: ')}") from None
