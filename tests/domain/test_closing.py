"""Several things are closed one after the other, whatever becomes of each."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from spacekey.domain.closing import close_in_turn
from support.cancelled import MANNERS, Manner, at_every_step


class Things:
    """Three things, each of which waits while it closes."""

    def __init__(self, failing: frozenset[int] = frozenset()) -> None:
        self.failing = failing
        self.tried: list[int] = []

    async def close(self, number: int) -> None:
        """Close one."""
        self.tried.append(number)
        await asyncio.sleep(0)
        if number in self.failing:
            raise OSError(number)

    async def aclose(self) -> None:
        """Close all."""
        await close_in_turn(*(lambda number=number: self.close(number) for number in range(3)))


@pytest.mark.parametrize(
    "failing", [frozenset(one) for size in range(4) for one in itertools.combinations(range(3), size)]
)
async def test_all_are_closed_in_turn_if_some_fail(failing: frozenset[int]) -> None:
    things = Things(failing)
    if failing:
        with pytest.raises(OSError, match=str(max(failing))):
            await things.aclose()
    else:
        await things.aclose()
    assert things.tried == [0, 1, 2]


@pytest.mark.parametrize("manner", MANNERS)
async def test_all_are_closed_if_it_is_cancelled_at_any_step(manner: Manner) -> None:
    things = Things()

    async def look() -> None:
        assert things.tried == [0, 1, 2]
        things.tried.clear()

    assert await at_every_step(things.aclose, manner, look) == 3
