"""What a limiter says, and what every limiter can do."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from spacekey.domain.principal import Limit


class Decision(NamedTuple):
    """Whether a charge was taken, and how the account stands after it.

    A tuple and not a dataclass: one is made for each request, and this is the cheapest thing that cannot be changed.
    """

    allowed: bool
    """Whether the charge was taken; when not, nothing was."""
    limit: Limit
    """The limit that was asked for."""
    remaining: int
    """How many charges of 1 would be taken now."""
    reset_seconds: float
    """Until ``remaining`` is one more; 0 when the account is full."""
    retry_after_seconds: float | None
    """Until the same charge would be taken if nobody else came; 0 when it was, None when it never can be."""


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
