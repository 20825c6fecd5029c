"""Work that must not be cut off by a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def uncut(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait until ``work`` has ended, in a task of its own, even if the waiting task is cancelled meanwhile.

    The work must have its own time limit: nothing here ends it.

    :raises asyncio.CancelledError: after the work, if the waiting task was cancelled. It takes precedence over an error
        of the work, because swallowing a cancellation would make a deadline or a task group wait forever.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            # Unlike a shield this leaves the work's own error in its task.
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    # The work's error must be retrieved, or the loop would report that it never was.
    raise cancelled from (None if task.cancelled() else task.exception())
