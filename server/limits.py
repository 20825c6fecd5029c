"""Limits on the server's own API: requests by plan, cost of GraphQL by caller, and lookups of unknown sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil

from starlette.types import Scope

from spacekey.domain.authentication import AuthenticationResult, Reason, Rejected
from spacekey.domain.bounds import MemoryRemembered, Remembered
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.network import network_of
from spacekey.domain.principal import Limit, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.limits.flood import RefusalFlood
from spacekey.middleware.limits.limiter import Decision, Limiter
from spacekey.middleware.limits.memory import MemoryLimiter

from .metrics import Metrics
from .settings import Settings
from .shared_memory import SharedLimiter, SharedMemory

UNKNOWN_MAX = 10_000
"""How many unknown cookies are remembered, by their digests."""


@dataclass(frozen=True, slots=True)
class CallerBudget:
    """Budget for GraphQL of one caller: a token, a member, or the network of an anonymous caller."""

    limiter: Limiter
    key: str
    limit: Limit

    async def charge(self, cost: int) -> int | None:
        """Charge the cost of an operation, at most half of a full account, so that any is admitted eventually.

        :return: None if it was charged, else the seconds until it would be.
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
        per_minute, key = settings.graphql_cost_per_minute, principal.rate_limit_key
    return CallerBudget(limiter, f"cost:{key}", Limit(per_minute, per_minute))


def build_limiter(settings: Settings, metrics: Metrics, memory: SharedMemory | None = None) -> Limiter:
    """Return the limiter: over Redis if a URL is set, else in memory, where each of several servers admits its share.

    :param memory: memory that the workers of this server share. While Redis is unavailable, each worker admits its
        own share.
    :raises ConfigurationError: the Redis URL is invalid, or the ``redis`` extra is not installed.
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


class SessionFlood:
    """Lookup of sessions that asks the store once for each unknown cookie, with a limit for each address.

    An unknown cookie stays unknown, because a session's secret is never generated twice. A cookie that a browser keeps
    sending after its session ended is therefore looked up and counted once, and does not keep others behind the same
    address from signing in.

    :param flood: the accounts of the addresses, apart from those of tokens.
    :param unknown_max: how many unknown cookies are remembered.
    :param unknown: the unknown cookies that several processes share; replaces ``unknown_max``.
    """

    def __init__(
        self,
        flood: RefusalFlood | None = None,
        *,
        unknown_max: int = UNKNOWN_MAX,
        unknown: Remembered | None = None,
    ) -> None:
        self._flood = flood or RefusalFlood()
        self._unknown = MemoryRemembered(unknown_max) if unknown is None else unknown

    async def outcome(
        self, scope: Scope, secret: Secret, look_up: Callable[[Secret], Awaitable[AuthenticationResult]]
    ) -> AuthenticationResult:
        """Return the outcome of a session's secret; ``Flooded`` or "cannot tell" if it may not be looked up now.

        :raises ServiceUnavailable: the store does not answer.
        """
        digest = secret.digest()
        if digest in self._unknown:
            self._unknown.add(digest)
            return Rejected(Reason.UNKNOWN)
        async with self._flood.looking_up(scope, secret) as refused:
            if refused is not None:
                return refused
            found = await look_up(secret)
            self._flood.note(scope, secret, found)
        if isinstance(found, Rejected) and found.reason is Reason.UNKNOWN:
            self._unknown.add(digest)
        return found
