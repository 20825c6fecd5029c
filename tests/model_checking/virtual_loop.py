"""An event loop in virtual time: the real asyncio tasks of one process, one callback at a time, whenever told to."""

from __future__ import annotations

import asyncio
import heapq
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any


class VirtualLoop(asyncio.AbstractEventLoop):
    """Keeps what is ready in order, as asyncio does, and timers by this process's own monotonic clock.

    Nothing runs by itself: the driver calls :meth:`run_one` and :meth:`ring`.

    :param monotonic: this process's clock, which stops while its machine sleeps.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self.ready: deque[asyncio.Handle] = deque()
        self.failures: list[dict[str, Any]] = []

    def run_one(self) -> None:
        """Run the callback that is first in line."""
        handle = self.ready.popleft()
        if handle.cancelled():
            return
        _set_running_loop(self)
        try:
            handle._run()
        finally:
            _set_running_loop(None)

    def next_timer(self) -> float | None:
        """When the earliest timer is due, by the monotonic clock."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def ring(self) -> None:
        """Make ready what is due."""
        now = self._monotonic()
        while self._timers and self._timers[0][0] <= now:
            self.ready.append(heapq.heappop(self._timers)[2])

    def time(self) -> float:
        return self._monotonic()

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._monotonic() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **_: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self)

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context)

    def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
        """Called by asyncio; cancelled timers are dropped when their time comes."""
