"""Memory that the workers of one server share: accounts, places and digests, so that no bound grows with the workers.

The process that starts the workers makes one file in memory and hands its descriptor to each. It holds tables of
fixed size, each of which maps a key to one number, a time. A worker reads and changes a number while it holds a lock
on its part of the table: a POSIX record lock, which the system releases when its holder ends, in whatever way. A
place, such as that of a password being hashed, is only such a lock, so a killed worker frees its places.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import blake2b

from spacekey.domain.bounds import Release
from spacekey.domain.clock import MonotonicClock, boot_clock
from spacekey.domain.principal import Limit
from spacekey.middleware.limits.budget import DEBT_SECONDS_MAX
from spacekey.middleware.limits.limiter import SECOND_US, Decision, burst_of, interval_us

if sys.platform != "win32":  # Windows has one worker and no shared memory
    import fcntl

NAMES = (
    "attempts",
    "limits",
    "anonymous work",
    "refused tokens",
    "refused sessions",
    "good tokens",
    "good sessions",
    "unknown sessions",
    "networks",
)
SETS = 16_384
WAYS = 8
"""How many keys each set of a table has room for. A key's digest chooses its set."""
DAY_SECONDS = 86_400
REMEMBERED_SECONDS = 30 * DAY_SECONDS

_ENTRY = struct.Struct("=16sq")
_NUMBER = struct.Struct("=q")
_SET_BYTES = _ENTRY.size * WAYS + _NUMBER.size
_TABLE_BYTES = _SET_BYTES * SETS
_NO_KEY = bytes(16)
_SECRET_AT = _TABLE_BYTES * len(NAMES)
_SECRET_BYTES = 32
_PLACES_FROM = 1 << 60
"""Offset of the locks of places, far beyond the end of the file, where locks are allowed."""
_PLACES_MAX = 128


class SharedMemory:
    """Tables and places that one server's workers share.

    :param descriptor: the file's; it stays open as long as this process runs. Closing any descriptor of the file
        would release every lock that this process holds.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _SECRET_AT + _SECRET_BYTES)
        self._secret = self._memory[_SECRET_AT:]
        self.places = SharedPlaces(descriptor, self._secret)

    @classmethod
    def create(cls) -> SharedMemory:
        """Create the file, in the process that starts the workers. It has no name, and ends with the last of them."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("spacekey")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _SECRET_AT)
        os.pwrite(descriptor, os.urandom(_SECRET_BYTES), _SECRET_AT)
        return cls(descriptor)

    def table(self, name: str) -> SharedTable:
        """Return the table with this name, one of :data:`NAMES`."""
        return SharedTable(self._memory, self.descriptor, NAMES.index(name) * _TABLE_BYTES, self._secret)


class SharedTable:
    """Table of a number of microseconds by key. A number in the past equals none, and its room is reused.

    Each key belongs to a set of :data:`WAYS`. While all entries of a set are in use, further keys share one number, so
    that no number with an effect is forgotten.
    """

    def __init__(self, memory: mmap.mmap, descriptor: int, start: int, secret: bytes) -> None:
        self._memory = memory
        self._descriptor = descriptor
        self._start = start
        self._secret = secret

    def digest(self, key: str | bytes) -> bytes:
        """Return a key's digest in the table. Which keys share a set cannot be predicted without the secret."""
        return _digest(key, self._secret)

    @contextmanager
    def locked(self, key: bytes | None = None) -> Iterator[None]:
        """Keep other processes out of a key's set, or out of the whole table. Contexts are not nested."""
        start, length = (self._start, _TABLE_BYTES) if key is None else (self._set_of(key), 1)
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, length, start)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, length, start)

    def read(self, key: bytes) -> int:
        """Return the number of a key; that of all keys without room if it has none; 0 at first."""
        at = self._set_of(key)
        for where in range(at, at + _ENTRY.size * WAYS, _ENTRY.size):
            held, number = _ENTRY.unpack_from(self._memory, where)
            if held == key:
                return int(number)
        return int(_NUMBER.unpack_from(self._memory, at + _ENTRY.size * WAYS)[0])

    def write(self, key: bytes, number: int, now: int, *, evict: bool = False) -> None:
        """Set the number of a key.

        :param now: numbers up to this one may be forgotten.
        :param evict: whether to forget the smallest number if there is no room.
        """
        at = self._set_of(key)
        free = smallest = -1
        least = 0
        for where in range(at, at + _ENTRY.size * WAYS, _ENTRY.size):
            held, found = _ENTRY.unpack_from(self._memory, where)
            if held == key:
                _ENTRY.pack_into(self._memory, where, key, number)
                return
            if free < 0 and (held == _NO_KEY or found <= now):
                free = where
            if smallest < 0 or found < least:
                smallest, least = where, found
        where = smallest if free < 0 and evict else free
        if where >= 0:
            _ENTRY.pack_into(self._memory, where, key, number)
        else:
            others = int(_NUMBER.unpack_from(self._memory, at + _ENTRY.size * WAYS)[0])
            _NUMBER.pack_into(self._memory, at + _ENTRY.size * WAYS, max(number, others))  # others share it

    def _set_of(self, key: bytes) -> int:
        return self._start + int.from_bytes(key[:4], "big") % SETS * _SET_BYTES


