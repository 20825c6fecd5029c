"""Budgets of work: accounts that are checked before the work and charged after it, when its cost is known."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from spacekey.domain.clock import MonotonicClock, boot_clock
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit

from .limiter import SECOND_US

DEBT_SECONDS_MAX = 60.0
_LOOKED_AT = 2
"""How many old accounts are checked for each new one, so that full ones are dropped faster than new ones are added."""


class WorkAccounts(Protocol):
    """Accounts by key for work whose cost is known only when it is done."""

    def wait_seconds(self, key: str, units: float = 0.0) -> float:
        """Return how long work of this key has to wait; 0.0 if it may begin now."""
        ...

    def charge(self, key: str, units: float) -> None:
        """Charge work that was done, even if the account holds less."""
        ...


class WorkBudget:
    """Accounts by key, for work whose cost is known only when it is done.

    An account gains ``limit.per_minute`` units a minute and holds at most ``limit.burst``. Work may begin while the
    account holds anything, and is charged in full, so the account may be overdrawn. The next work then waits until the
    debt is paid. On average a key gets no more than ``per_minute``; it is never refused before it has used ``burst``.
    The unit is the caller's choice, such as a millisecond of CPU time or a point of a cost function.

    Memory is bounded: an account that is full again is dropped, and while ``keys_max`` accounts are in use, further
    keys share one. For one process; not thread-safe.

    :param keys_max: how many keys have an account of their own.
    :param debt_seconds_max: how long a key may have to wait at most, whatever its work cost.
    :param clock: seconds, monotonic through suspension.
    :raises ConfigurationError: if ``keys_max`` is below 1.
    """

    def __init__(
        self,
        limit: Limit,
        *,
        keys_max: int = 10_000,
        debt_seconds_max: float = DEBT_SECONDS_MAX,
        clock: MonotonicClock = boot_clock,
    ) -> None:
        if keys_max < 1:
            raise ConfigurationError("keys_max: must be 1 or more")
        self._interval_us = limit.interval_us
        self._span_us = limit.interval_us * limit.burst
        self._debt_us_max = int(debt_seconds_max * SECOND_US)
        self._keys_max = keys_max
        self._clock = clock
        self._full_at: dict[str, int] = {}
        self._turns: deque[str] = deque()
        self._others_full_at = 0

    def __len__(self) -> int:
        """Return the number of keys with an account of their own."""
        return len(self._full_at)

    def wait_seconds(self, key: str, units: float = 0.0) -> float:
        """Return how long work of this key has to wait; 0.0 if it may begin now.

        :param units: the least that the work costs, if that is known beforehand. A full account is enough for any.
        """
        debt = self._full_at.get(key, self._others_full_at) - self._now()
        over = debt + int(units * self._interval_us) - self._span_us
        return max(0, min(over, debt)) / SECOND_US

    def charge(self, key: str, units: float) -> None:
        """Charge work that was done, even if the account holds less."""
        now = self._now()
        full_at = self._full_at.get(key)
        standing = max(now, self._others_full_at if full_at is None else full_at)
        after = min(standing + int(units * self._interval_us), now + self._span_us + self._debt_us_max)
        if full_at is not None:
            self._full_at[key] = after
            return
        self._drop_full(now)
        if len(self._full_at) >= self._keys_max:
            self._others_full_at = after
            return
        self._full_at[key] = after
        self._turns.append(key)

    def _now(self) -> int:
        return int(self._clock() * SECOND_US)

    def _drop_full(self, now: int) -> None:
        for _ in range(min(_LOOKED_AT, len(self._turns))):
            key = self._turns.popleft()
            if self._full_at[key] <= now:
                del self._full_at[key]
            else:
                self._turns.append(key)
