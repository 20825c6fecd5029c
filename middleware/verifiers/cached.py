"""Bounded cache under the rule of docs/explanation/revocation.md, over any way to read a verdict.

An entry is (verdict, s): s is read from a clock **before** the read began, and the entry is served only while now < s +
max_age. Use never renews it, and it is never served stale, neither while a new read runs nor after an error. So a
verdict that is accepted at t was read after t - max_age: once access is taken away and max_age has passed, no reader
accepts the token. Expiry is a date and is checked on every hit.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable, Verdict
from spacekey.domain.clock import MonotonicClock, WallClock, boot_clock, utc_now
from spacekey.domain.digest import new_sha256, sha256_of
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.key_format import NO_KEY_FORMATS, KeyFormats
from spacekey.domain.secret import Secret, parse
from spacekey.domain.verifier import Verifier
from spacekey.middleware.argument_checks import is_being_cancelled

ENTRIES_MAX = 10_000
UNKNOWN_ENTRIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Reading:
    """Verdict as it was read, and how long it may be relied on, counted from before the read; 0: only now."""

    verdict: Verdict
    max_age_seconds: float = 0.0


Read = Callable[[Secret], Awaitable[Reading]]
"""Reads a verdict from the store. Raises ``ServiceUnavailable`` if the store cannot be reached."""


ReadMany = Callable[[Sequence[Secret]], Awaitable[Sequence[Reading]]]
"""Reads many verdicts at once, in their order. Those that cannot be read are "cannot tell"."""


class CachedVerifier(Verifier):
    """Verifier that caches the answers of ``read``, with at most one read at a time for each secret.

    Cached are valid principals and unknown secrets. The latter have a smaller cache of their own, so that a flood of
    made-up secrets cannot evict valid ones. Concurrent misses for one secret share a read, unless its answer may not be
    cached.

    :param read: asks the store or the remote Spacekey.
    :param clock: seconds, monotonic through suspension.
    :param now: wall time, for expiry.
    :param entries_max: how many principals are cached; the least recently used are evicted first.
    :param unknown_entries_max: the same for unknown secrets; 0 caches none.
    :param read_many: reads many verdicts at once, for :meth:`verify_many`; None reads them one by one.
    :param batch_max: how many that may be.
    :param key_formats: of imported keys that are read, too. Other strings that are no secrets of Spacekey's are refused
        without a read.
    :raises ConfigurationError: for a negative number of entries.
    """

    peek_checks_form = True  # what is cached was parsed by verify(), and any other form has another digest

    def __init__(
        self,
        read: Read,
        *,
        clock: MonotonicClock = boot_clock,
        now: WallClock = utc_now,
        entries_max: int = ENTRIES_MAX,
        unknown_entries_max: int = UNKNOWN_ENTRIES_MAX,
        read_many: ReadMany | None = None,
        batch_max: int = 1,
        key_formats: KeyFormats = NO_KEY_FORMATS,
    ) -> None:
        if entries_max < 0 or unknown_entries_max < 0:
            raise ConfigurationError("entries_max and unknown_entries_max: must not be negative; 0 keeps none")
        self._read = read
        self._clock = clock
        self._now = now
        self._valid = _Entries(entries_max)
        self._unknown = _Entries(unknown_entries_max)
        self._reads: dict[bytes, asyncio.Task[_Entry]] = {}
        self._read_many = read_many
        self.batch_max = 1 if read_many is None else batch_max
        self.key_formats = key_formats

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return the cached verdict on an ``Authorization`` header; None if it must be read.

        The key of an entry is the digest of the header as clients send it, so that the header need not be parsed here.
        In any other form it has another digest and is not found.
        """
        key, now = new_sha256(authorization).digest(), self._clock()
        valid = self._valid
        entry = valid.get(key)
        if entry is not None and now < entry.until:
            valid.move_to_end(key)  # as `fresh` does, for most requests without another call
        else:
            entry = valid.fresh(key, now) or self._unknown.fresh(key, now)
        if entry is None:
            return None
        verdict = entry.verdict
        if isinstance(verdict, Authenticated) and verdict.principal.expires_at is None:
            return verdict  # as for most tokens, without another call
        return self._unless_expired(verdict)

    async def verify(self, secret: Secret) -> Verdict:
        """Return the verdict on ``secret``, from the cache or read now."""
        key = sha256_of(secret.bearer())
        entry = self._remembered(key)
        if entry is None:
            if parse(secret) is None and self.key_formats.match(secret) is None:
                return Rejected(Reason.MALFORMED)
            entry = await self._read_or_join(secret, key)
            if entry.max_age_seconds > 0 and self._clock() >= entry.until:
                return Unavailable("the read took longer than its answer may be relied on")
        return self._unless_expired(entry.verdict)

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Return the verdicts on ``secrets``, from the cache or from one read of those that are not in it."""
        if self._read_many is None:
            return await super().verify_many(secrets)
        verdicts: list[Verdict] = []
        missing: list[tuple[int, Secret, bytes]] = []
        for place, secret in enumerate(secrets):
            key = sha256_of(secret.bearer())
            entry = self._remembered(key)
            if entry is not None:
                verdicts.append(self._unless_expired(entry.verdict))
                continue
            verdicts.append(Rejected(Reason.MALFORMED))
            if parse(secret) is not None or self.key_formats.match(secret) is not None:
                missing.append((place, secret, key))
                self._missed()
        if missing:
            started = self._clock()
            readings = await self._read_many([secret for _, secret, _ in missing])
            now = self._clock()
            for (place, _, key), reading in zip(missing, readings, strict=True):
                verdicts[place] = self._kept(key, reading, started, now)
        return verdicts

    def _missed(self) -> None:
        """Note that a verdict has to be read."""

    def _kept(self, key: bytes, reading: Reading, started: float, now: float) -> Verdict:
        """Cache a reading that began at ``started``, and return its verdict if it may be used now.

        A refusal is not cached: its secret is verified once more by itself, with the client that sent it.
        """
        until = started + reading.max_age_seconds
        if reading.max_age_seconds > 0 and now >= until:
            return Unavailable("the read took longer than its answer may be relied on")
        if isinstance(reading.verdict, Authenticated):
            self._keep(key, _Entry(reading.verdict, reading.max_age_seconds, until), now)
        return self._unless_expired(reading.verdict)

    def _keep(self, key: bytes, entry: _Entry, now: float) -> None:
        if now < entry.until:
            if isinstance(entry.verdict, Authenticated):
                self._valid.keep(key, entry)
            elif isinstance(entry.verdict, Rejected) and entry.verdict.reason is Reason.UNKNOWN:
                self._unknown.keep(key, entry)

    async def aclose(self) -> None:
        """Clear the cache and cancel the reads in progress."""
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
        """Return an answer that may be used now: one that may be cached, or one whose read began after this call."""
        asked_since = False
        while True:
            task = self._reads.get(key)
            # A read that has just ended is not joined: waiting for it would not let anything else run.
            if task is None or task.done():
                task, asked_since = self._start(secret, key), True
            try:
                # Shielded: one caller's cancellation must not end the read for others that wait for it.
                entry = await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled() and not is_being_cancelled():
                    return _Entry(Unavailable("the verifier was closed"), 0.0, 0.0)
                raise
            if isinstance(entry.verdict, Unavailable):
                return entry  # accepts no caller, so it may be shared; another read would wait as long again
            if entry.max_age_seconds > 0 or asked_since:
                return entry
            asked_since = True  # there is one read at a time, so the next one begins after this one

    def _start(self, secret: Secret, key: bytes) -> asyncio.Task[_Entry]:
        task = asyncio.get_running_loop().create_task(self._read_now(secret, key))
        self._reads[key] = task
        task.add_done_callback(lambda done: self._read_ended(key, done))
        return task

    async def _read_now(self, secret: Secret, key: bytes) -> _Entry:
        started = self._clock()
        try:
            reading = await self._read(secret)
        except ServiceUnavailable as error:
            return _Entry(Unavailable(str(error), error.retry_after_seconds), 0.0, started)
        age = reading.max_age_seconds
        entry = _Entry(reading.verdict, age, started + age)
        self._keep(key, entry, self._clock())
        return entry

    def _read_ended(self, key: bytes, done: asyncio.Task[_Entry]) -> None:
        if self._reads.get(key) is done:
            del self._reads[key]
        if not done.cancelled():
            done.exception()  # retrieved, so that asyncio does not warn if no caller waits any more

    def _unless_expired(self, verdict: Verdict) -> Verdict:
        if isinstance(verdict, Authenticated):
            expires_at = verdict.principal.expires_at
            if expires_at is not None and expires_at <= self._now():
                return Rejected(Reason.EXPIRED, verdict.principal.id)
        return verdict


@dataclass(frozen=True, slots=True)
class _Entry:
    verdict: Verdict
    max_age_seconds: float
    until: float


class _Entries(OrderedDict[bytes, _Entry]):
    """At most ``most`` entries by key; the least recently used is evicted first. A look-up never prolongs an entry."""

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
    """Observer of a verifier's work. Called on the request path: it must be fast, and must not raise."""

    def hit(self) -> None:
        """Record a verdict from the cache."""
        ...

    def miss(self) -> None:
        """Record a verdict that is not cached and has to be read; callers that wait for the same read each count."""
        ...

    def read(self, seconds: float, *, answered: bool, staleness_seconds: float | None) -> None:
        """Record a read of the store or the remote Spacekey.

        :param seconds: how long it took.
        :param answered: False for an outage, a timeout or a cancellation.
        :param staleness_seconds: T, if it came with the answer, else None.
        """
        ...


