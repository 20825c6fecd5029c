"""What a limiter says, and what every limiter can do."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from spacekey.domain.principal import Limit

SECOND_US = 1_000_000


class Decision(NamedTuple):
    """Whether a charge was taken, and how the account stands after it.

    A tuple and not a dataclass, and of what is known at once: one is made for each request.
    """

    allowed: bool
    """Whether the charge was taken; when not, nothing was."""
    limit: Limit
    """The limit that was asked for."""
    debt_us: int
    """Microseconds until the account is full: after the charge when it was taken, else as it stands."""
    interval_us: int
    """Microseconds that one charge of 1 puts it off."""
    burst: int
    """How many charges of 1 a full account takes: the limit's, or as many as a part of it has."""
    cost: int
    """What was to be charged."""

    @property
    def remaining(self) -> int:
        """How many charges of 1 would be taken now."""
        return self.burst - -(-self.debt_us // self.interval_us)

    @property
    def reset_seconds(self) -> float:
        """Until ``remaining`` is one more: what the debt exceeds whole intervals by, or one; 0 when it is full."""
        return ((self.debt_us - 1) % self.interval_us + 1) / SECOND_US if self.debt_us else 0.0

    @property
    def retry_after_seconds(self) -> float | None:
        """Until the same charge would be taken if nobody else came; 0 when it was, None when it never can be."""
        if self.allowed:
            return 0.0
        if self.cost > self.limit.burst:
            return None
        return (self.debt_us + (self.cost - self.burst) * self.interval_us) / SECOND_US


class Limiter(Protocol):
    """Takes charges against limits. One for a process, or one for many that share a Redis; users may bring their own.

    The promise: of charges of 1 against one key and limit, at most ``burst + per_minute * w / 60`` are taken in any
    window of ``w`` seconds. A charge that is refused costs nothing.
    """

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        """The decision where none has to be waited for; None when nothing was charged and :meth:`charge` must be."""
        ...

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Charge ``cost`` to ``key``. Never raises for an outage: then the limiter decides as well as it can.

        :param key: a token's id.
        :param cost: 1 or more; 0 looks and charges nothing.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections. A limiter is not used after that."""
        ...
