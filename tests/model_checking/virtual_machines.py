"""Processes on machines that can be stopped or put to sleep, in virtual time; which one goes next is drawn by lot.

Time is counted in whole ticks (of a second), so that "just before", "at the same moment" and "just after" all happen.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from .virtual_loop import VirtualLoop

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
STEPS_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Weather:
    """Weather of one interleaving: its delays and failures, drawn for each, so that both calm and rough ones occur.

    :param diligence: chance that a process with something to do does it before time goes on.
    :param trip_max: ticks that a message travels at most, usually.
    :param slow: chance that it travels up to four times as long.
    :param broken: chance that a read fails.
    """

    diligence: float
    trip_max: int
    slow: float
    broken: float

    @classmethod
    def drawn(cls, random: Random) -> Weather:
        """Some weather."""
        return cls(
            diligence=random.choice((1.0, 1.0, 0.9, 0.6)),
            trip_max=random.choice((0, 1, 1, 2, 4)),
            slow=random.choice((0.0, 0.1, 0.4)),
            broken=random.choice((0.0, 0.0, 0.1)),
        )


class Machines:
    """The processes, the time, and what happens outside of any process: the network, the database, the operator."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.weather = Weather.drawn(random)
        self.now = 0
        self.sequence = 0
        self.processes: list[Process] = []
        self._events: list[tuple[int, int, Callable[[], None]]] = []

    def after(self, ticks: int, happen: Callable[[], None]) -> None:
        """Let something happen so many ticks from now."""
        heapq.heappush(self._events, (self.now + ticks, self.moment(), happen))

    def moment(self) -> int:
        """A number that grows: what was numbered first came first, also within a tick."""
        self.sequence += 1
        return self.sequence

    def trip(self) -> int:
        """How long a message travels, in ticks."""
        most = self.weather.trip_max
        if self.weather.slow and self.random.random() < self.weather.slow:
            most = 4 * most + 1
        return int(self.random.random() * (most + 1))

    def run(self) -> None:
        """Until nothing is left to happen.

        :raises RuntimeError: when that takes absurdly long.
        """
        random, diligence = self.random.random, self.weather.diligence
        for _ in range(STEPS_MAX):
            runnable = [one for one in self.processes if one.loop.ready and not one.stopped]
            if runnable and (diligence == 1.0 or random() < diligence):
                runnable[int(random() * len(runnable))].loop.run_one()
            elif not self._advance() and not runnable:
                return
        raise RuntimeError("it goes on for ever")

    def _advance(self) -> bool:
        """Go to the next thing that happens by itself; False when there is none."""
        due: float | None = self._events[0][0] if self._events else None
        ringing: Process | None = None
        for process in self.processes:
            alarm = process.alarm()
            if alarm is not None and (due is None or alarm < due):
                due, ringing = alarm, process
        if due is None:
            return False
        self.now = max(self.now, int(due))
        if ringing is not None:
            ringing.loop.ring()
        else:
            heapq.heappop(self._events)[2]()
        return True


class Process:
    """One process on a machine of its own: an event loop, and clocks."""

    def __init__(self, machines: Machines, name: str) -> None:
        self.machines = machines
        self.name = name
        self.stopped = 0
        self._slept = 0
        self.loop = VirtualLoop(self.monotonic)  # type: ignore[abstract]  # what is not used is not there
        machines.processes.append(self)

    def boot_clock(self) -> float:
        """Goes on while the machine sleeps."""
        return self.machines.now

    def monotonic(self) -> float:
        """Stops while the machine sleeps."""
        return self.machines.now - self._slept

    def wall(self) -> datetime:
        """The time of day."""
        return NOON + timedelta(seconds=self.machines.now)

    def alarm(self) -> float | None:
        """When the next timer of the process rings, unless it is stopped."""
        if self.stopped:
            return None
        timer = self.loop.next_timer()
        return None if timer is None else timer + self._slept

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin something in the process."""
        return self.loop.create_task(work)

    def stop(self, ticks: int, *, asleep: bool) -> None:
        """Stop it for a while: by a signal, or ``asleep`` with its machine, when its monotonic clock stops too."""

        def go_on() -> None:
            self.stopped -= 1
            if asleep:
                self._slept += ticks

        if self.stopped:
            return  # a machine that is suspended is not suspended again
        self.stopped += 1
        self.machines.after(ticks, go_on)

    async def ask(self, act: Callable[[], Any], *, broken: Callable[[], Exception] | None = None) -> Any:
        """Send a message, have ``act`` done where it arrives, wait for the answer.

        What ``act`` gives is the answer, or a future of it. Messages travel, and ``act`` is done, whether or not this
        process is stopped meanwhile.

        :param broken: the error when the connection breaks, on the way there or back; None: it never does.
        """
        machines, answer = self.machines, self.loop.create_future()
        chance = machines.weather.broken if broken is not None else 0.0
        fate = machines.random.random() if chance else 1.0

        def arrive() -> None:
            if broken is not None and fate < chance / 2:
                come_back(broken())
                return
            result = act()
            if isinstance(result, asyncio.Future):
                result.add_done_callback(lambda done: travel_back(done.result()))
            else:
                travel_back(result)

        def travel_back(result: Any) -> None:
            lost = broken is not None and fate < chance
            machines.after(machines.trip(), lambda: come_back(broken() if lost and broken is not None else result))

        def come_back(result: Any) -> None:
            self.loop.call_soon(_settle, answer, result)

        machines.after(machines.trip(), arrive)
        return await answer


def _settle(answer: asyncio.Future[Any], result: Any) -> None:
    if answer.done():
        return  # no task waits any more
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
