"""Statements that remove a person's names and addresses from the database and keep the id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import Mapped
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import ActorKind
from spacekey.models.tables.audit import SYSTEM_CHAIN, AuditChain, AuditEvent
from spacekey.models.tables.identity import OutsideIdentity
from spacekey.models.tables.mail import MailedLink, WaitingMail
from spacekey.models.tables.token import Token
from spacekey.models.tables.user import Invitation, User, UserSession
from spacekey.models.tables.workspace import Member

ABOUT_PEOPLE = (
    "member.add",
    "member.change_role",
    "member.invite",
    "member.join",
    "member.remove",
    "member.withdraw_invitation",
)
"""Actions whose target is a person or an invitation, with an address."""


PROOFS = ("user.create", "user.prove_email")
"""Actions that prove an account's address; their target's name is that address."""

CHANGE = "user.update"
PROVEN_BEFORE = "proven_email_before"
"""Key in the target's facts of a changed account for the proven address that was given up."""


@dataclass(frozen=True, slots=True)
class ProvenAddress:
    """Address that an account had proven at the event with this number in the system's chain.

    :param shown: whether ``address`` is in its display form, or as stored.
    """

    sequence: int
    address: str
    shown: bool


async def addresses_proven_by(session: AsyncSession, user_id: str) -> list[ProvenAddress]:
    """Return the addresses that an account has proven, in order, as far as the audit log has them."""
    event = AuditEvent.__table__.c
    statement = (
        select(event.sequence, event.action, event.target_name, event.target_facts)
        .where(
            event.chain == SYSTEM_CHAIN,
            event.target_id == user_id,
            event.action.in_((*PROOFS, CHANGE)),
            event.outcome == "success",
        )
        .order_by(event.sequence)
    )
    connection = await session.connection()
    found = []
    for row in await connection.execute(statement):
        before = (row.target_facts or {}).get(PROVEN_BEFORE)
        if row.action in PROOFS and row.target_name:
            found.append(ProvenAddress(row.sequence, row.target_name, shown=True))
        elif before:
            found.append(ProvenAddress(row.sequence, before, shown=False))
    return found


async def proven_by_another_at(session: AsyncSession, shown: str, user_id: str, after: int) -> datetime | None:
    """Return when another account first proved an address after this event of the system's chain, or None.

    :param shown: the address in its display form.
    """
    event = AuditEvent.__table__.c
    statement = (
        select(event.at)
        .where(
            event.chain == SYSTEM_CHAIN,
            event.action.in_(PROOFS),
            event.target_name == shown,
            event.target_id != user_id,
            event.sequence > after,
        )
        .order_by(event.sequence)
        .limit(1)
    )
    connection = await session.connection()
    found: datetime | None = (await connection.execute(statement)).scalar()
    return found


async def targets_with_address(session: AsyncSession, email: str, before: datetime | None) -> list[str]:
    """Return the ids of invitations and people that the audit log has under this address, in every workspace.

    :param before: only events before this time; None for all.
    """
    statement = select(col(AuditEvent.target_id)).where(
        _in_any_chain(),
        *(() if before is None else (col(AuditEvent.at) < before,)),
        col(AuditEvent.action).in_(ABOUT_PEOPLE),
        or_(
            col(AuditEvent.target_name) == email,
            and_(
                col(AuditEvent.version) == 1,
                or_(
                    _address_in(AuditEvent.__table__.c.before) == email,
                    _address_in(AuditEvent.__table__.c.after) == email,
                ),
            ),
        ),
    )
    connection = await session.connection()
    return sorted(set((await connection.execute(statement)).scalars()))


async def invitations_accepted_by(session: AsyncSession, user_id: str) -> list[str]:
    """Return the ids of the invitations by which a person joined workspaces, according to the audit log."""
    statement = select(AuditEvent.__table__.c.after["invitation"].as_string()).where(
        _in_any_chain(), col(AuditEvent.action) == "member.join", col(AuditEvent.target_id) == user_id
    )
    connection = await session.connection()
    return sorted({one for one in (await connection.execute(statement)).scalars() if one})


