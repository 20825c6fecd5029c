"""A member's own sessions: which browsers are signed in, and signing them out. Tokens cannot do any of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import NotFound
from spacekey.domain.secret import Secret
from spacekey.models.queries import users as user_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.user import UserSession
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.sessions import IDLE
from spacekey.resolvers.audit.log import actor_of, record

from .system import System

SESSIONS_LISTED_MAX = 100


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A signed-in browser as its owner sees it. ``ends_at`` comes sooner when it is not used."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    ip: str
    user_agent: str
    is_current: bool


async def own_sessions(system: System, caller: MemberCaller, present: Secret | None) -> list[OwnSession]:
    """The sessions that are not over, the last seen first; at most 100 of them.

    :param present: the session secret the request came with, so that its row can be told apart.
    """
    now = system.clock()
    digest = None if present is None else present.digest()
    async with system.store.reading() as session:
        rows = await user_queries.sessions_of_user(session, caller.id, seen_after=now - IDLE, limit=SESSIONS_LISTED_MAX)
    return [_own(row, digest) for row in rows if now < row.expires_at]


async def end_session(system: System, caller: MemberCaller, session_id: str, present: Secret | None) -> bool:
    """End one of the caller's own sessions. Whether it was the present one.

    :raises NotFound: there is no such session, it is somebody else's, or it is over.
    """
    async with system.store.changing() as session:
        await _hold(session, caller)
        ended = await user_queries.session_by_id(session, session_id)
        if ended is None or ended.user_id != caller.id:
            raise NotFound("session")
        await user_queries.delete_session(session, ended.digest)
        await _record(session, system, caller, "session.end", session_id)
    return present is not None and ended.digest == present.digest()


async def end_other_sessions(system: System, caller: MemberCaller, present: Secret | None) -> list[str]:
    """End all of the caller's sessions but the present one; return the ids of those that ended.

    :raises NotFound: the caller was erased meanwhile.
    """
    async with system.store.changing() as session:
        await _hold(session, caller)
        keep = None if present is None else present.digest()
        ended = await user_queries.delete_sessions_of_user(session, caller.id, keep=keep)
        await _record(session, system, caller, "session.end_others", caller.id, len(ended))
    return ended


async def _hold(session: AsyncSession, caller: MemberCaller) -> None:
    """Hold the caller's row before those of their sessions, in the order in which an erasure takes them.

    :raises NotFound: they were erased meanwhile, and their sessions with them.
    """
    if not await user_queries.hold_user(session, caller.id):
        raise NotFound("session")


async def _record(
    session: AsyncSession, system: System, caller: MemberCaller, action: str, target_id: str, ended: int = 1
) -> None:
    await record(
        session,
        system,
        actor_of(caller),
        chain=SYSTEM_CHAIN,
        action=action,
        target_id=target_id,
        after={"sessions_ended": ended},
    )


def _own(row: UserSession, present: bytes | None) -> OwnSession:
    return OwnSession(
        id=row.id,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        ends_at=min(row.expires_at, row.last_seen_at + IDLE),
        ip=row.ip,
        user_agent=row.user_agent,
        is_current=row.digest == present,
    )
