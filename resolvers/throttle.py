"""Rate limit for failed sign-ins, by account and address.

GCRA (ITU-T I.371) keeps one number per key, the theoretical arrival time; a failure moves it by the interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from spacekey.domain.bounds import Arrivals, MemoryArrivals
from spacekey.domain.refusal import TooManyAttempts

KEYS_MAX = 100_000


class Attempts:
    """Allows ``burst`` failures at once and one more every ``interval_seconds``.

    :param arrivals: where the arrival times are kept; None for this process's memory.
    """

    def __init__(self, burst: int = 10, interval_seconds: float = 30.0, *, arrivals: Arrivals | None = None) -> None:
        self._burst = burst
        self._interval = interval_seconds
        self._arrivals = arrivals or MemoryArrivals(KEYS_MAX)

    def check(self, now: datetime, *keys: str) -> None:
        """Raise if one of the keys has failed too often.

        :raises TooManyAttempts: with the seconds to wait.
        """
        with self._arrivals.locked():
            self._check(now.timestamp(), keys)

    def count(self, now: datetime, weights: Mapping[str, float]) -> None:
        """Count a failure against each key, unless one of them has already failed too often; then count nothing.

        Checking and counting are one step, so that parallel attempts cannot pass the bound, in this process or in
        several that share it.

        :param weights: keys and their weights; with a weight of 0.1 a key may fail ten times as often.
        :raises TooManyAttempts: with the seconds to wait.
        """
        moment = now.timestamp()
        with self._arrivals.locked():
            self._check(moment, weights)
            for key, weight in weights.items():
                arrival = max(self._arrivals.read(key), moment) + self._interval * weight
                self._arrivals.write(key, arrival, moment)

    def take_back(self, now: datetime, weights: Mapping[str, float]) -> None:
        """Undo all or part of a failure that was counted before the attempt turned out to be a success."""
        moment = now.timestamp()
        with self._arrivals.locked():
            for key, weight in weights.items():
                arrival = self._arrivals.read(key)
                if arrival:
                    self._arrivals.write(key, arrival - self._interval * weight, moment)

    def succeeded(self, now: datetime, *keys: str) -> None:
        """Reset the failures of the keys."""
        with self._arrivals.locked():
            for key in keys:
                self._arrivals.write(key, 0.0, now.timestamp())

    def _check(self, moment: float, keys: Mapping[str, float] | tuple[str, ...]) -> None:
        waits = (self._arrivals.read(key) - moment - self._interval * (self._burst - 1) for key in keys)
        wait = max(waits, default=0.0)
        if wait > 0:
            raise TooManyAttempts(int(wait) + 1)
