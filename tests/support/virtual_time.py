"""An event loop whose time jumps to the next timer whenever nothing is left to do: hours pass in no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

Result = TypeVar("Result")

IDLE_SECONDS_MAX = 86_400.0


class _Jumping(selectors.BaseSelector):
    """Looks at files without waiting, and lets the loop's time pass instead."""

    def __init__(self) -> None:
        self._files = selectors.DefaultSelector()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._files.select(0)
        if not ready and (timeout is None or timeout > 0):
            if timeout is None or timeout > IDLE_SECONDS_MAX:
                raise RuntimeError("all tasks wait for events that never come")
            self.now += timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._files.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._files.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._files.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._files.get_map()

    def close(self) -> None:
        self._files.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """Event loop whose ``time()`` moves only when all tasks wait, and by :meth:`stall`."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def stall(self, seconds: float) -> None:
        """Time passes and nothing runs: a blocking call, a busy or suspended machine."""
        self._jumping.now += seconds


def in_virtual_time(test: Callable[[VirtualLoop], Coroutine[Any, Any, Result]]) -> Result:
    """Run a test on a loop of its own. Threads are not waited for."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(test(loop))
