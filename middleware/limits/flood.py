"""Bound on made-up secrets by client address, so that a flood of them costs no reads.

An address that sends too many malformed or unknown secrets is answered 429 for every further secret that would have to
be looked up, before it is. Two kinds of secrets are exempt: those whose verdict is cached, and those that were found
valid recently. So a flood from the same address as honest clients does not disrupt them, even if nothing is cached;
such a secret cannot be made up.
"""

from __future__ import annotations

from math import ceil
from typing import Protocol

from starlette.types import Scope

from spacekey.domain.authentication import Authenticated, AuthenticationResult, Reason, Rejected
from spacekey.domain.bounds import MemoryRemembered, Remembered
from spacekey.domain.clock import MonotonicClock, boot_clock
from spacekey.domain.network import network_of
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret

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
        ``addresses_max`` and ``clock``.
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

    def rate_limited(self, scope: Scope, secret: Secret) -> Flooded | None:
        """Return the outcome for a secret that may not be looked up now; None if it may."""
        decision = self._refused.charge_at_once(_address(scope), self._limit, 0)
        if decision.remaining or secret.digest() in self._good:
            return None
        return Flooded("too many refused secrets from this address", max(1, ceil(decision.reset_seconds)))

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
