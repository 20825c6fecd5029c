"""A bound on failed sign-ins per account and address, in memory.

GCRA (ITU-T I.371): one number per key, the theoretical arrival time; a failure moves it by the interval.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from spacekey.domain.refusal import TooManyAttempts

KEYS_MAX = 100_000


class Attempts:
    """Allows ``burst`` failures at once and one more every ``interval_seconds``."""

    def __init__(self, burst: int = 10, interval_seconds: float = 30.0) -> None:
        self._burst = burst
        self._interval = interval_seconds
        self._arrival: OrderedDict[str, float] = OrderedDict()

    def check(self, now: datetime, *keys: str) -> None:
        """Refuse when one of the keys has failed too often.

        :raises TooManyAttempts: with the seconds to wait.
        """
        moment = now.timestamp()
        waits = (self._arrival.get(key, 0.0) - moment - self._interval * (self._burst - 1) for key in keys)
        wait = max(waits, default=0.0)
        if wait > 0:
            raise TooManyAttempts(int(wait) + 1)

    def failed(self, now: datetime, *keys: str, weight: float = 1.0) -> None:
        """Count a failure against each key; with a ``weight`` of 0.1 a key may fail ten times as often."""
        moment = now.timestamp()
        for key in keys:
            self._arrival[key] = max(self._arrival.pop(key, moment), moment) + self._interval * weight
            if len(self._arrival) > KEYS_MAX:
                self._arrival.popitem(last=False)

    def take_back(self, *keys: str, weight: float = 1.0) -> None:
        """Undo one failure of the keys, or a part of one: what was counted before it was known to be a success."""
        for key in keys:
            if key in self._arrival:
                self._arrival[key] -= self._interval * weight

    def succeeded(self, *keys: str) -> None:
        """Forget the failures of the keys."""
        for key in keys:
            self._arrival.pop(key, None)
