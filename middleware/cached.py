"""A bounded cache under the rule of docs/revocation.md, over any way to read a verdict.

An entry is (verdict, s): s is read from a clock **before** the read began, and the entry is served only while
now < s + max_age. It is never renewed by use and never served stale, neither while a new read runs nor after an
error. So an answer that is accepted at t was read after t - max_age, and whoever takes access away and then waits for
max_age knows that nobody still accepts. Expiry is a date and is looked at on every hit.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.types import Scope

from spacekey.domain.digest import new_sha256, sha256_of
from spacekey.domain.errors import ConfigurationError, Unavailable
from spacekey.domain.outcome import CannotTell, Reason, Refused, Valid, Verdict
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret, parse
from spacekey.domain.verifier import Verifier

from .clock import Clock, WallClock, boot_clock, utc_now
from .credentials import token_in_query
from .failure import is_being_cancelled
from .warm import BEARER, Warm, warm
from .well_formed import flaw_in

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
        clock: Clock = boot_clock,
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

    def peek(self, secret: Secret) -> Verdict | None:
        """The verdict from memory, at once; None when it must be read."""
        entry = self._remembered(_key(secret))
        return None if entry is None else self._unless_expired(entry.verdict)

    def recall(self, scope: Scope) -> Warm | None:
        """A verdict in favour of what this request presents, from memory; None when there is none that is good now.

        What :meth:`peek` does, for the case that matters to the cost of a request; see ``warm``. All in one function,
        since a call costs as much here as what it would do.
        """
        sent: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if sent is not None:
                    return None
                sent = value
        try:
            query = scope["query_string"]
        except KeyError:
            query = b""
        if sent is None or (query and token_in_query(query)):
            return None
        key = new_sha256(sent).digest()
        entry = self._valid.get(key)
        if entry is None or self._clock() >= entry.until:
            return None
        if entry.expires_at is not None and entry.expires_at <= self._now():
            return None
        self._valid.move_to_end(key)
        return entry.warm

    async def verify(self, secret: Secret) -> Verdict:
        """The verdict on ``secret``, from memory or read anew."""
        key = _key(secret)
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

    def _remembered(self, key: bytes) -> "_Entry | None":
        now = self._clock()
        return self._valid.fresh(key, now) or self._unknown.fresh(key, now)

    async def _read_or_join(self, secret: Secret, key: bytes) -> "_Entry":
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

    def _start(self, secret: Secret, key: bytes) -> "asyncio.Task[_Entry]":
        task = asyncio.get_running_loop().create_task(self._read_now(secret, key))
        self._reads[key] = task
        task.add_done_callback(lambda done: self._read_ended(key, done))
        return task

    async def _read_now(self, secret: Secret, key: bytes) -> "_Entry":
        started = self._clock()
        try:
            reading = await self._read(secret)
        except Unavailable as error:
            return _Entry(CannotTell(str(error), error.retry_after_seconds), 0.0, started)
        age = reading.max_age_seconds
        entry = _Entry(reading.verdict, age, started + age)
        if self._clock() < entry.until:
            if isinstance(entry.verdict, Valid):
                self._valid.keep(key, _warmed(entry, entry.verdict.principal))
            elif isinstance(entry.verdict, Refused) and entry.verdict.reason is Reason.UNKNOWN:
                self._unknown.keep(key, entry)
        return entry

    def _read_ended(self, key: bytes, done: "asyncio.Task[_Entry]") -> None:
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
    expires_at: datetime | None = None
    warm: Warm | None = None


def _warmed(entry: _Entry, principal: Principal) -> _Entry:
    """The entry with what the warm path serves; without it for what only calls itself a principal."""
    if type(principal) is not Principal or flaw_in(principal) is not None:
        return entry
    return replace(entry, expires_at=principal.expires_at, warm=warm(principal))


def _key(secret: Secret) -> bytes:
    """Of the header that presents the secret, so that the warm path need not take it apart."""
    return sha256_of(BEARER + secret.reveal().encode("utf-8", "surrogatepass"))


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
