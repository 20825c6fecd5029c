"""What a limiter says, what every limiter can do, the arithmetic they share, and the fields that tell clients.

The arithmetic is the generic cell rate algorithm (ITU-T I.371, annex A) in whole microseconds. One number is kept for a
key: the moment at which its account is full again. A charge moves it by an interval, and is refused when it would then
lie further ahead than a whole burst takes. Whole numbers, because sums of fractions refuse the last of a burst now and
then; rounded up, so that what is admitted never exceeds the limit.

The fields are those of draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4, both Lists of Structured Fields
(RFC 9651): ``RateLimit-Policy: "default";q=100;w=60;spacekey-burst=20`` and ``RateLimit: "default";r=19;t=1``. ``q``
per ``w`` seconds is the rate; the draft has no word for a burst and leaves parameters with a vendor's prefix to the
vendor. ``t`` is the seconds until ``r`` is one more.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import NamedTuple, Protocol

from spacekey.domain.principal import MINUTE_US, Limit

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


def interval_us(limit: Limit, share: int = 1) -> int:
    """Microseconds between two charges of 1 at the limit's rate.

    :param share: of how many equal parts of the limit this is one.
    """
    return limit.interval_us if share == 1 else -(-MINUTE_US * share // limit.per_minute)


def burst_of(limit: Limit, share: int = 1) -> int:
    """How many charges of 1 a full account takes: at least one, however small the part."""
    return limit.burst if share == 1 else max(1, limit.burst // share)


POLICY = "default"
_WINDOW_SECONDS = 60


Field = tuple[bytes, bytes]
"""Name and value, as ASGI has them."""


@lru_cache(4_096)
def _fields(per_minute: int, burst: int, remaining: int, reset_seconds: int) -> tuple[Field, Field]:
    policy = f'"{POLICY}";q={per_minute};w={_WINDOW_SECONDS};spacekey-burst={burst}'
    standing = f'"{POLICY}";r={remaining};t={reset_seconds}'
    return (b"ratelimit-policy", policy.encode()), (b"ratelimit", standing.encode())


def limit_headers(decision: Decision) -> tuple[Field, Field]:
    """Both fields, as ASGI headers. The same few come again and again: a burst is short, and so is its wait."""
    _, limit, debt, interval, burst, _ = decision
    reset = 1 if debt else 0  # ``reset_seconds``, rounded up, at the usual rates; at slow ones it may be more
    if reset and interval > SECOND_US:
        reset = ((debt - 1) % interval + SECOND_US) // SECOND_US
    return _fields(limit.per_minute, limit.burst, burst - -(-debt // interval), reset)


def retry_after(decision: Decision) -> int | None:
    """``Retry-After`` in whole seconds (RFC 9110 §10.2.3); None when the same request can never be admitted."""
    seconds = decision.retry_after_seconds
    return None if seconds is None else max(1, ceil(seconds))


class LimitObserver(Protocol):
    """What is told of decisions. Called on the request path: it must be quick, and must not raise."""

    def limit_decision(self, allowed: bool) -> None:
        """A charge was taken, or was not."""
        ...


class ObservedLimiter:
    """Another limiter, whose decisions are told."""

    def __init__(self, inner: Limiter, observer: LimitObserver) -> None:
        self._inner = inner
        self._observer = observer

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        """The inner one's decision, where it has one at once."""
        decision = self._inner.charge_at_once(key, limit, cost)
        if decision is not None:
            self._observer.limit_decision(decision.allowed)
        return decision

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """The inner one's decision."""
        decision = await self._inner.charge(key, limit, cost)
        self._observer.limit_decision(decision.allowed)
        return decision

    async def aclose(self) -> None:
        """Close the inner one."""
        await self._inner.aclose()
