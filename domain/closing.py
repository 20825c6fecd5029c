"""Closing of several things."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack


async def close_in_turn(*closings: Callable[[], Awaitable[object]]) -> None:
    """Call one after the other, all of them, also if one fails or is cancelled.

    :raises BaseException: what the last of those that failed raised, after all have been called.
    """
    async with AsyncExitStack() as stack:
        for closing in reversed(closings):
            stack.push_async_callback(closing)
