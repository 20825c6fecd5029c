"""Limiters: their protocol, the decision, the arithmetic they share, and the header fields for clients.

The arithmetic is the generic cell rate algorithm (ITU-T I.371, annex A) in whole microseconds. One number is stored for
a key: the moment at which its account is full again. A charge moves it by an interval, and is refused if it would then
lie further ahead than a whole burst takes. The numbers are whole, because sums of fractions occasionally refuse the
last request of a burst, and rounded up, so that what is admitted never exceeds the limit.

The fields are those of draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4, both Lists of Structured Fields (RFC
9651): ``RateLimit-Policy: "default";q=100;w=60;spacekey-burst=20`` and ``RateLimit: "default";r=19;t=1``. ``q`` per
``w`` seconds is the rate; the draft has no parameter for a burst and leaves those with a vendor's prefix to the vendor.
``t`` is the number of seconds until ``r`` grows by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import NamedTuple, Protocol

from spacekey.domain.authentication import Unavailable
from spacekey.domain.principal import MINUTE_US, Limit

SECOND_US = 1_000_000


class Decision(NamedTuple):
    """Result of a charge, with the state of the account after it.

    A tuple and not a dataclass, and only of values that are known already, because one is made for each request.
    """

    allowed: bool
    """Whether the charge was taken; if not, nothing was charged."""
    limit: Limit
    """The limit that the charge was made against."""
    debt_us: int
    """Microseconds until the account is full: after the charge if it was taken, else without it."""
    interval_us: int
    """Microseconds by which a charge of 1 delays that."""
    burst: int
    """How many charges of 1 a full account takes: the limit's burst, or this share's part of it."""
    cost: int
    """The cost of the charge."""

    @property
    def remaining(self) -> int:
        """How many more charges of 1 would be taken now."""
        return self.burst - -(-self.debt_us // self.interval_us)

    @property
    def reset_seconds(self) -> float:
        """Seconds until ``remaining`` grows by one: the debt beyond whole intervals, or a whole one; 0 without debt."""
        return ((self.debt_us - 1) % self.interval_us + 1) / SECOND_US if self.debt_us else 0.0

    @property
    def retry_after_seconds(self) -> float | None:
        """Seconds until the same charge would be taken if no other came; 0 if it was taken, None if it never can be."""
        if self.allowed:
            return 0.0
        if self.cost > self.limit.burst:
            return None
        return (self.debt_us + (self.cost - self.burst) * self.interval_us) / SECOND_US


class Limiter(Protocol):
    """Takes charges against limits, for one process or for many that share a Redis. Apps may bring their own.

    It promises that, of charges of 1 against one key and limit, at most ``burst + per_minute * w / 60`` are taken in
    any window of ``w`` seconds. A charge that is refused costs nothing.
    """

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        """Charge ``cost`` to ``key`` if that needs no waiting.

        :returns: None if nothing was charged, and :meth:`charge` must be called.
        """
        ...

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Charge ``cost`` to ``key``. Never raises for an outage: then the limiter decides as well as it can.

        :param key: a token's id.
        :param cost: 1 or more; 0 charges nothing and only returns the state of the account.
        """
        ...

    async def aclose(self) -> None:
        """Close connections. A limiter is not used after that."""
        ...


def interval_us(limit: Limit, share: int = 1) -> int:
    """Return the microseconds between two charges of 1 at the limit's rate.

    :param share: the number of equal parts of the limit of which this is one.
    """
    return limit.interval_us if share == 1 else -(-MINUTE_US * share // limit.per_minute)


def burst_of(limit: Limit, share: int = 1) -> int:
    """Return how many charges of 1 a full account takes: at least one, however small the share."""
    return limit.burst if share == 1 else max(1, limit.burst // share)


POLICY = "default"
"""Name of a token's limit in the fields."""
ROUTE_POLICY = "route"
"""Name of a route's own limit."""
_WINDOW_SECONDS = 60


Field = tuple[bytes, bytes]
"""Name and value of a header field, as ASGI has them."""


@lru_cache(4_096)
def _fields(name: str, per_minute: int, burst: int, remaining: int, reset_seconds: int) -> tuple[Field, Field]:
    policy = f'"{name}";q={per_minute};w={_WINDOW_SECONDS};spacekey-burst={burst}'
    standing = f'"{name}";r={remaining};t={reset_seconds}'
    return (b"ratelimit-policy", policy.encode()), (b"ratelimit", standing.encode())


def limit_headers(decision: Decision, policy: str = POLICY) -> tuple[Field, Field]:
    """Return both fields as ASGI headers.

    They are cached, because the same few recur: a burst is short, and so is its wait.

    :param policy: the limit's name.
    """
    _, limit, debt, interval, burst, _ = decision
    reset = 1 if debt else 0  # ``reset_seconds``, rounded up, at the usual rates; at slow ones it may be more
    if reset and interval > SECOND_US:
        reset = ((debt - 1) % interval + SECOND_US) // SECOND_US
    return _fields(policy, limit.per_minute, limit.burst, burst - -(-debt // interval), reset)


def retry_after(decision: Decision) -> int | None:
    """Return ``Retry-After`` in whole seconds (RFC 9110 §10.2.3); None if the same request can never be admitted."""
    seconds = decision.retry_after_seconds
    return None if seconds is None else max(1, ceil(seconds))


class LimitObserver(Protocol):
    """Observer of a limiter's decisions. Called on the request path: it must be fast, and must not raise."""

    def limit_decision(self, allowed: bool) -> None:
        """Record whether a charge was taken."""
        ...


class ObservedLimiter:
    """Limiter that reports another one's decisions to an observer.

    :param inner: the limiter that decides.
    :param observer: told of each decision, such as ``AppMetrics`` or ``Telemetry``.
    """

    def __init__(self, inner: Limiter, observer: LimitObserver) -> None:
        self._inner = inner
        self._observer = observer

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        """Return the inner limiter's decision, if it needs no waiting."""
        decision = self._inner.charge_at_once(key, limit, cost)
        if decision is not None:
            self._observer.limit_decision(decision.allowed)
        return decision

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Return the inner limiter's decision."""
        decision = await self._inner.charge(key, limit, cost)
        self._observer.limit_decision(decision.allowed)
        return decision

    async def aclose(self) -> None:
        """Close the inner limiter."""
        await self._inner.aclose()


@dataclass(frozen=True, slots=True)
class Flooded(Unavailable):
    """Result for an address that sent too many made-up secrets recently. Routes that refuse it answer 429."""
