"""A bounded cache under the rule of docs/revocation.md, over any way to read a verdict.

An entry is (verdict, s): s is read from a clock **before** the read began, and the entry is served only while
now < s + max_age. It is never renewed by use and never served stale, neither while a new read runs nor after an
error. So an answer that is accepted at t was read after t - max_age, and whoever takes access away and then waits for
max_age knows that nobody still accepts. Expiry is a date and is looked at on every hit.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from spacekey.domain.clock import MonotonicClock, WallClock, boot_clock, utc_now
from spacekey.domain.digest import sha256_of
from spacekey.domain.errors import ConfigurationError, Unavailable
from spacekey.domain.outcome import CannotTell, Reason, Refused, Valid, Verdict
from spacekey.domain.secret import Secret, parse
from spacekey.domain.verifier import Verifier
from spacekey.middleware.validation import is_being_cancelled

ENTRIES_MAX = 10_000
UNKNOWN_ENTRIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A verdict as it was read, and for how long it may be relied on, counted from before the read; 0: only now."""

    verdict: Verdict
    max_age_seconds: float = 0.0


Read = Callable[[Secret], Awaitable[Reading]]
"""Asks the store. Raises ``Unavailable`` when it cannot be asked."""


class CachedVerifier(Verifier):
    """A verifier over ``read``: at most one read at a time for one secret, and a bounded memory of the answers.

    Kept are valid principals and unknown secrets, the latter fewer and apart, so that a flood of made-up secrets
    cannot push out good ones. Concurrent misses for one secret share a read, unless its answer may not be kept.

    :param read: asks the store or the remote Spacekey.
    :param clock: seconds, monotonic through suspension.
    :param now: wall time, for expiry.
    :param entries_max: how many principals are kept, the least recently used go first.
    :param unknown_entries_max: the same for secrets that are unknown; 0 keeps none.
    """

    def __init__(
        self,
        read: Read,
        *,
        clock: MonotonicClock = boot_clock,
        now: WallClock = utc_now,
        entries_max: int = ENTRIES_MAX,
        unknown_entries_max: int = UNKNOWN_ENTRIES_MAX,
    ) -> None:
        if entries_max < 0 or unknown_entries_max < 0:
            raise ConfigurationError("entries_max and unknown_entries_max: must not be negative; 0 keeps none")
        self._read = read
        self._clock = clock
        self._now = now
        self._valid = _Entries(entries_max)
        self._unknown = _Entries(unknown_entries_max)
        self._reads: dict[bytes, asyncio.Task[_Entry]] = {}

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return the verdict on an ``Authorization`` header from memory; None if it must be read.

        The key of an entry is the digest of the header as clients send it, so a header need not be taken apart here. In
        any other form it has another digest and is not found.
        """
        entry = self._remembered(sha256_of(authorization))
        return None if entry is None else self._unless_expired(entry.verdict)

    async def verify(self, secret: Secret) -> Verdict:
        """The verdict on ``secret``, from memory or read anew."""
        key = sha256_of(secret.bearer())
        entry = self._remembered(key)
        if entry is None:
            if parse(secret) is None:
                return Refused(Reason.MALFORMED)
            entry = await self._read_or_join(secret, key)
            if entry.max_age_seconds > 0 and self._clock() >= entry.until:
                return CannotTell("the read took longer than its answer may be relied on")
        return self._unless_expired(entry.verdict)

    async def aclose(self) -> None:
        """Forget everything and end the reads under way."""
        self._valid.clear()
        self._unknown.clear()
        reads = list(self._reads.values())
        for task in reads:
            task.cancel()
        await asyncio.gather(*reads, return_exceptions=True)

    def _remembered(self, key: bytes) -> _Entry | None:
        now = self._clock()
        return self._valid.fresh(key, now) or self._unknown.fresh(key, now)

    async def _read_or_join(self, secret: Secret, key: bytes) -> _Entry:
        """An answer that may be used now: one that may be kept, or one that was asked for after this call came."""
        asked_since = False
        while True:
            task = self._reads.get(key)
            # A read that has ended a moment ago is not joined: waiting for it would not let anything else run.
            if task is None or task.done():
                task, asked_since = self._start(secret, key), True
            try:
                # Shielded: one caller's cancellation must not take the answer from the others who wait for it.
                entry = await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled() and not is_being_cancelled():
                    return _Entry(CannotTell("the verifier was closed"), 0.0, 0.0)
                raise
            if isinstance(entry.verdict, CannotTell):
                return entry  # it accepts nobody, so it may be shared; reading once more would wait as long again
            if entry.max_age_seconds > 0 or asked_since:
                return entry
            asked_since = True  # there is one read at a time: whichever comes next begins after this one

    def _start(self, secret: Secret, key: bytes) -> asyncio.Task[_Entry]:
        task = asyncio.get_running_loop().create_task(self._read_now(secret, key))
        self._reads[key] = task
        task.add_done_callback(lambda done: self._read_ended(key, done))
        return task

    async def _read_now(self, secret: Secret, key: bytes) -> _Entry:
        started = self._clock()
        try:
            reading = await self._read(secret)
        except Unavailable as error:
            return _Entry(CannotTell(str(error), error.retry_after_seconds), 0.0, started)
        age = reading.max_age_seconds
        entry = _Entry(reading.verdict, age, started + age)
        if self._clock() < entry.until:
            if isinstance(entry.verdict, Valid):
                self._valid.keep(key, entry)
            elif isinstance(entry.verdict, Refused) and entry.verdict.reason is Reason.UNKNOWN:
                self._unknown.keep(key, entry)
        return entry

    def _read_ended(self, key: bytes, done: asyncio.Task[_Entry]) -> None:
        if self._reads.get(key) is done:
            del self._reads[key]
        if not done.cancelled():
            done.exception()  # looked at, so that asyncio does not warn when every waiter has gone

    def _unless_expired(self, verdict: Verdict) -> Verdict:
        if isinstance(verdict, Valid):
            expires_at = verdict.principal.expires_at
            if expires_at is not None and expires_at <= self._now():
                return Refused(Reason.EXPIRED, verdict.principal.id)
        return verdict


@dataclass(frozen=True, slots=True)
class _Entry:
    verdict: Verdict
    max_age_seconds: float
    until: float


class _Entries(OrderedDict[bytes, _Entry]):
    """At most ``most`` entries by key; the least recently used goes first. Looking at one never prolongs it."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def fresh(self, key: bytes, now: float) -> _Entry | None:
        entry = self.get(key)
        if entry is None:
            return None
        if now >= entry.until:
            del self[key]
            return None
        self.move_to_end(key)
        return entry

    def keep(self, key: bytes, entry: _Entry) -> None:
        self[key] = entry
        self.move_to_end(key)
        while len(self) > self._most:
            self.popitem(last=False)


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

    A class of its own, so that the other one need not ask at each request whether there is an observer.
    """

    def __init__(
        self,
        read: Read,
        observer: VerifierObserver,
        *,
        clock: MonotonicClock = boot_clock,
        now: WallClock = utc_now,
        entries_max: int = ENTRIES_MAX,
        unknown_entries_max: int = UNKNOWN_ENTRIES_MAX,
    ) -> None:
        super().__init__(read, clock=clock, now=now, entries_max=entries_max, unknown_entries_max=unknown_entries_max)
        self._observer = observer

    def _remembered(self, key: bytes) -> _Entry | None:
        entry = super()._remembered(key)
        if entry is not None:
            self._observer.hit()
        return entry

    async def _read_or_join(self, secret: Secret, key: bytes) -> _Entry:
        self._observer.miss()
        return await super()._read_or_join(secret, key)


def observed_read(read: Read, observer: VerifierObserver, *, clock: MonotonicClock = boot_clock) -> Read:
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
    read: Read, observer: VerifierObserver | None, *, clock: MonotonicClock, now: WallClock, entries_max: int
) -> CachedVerifier:
    """A cache over ``read``: the plain one where nobody listens."""
    if observer is None:
        return CachedVerifier(read, clock=clock, now=now, entries_max=entries_max)
    told = observed_read(read, observer, clock=clock)
    return ObservedCache(told, observer, clock=clock, now=now, entries_max=entries_max)