class ObservedCache(CachedVerifier):
    """``CachedVerifier`` that reports hits and misses to an observer; ``observed_read`` reports its reads.

    A class of its own, so that the plain one need not check at each request whether there is an observer.
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
        read_many: ReadMany | None = None,
        batch_max: int = 1,
        key_formats: KeyFormats = NO_KEY_FORMATS,
    ) -> None:
        super().__init__(
            read,
            clock=clock,
            now=now,
            entries_max=entries_max,
            unknown_entries_max=unknown_entries_max,
            read_many=read_many,
            batch_max=batch_max,
            key_formats=key_formats,
        )
        self._observer = observer

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return the verdict from memory, as ``CachedVerifier`` does; None is no miss, since ``verify`` follows."""
        verdict = super().peek(authorization)
        if verdict is not None:
            self._observer.hit()
        return verdict

    def _remembered(self, key: bytes) -> _Entry | None:
        entry = super()._remembered(key)
        if entry is not None:
            self._observer.hit()
        return entry

    def _missed(self) -> None:
        self._observer.miss()

    async def _read_or_join(self, secret: Secret, key: bytes) -> _Entry:
        self._observer.miss()
        return await super()._read_or_join(secret, key)


def observed_read(read: Read, observer: VerifierObserver, *, clock: MonotonicClock = boot_clock) -> Read:
    """Return the same read, which reports to the observer how long it took and which T came with it.

    Only a valid verdict is certain to carry T: a remote Spacekey sends none with the others.
    """

    async def reading(secret: Secret) -> Reading:
        began = clock()
        found: Reading | None = None
        try:
            found = await read(secret)
            return found
        finally:
            known = found is not None and isinstance(found.verdict, Authenticated)
            staleness = found.max_age_seconds if found is not None and known else None
            observer.read(clock() - began, answered=found is not None, staleness_seconds=staleness)

    return reading


