"""Bound on made-up secrets by client address, so that a flood of them costs no reads.

An address that sends too many malformed or unknown secrets is answered 429 for every further secret that would have to
be looked up, before it is. Two kinds of secrets are exempt: those whose verdict is cached, and those that were found
valid recently. So a flood from the same address as honest clients does not disrupt them, even if nothing is cached;
such a secret cannot be made up.

A refusal is known only after the lookup, so an address may have no more lookups under way than it has refusals left.
Further secrets wait for one to end: a valid token then comes through a moment later, and made-up ones that are sent all
at once cannot exceed the bound together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from typing import Protocol

from starlette.types import Scope

from spacekey.domain.authentication import Authenticated, AuthenticationResult, Reason, Rejected, Unavailable
from spacekey.domain.bounds import MemoryRemembered, Remembered
from spacekey.domain.clock import MonotonicClock, boot_clock
from spacekey.domain.network import network_of
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import TIMEOUT_SECONDS

from .limiter import Decision, Flooded
from .memory import MemoryLimiter

ADDRESSES_MAX = 10_000
GOOD_MAX = 10_000
_COUNTED = (Reason.MALFORMED, Reason.UNKNOWN)
_DEFAULT = Limit(per_minute=30, burst=30)


class ImmediateLimiter(Protocol):
    """Limiter that always decides without waiting."""

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Charge ``cost`` to ``key``; see :class:`~spacekey.middleware.limits.Limiter`."""
        ...


class RefusalFlood:
    """Counts refusals by address, an IPv6 address by its /64, and limits addresses with too many.

    The address is the ASGI server's ``client``: behind a proxy, let the server take it from the proxy's header.

    :param limit: how many malformed or unknown secrets an address may send.
    :param addresses_max: how many addresses have an account of their own; all further ones share one.
    :param good_max: how many secrets that were found valid are remembered, by their digests.
    :param clock: seconds, monotonic through suspension.
    :param accounts: the addresses' accounts, for several processes that share them; it takes the place of
        ``addresses_max`` and ``clock``. Each process bounds its own lookups that are under way.
    :param good: the secrets that were found valid, likewise; it takes the place of ``good_max``.
    """

    def __init__(
        self,
        limit: Limit = _DEFAULT,
        *,
        addresses_max: int = ADDRESSES_MAX,
        good_max: int = GOOD_MAX,
        clock: MonotonicClock = boot_clock,
        accounts: ImmediateLimiter | None = None,
        good: Remembered | None = None,
    ) -> None:
        self._limit = limit
        self._refused = accounts or MemoryLimiter(clock=clock, entries_max=addresses_max)
        self._good = MemoryRemembered(good_max) if good is None else good
        self._under_way: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def looking_up(
        self, scope: Scope, secret: Secret, seconds: float = TIMEOUT_SECONDS
    ) -> AsyncIterator[Flooded | Unavailable | None]:
        """Hold one of the address's lookups, within the context.

        It yields the outcome for a secret that may not be looked up now, and None for one that may. Its outcome is to
        be noted before the context ends.

        :param seconds: how long to wait for others.
        """
        if secret.digest() in self._good:
            yield None
            return
        address = _address(scope)
        refused: Flooded | Unavailable | None
        try:
            async with asyncio.timeout(seconds):
                refused = await self._enter(address)
        except TimeoutError:
            refused = Unavailable("too many secrets of this address are being looked up")
        if refused is not None:
            yield refused
            return
        try:
            yield None
        finally:
            self._leave(address)

    async def _enter(self, address: str) -> Flooded | None:
        """Wait until the address may look up one more secret, or has no refusal left."""
        while True:
            decision = self._refused.charge_at_once(address, self._limit, 0)
            under_way = self._under_way.get(address, 0)
            if not decision.remaining:
                self._wake_next(address)
                return Flooded("too many refused secrets from this address", max(1, ceil(decision.reset_seconds)))
            if under_way < decision.remaining:
                self._under_way[address] = under_way + 1
                return None
            await self._wait(address)

    async def _wait(self, address: str) -> None:
        """Wait for a lookup of the address to end, in turn."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._wake_next(address)  # the turn came, and goes to the next one
            raise

    def _leave(self, address: str) -> None:
        self._under_way[address] -= 1
        if not self._under_way[address]:
            del self._under_way[address]
        self._wake_next(address)

    def _wake_next(self, address: str) -> None:
        waiting = self._waiting.get(address)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        if waiting is not None and not waiting:
            del self._waiting[address]

    def note(self, scope: Scope, secret: Secret, outcome: AuthenticationResult) -> None:
        """Record the outcome of a secret that was looked up."""
        if isinstance(outcome, Authenticated):
            self._good.add(secret.digest())
        elif isinstance(outcome, Rejected):
            self._good.discard(secret.digest())
            if outcome.reason in _COUNTED:
                self._refused.charge_at_once(_address(scope), self._limit)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return network_of(client[0]) if client else ""
