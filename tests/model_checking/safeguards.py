"""Every safeguard of docs/explanation/revocation.md, and the system without it: the judge must notice."""

from __future__ import annotations

from dataclasses import dataclass, field

from .system_under_test import Cut, Surroundings


@dataclass(frozen=True, slots=True)
class Missing:
    """Removed safeguard: the changes to the sources without it, or to their surroundings.

    :ivar seed: an interleaving in which it was once noticed. A short run tries it first, and then continues as a
        whole run does, so an outdated seed only costs time.
    """

    name: str
    cuts: tuple[Cut, ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)
    seed: int | None = None


def _cached(name: str, stands: str, instead: str, *more: tuple[str, str]) -> Missing:
    return Missing(name, tuple(Cut("cached", *each) for each in ((stands, instead), *more)))


_FRESH = """        if now >= entry.until:
            del self[key]
            return None
        self.move_to_end(key)
        return entry"""
_LOST = "            return _Entry(Unavailable(str(error), error.retry_after_seconds), 0.0, started)"
_ONLY_UNKNOWN = "elif isinstance(entry.verdict, Rejected) and entry.verdict.reason is Reason.UNKNOWN:"
_JOINS = "if task is None or task.done():"

CACHE = (
    _cached(
        "s is read before the read",
        "reading = await self._read(secret)\n",
        "reading = await self._read(secret)\n            started = self._clock()\n",
    ),
    _cached(
        "use renews nothing",
        _FRESH,
        _FRESH.replace(
            "        return entry",
            "        self[key] = entry = replace(entry, until=now + entry.max_age_seconds)\n        return entry",
        ),
    ),
    _cached("an entry is looked at for its age", "        if now >= entry.until:", "        if False:"),
    _cached(
        "an entry is too old at s + T, not after", "        if now >= entry.until:", "        if now > entry.until:"
    ),
    _cached(
        "expiry is looked at on every hit",
        "if expires_at is not None and expires_at <= self._now():",
        "if False:",
    ),
    _cached(
        "an outage is not covered by an old answer",
        _FRESH,
        _FRESH.replace("            del self[key]\n", ""),
        (_LOST, "            if key in self._valid:\n                return self._valid[key]\n" + _LOST),
        ("if entry.max_age_seconds > 0 and self._clock() >= entry.until:", "if False:"),
    ),
    _cached(
        "nothing old is served while a new read runs",
        _FRESH,
        _FRESH.replace("            del self[key]\n", ""),
        (
            "            entry = await self._read_or_join(secret, key)\n",
            (
                "            old = self._valid.get(key)\n"
                "            entry = old or await self._read_or_join(secret, key)\n"
                "            if old is not None and key not in self._reads:\n                self._start(secret, key)\n"
            ),
        ),
        ("if entry.max_age_seconds > 0 and self._clock() >= entry.until:", "if False:"),
    ),
    _cached(
        "a read slower than T cannot run_scenario",
        "if entry.max_age_seconds > 0 and self._clock() >= entry.until:",
        "if False:",
    ),
    _cached(
        "with T = 0 a read that began before is not relied on",
        "if entry.max_age_seconds > 0 or asked_since:",
        "if True:",
    ),
    _cached(
        "a read that has ended is not joined",
        _JOINS,
        "if task is None:",
        (
            "            if entry.max_age_seconds > 0 or asked_since:",
            (
                "            if entry.max_age_seconds <= 0 and not asked_since and self._reads.get(key) is task:\n"
                "                raise RuntimeError('it would spin')\n"
                "            if entry.max_age_seconds > 0 or asked_since:"
            ),
        ),
    ),
    _cached("of the refusals only unknown is kept", _ONLY_UNKNOWN, "elif isinstance(entry.verdict, Rejected):"),
    _cached(
        "what cannot be told is not kept",
        _LOST,
        "            self._unknown.keep(key, _Entry(Unavailable('kept'), 3.0, started + 3.0))\n" + _LOST,
    ),
    _cached("memory is bounded", "        while len(self) > self._most:", "        while False:"),
    _cached("misses share a read", _JOINS, "if True:"),
    _cached("one caller's cancellation is its own", "await asyncio.shield(task)", "await task"),
    _cached("T is the one that came with the answer", "age = reading.max_age_seconds", "age = 3.0"),
)
ACKNOWLEDGEMENT = (
    Missing("the answer waits for T", (Cut("settle", "if wait and staleness > 0:", "if False:"),)),
    Missing(
        "the wait is for the database's T",
        (
            Cut(
                "settle",
                "return await read_setting(session, STALENESS_WAIT, system.default_staleness_seconds)",
                "return system.default_staleness_seconds",
            ),
        ),
    ),
    Missing("effectiveAt is after T", (Cut("settle", " + timedelta(seconds=staleness)", ""),), seed=921),
    Missing(
        "the wait is for all of T",
        (
            Cut(
                "settle",
                "if wait and staleness > 0:\n        await system.sleep(staleness)",
                "if wait and staleness > 0:\n        await system.sleep(staleness - 1)",
            ),
        ),
    ),
    Missing(
        "raising T moves the writers first",
        (Cut("staleness", "if seconds > old else", "if seconds < old else"),),
        seed=335,
    ),
    Missing("lowering T outlives the old one", (Cut("staleness", "if seconds < old:", "if False:"),), seed=335),
    Missing(
        "one change of T does not go on over another",
        (Cut("staleness", "if await read_setting(session, STALENESS_CHANGES, 0.0) != turn:", "if False:"),),
        seed=2708,
    ),
    Missing("T is held until the commit", surroundings=Surroundings(staleness_is_held=False), seed=3257),
)
WIRING = (
    Missing(
        "readers keep for the database's T, not their own",
        (
            Cut(
                "verify",
                "self._default_staleness if staleness is None else staleness",
                "self._default_staleness",
            ),
        ),
        seed=411,
    ),
    Missing("the clock goes on in sleep", surroundings=Surroundings(clock_stops_in_sleep=True)),
    Missing("reads go to the primary", surroundings=Surroundings(replica_lag=2)),
    Missing("introspection is not cached", surroundings=Surroundings(introspection_is_cached=True), seed=1497),
)
SAFEGUARDS = CACHE + ACKNOWLEDGEMENT + WIRING
