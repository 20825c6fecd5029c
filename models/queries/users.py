"""Every query about accounts and their sessions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest
from spacekey.models.engine.reading import Reader
from spacekey.models.tables.records import UserRecord
from spacekey.models.tables.user import User, UserSession
from spacekey.models.values import Values

from .pagination import Ordering, fetch_page, listing_of

_NEWEST_USER_FIRST = Ordering("users.created", "u.created_at", datetime, "u.id", descending=True)


async def user_by_id(session: AsyncSession, user_id: str) -> User | None:
    """The user, or None."""
    return await session.get(User, user_id)


async def lock_user(session: AsyncSession, user_id: str) -> User | None:
    """The user as they are now, and nobody else changes them until this transaction ends."""
    statement = select(User).where(User.id == user_id).with_for_update()
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def hold_user(session: AsyncSession, user_id: str) -> bool:
    """Whether the account exists. If it does, it is not deleted before this transaction ends."""
    statement = select(User.id).where(User.id == user_id).with_for_update(read=True, key_share=True)
    return (await session.exec(statement)).one_or_none() is not None


async def users_by_ids(session: AsyncSession, ids: Iterable[str]) -> list[User]:
    """Those of them that exist, in no order."""
    return list((await session.exec(select(User).where(col(User.id).in_(set(ids))))).all())


async def user_by_proven_email(session: AsyncSession, email: str) -> User | None:
    """The account that has proven this address, or None. Those that merely claim it are not looked at."""
    statement = select(User).where(User.email == email, col(User.email_proven_at).is_not(None))
    return (await session.exec(statement)).one_or_none()


async def users_claiming(session: AsyncSession, email: str, limit: int) -> list[User]:
    """Accounts that claim this address and have not proven it, the oldest first; at most ``limit``."""
    statement = select(User).where(User.email == email, col(User.email_proven_at).is_(None))
    return list((await session.exec(statement.order_by(col(User.created_at), col(User.id)).limit(limit))).all())


async def count_users_claiming(session: AsyncSession, email: str, *, but: str) -> int:
    """How many accounts besides ``but`` claim this address without having proven it."""
    statement = select(func.count()).where(
        User.email == email, col(User.email_proven_at).is_(None), col(User.id) != but
    )
    return (await session.exec(statement)).one()


async def release_email(session: AsyncSession, email: str, *, keep: str) -> None:
    """Take the address from every account that merely claims it, but ``keep``."""
    statement = update(User).where(col(User.email) == email, col(User.email_proven_at).is_(None), col(User.id) != keep)
    await session.exec(statement.values(email=None))


async def user_by_sign_in_name(session: AsyncSession, names: Sequence[str]) -> User | None:
    """The account with the first of these sign-in names that one has, or None."""
    found = (await session.exec(select(User).where(col(User.sign_in_name).in_(names)))).all()
    return min(found, key=lambda user: names.index(user.sign_in_name or ""), default=None)


async def user_page(reader: Reader, request: PageRequest, email: str | None = None) -> Page[UserRecord]:
    """All accounts, or those with this address, proven or not; the newest first.

    :raises InvalidInput: for a cursor of another list.
    """

    def claiming(values: Values) -> list[str]:
        return [] if email is None else [f"u.email = {values.bind(email)}"]

    listing = listing_of(UserRecord, "spacekey_users u", "u", reader.dialect)
    return await fetch_page(reader, listing, claiming, _NEWEST_USER_FIRST, request)


async def session_by_digest(session: AsyncSession, digest: bytes) -> tuple[UserSession, User] | None:
    """The session whose cookie has this SHA-256, over or not, and whose it is."""
    statement = select(UserSession, User).join(User, col(User.id) == UserSession.user_id)
    found = (await session.exec(statement.where(UserSession.digest == digest))).one_or_none()
    return None if found is None else (found[0], found[1])


async def session_by_id(session: AsyncSession, session_id: str) -> UserSession | None:
    """The session with this id, over or not."""
    return (await session.exec(select(UserSession).where(UserSession.id == session_id))).one_or_none()


async def sessions_of_user(
    session: AsyncSession, user_id: str, *, seen_after: datetime, limit: int
) -> list[UserSession]:
    """The user's sessions that were seen after a moment, the last seen first; at most ``limit``."""
    statement = select(UserSession).where(UserSession.user_id == user_id, UserSession.last_seen_at > seen_after)
    ordered = statement.order_by(col(UserSession.last_seen_at).desc(), col(UserSession.id).desc())
    return list((await session.exec(ordered.limit(limit))).all())


async def touch_session(session: AsyncSession, digest: bytes, now: datetime) -> None:
    """Say that the session was seen now. Only forwards; a session that is gone stays gone."""
    seen = col(UserSession.last_seen_at)
    await session.exec(
        update(UserSession).where(col(UserSession.digest) == digest, seen < now).values(last_seen_at=now)
    )


async def delete_session(session: AsyncSession, digest: bytes) -> None:
    """End one session."""
    await session.exec(delete(UserSession).where(col(UserSession.digest) == digest))


async def delete_sessions_of_user(session: AsyncSession, user_id: str, *, keep: bytes | None = None) -> list[str]:
    """End all the user's sessions, but the one with the digest ``keep``; return their ids."""
    statement = delete(UserSession).where(col(UserSession.user_id) == user_id)
    if keep is not None:
        statement = statement.where(col(UserSession.digest) != keep)
    return list((await session.exec(statement.returning(col(UserSession.id)))).scalars())


async def delete_sessions_beyond(session: AsyncSession, user_id: str, *, keep: int) -> None:
    """End the user's sessions but the ``keep`` that were seen last."""
    latest = select(UserSession.digest).where(UserSession.user_id == user_id)
    latest = latest.order_by(col(UserSession.last_seen_at).desc(), col(UserSession.id).desc()).limit(keep)
    kept = (await session.exec(latest)).all()
    if len(kept) == keep:
        await session.exec(
            delete(UserSession).where(col(UserSession.user_id) == user_id, col(UserSession.digest).not_in(kept))
        )


async def delete_expired_sessions(session: AsyncSession, now: datetime) -> None:
    """Forget the sessions whose absolute end has come."""
    await session.exec(delete(UserSession).where(col(UserSession.expires_at) <= now))
