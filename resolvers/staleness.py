"""Change T on a running system without a moment in which the promise does not hold.

Writers wait for one number and readers cache for another; the first is never below the second. Raising moves the
writers' number first, lowering moves it last, after every entry cached under the old T has gone. Of two changes at
the same time the one that began last goes through.
"""

from __future__ import annotations

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import Conflict, InvalidInput
from spacekey.models.queries.settings import hold_staleness, read_setting, write_setting
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.setting import MAX_STALENESS, STALENESS_CHANGES, STALENESS_WAIT
from spacekey.resolvers.access.caller import Operator
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
