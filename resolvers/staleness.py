"""T, the bound on how stale a cached verification can be: reading it, changing it, and waiting for it.

Two numbers are stored: readers cache for one, and changes that take access away wait for the other, which is never
below the first. Raising T moves the writers' number first; lowering T moves it last, after every entry cached under the
old T has expired. So the promise holds at every moment of a change. Of two concurrent changes, the one that began last
takes effect.

A change that takes access away is answered once no cache can hold the earlier state (:func:`settle`), and so is its
NotFound, Conflict or PreconditionFailed (:func:`taking_away`). The number of such changes that one caller can have in
progress is bounded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import update_wrapper
from math import ceil
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.clock import whole_milliseconds_later
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput, NotFound, PreconditionFailed
from spacekey.models.queries.settings import hold_staleness, read_setting, write_setting
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.setting import MAX_STALENESS, STALENESS_CHANGES, STALENESS_WAIT
from spacekey.resolvers.access.caller import Caller, Operator, acts_as_operator
from spacekey.resolvers.audit.log import actor_of, record

from .system import System

STALENESS_SECONDS_MAX = 60.0
STALENESS_SECONDS_MIN = 0.1
"""Below this a cached answer would expire before a busy process could use it."""

WAITING_MAX = 100
"""Maximum number of changes that take access away in progress for one caller in one server, waiting ones included."""

WAITING_BY_ADDRESS_MAX = 20
"""The same for one address that revokes tokens with themselves."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Asking = TypeVar("Asking", bound=Caller)


async def current_staleness(system: System) -> float:
    """Return the larger of both numbers, in seconds: the time that a change that takes access away waits."""
    async with system.store.reading() as session:
        return await _larger(session, system)


async def set_staleness(system: System, caller: Operator, seconds: float) -> None:
    """Set T for all processes on this database. Lowering it takes as long as the old T.

    :param seconds: 0.1 to 60, or 0 to turn caching off.
    :raises InvalidInput: for any other number.
    :raises Conflict: if another change of T began meanwhile; its number stands.
    """
    check_staleness(seconds)
    async with system.store.changing() as session:
        await hold_staleness(session, to_change=True)
        old = await _larger(session, system)
        first, last = (STALENESS_WAIT, MAX_STALENESS) if seconds > old else (MAX_STALENESS, STALENESS_WAIT)
        turn = await read_setting(session, STALENESS_CHANGES, 0.0) + 1
        await write_setting(session, STALENESS_CHANGES, turn)
        await write_setting(session, first, seconds)
    if seconds < old:
        await system.sleep(old)
    async with system.store.changing() as session:
        await hold_staleness(session, to_change=True)
        if await read_setting(session, STALENESS_CHANGES, 0.0) != turn:
            # Read again: the numbers may have changed during the wait.
            raise Conflict(
                "Another change of T is in progress. Check the value, then repeat your change if it is still needed.",
                ConflictCode.CONCURRENT_CHANGE,
            )
        await write_setting(session, last, seconds)
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action="settings.staleness",
            target_id=MAX_STALENESS,
            before={"seconds": old},
            after={"seconds": seconds},
        )


def check_staleness(seconds: float) -> None:
    """Raise if T cannot be so many seconds.

    :raises InvalidInput: for a number other than 0 and 0.1 to 60.
    """
    if seconds != 0 and not STALENESS_SECONDS_MIN <= seconds <= STALENESS_SECONDS_MAX:
        least, most = STALENESS_SECONDS_MIN, STALENESS_SECONDS_MAX
        raise InvalidInput(
            "seconds", f"Give {least:g} to {most:g} seconds, or 0 to turn caching off.", InputCode.OUT_OF_RANGE
        )


async def staleness_seconds(session: AsyncSession, system: System) -> float:
    """Return the time, in seconds after this transaction commits, for which a process may serve a cached verification.

    T cannot be raised between this read and the commit: the transaction holds it.
    """
    await hold_staleness(session)
    return await read_setting(session, STALENESS_WAIT, system.default_staleness_seconds)


async def settle(system: System, staleness: float, *, wait: bool) -> datetime:
    """Wait, right after the commit, until no cache can hold the earlier state.

    :param staleness: T in seconds, read in the transaction that made the change.
    :param wait: False returns at once.
    :returns: the time from which no process accepts the token; in the future if it was not waited for.
    """
    effective_at = effective_now(system, staleness)
    if wait and staleness > 0:
        await system.sleep(staleness)
    return effective_at


def effective_now(system: System, staleness: float = 0.0) -> datetime:
    """Return the time at which a change that was made now is in effect, in whole milliseconds as it is shown.

    It is rounded up, so that it is never before the true time.
    """
    return whole_milliseconds_later(system.clock() + timedelta(seconds=staleness))


async def settle_refused(system: System) -> None:
    """Wait for T before answering that something is already gone or changed.

    It may have been taken away a moment ago by a request whose answer was lost. The wait is the same whether the object
    was removed, belongs to another workspace or never existed, so its length reveals nothing. It does not depend on
    ``wait=False``, because such an answer has no ``effectiveAt``.
    """
    async with system.store.reading() as session:
        staleness = await read_setting(session, STALENESS_WAIT, system.default_staleness_seconds)
    if staleness > 0:
        await system.sleep(staleness)


@asynccontextmanager
async def taking_away(system: System, caller: Caller) -> AsyncIterator[None]:
    """Return a context for a change that takes access away.

    Its NotFound, Conflict and PreconditionFailed wait for T, as its success does.

    :raises ServiceUnavailable: if the caller has :data:`WAITING_MAX` such changes in progress; nothing was changed.
    """
    # The operator's commands end by themselves; the operator and a host application are trusted with their machine.
    with place_to_wait(system, "" if acts_as_operator(caller) else caller.id, WAITING_MAX):
        try:
            yield
        except (NotFound, Conflict, PreconditionFailed):
            await settle_refused(system)
            raise


def takes_access_away(
    resolver: Callable[Concatenate[System, Asking, Arguments], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[System, Asking, Arguments], Coroutine[Any, Any, Result]]:
    """Run a resolver that can take access away in :func:`taking_away`."""

    async def waiting(system: System, caller: Asking, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        async with taking_away(system, caller):
            return await resolver(system, caller, *args, **kwargs)

    update_wrapper(waiting, resolver)
    return waiting


@contextmanager
def place_to_wait(system: System, key: str, most: int) -> Iterator[None]:
    """Count a change in progress for a caller or address, within the context. An empty key is not bounded.

    :raises ServiceUnavailable: if ``most`` are already in progress.
    """
    if not key:
        yield
        return
    release = system.places.take(f"waiting {key}", most)
    if release is None:
        seconds = max(1, ceil(system.default_staleness_seconds))
        raise ServiceUnavailable(
            f"{key} has {most} changes in progress that are waiting to take effect; wait for some to finish", seconds
        )
    try:
        yield
    finally:
        release()


async def _larger(session: AsyncSession, system: System) -> float:
    waiting = await read_setting(session, STALENESS_WAIT, system.default_staleness_seconds)
    return max(waiting, await read_setting(session, MAX_STALENESS, system.default_staleness_seconds))
