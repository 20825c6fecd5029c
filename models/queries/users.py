"""Queries about accounts, their sessions, and invitations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import delete, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest
from spacekey.models.engine.reading import Reader, Values
from spacekey.models.engine.session_reader import Transaction, reader_in
from spacekey.models.engine.statements import row_by_id
from spacekey.models.tables.records import InvitationRecord, UserRecord, columns
from spacekey.models.tables.user import Invitation, User, UserSession

from .pagination import Ordering, fetch_page, fetch_pages, listing_of

_NEWEST_USER_FIRST = Ordering("users.created", "u.created_at", datetime, "u.id", descending=True)
_NEWEST_INVITATION_FIRST = Ordering("invitations.created", "i.created_at", datetime, "i.id", descending=True)


async def user_by_id(session: AsyncSession, user_id: str) -> User | None:
    """Return the user, or None."""
    return await row_by_id(session, User, user_id)


async def lock_user(session: AsyncSession, user_id: str) -> User | None:
    """Return the user, or None, locked so that no other transaction can change it until this one ends."""
    statement = select(User).where(User.id == user_id).with_for_update()
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def hold_user(transaction: Transaction, user_id: str) -> bool:
    """Return whether the account exists. If it does, it cannot be deleted before this transaction ends."""
    reader = reader_in(transaction)
    values = reader.values()
    statement = f"SELECT 1 FROM spacekey_users WHERE id = {values.bind(user_id)}{reader.locking('FOR KEY SHARE')}"
    return bool(await reader.rows(statement, values))


async def user_by_proven_email(session: AsyncSession, email: str) -> User | None:
    """Return the account that has proven this address, or None. Accounts that only claim it are not considered."""
    statement = select(User).where(User.email == email, col(User.email_proven_at).is_not(None))
    return (await session.exec(statement)).one_or_none()


async def users_claiming(session: AsyncSession, email: str, limit: int) -> list[User]:
    """Return at most ``limit`` accounts that claim this address and have not proven it, oldest first."""
    statement = select(User).where(User.email == email, col(User.email_proven_at).is_(None))
    return list((await session.exec(statement.order_by(col(User.created_at), col(User.id)).limit(limit))).all())


async def count_users_claiming(session: AsyncSession, email: str, *, but: str) -> int:
    """Return how many accounts besides ``but`` claim this address without having proven it."""
    statement = select(func.count()).where(
        User.email == email, col(User.email_proven_at).is_(None), col(User.id) != but
    )
    return (await session.exec(statement)).one()


async def release_email(session: AsyncSession, email: str, *, keep: str) -> None:
    """Remove the address from every account, except ``keep``, that only claims it."""
    statement = update(User).where(col(User.email) == email, col(User.email_proven_at).is_(None), col(User.id) != keep)
    await session.exec(statement.values(email=None))


async def user_by_sign_in_name(session: AsyncSession, names: Sequence[str]) -> User | None:
    """Return the account with the first of these sign-in names that is in use, or None."""
    found = (await session.exec(select(User).where(col(User.sign_in_name).in_(names)))).all()
    return min(found, key=lambda user: names.index(user.sign_in_name or ""), default=None)


async def user_page(reader: Reader, request: PageRequest, email: str | None = None) -> Page[UserRecord]:
    """Return a page of all accounts, or of those with this address, proven or not; newest first.

    :raises InvalidInput: for a cursor of another list.
    """

    def claiming(values: Values) -> list[str]:
        return [] if email is None else [f"u.email = {values.bind(email)}"]

    listing = listing_of(UserRecord, "spacekey_users u", "u", reader.dialect)
    return await fetch_page(reader, listing, claiming, _NEWEST_USER_FIRST, request)


async def session_by_digest(session: AsyncSession, digest: bytes) -> tuple[UserSession, User] | None:
    """Return the session whose cookie has this SHA-256, ended or not, with its user, or None."""
    statement = select(UserSession, User).join(User, col(User.id) == UserSession.user_id)
    found = (await session.exec(statement.where(UserSession.digest == digest))).one_or_none()
    return None if found is None else (found[0], found[1])


async def session_by_id(session: AsyncSession, session_id: str) -> UserSession | None:
    """Return the session with this id, ended or not, or None."""
    return (await session.exec(select(UserSession).where(UserSession.id == session_id))).one_or_none()


async def sessions_of_user(
    session: AsyncSession, user_id: str, *, seen_after: datetime, limit: int
) -> list[UserSession]:
    """Return at most ``limit`` of the user's sessions seen after a time, most recently seen first."""
    statement = select(UserSession).where(UserSession.user_id == user_id, UserSession.last_seen_at > seen_after)
    ordered = statement.order_by(col(UserSession.last_seen_at).desc(), col(UserSession.id).desc())
    return list((await session.exec(ordered.limit(limit))).all())


