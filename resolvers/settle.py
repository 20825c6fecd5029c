"""Taking access away is answered when it holds everywhere: after commit + T (docs/revocation.md)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.setting import STALENESS_WAIT
from spacekey.models.setting_queries import hold_staleness, read_setting

from .system import System


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
