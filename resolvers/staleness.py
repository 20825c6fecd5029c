"""Change T on a running system without a moment in which the promise does not hold.

Writers wait for one number and readers cache for another; the first is never below the second. Raising moves the
writers' number first, lowering moves it last, after every entry cached under the old T has gone. Of two changes at
the same time the one that began last goes through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import update_wrapper
from math import ceil
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import Conflict, InvalidInput, NotFound
from spacekey.models.queries.settings import hold_staleness, read_setting, write_setting
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.setting import MAX_STALENESS, STALENESS_CHANGES, STALENESS_WAIT
from spacekey.resolvers.access.caller import Caller, Operator
from spacekey.resolvers.audit.log import actor_of, record

from .system import System

STALENESS_SECONDS_MAX = 60.0
STALENESS_SECONDS_MIN = 0.1
"""Below it a cached answer would be out of date before a busy process comes to use it."""


async def set_staleness(system: System, caller: Operator, seconds: float) -> None:
    """Set T for all processes on this database. Lowering takes as long as the old T.

    :param seconds: 0.1 to 60, or 0, which turns caching off.
    :raises InvalidInput: for another number.
    :raises Conflict: somebody else began to change T meanwhile, and their number stands.
    """
    if seconds != 0 and not STALENESS_SECONDS_MIN <= seconds <= STALENESS_SECONDS_MAX:
        least, most = STALENESS_SECONDS_MIN, STALENESS_SECONDS_MAX
        raise InvalidInput("seconds", f"Give {least:g} to {most:g} seconds, or 0 for no caching at all.")
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
            # What was slept for says nothing about the numbers as they are now.
            raise Conflict("Somebody else is changing T at the same moment. Look again, then repeat what is needed.")
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


async def current_staleness(system: System) -> float:
    """The larger of both numbers, in seconds: what a change that takes access away waits for."""
    async with system.store.reading() as session:
        return await _larger(session, system)


async def _larger(session: AsyncSession, system: System) -> float:
    waiting = await read_setting(session, STALENESS_WAIT, system.default_staleness_seconds)
    return max(waiting, await read_setting(session, MAX_STALENESS, system.default_staleness_seconds))


WAITING_MAX = 100
"""How many changes that take access away one caller may have under way in one server, those that wait included."""

WAITING_BY_ADDRESS_MAX = 20
"""The same for one address that revokes tokens with themselves."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Asking = TypeVar("Asking", bound=Caller)


async def staleness_seconds(session: AsyncSession, system: System) -> float:
    """How long any process may still serve a verification from its cache, once this transaction has committed.

    T cannot be raised between this reading and the commit: the transaction holds it.
    """
    await hold_staleness(session)
    return await read_setting(session, STALENESS_WAIT, system.default_staleness_seconds)


async def settle(system: System, staleness: float, *, wait: bool) -> datetime:
    """Called right after the commit: wait until no cache can hold the old truth.

    :param staleness: T in seconds, read in the transaction that made the change.
    :param wait: False answers at once.
    :returns: the moment from which no process accepts the token; in the future when not waited for.
    """
    effective_at = system.clock() + timedelta(seconds=staleness)
    if wait and staleness > 0:
        await system.sleep(staleness)
    return effective_at


async def settle_refused(system: System) -> None:
    """Wait for T before something is said to be gone or changed already.

    It may have been taken away a moment ago, by a request whose answer was lost. The wait is the same whether it was,
    is another's or never existed: its length tells nothing. It does not depend on ``wait=False`` either, because
    such an answer has no ``effectiveAt``.
    """
    async with system.store.reading() as session:
        staleness = await read_setting(session, STALENESS_WAIT, system.default_staleness_seconds)
    if staleness > 0:
        await system.sleep(staleness)


@asynccontextmanager
async def taking_away(system: System, caller: Caller) -> AsyncIterator[None]:
    """Around a change that takes access away: its NotFound and Conflict wait for T, as its success does.

    :raises Unavailable: the caller has :data:`WAITING_MAX` such changes under way; nothing was changed.
    """
    # The operator's commands end by themselves, and there is nobody to protect the machine from them.
    with place_to_wait(system, "" if isinstance(caller, Operator) else caller.id, WAITING_MAX):
        try:
            yield
        except (NotFound, Conflict):
            await settle_refused(system)
            raise


@contextmanager
def place_to_wait(system: System, key: str, most: int) -> Iterator[None]:
    """Count what one caller or address has under way; an empty key is not bounded.

    :raises Unavailable: it has ``most`` already.
    """
    if not key:
        yield
        return
    release = system.places.take(f"waiting {key}", most)
    if release is None:
        seconds = max(1, ceil(system.default_staleness_seconds))
        raise Unavailable(f"{key} has {most} changes under way that wait to take effect; wait for some", seconds)
    try:
        yield
    finally:
        release()


def takes_access_away(
    resolver: Callable[Concatenate[System, Asking, Arguments], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[System, Asking, Arguments], Coroutine[Any, Any, Result]]:
    """Mark a resolver that can take access away, and run it in :func:`taking_away`."""

    async def waiting(system: System, caller: Asking, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        async with taking_away(system, caller):
            return await resolver(system, caller, *args, **kwargs)

    update_wrapper(waiting, resolver)
    return waiting