async def touch_session(session: AsyncSession, digest: bytes, now: datetime) -> None:
    """Record that the session was seen now. The time only moves forward, and an ended session stays ended."""
    seen = col(UserSession.last_seen_at)
    await session.exec(
        update(UserSession).where(col(UserSession.digest) == digest, seen < now).values(last_seen_at=now)
    )


async def delete_session(session: AsyncSession, digest: bytes) -> None:
    """End one session."""
    await session.exec(delete(UserSession).where(col(UserSession.digest) == digest))


async def delete_sessions_of_user(session: AsyncSession, user_id: str, *, keep: bytes | None = None) -> list[str]:
    """End all of the user's sessions except the one with the digest ``keep``, and return their ids."""
    statement = delete(UserSession).where(col(UserSession.user_id) == user_id)
    if keep is not None:
        statement = statement.where(col(UserSession.digest) != keep)
    return list((await session.exec(statement.returning(col(UserSession.id)))).scalars())


async def delete_sessions_beyond(session: AsyncSession, user_id: str, *, keep: int) -> None:
    """End the user's sessions except the ``keep`` most recently seen."""
    latest = select(UserSession.digest).where(UserSession.user_id == user_id)
    latest = latest.order_by(col(UserSession.last_seen_at).desc(), col(UserSession.id).desc()).limit(keep)
    kept = (await session.exec(latest)).all()
    if len(kept) == keep:
        await session.exec(
            delete(UserSession).where(col(UserSession.user_id) == user_id, col(UserSession.digest).not_in(kept))
        )


async def delete_expired_sessions(session: AsyncSession, now: datetime) -> None:
    """Delete the sessions whose absolute end has come."""
    await session.exec(delete(UserSession).where(col(UserSession.expires_at) <= now))


async def invitation_by_digest(session: AsyncSession, digest: bytes) -> Invitation | None:
    """Return the invitation one of whose codes has this SHA-256, even if used or expired, or None."""
    either = or_(col(Invitation.digest) == digest, col(Invitation.mail_digest) == digest)
    return (await session.exec(select(Invitation).where(either))).one_or_none()


async def invitation_by_id(session: AsyncSession, invitation_id: str) -> Invitation | None:
    """Return the invitation with this id, even if used or expired, or None."""
    return (await session.exec(select(Invitation).where(Invitation.id == invitation_id))).one_or_none()


async def pending_invitation_pages(
    reader: Reader, workspace_ids: Sequence[str], request: PageRequest, now: datetime
) -> list[Page[InvitationRecord]]:
    """Return a page of the pending invitations of each workspace, newest first.

    :raises InvalidInput: for a cursor of another list.
    """
    listing = listing_of(InvitationRecord, "spacekey_invitations i", "i", reader.dialect)
    asked = [partial(_pending, workspace_id=one, now=now) for one in workspace_ids]
    return await fetch_pages(reader, listing, asked, _NEWEST_INVITATION_FIRST, request)


