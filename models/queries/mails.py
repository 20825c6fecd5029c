"""Queries about mail that waits to be sent, and about the links in it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.tables.mail import MailedLink, WaitingMail


async def count_waiting_mails(session: AsyncSession, kind: str) -> int:
    """Return how many mails of a kind wait."""
    return (await session.exec(select(func.count()).where(WaitingMail.kind == kind))).one()


async def due_mails(session: AsyncSession, now: datetime, limit: int) -> list[WaitingMail]:
    """Return at most ``limit`` mails that may be tried now, the longest waiting first."""
    statement = select(WaitingMail).where(WaitingMail.next_try_at <= now)
    return list((await session.exec(statement.order_by(col(WaitingMail.next_try_at)).limit(limit))).all())


async def take_mail(session: AsyncSession, mail: WaitingMail, again_at: datetime) -> bool:
    """Put off a mail's next try, and return whether this call did: of several processes, one tries it."""
    statement = update(WaitingMail).where(
        col(WaitingMail.kind) == mail.kind,
        col(WaitingMail.about) == mail.about,
        col(WaitingMail.tries) == mail.tries,
        col(WaitingMail.next_try_at) == mail.next_try_at,
    )
    return (await session.exec(statement.values(next_try_at=again_at, tries=mail.tries + 1))).rowcount == 1


async def delete_mails(session: AsyncSession, abouts: Collection[str], kind: str | None = None) -> None:
    """Delete waiting mails about these addresses, accounts or invitations."""
    statement = delete(WaitingMail).where(col(WaitingMail.about).in_(list(abouts)))
    await session.exec(statement if kind is None else statement.where(col(WaitingMail.kind) == kind))


async def link_by_digest(session: AsyncSession, digest: bytes) -> MailedLink | None:
    """Return the link whose secret has this SHA-256, even if it has expired, or None."""
    return await session.get(MailedLink, digest, populate_existing=True)


async def delete_links(session: AsyncSession, user_id: str, kind: str | None = None) -> None:
    """Delete an account's links of a kind, or all of them."""
    statement = delete(MailedLink).where(col(MailedLink.user_id) == user_id)
    await session.exec(statement if kind is None else statement.where(col(MailedLink.kind) == kind))
