"""Usage, counted on the request path and flushed in batches by a task of its own.

A request never waits for a flush, and a flush that fails loses nothing: what was not sent stays in memory, within a
bound, and goes on being added up. Only the one batch whose outcome is not known is set aside, to be sent again under
the same number, which adds it once. A crash loses what was not flushed yet. A process may make the collector before it
forks: each child counts for itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from typing import Protocol
from weakref import WeakSet

from spacekey.domain.clock import MonotonicClock, WallClock, boot_clock
from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.usage import UsageBatch, UsageSink

from .counts import ENTRIES_MAX, UsageCounts

log = logging.getLogger("spacekey.usage")

FLUSH_SECONDS = 5.0
BATCH_ENTRIES_MAX = 500
CLOSE_SECONDS = 5.0


class UsageCollector(UsageCounts):
    """Collects what requests do with their tokens and sends it on. Pass it to ``TokenMiddleware(usage=…)``.

    :param sink: stores the batches.
    :param flush_seconds: how long counts wait; also the most that a crash loses.
    :param entries_max: how many (token, hour) entries are held while the sink does not answer; more is counted as
        ``lost``.
    :param close_seconds: how long closing waits for the last flush.
    :param now: wall time; None for the machine's.
    :param clock: seconds, for ``lag_seconds``.
    :param sleep: waits for so many seconds, between flushes.
    :raises ConfigurationError: for a number that is too small.
    """

    def __init__(
        self,
        sink: UsageSink,
        *,
        flush_seconds: float = FLUSH_SECONDS,
        entries_max: int = ENTRIES_MAX,
        close_seconds: float = CLOSE_SECONDS,
        now: WallClock | None = None,
        clock: MonotonicClock = boot_clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(now=now, entries_max=entries_max, wake=self._start)
        if not (flush_seconds > 0 and close_seconds > 0):
            raise ConfigurationError("flush_seconds and close_seconds: must be greater than 0")
        self._sink = sink
        self._flush_seconds = flush_seconds
        self._close_seconds = close_seconds
        self._clock = clock
        self._sleep = sleep
        self._closed = False
        self._begin()
        reset_in_forked_children(self)

    def _begin(self) -> None:
        self._noted_since: float | None = None
        self._in_doubt_since: float | None = None
        self._reporter: str | None = None
        self._number = 0
        self._in_doubt: UsageBatch | None = None
        self._flushing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def reset_after_fork(self) -> None:
        """Start from zero in the child of a fork, under another name. The parent sends what it counted."""
        self.forget()
        self._begin()

    @property
    def waiting(self) -> int:
        """Number of (token, hour) entries that are not known to be stored."""
        return len(self) + (0 if self._in_doubt is None else len(self._in_doubt.uses))

    @property
    def lag_seconds(self) -> float:
        """Age of the oldest count that is not known to be stored; 0 if there is none."""
        since = [moment for moment in (self._noted_since, self._in_doubt_since) if moment is not None]
        return self._clock() - min(since) if since else 0.0

    async def flush(self) -> None:
        """Send what has been counted. If the sink does not answer, the next flush sends it again."""
        async with self._flushing:
            batches_max = 2 + len(self) // BATCH_ENTRIES_MAX  # what is counted meanwhile is left to the next flush
            for _ in range(batches_max):
                batch = self._in_doubt = self._in_doubt or self._next()
                if batch is None:
                    return
                try:
                    left_out = await self._sink.send(batch)
                except ServiceUnavailable as error:
                    log.warning("usage waits, %d rows: %s", self.waiting, error)
                    return
                except Exception as error:  # noqa: BLE001 - the batch would fail forever, and block all that follow
                    self._lose(sum(use.requests for use in batch.uses), f"{type(error).__name__}: {error}")
                else:
                    if left_out:
                        self._lose(left_out, "they are too old for the sink, or this machine's clock is behind")
                self._in_doubt = self._in_doubt_since = None

    async def aclose(self) -> None:
        """Flush once more, for a bounded time, and close the sink. What is counted after that is lost."""
        self._closed = True
        await close_in_turn(self._flush_last, self._sink.aclose)

    async def _flush_last(self) -> None:
        if self._task is not None and self._runs:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._close_seconds):
                await self.flush()
        if self.waiting:
            log.error("usage of %d tokens is lost: the sink did not answer", self.waiting)

    def _start(self) -> None:
        """Start the task at the first count, so that a collector may be made outside of an event loop."""
        if self._noted_since is None:
            self._noted_since = self._clock()
        if not (self._runs or self._closed):
            self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def _runs(self) -> bool:
        """Whether the task runs; one whose event loop was closed, as between two tests, never runs again."""
        task = self._task
        return task is not None and not task.done() and not task.get_loop().is_closed()

    async def _run(self) -> None:
        """Flush at intervals until nothing is left. The next count starts another task."""
        while self.waiting:
            await self._sleep(self._flush_seconds)
            await self.flush()

    def _next(self) -> UsageBatch | None:
        rows = self.take(BATCH_ENTRIES_MAX)
        if not rows:
            return None
        self._in_doubt_since = self._noted_since
        if not len(self):  # else the oldest may be among those left, whose age is not known
            self._noted_since = None
        if self._reporter is None:
            self._reporter = secrets.token_hex(16)
        self._number += 1
        return UsageBatch(self._reporter, self._number, tuple(rows))

    def _lose(self, requests: int, why: str) -> None:
        self.lost += requests
        log.error("usage of %d requests is lost: %s", requests, why)


class Forked(Protocol):
    """Object that two processes must not both go on with."""

    def reset_after_fork(self) -> None:
        """Reset the object in the child, before any other code runs there; only one thread is left."""
        ...


def reset_in_forked_children(one: Forked) -> None:
    """Reset ``one`` in every forked child of this process, for as long as ``one`` is in use."""
    _known().add(one)


@cache
def _known() -> WeakSet[Forked]:
    """Return the objects to reset, under one registration for the process, because Python never removes any."""
    known: WeakSet[Forked] = WeakSet()

    def reset_all() -> None:
        for one in list(known):
            one.reset_after_fork()

    if hasattr(os, "register_at_fork"):  # a system without it does not fork
        os.register_at_fork(after_in_child=reset_all)
    return known