async def pending_records(reader: Reader, ids: Iterable[str], now: datetime) -> list[InvitationRecord]:
    """Return those of the invitations that are pending, without order."""
    values = reader.values()
    return await reader.records(
        InvitationRecord,
        f"SELECT {columns(InvitationRecord, 'i')} FROM spacekey_invitations i WHERE {values.among('i.id', ids)} "
        f"AND i.used_at IS NULL AND i.expires_at > {values.bind(now)}",
        values,
    )


async def pending_invitations(
    session: AsyncSession, workspace_id: str, now: datetime, *, inviter_id: str | None = None
) -> list[Invitation]:
    """Return all pending invitations to a workspace, or those of one inviter. A workspace has few."""
    statement = select(Invitation).where(
        Invitation.workspace_id == workspace_id, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
    )
    if inviter_id is not None:
        statement = statement.where(Invitation.inviter_id == inviter_id)
    return list((await session.exec(statement)).all())


async def pending_invitation(session: AsyncSession, workspace_id: str, email: str, now: datetime) -> Invitation | None:
    """Return the pending invitation to this workspace for this address, or None."""
    statement = select(Invitation).where(
        Invitation.workspace_id == workspace_id,
        Invitation.email == email,
        col(Invitation.used_at).is_(None),
        col(Invitation.expires_at) > now,
    )
    return (await session.exec(statement)).one_or_none()


async def count_pending_invitations(session: AsyncSession, workspace_id: str, now: datetime) -> int:
    """Return how many invitations to a workspace are pending."""
    statement = select(func.count()).where(
        Invitation.workspace_id == workspace_id, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
    )
    return (await session.exec(statement)).one()


async def count_invitations_with_role(session: AsyncSession, workspace_id: str, role: str, now: datetime) -> int:
    """Return how many pending invitations to the workspace are for the role."""
    statement = select(func.count()).where(
        Invitation.workspace_id == workspace_id,
        Invitation.role == role,
        col(Invitation.used_at).is_(None),
        col(Invitation.expires_at) > now,
    )
    return (await session.exec(statement)).one()


async def use_invitation(session: AsyncSession, digest: bytes, now: datetime) -> bool:
    """Mark the invitation as used, and return whether this call did; False if it is used, expired or unknown."""
    statement = update(Invitation).where(
        col(Invitation.digest) == digest, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
    )
    return (await session.exec(statement.values(used_at=now))).rowcount == 1


async def delete_invitation(session: AsyncSession, invitation_id: str, now: datetime) -> bool:
    """Delete a pending invitation, and return whether it was pending."""
    statement = delete(Invitation).where(
        col(Invitation.id) == invitation_id, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
    )
    return (await session.exec(statement)).rowcount == 1


async def delete_unused_invitations(session: AsyncSession, workspace_id: str, email: str) -> None:
    """Delete the unused invitation to this workspace for this address, if any."""
    await session.exec(
        delete(Invitation).where(
            col(Invitation.workspace_id) == workspace_id,
            col(Invitation.email) == email,
            col(Invitation.used_at).is_(None),
        )
    )


async def delete_invitations_by_id(session: AsyncSession, ids: Sequence[str]) -> None:
    """Delete these invitations, except those used meanwhile."""
    await session.exec(delete(Invitation).where(col(Invitation.id).in_(ids), col(Invitation.used_at).is_(None)))


async def delete_invitations_of_workspace(session: AsyncSession, workspace_id: str) -> None:
    """Delete all invitations to a workspace."""
    await session.exec(delete(Invitation).where(col(Invitation.workspace_id) == workspace_id))


def _pending(values: Values, *, workspace_id: str, now: datetime) -> list[str]:
    of_workspace = f"i.workspace_id = {values.bind(workspace_id)}"
    return [of_workspace, "i.used_at IS NULL", f"i.expires_at > {values.bind(now)}"]
