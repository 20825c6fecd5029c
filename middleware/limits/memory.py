"""Limits in the memory of one process, which decide without waiting."""

from __future__ import annotations

from collections import deque

from spacekey.domain.clock import MonotonicClock, boot_clock
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit

from .limiter import SECOND_US, Decision, burst_of, interval_us

ENTRIES_MAX = 100_000
_made = tuple.__new__
_LOOKED_AT = 2
"""How many old entries are checked for each new one, so that full ones are dropped faster than new ones are added."""


class MemoryLimiter:
    """Limiter for one process. Several processes either share a Redis, or each get a part of the limit.

    Memory is bounded, and a limited key is never forgotten: an entry is dropped when its account is full again, as that
    of a key that was never seen is. While all ``entries_max`` entries are in use, further keys share one account.

    :param clock: seconds, monotonic through suspension.
    :param entries_max: how many keys have an account of their own.
    :param share: the number of equal parts of every limit of which this limiter hands out one.
    :param empty_at_seconds: if given, every account was empty, not full, at that moment of the clock.
    :raises ConfigurationError: for a number below 1.
    """

    def __init__(
        self,
        *,
        clock: MonotonicClock = boot_clock,
        entries_max: int = ENTRIES_MAX,
        share: int = 1,
        empty_at_seconds: float | None = None,
    ) -> None:
        if entries_max < 1 or share < 1:
            raise ConfigurationError("entries_max and share: must be 1 or more")
        self._clock = clock
        self._entries_max = entries_max
        self._share = share
        self._empty_at_us = None if empty_at_seconds is None else int(empty_at_seconds * SECOND_US) + 1
        self._full_at: dict[str, int] = {}
        self._turns: deque[str] = deque()
        self._others_full_at = 0

    def __len__(self) -> int:
        """Return the number of keys with an entry."""
        return len(self._full_at)

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Charge ``cost`` to ``key``; see :class:`~spacekey.middleware.limits.Limiter`."""
        now = int(self._clock() * SECOND_US + 0.5)
        if self._share == 1:
            interval, burst = limit.interval_us, limit.burst
        else:
            interval, burst = interval_us(limit, self._share), burst_of(limit, self._share)
        span = interval * burst
        full_at = self._full_at.get(key)
        debt = (self._first_full_at(now, span) if full_at is None else full_at) - now
        if debt < 0:
            debt = 0
        elif debt > span:  # never further ahead than a whole burst, even if the limit was slower before
            debt = span
        after = debt + interval * cost
        if after > span:
            return Decision(False, limit, debt, interval, burst, cost)
        if full_at is not None:
            self._full_at[key] = now + after
        elif cost:
            self._keep(key, now + after, now)
        # As Decision(…) does, without a Python function in between.
        return _made(Decision, (True, limit, after, interval, burst, cost))

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Charge as :meth:`charge_at_once` does, for callers that can wait."""
        return self.charge_at_once(key, limit, cost)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""

    def _first_full_at(self, now: int, span: int) -> int:
        """Return when a new key's account is full: now, or later if all began empty or it may have shared one."""
        since = now if self._empty_at_us is None else max(now, self._empty_at_us + span)
        return max(since, self._others_full_at)

    def _keep(self, key: str, full_at: int, now: int) -> None:
        """Add an entry for a new key; if there is no room for one, update the shared account."""
        self._forget_full(now)
        if len(self._full_at) >= self._entries_max:
            self._others_full_at = full_at
            return
        self._full_at[key] = full_at
        self._turns.append(key)

    def _forget_full(self, now: int) -> None:
        """Check the next entries in turn, and drop those whose account is full."""
        for _ in range(min(_LOOKED_AT, len(self._turns))):
            key = self._turns.popleft()
            if self._full_at[key] <= now:
                del self._full_at[key]
            else:
                self._turns.append(key)
