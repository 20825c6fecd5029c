"""Every query about users, their sessions and their invitations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from .user import Invitation, User, UserSession


async def user_by_id(session: AsyncSession, user_id: str) -> User | None:
    """The user, or None."""
    return await session.get(User, user_id)


async def lock_user(session: AsyncSession, user_id: str) -> User | None:
    """The user as they are now, and nobody else changes them until this transaction ends."""
    statement = select(User).where(User.id == user_id).with_for_update()
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def users_by_ids(session: AsyncSession, ids: Iterable[str]) -> list[User]:
    """Those of them that exist, in no order."""
    return list((await session.exec(select(User).where(col(User.id).in_(set(ids))))).all())


async def user_by_email(session: AsyncSession, email: str) -> User | None:
    """The user with this address, written in lower case, or None."""
    return (await session.exec(select(User).where(User.email == email))).one_or_none()


async def session_by_digest(session: AsyncSession, digest: bytes) -> tuple[UserSession, User] | None:
    """The session whose cookie has this SHA-256, over or not, and whose it is."""
    statement = select(UserSession, User).join(User, col(User.id) == UserSession.user_id)
    found = (await session.exec(statement.where(UserSession.digest == digest))).one_or_none()
    return None if found is None else (found[0], found[1])


async def sessions_of_user(session: AsyncSession, user_id: str) -> list[UserSession]:
    """The user's sessions, the last seen first."""
    statement = select(UserSession).where(UserSession.user_id == user_id)
    return list((await session.exec(statement.order_by(col(UserSession.last_seen_at).desc()))).all())


async def touch_session(session: AsyncSession, digest: bytes, now: datetime) -> None:
    """Say that the session was seen now. Only forwards; a session that is gone stays gone."""
    seen = col(UserSession.last_seen_at)
    await session.exec(
        update(UserSession).where(col(UserSession.digest) == digest, seen < now).values(last_seen_at=now)
    )


async def delete_session(session: AsyncSession, digest: bytes) -> None:
    """End one session."""
    await session.exec(delete(UserSession).where(col(UserSession.digest) == digest))


async def delete_sessions_of_user(session: AsyncSession, user_id: str, *, keep: bytes | None = None) -> None:
    """End all the user's sessions, but the one with the digest ``keep``."""
    statement = delete(UserSession).where(col(UserSession.user_id) == user_id)
    if keep is not None:
        statement = statement.where(col(UserSession.digest) != keep)
    await session.exec(statement)


async def delete_expired_sessions(session: AsyncSession, now: datetime) -> None:
    """Forget the sessions whose absolute end has come."""
    await session.exec(delete(UserSession).where(col(UserSession.expires_at) <= now))


async def invitation_by_digest(session: AsyncSession, digest: bytes) -> Invitation | None:
    """The invitation whose code has this SHA-256, used, over or not."""
    return await session.get(Invitation, digest)


async def use_invitation(session: AsyncSession, digest: bytes, now: datetime) -> bool:
    """Mark the invitation as used. True for the one caller who did; False when it is used, over or unknown."""
    statement = update(Invitation).where(
        col(Invitation.digest) == digest, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
    )
    return (await session.exec(statement.values(used_at=now))).rowcount == 1


async def delete_invitations(session: AsyncSession, user_id: str, workspace_id: str) -> None:
    """Withdraw the codes with which the user could become a member of the workspace."""
    await session.exec(
        delete(Invitation).where(col(Invitation.user_id) == user_id, col(Invitation.workspace_id) == workspace_id)
    )


async def delete_invitations_of_user(session: AsyncSession, user_id: str) -> None:
    """Withdraw all codes that were made for the user."""
    await session.exec(delete(Invitation).where(col(Invitation.user_id) == user_id))
