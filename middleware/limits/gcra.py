"""The generic cell rate algorithm (ITU-T I.371, annex A) in whole microseconds.

One number is kept for a key: the moment at which its account is full again. A charge moves it by an interval, and is
refused when it would then lie further ahead than a whole burst takes. Whole numbers, because sums of fractions refuse
the last of a burst now and then; rounded up, so that what is admitted never exceeds the limit.
"""

from __future__ import annotations

from spacekey.domain.principal import MINUTE_US, Limit


def interval_us(limit: Limit, share: int = 1) -> int:
    """Microseconds between two charges of 1 at the limit's rate.

    :param share: of how many equal parts of the limit this is one.
    """
    return limit.interval_us if share == 1 else -(-MINUTE_US * share // limit.per_minute)


def burst_of(limit: Limit, share: int = 1) -> int:
    """How many charges of 1 a full account takes: at least one, however small the part."""
    return limit.burst if share == 1 else max(1, limit.burst // share)
