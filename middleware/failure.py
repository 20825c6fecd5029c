"""What an exception of somebody else's code is told of in the log: what it is and where it came from, not its text.

A driver may have put the secret into an exception's text, and a line of source may hold one. So neither is written.
"""

import asyncio
from types import TracebackType

PLACES_MAX = 20
CAUSES_MAX = 5


def places_of(error: BaseException) -> str:
    """The exception's type and the places it went through, innermost last; then the same of what led to it."""
    lines: list[str] = []
    led: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if led is None:
            break
        lines += [f"{type(led).__name__}, raised through", *_places(led.__traceback__)]
        led = led.__cause__ or (None if led.__suppress_context__ else led.__context__)
    return "\n".join(lines)


def _places(traceback: TracebackType | None) -> list[str]:
    places: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f'  File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_qualname}')
        traceback = traceback.tb_next
    return places[-PLACES_MAX:]


def is_being_cancelled() -> bool:
    """Whether somebody cancelled the task that runs this, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
