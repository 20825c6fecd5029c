"""Work that is not cut off: the one who waits hears of the cancellation, but afterwards."""

from __future__ import annotations

import asyncio

import pytest

from spacekey.models.engine.uncut import uncut


class Oops(Exception):
    pass


class Work:
    """Begins, waits to be let go, ends."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.ended = False
        self._trouble = trouble

    async def __call__(self) -> str:
        self.begun.set()
        await self.let_go.wait()
        self.ended = True
        if self._trouble is not None:
            raise self._trouble
        return "done"


async def test_the_result_and_the_error_are_the_works_own() -> None:
    work, troubled = Work(), Work(Oops())
    work.let_go.set()
    troubled.let_go.set()
    assert await uncut(work()) == "done"
    with pytest.raises(Oops):
        await uncut(troubled())


@pytest.mark.parametrize("trouble", [None, Oops()])
async def test_however_often_it_is_cancelled_the_work_ends_first_and_the_cancellation_is_not_lost(
    trouble: Exception | None,
) -> None:
    work = Work(trouble)
    waiting = asyncio.create_task(uncut(work()))
    await work.begun.wait()
    for _ in range(3):
        waiting.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
    work.let_go.set()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await waiting
    assert work.ended
    assert cancelled.value.__cause__ is trouble


async def test_a_deadline_around_it_ends_as_a_deadline() -> None:
    work = Work()

    async def with_deadline() -> None:
        async with asyncio.timeout(0):
            await uncut(work())

    waiting = asyncio.create_task(with_deadline())
    await work.begun.wait()
    work.let_go.set()
    with pytest.raises(TimeoutError):
        await waiting
    assert work.ended