async def erase_actor(session: AsyncSession, user_id: str) -> int:
    """Remove the actor's personal fields from the person's audit events, and return how many there were."""
    statement = update(AuditEvent).where(
        _in_any_chain(),
        col(AuditEvent.actor_id) == user_id,
        _is_person(col(AuditEvent.actor_kind)),
        col(AuditEvent.actor_erased).is_(False),
    )
    gone = statement.values(actor_name="", ip="", user_agent="", actor_salt=None, actor_erased=True)
    return (await session.exec(gone.execution_options(synchronize_session=False))).rowcount


async def erase_target(session: AsyncSession, ids: Iterable[str]) -> int:
    """Remove the target's personal fields from the audit events about these ids, and return how many there were."""
    here = and_(_in_any_chain(), col(AuditEvent.target_id).in_(list(ids)), col(AuditEvent.target_erased).is_(False))
    old = select(col(AuditEvent.id), col(AuditEvent.before), col(AuditEvent.after)).where(
        here, col(AuditEvent.version) == 1
    )
    connection = await session.connection()
    blank = {"target_name": "", "target_facts": None, "target_salt": None, "target_erased": True}
    count = 0
    for event_id, before, after in (await connection.execute(old)).all():
        # Version 1 keeps the address among its facts.
        facts = {name: _without_address(one) for name, one in (("before", before), ("after", after)) if one is not None}
        row = update(AuditEvent).where(col(AuditEvent.id) == event_id).values(**blank, **facts)
        count += (await session.exec(row.execution_options(synchronize_session=False))).rowcount
    rest = update(AuditEvent).where(here, col(AuditEvent.version) != 1).values(**blank)
    return count + (await session.exec(rest.execution_options(synchronize_session=False))).rowcount


async def erase_creator(session: AsyncSession, user_id: str) -> int:
    """Remove the creator's name from the tokens that the person created, and return how many there were."""
    statement = update(Token).where(
        col(Token.created_by_id) == user_id, _is_person(col(Token.created_by_kind)), col(Token.created_by_name) != ""
    )
    return (await session.exec(statement.values(created_by_name=""))).rowcount


async def delete_account(
    session: AsyncSession, user: User, accepted: Iterable[str], addresses: Mapping[str, datetime | None]
) -> None:
    """Delete a person's row, memberships, sessions and identities from outside, and the person's invitations.

    These are the invitations that the person accepted or created, and those for the addresses that they have proven.
    The person's name is removed from accepted invitations that they created.

    :param accepted: the ids of the invitations that the person accepted.
    :param addresses: address → the time from which it belongs to another person, or None.
    """
    theirs: ColumnElement[bool] = col(Invitation.id).in_(list(accepted))
    for address, until in addresses.items():
        for_it: ColumnElement[bool] = col(Invitation.email) == address
        theirs = or_(theirs, for_it if until is None else and_(for_it, col(Invitation.created_at) < until))
    made = col(Invitation.inviter_id) == user.id
    for statement in (
        delete(Member).where(col(Member.user_id) == user.id),
        delete(UserSession).where(col(UserSession.user_id) == user.id),
        delete(MailedLink).where(col(MailedLink.user_id) == user.id),
        delete(WaitingMail).where(col(WaitingMail.about).in_([user.id, *addresses])),
        delete(OutsideIdentity).where(col(OutsideIdentity.user_id) == user.id),
        delete(Invitation).where(or_(theirs, and_(made, col(Invitation.used_at).is_(None)))),
        update(Invitation).where(made).values(inviter_name=""),
        delete(User).where(col(User.id) == user.id),
    ):
        await session.exec(statement.execution_options(synchronize_session=False))


def _is_person(kind: Mapped[str | None]) -> ColumnElement[bool]:
    """Return the condition that an actor is a person with an account, not a host's user with the same id."""
    return func.coalesce(kind, ActorKind.PERSON.value) == ActorKind.PERSON.value


def _without_address(facts: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in facts.items() if name != "email"}


def _in_any_chain() -> ColumnElement[bool]:
    """Return a condition that every chain meets, so that its index is used: none begins with an actor or a target."""
    return col(AuditEvent.chain).in_(select(col(AuditChain.chain)))


def _address_in(facts: ColumnElement[Any]) -> ColumnElement[str]:
    found: ColumnElement[str] = facts["email"].as_string()
    return found