def observed_read_many(
    read_many: ReadMany, observer: VerifierObserver, *, clock: MonotonicClock = boot_clock
) -> ReadMany:
    """Return the same as :func:`observed_read` does, for a read of many verdicts, which is told as one."""

    async def reading(secrets: Sequence[Secret]) -> Sequence[Reading]:
        began = clock()
        answered, staleness = False, None
        try:
            found = await read_many(secrets)
            answered = any(not isinstance(each.verdict, Unavailable) for each in found)
            staleness = next((each.max_age_seconds for each in found if isinstance(each.verdict, Authenticated)), None)
            return found
        finally:
            observer.read(clock() - began, answered=answered, staleness_seconds=staleness)

    return reading


def cache_over(
    read: Read,
    observer: VerifierObserver | None,
    *,
    clock: MonotonicClock,
    now: WallClock,
    entries_max: int,
    read_many: ReadMany | None = None,
    batch_max: int = 1,
    key_formats: KeyFormats = NO_KEY_FORMATS,
) -> CachedVerifier:
    """Return a cache over ``read``, the plain one if there is no observer."""
    if observer is None:
        return CachedVerifier(
            read,
            clock=clock,
            now=now,
            entries_max=entries_max,
            read_many=read_many,
            batch_max=batch_max,
            key_formats=key_formats,
        )
    many = None if read_many is None else observed_read_many(read_many, observer, clock=clock)
    told = observed_read(read, observer, clock=clock)
    return ObservedCache(
        told,
        observer,
        clock=clock,
        now=now,
        entries_max=entries_max,
        read_many=many,
        batch_max=batch_max,
        key_formats=key_formats,
    )