def _digest(key: str | bytes, secret: bytes) -> bytes:
    data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    return blake2b(data, digest_size=16, key=secret).digest()


class SharedPlaces:
    """Places that all workers share; see :class:`~spacekey.domain.bounds.Places`."""

    shared = True

    def __init__(self, descriptor: int, secret: bytes) -> None:
        self._descriptor = descriptor
        self._secret = secret
        self._held: set[int] = set()

    def take(self, what: str, most: int) -> Release | None:
        """Take one of ``most`` places, at most 128; return None if all are taken."""
        number = int.from_bytes(_digest(what, self._secret)[:6], "big")
        first = _PLACES_FROM + number * _PLACES_MAX
        for place in range(first, first + min(most, _PLACES_MAX)):
            if place not in self._held and self._lock(place):
                self._held.add(place)
                return lambda taken=place: self._give_back(taken)  # type: ignore[misc]
        return None

    def _lock(self, place: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _give_back(self, place: int) -> None:
        self._held.remove(place)
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)


class SharedArrivals:
    """Arrivals that all workers share, in seconds since 1970; see :class:`~spacekey.domain.bounds.Arrivals`."""

    def __init__(self, table: SharedTable) -> None:
        self._table = table

    def locked(self) -> AbstractContextManager[None]:
        """Return a context within which no other process reads or writes."""
        return self._table.locked()

    def read(self, key: str) -> float:
        """Return the arrival time of a key."""
        return self._table.read(self._table.digest(key)) / SECOND_US

    def write(self, key: str, arrival: float, now: float) -> None:
        """Set the arrival time of a key; 0 forgets it."""
        self._table.write(self._table.digest(key), round(arrival * SECOND_US), int(now * SECOND_US))


class SharedRemembered:
    """Items that all workers remember, for 30 days at most; see :class:`~spacekey.domain.bounds.Remembered`."""

    def __init__(self, table: SharedTable, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock

    def __contains__(self, item: bytes) -> bool:
        key = self._table.digest(item)
        with self._table.locked(key):
            return self._table.read(key) > self._now()

    def add(self, item: bytes) -> None:
        """Remember an item as the newest."""
        key, now = self._table.digest(item), self._now()
        with self._table.locked(key):
            self._table.write(key, now + REMEMBERED_SECONDS * SECOND_US, now, evict=True)

    def discard(self, item: bytes) -> None:
        """Forget an item if it is remembered."""
        key, now = self._table.digest(item), self._now()
        with self._table.locked(key):
            if self._table.read(key) > now:
                self._table.write(key, 0, now)

    def _now(self) -> int:
        return int(self._clock() * SECOND_US)


class SharedLimiter:
    """Limiter that several workers share. It decides without waiting, as ``MemoryLimiter`` does for one process.

    :param share: the number of servers; these workers admit one of that many equal parts of every limit.
    :param clock: seconds, monotonic also while the machine is suspended, the same in all its processes.
    """

    def __init__(self, table: SharedTable, *, share: int = 1, clock: MonotonicClock = boot_clock) -> None:
        self._table = table
        self._share = share
        self._clock = clock

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Charge ``cost`` to ``key``; see :class:`~spacekey.middleware.limits.Limiter`."""
        interval, burst = interval_us(limit, self._share), burst_of(limit, self._share)
        span = interval * burst
        digest = self._table.digest(key)
        with self._table.locked(digest):
            now = int(self._clock() * SECOND_US + 0.5)
            # Never further ahead than a whole burst, even if an earlier limit was slower.
            debt = min(max(self._table.read(digest) - now, 0), span)
            after = debt + interval * cost
            if after > span:
                return Decision(False, limit, debt, interval, burst, cost)
            if cost:
                self._table.write(digest, now + after, now)
        return Decision(True, limit, after, interval, burst, cost)

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Charge as :meth:`charge_at_once` does, for callers that await."""
        return self.charge_at_once(key, limit, cost)

    async def aclose(self) -> None:
        """Do nothing, as there is nothing to close."""


class SharedWork:
    """Budget of work that several workers share; see :class:`~spacekey.middleware.limits.budget.WorkBudget`."""

    def __init__(self, table: SharedTable, limit: Limit, *, clock: MonotonicClock = boot_clock) -> None:
        self._table = table
        self._interval_us = limit.interval_us
        self._span_us = limit.interval_us * limit.burst
        self._debt_us_max = int(DEBT_SECONDS_MAX * SECOND_US)
        self._clock = clock

    def wait_seconds(self, key: str, units: float = 0.0) -> float:
        """Return how long work of this key has to wait; 0.0 if it may begin now."""
        digest = self._table.digest(key)
        with self._table.locked(digest):
            debt = self._table.read(digest) - int(self._clock() * SECOND_US)
        over = debt + int(units * self._interval_us) - self._span_us
        return max(0, min(over, debt)) / SECOND_US

    def charge(self, key: str, units: float) -> None:
        """Charge work that was done, even if the account does not cover it."""
        digest = self._table.digest(key)
        with self._table.locked(digest):
            now = int(self._clock() * SECOND_US)
            after = max(now, self._table.read(digest)) + int(units * self._interval_us)
            self._table.write(digest, min(after, now + self._span_us + self._debt_us_max), now)
