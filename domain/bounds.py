"""Bounds on what callers may do, for one process here, or for several that share them.

Each is a protocol with an implementation in memory. Processes of one server bring others, which hold across them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Release = Callable[[], None]
"""Gives a place back; called once."""


class Places(Protocol):
    """Places that are taken for a while, such as those of work that runs at the same time."""

    @property
    def shared(self) -> bool:
        """Whether other processes take and give back places too, so that one may become free at any time."""
        ...

    def take(self, what: str, most: int) -> Release | None:
        """Take one of the ``most`` places for something; None if all are taken."""
        ...


class MemoryPlaces:
    """Places of one process."""

    shared = False

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def take(self, what: str, most: int) -> Release | None:
        """Take one of the ``most`` places for something; None if all are taken."""
        if self._taken[what] >= most:
            if not self._taken[what]:
                del self._taken[what]
            return None
        self._taken[what] += 1

        def release() -> None:
            self._taken[what] -= 1
            if not self._taken[what]:
                del self._taken[what]

        return release


class Remembered(Protocol):
    """Bounded set: what was added longest ago is forgotten first."""

    def __contains__(self, item: bytes) -> bool:
        """Return whether it was added and is neither removed nor forgotten."""
        ...

    def add(self, item: bytes) -> None:
        """Remember an item as the newest."""
        ...

    def discard(self, item: bytes) -> None:
        """Forget an item, if it is remembered."""
        ...


class MemoryRemembered:
    """Remembered items of one process.

    :param items_max: how many are remembered.
    """

    def __init__(self, items_max: int) -> None:
        self._items_max = items_max
        self._items: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, item: bytes) -> bool:
        return item in self._items

    def add(self, item: bytes) -> None:
        """Remember an item as the newest."""
        self._items[item] = None
        self._items.move_to_end(item)
        if len(self._items) > self._items_max:
            self._items.popitem(last=False)

    def discard(self, item: bytes) -> None:
        """Forget an item, if it is remembered."""
        self._items.pop(item, None)


class Arrivals(Protocol):
    """Theoretical arrival times of GCRA (ITU-T I.371) by key, in seconds; 0 for a key that is not known.

    One that lies in the past may be forgotten, because it has no effect.
    """

    def locked(self) -> AbstractContextManager[None]:
        """Return a context within which no other process reads or writes. Nothing is awaited in it."""
        ...

    def read(self, key: str) -> float:
        """Return the arrival time of a key. Called within :meth:`locked`."""
        ...

    def write(self, key: str, arrival: float, now: float) -> None:
        """Set the arrival time of a key; 0 forgets it. Called within :meth:`locked`."""
        ...


class MemoryArrivals:
    """Arrival times of one process.

    :param keys_max: how many keys are remembered; those written longest ago are forgotten first.
    """

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def locked(self) -> AbstractContextManager[None]:
        """Return a context that does nothing: there is one process and one event loop."""
        return nullcontext()

    def read(self, key: str) -> float:
        """Return the arrival time of a key."""
        return self._arrivals.get(key, 0.0)

    def write(self, key: str, arrival: float, now: float) -> None:
        """Set the arrival time of a key; 0 forgets it."""
        self._arrivals.pop(key, None)
        if arrival:
            self._arrivals[key] = arrival
            if len(self._arrivals) > self._keys_max:
                self._arrivals.popitem(last=False)
