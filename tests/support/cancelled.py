"""Work that is cancelled at each of its steps in turn, as clients, deadlines and shutdowns do it at any."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Literal

# "early": while the step waits; "late": its answer is there and is lost; "twice": once more while cleaning up.
Manner = Literal["early", "late", "twice"]
MANNERS: tuple[Manner, ...] = ("early", "late", "twice")


class Cancelled(Generator[object, None, None]):
    """Awaits ``work`` and cancels the task it runs in at the n-th place where it waits for something."""

    def __init__(self, work: Coroutine[Any, Any, object], step: int, manner: Manner) -> None:
        self._work = work
        self._at = {step, step + 1} if manner == "twice" else {step}
        self._late = manner == "late"
        self._number = 0
        self.reached = False

    async def outcome(self) -> bool:
        """Whether the work was cancelled."""
        task = asyncio.create_task(self._run())
        await asyncio.wait((task,))
        if not self.reached:
            task.result()
        return task.cancelled()

    async def _run(self) -> None:
        await self

    def __await__(self) -> Cancelled:
        self._steps = self._work.__await__()
        return self

    def send(self, value: object) -> object:
        """The task goes on with the work."""
        return self._waits_for(self._steps.send(value))

    def throw(self, *error: Any) -> object:
        """The task hands in what went wrong while the work waited."""
        return self._waits_for(self._steps.throw(*error))

    def _waits_for(self, waited: asyncio.Future[object] | None) -> object:
        self._number += 1
        task = asyncio.current_task()
        if task is not None and self._number in self._at:
            self.reached = True
            if self._late and waited is not None:
                # Called before the task itself hears of it.
                waited.add_done_callback(lambda _: task.cancel())
            else:
                task.cancel()
        return waited


async def at_every_step(
    work: Callable[[], Coroutine[Any, Any, object]], manner: Manner, then: Callable[[], Awaitable[None]]
) -> int:
    """Cancel ``work`` at its first step, look, at its second, and so on until it ends by itself; how many steps."""
    for step in itertools.count(1):
        attempt = Cancelled(work(), step, manner)
        cancelled = await attempt.outcome()
        assert cancelled is attempt.reached
        if not attempt.reached:
            return step - 1
        await then()
    raise AssertionError


class Beside(Generator[object, None, None]):
    """Awaits ``work`` and begins ``other``, in a task of its own, at the n-th place where the work waits."""

    def __init__(self, work: Coroutine[Any, Any, object], step: int, other: Callable[[], Awaitable[object]]) -> None:
        self._work = work
        self._step = step
        self._other = other
        self._number = 0
        self._began: asyncio.Future[object] | None = None

    async def reached(self) -> bool:
        """Whether there was such a place, when both have ended."""
        await self
        if self._began is not None:
            await self._began
        return self._began is not None

    def __await__(self) -> Beside:
        self._steps = self._work.__await__()
        return self

    def send(self, value: object) -> object:
        """The task goes on with the work."""
        return self._waits_for(self._steps.send(value))

    def throw(self, *error: Any) -> object:
        """The task hands in what went wrong while the work waited."""
        return self._waits_for(self._steps.throw(*error))

    def _waits_for(self, waited: object) -> object:
        self._number += 1
        if self._number == self._step:
            self._began = asyncio.ensure_future(self._other())
        return waited


async def beside_every_step(
    work: Callable[[], Coroutine[Any, Any, object]],
    other: Callable[[], Awaitable[object]],
    then: Callable[[], Awaitable[None]],
) -> int:
    """Begin ``other`` at the first step of ``work``, wait for both, look, at its second, and so on; how many steps."""
    for step in itertools.count(1):
        if not await Beside(work(), step, other).reached():
            return step - 1
        await then()
    raise AssertionError
