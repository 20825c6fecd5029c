"""Work that must not be cut off in the middle: whoever waits for it may be cancelled, but only after it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def uncut(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait until ``work`` has ended, in a task of its own, however often the waiting task is cancelled meanwhile.

    The work brings its own bound: nothing here ends it.

    :raises asyncio.CancelledError: after the work, when the waiting task was cancelled; it comes before what the work
        raised, because a cancellation that is swallowed would let a deadline or a task group wait forever.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            # Unlike a shield this leaves the work's own error where it is.
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    # The work's error must be looked at, or the loop would report it as never retrieved.
    raise cancelled from (None if task.cancelled() else task.exception())
