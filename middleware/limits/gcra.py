"""The generic cell rate algorithm (ITU-T I.371, annex A) in whole microseconds.

One number is kept for a key: the moment at which its account is full again. A charge moves it by an interval, and is
refused when it would then lie further ahead than a whole burst takes. Whole numbers, because sums of fractions refuse
the last of a burst now and then; rounded up, so that what is admitted never exceeds the limit.
"""

from __future__ import annotations

from spacekey.domain.principal import Limit

from .decision import Decision

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US


def interval_us(limit: Limit, share: int = 1) -> int:
    """Microseconds between two charges of 1 at the limit's rate.

    :param share: of how many equal parts of the limit this is one.
    """
    return -(-MINUTE_US * share // limit.per_minute)


def burst_of(limit: Limit, share: int = 1) -> int:
    """How many charges of 1 a full account takes: at least one, however small the part."""
    return limit.burst if share == 1 else max(1, limit.burst // share)


def admission(limit: Limit, debt_us: int, interval: int, burst: int) -> Decision:
    """The decision on a charge that was taken, in everybody's words.

    :param debt_us: until the account is full again, after the charge.
    """
    reset_seconds = ((debt_us - 1) % interval + 1) / SECOND_US if debt_us else 0.0
    # As Decision(…) does, without a Python function in between: one is made for each request.
    return tuple.__new__(Decision, (True, limit, burst - -(-debt_us // interval), reset_seconds, 0.0))


def decision_of(allowed: bool, limit: Limit, debt_us: int, cost: int, interval: int, burst: int) -> Decision:
    """The same for any charge.

    :param debt_us: until the account is full again: after the charge when it was taken, else as it stands.
    """
    if allowed:
        return admission(limit, debt_us, interval, burst)
    wait = (debt_us + (cost - burst) * interval) / SECOND_US
    remaining, reset = burst - -(-debt_us // interval), _reset_seconds(debt_us, interval)
    return Decision(False, limit, remaining, reset, None if cost > limit.burst else wait)


def _reset_seconds(debt_us: int, interval: int) -> float:
    """Until one more would be taken: what the debt exceeds whole intervals by, or one of them."""
    return ((debt_us - 1) % interval + 1) / SECOND_US if debt_us else 0.0
