"""A verifier or fallback is asked in bounded time, and its answer is looked at before anybody relies on it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from spacekey.domain.errors import Unavailable
from spacekey.domain.outcome import CannotTell, Refused, Valid, Verdict

from .failure import is_being_cancelled, places_of
from .well_formed import flaw_in

log = logging.getLogger("spacekey.middleware")

Question = TypeVar("Question")


async def asked_within(
    deadline_seconds: float, ask: Callable[[Question], Awaitable[object]], question: Question, who: str
) -> object:
    """The answer, or "cannot tell" when asking raised or took too long. Cancelling the caller passes through."""
    try:
        async with asyncio.timeout(deadline_seconds):
            asking: object = ask(question)
            if not isinstance(asking, Awaitable):
                log.error("%s is not async, and answered with %s: write 'async def'", who, type(asking).__name__)
                return CannotTell(f"{who} is not async")
            return await asking
    except TimeoutError:
        return CannotTell(f"{who} took longer than {deadline_seconds} s")
    except Unavailable as unavailable:
        return CannotTell(f"{who} is unavailable: {unavailable}", unavailable.retry_after_seconds)
    except asyncio.CancelledError as cancelled:
        if is_being_cancelled():
            raise
        log.error("%s failed with %s", who, places_of(cancelled))
    except Exception as error:  # noqa: BLE001 - whatever went wrong, nothing may be accepted or denied for it
        log.error("%s failed with %s", who, places_of(error))
    return CannotTell(f"{who} failed")


def usable(answer: object, who: str) -> Verdict:
    """The answer where it can be relied on; "cannot tell" for any other, and what is wrong with it in the log."""
    if isinstance(answer, Refused):
        return answer
    if isinstance(answer, CannotTell):
        return answer if isinstance(answer.retry_after_seconds, int) else CannotTell(answer.why)
    if not isinstance(answer, Valid):
        log.error("%s answered with %s", who, type(answer).__name__)
        return CannotTell(f"{who}'s answer is none of those there are")
    flaw = flaw_in(answer.principal)
    if flaw is None:
        return answer
    log.error("%s answered with a principal that cannot be relied on: %s", who, flaw)
    return CannotTell(f"{who}'s principal cannot be relied on")
