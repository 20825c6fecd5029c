"""Caches and reads that tell an observer what they do. Nothing of it is in the way of those that have none."""

from __future__ import annotations

from typing import Protocol

from starlette.types import Scope

from spacekey.domain.outcome import Valid
from spacekey.domain.secret import Secret

from .cached import ENTRIES_MAX, UNKNOWN_ENTRIES_MAX, CachedVerifier, Read, Reading, _Entry
from .clock import Clock, WallClock, boot_clock, utc_now
from .warm import Warm


class VerifierObserver(Protocol):
    """What is told of a verifier's work. Called on the request path: it must be quick, and must not raise."""

    def hit(self) -> None:
        """An answer came from memory."""
        ...

    def miss(self) -> None:
        """It did not, and has to be read; callers who wait for the same read each count."""
        ...

    def read(self, seconds: float, *, answered: bool, staleness_seconds: float | None) -> None:
        """The store or the remote Spacekey was asked.

        :param seconds: how long it took.
        :param answered: False for an outage, a deadline and a cancellation.
        :param staleness_seconds: T, where it came with the answer; None where it did not.
        """
        ...


class ObservedCache(CachedVerifier):
    """A ``CachedVerifier`` that tells of hits and misses; see there. ``observed_read`` tells of its reads.

    A class of its own, so that the warm path of the other one need not even ask whether somebody listens.
    """

    def __init__(
        self,
        read: Read,
        observer: VerifierObserver,
        *,
        clock: Clock = boot_clock,
        now: WallClock = utc_now,
        entries_max: int = ENTRIES_MAX,
        unknown_entries_max: int = UNKNOWN_ENTRIES_MAX,
    ) -> None:
        super().__init__(read, clock=clock, now=now, entries_max=entries_max, unknown_entries_max=unknown_entries_max)
        self._observer = observer

    def recall(self, scope: Scope) -> Warm | None:
        """See ``CachedVerifier``. Nothing found is no miss: whoever asks goes on to ``peek`` and ``verify``."""
        found = super().recall(scope)
        if found is not None:
            self._observer.hit()
        return found

    def _remembered(self, key: bytes) -> _Entry | None:
        entry = super()._remembered(key)
        if entry is not None:
            self._observer.hit()
        return entry

    async def _read_or_join(self, secret: Secret, key: bytes) -> _Entry:
        self._observer.miss()
        return await super()._read_or_join(secret, key)


def observed_read(read: Read, observer: VerifierObserver, *, clock: Clock = boot_clock) -> Read:
    """The same read, which tells how long it took and which T came with it.

    Only a valid verdict brings T for certain: a remote Spacekey gives none with the others.
    """

    async def reading(secret: Secret) -> Reading:
        began = clock()
        found: Reading | None = None
        try:
            found = await read(secret)
            return found
        finally:
            known = found is not None and isinstance(found.verdict, Valid)
            staleness = found.max_age_seconds if found is not None and known else None
            observer.read(clock() - began, answered=found is not None, staleness_seconds=staleness)

    return reading


def cache_over(
    read: Read, observer: VerifierObserver | None, *, clock: Clock, now: WallClock, entries_max: int
) -> CachedVerifier:
    """A cache over ``read``: the plain one where nobody listens."""
    if observer is None:
        return CachedVerifier(read, clock=clock, now=now, entries_max=entries_max)
    told = observed_read(read, observer, clock=clock)
    return ObservedCache(told, observer, clock=clock, now=now, entries_max=entries_max)
