"""Queries about people whose identity comes from outside, and the memberships that their claims made."""

from __future__ import annotations

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.tables.identity import OutsideIdentity
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Member


async def user_from_outside(session: AsyncSession, issuer: str, subject: str) -> User | None:
    """Return the account of an issuer's subject, or None."""
    statement = select(User).join(OutsideIdentity, col(OutsideIdentity.user_id) == User.id)
    found = statement.where(OutsideIdentity.issuer == issuer, OutsideIdentity.subject == subject)
    return (await session.exec(found)).one_or_none()


async def issuers_of_user(session: AsyncSession, user_id: str) -> list[str]:
    """Return the issuers through which an account signs in; empty for an account with a password of its own."""
    statement = select(OutsideIdentity.issuer).where(OutsideIdentity.user_id == user_id)
    return list((await session.exec(statement.order_by(col(OutsideIdentity.issuer)))).all())


async def members_from_outside(session: AsyncSession, user_id: str, issuer: str) -> list[Member]:
    """Return the memberships of a person that the claims of an issuer made."""
    return list((await session.exec(select(Member).where(Member.user_id == user_id, Member.issuer == issuer))).all())
