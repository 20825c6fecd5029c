"""How old the oldest unsent note is said to be: never younger than it is, and 0 only when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.errors import Unavailable
from spacekey.domain.usage import UsageBatch
from spacekey.middleware.usage.collector import BATCH_ENTRIES_MAX, UsageCollector


class Sink:
    """Keeps or refuses as it is told, and lets something happen while a batch is on its way."""

    def __init__(self) -> None:
        self.down = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def send(self, _batch: UsageBatch) -> None:
        self.meanwhile()
        if self.down:
            raise Unavailable("no")

    async def aclose(self) -> None:
        """Nothing to close."""


class Desk:
    """A collector in virtual time, and the true age of what it holds."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sink = Sink()
        self.usage = UsageCollector(self.sink, clock=lambda: self.now, sleep=_for_ever)

    def note(self, count: int = 1) -> None:
        """So many tokens are used."""
        for number in range(count):
            self.usage.allowed(f"key_{number}", None)


async def _for_ever(_seconds: float) -> None:
    await asyncio.Event().wait()


async def test_the_oldest_note_ages_until_it_is_kept() -> None:
    desk = Desk()
    assert desk.usage.lag_seconds == 0
    desk.note()
    desk.now += 3
    desk.note(2)
    assert desk.usage.lag_seconds == 3
    await desk.usage.flush()
    assert (desk.usage.lag_seconds, desk.usage.waiting) == (0, 0)
    desk.now += 60
    assert desk.usage.lag_seconds == 0
    desk.note()
    desk.now += 1
    assert desk.usage.lag_seconds == 1


async def test_a_sink_that_does_not_answer_lets_it_grow() -> None:
    desk = Desk()
    desk.sink.down = True
    desk.note()
    for _ in range(3):
        desk.now += 5
        await desk.usage.flush()
        desk.note()
    assert desk.usage.lag_seconds == 15
    desk.sink.down = False
    await desk.usage.flush()
    assert desk.usage.lag_seconds == 0


async def test_what_is_noted_during_a_flush_is_as_old_as_itself() -> None:
    desk = Desk()
    desk.note()
    desk.now += 5
    desk.sink.meanwhile = desk.note  # every batch is answered by another note, so nothing is ever empty
    await desk.usage.flush()
    desk.now += 2
    assert desk.usage.waiting == 1
    assert desk.usage.lag_seconds == 2


async def test_what_no_batch_had_room_for_is_still_as_old_as_it_is() -> None:
    desk = Desk()
    desk.note(BATCH_ENTRIES_MAX + 1)
    desk.now += 5

    def fail_next() -> None:
        desk.sink.meanwhile = down

    def down() -> None:
        desk.sink.down = True

    desk.sink.meanwhile = fail_next
    await desk.usage.flush()
    assert desk.usage.waiting == 1
    assert desk.usage.lag_seconds == 5


async def test_a_batch_that_is_given_up_no_longer_waits(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()

    def broken() -> None:
        raise ValueError("never")

    desk.sink.meanwhile = broken
    desk.note()
    desk.now += 5
    await desk.usage.flush()
    assert (desk.usage.lag_seconds, desk.usage.lost) == (0, 1)
    assert "lost" in caplog.text


@given(st.lists(st.one_of(st.integers(0, 20), st.sampled_from(["note", "flush", "fail"])), max_size=40))
def test_whatever_happens_the_lag_covers_everything_that_waits(steps: list[int | str]) -> None:
    async def run() -> None:
        desk = Desk()
        oldest: float | None = None
        for step in steps:
            if isinstance(step, int):
                desk.now += step
            elif step == "note":
                desk.note()
                oldest = desk.now if oldest is None else oldest
            else:
                desk.sink.down = step == "fail"
                await desk.usage.flush()
                oldest = oldest if desk.usage.waiting else None
            assert desk.usage.lag_seconds == (0.0 if oldest is None else desk.now - oldest)
        if desk.usage._task is not None:
            desk.usage._task.cancel()
            await asyncio.gather(desk.usage._task, return_exceptions=True)

    asyncio.run(run())
