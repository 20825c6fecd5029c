"""Limits that many processes share through one Redis or Valkey. Needs the ``redis`` extra.

Every charge is one script on the server's clock. While Redis cannot be asked, or has only just started, this process
hands out its own share of every limit; a task asks again and again, and no request waits for a Redis that hangs but
those that find it out.

How the limit holds through a restart of Redis that forgets everything (docs/limits.md has the whole argument): when
the connection is lost a share starts empty, so all shares together admit no more than the rate since then; Redis admits
nothing before it has run for ``SETTLE_SECONDS``, and then starts from empty accounts itself; and a share takes in and
hands out only until the moment before which, by what Redis last said or did not say, it cannot decide again. A Redis
that only keeps one waiting has lost nothing. Then the share is what it has always been, so that a pause of a tenth of a
second refuses nobody who has been quiet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.middleware.clock import Clock, boot_clock

from .decision import Decision
from .gcra import burst_of, interval_us
from .memory import ENTRIES_MAX, MemoryLimiter
from .redis_accounts import SETTLE_SECONDS, SharedAccounts, Silence

PROBE_SECONDS = 0.25
"""How often Redis is asked whether it is back."""
_LOOK = Limit(1, 1)

log = logging.getLogger("spacekey.middleware")


class RedisLimiter:
    """For many processes. Made once, when the app is; nothing connects before the first charge.

    The server must not evict keys (``maxmemory-policy noeviction``, the default): an evicted key is a full account.

    :param url: ``redis://host:6379/0``, ``rediss://…`` or ``unix://…``.
    :param processes: how many processes share the limits; while Redis is down each hands out that part of them.
    :param timeout_seconds: how long Redis may take to answer. What takes longer counts as an outage.
    :param prefix: of every key; the same for all who share limits, and nobody else's.
    :param on_fallback: told True when this process falls back to its share, and False when Redis is asked again.
    :param entries_max: how many keys a share tells apart.
    :raises ConfigurationError: for a URL that is none, or a number that cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        processes: int = 1,
        timeout_seconds: float = 0.05,
        prefix: str = "spacekey:limit:",
        on_fallback: Callable[[bool], None] | None = None,
        entries_max: int = ENTRIES_MAX,
        clock: Clock = boot_clock,
    ) -> None:
        if processes < 1:
            raise ConfigurationError("processes: must be 1 or more")
        if not 0 < timeout_seconds < SETTLE_SECONDS:
            raise ConfigurationError(f"timeout_seconds: must lie between 0 and {SETTLE_SECONDS}")
        self._accounts = SharedAccounts(url, timeout_seconds, prefix)
        self._processes = processes
        self._on_fallback = on_fallback
        self._entries_max = entries_max
        self._clock = clock
        self._falls_back = False
        self._forgotten = False  # in this outage, and the share has begun from nothing
        self._asked_at = self._until = 0.0  # what Redis was asked last was no answer, and speaks for so long
        self._share = self._new_share(None)
        self._probing: asyncio.Task[None] | None = None

    @property
    def falls_back(self) -> bool:
        """Whether this process hands out its own share now."""
        return self._falls_back

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        """The share's decision while Redis is known to be out of reach; else None, and :meth:`charge` asks it."""
        if not self._falls_back:
            return None
        decision = self._share.charge_at_once(key, limit, cost)
        return decision if self._clock() < self._until else None

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Charge ``cost`` to ``key``; see :class:`~spacekey.middleware.limits.Limiter`."""
        decision = self.charge_at_once(key, limit, cost)
        if decision is not None:
            return decision
        asked_at = self._clock()
        answer = await self._accounts.charge(key, limit, cost)
        if isinstance(answer, Silence):
            self._fall_back(answer, asked_at)
            return self._share.charge_at_once(key, limit, cost)
        self._come_back()
        allowed, debt = answer
        return Decision(allowed, limit, debt, interval_us(limit), burst_of(limit), cost)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._accounts.aclose()

    def _fall_back(self, silence: Silence, asked_at: float) -> None:
        """Hand out this process's share from now on; from nothing on, where Redis has forgotten what was admitted."""
        known = asked_at <= self._until  # that nobody has decided since the time before
        if silence.forgetful and not (self._forgotten and known):
            self._forgotten = True
            self._share = self._new_share(self._clock())
        if asked_at >= self._asked_at:
            self._asked_at, self._until = asked_at, asked_at + silence.seconds
        if self._falls_back:
            return
        log.warning("limits: Redis cannot be asked (%s); this process hands out its own share", silence.why)
        self._falls_back = True
        self._probing = asyncio.get_running_loop().create_task(self._probe())
        self._tell(True)

    def _come_back(self) -> None:
        if not self._falls_back:
            return
        log.warning("limits: Redis is asked again")
        self._falls_back = self._forgotten = False
        if self._probing is not None and self._probing is not asyncio.current_task():
            self._probing.cancel()
        self._tell(False)

    def _new_share(self, empty_at_seconds: float | None) -> MemoryLimiter:
        return MemoryLimiter(
            clock=lambda: min(self._clock(), self._until),
            entries_max=self._entries_max,
            share=self._processes,
            empty_at_seconds=empty_at_seconds,
        )

    async def _probe(self) -> None:
        """Ask until Redis answers, beside the requests, so that none of them waits for it."""
        while self._falls_back:
            await asyncio.sleep(PROBE_SECONDS)
            asked_at = self._clock()
            answer = await self._accounts.charge("probe", _LOOK, 0)
            if isinstance(answer, Silence):
                self._fall_back(answer, asked_at)
            else:
                self._come_back()

    def _tell(self, fallen_back: bool) -> None:
        if self._on_fallback is not None:
            try:
                self._on_fallback(fallen_back)
            except Exception:
                log.exception("the observer failed")
