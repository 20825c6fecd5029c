"""Replay of what was taken away from accounts and services."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.queries import mails as mail_queries
from spacekey.models.queries import restore as restore_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries.settings import hold_staleness
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.service import Service
from spacekey.models.tables.user import User
from spacekey.resolvers.access.caller import Operator
from spacekey.resolvers.addresses import shown_account
from spacekey.resolvers.audit.log import Facts, actor_of, record
from spacekey.resolvers.system import System

from .report import Finding
from .taken import Last, Taken
from .workspace import REPLAYS


async def replay_accounts(session: AsyncSession, system: System, caller: Operator, taken: Taken) -> list[Finding]:
    """Repeat what was taken from accounts and services, inside the caller's transaction, and return it.

    A changed password is not in the audit log, so the old one ends and the person gets another by a link or from the
    operator. An address that was given up is not proven any more.
    """
    await hold_staleness(session)  # the commit reaches the disk
    found: list[Finding] = []
    for user_id, last in sorted(taken.accounts.items()):
        user = await user_queries.lock_user(session, user_id)
        if user is not None:
            found += await _account(session, system, caller, user, last)
    for service in await restore_queries.services_by_ids(session, taken.services):
        found += await _service(session, system, caller, service, taken.services[service.id])
    return found


async def _account(session: AsyncSession, system: System, caller: Operator, user: User, last: Last) -> list[Finding]:
    await mail_queries.delete_links(session, user.id)
    found = []
    if last.facts.get("password") and user.password_hash is not None:
        user.password_hash = None
        await _record(session, system, caller, "user.reset_password", user, last, {"password": None})
        found.append(Finding("account", user.id, user.name, None, "its password was changed; it needs another one"))
    if last.facts.get("email") and user.email_proven_at is not None:
        user.email_proven_at = None
        await _record(session, system, caller, "user.update", user, last, {"changed": ["email_proven"]})
        found.append(Finding("account", user.id, user.name, None, "its address was changed, so it is not proven"))
    session.add(user)
    return found


async def _service(
    session: AsyncSession, system: System, caller: Operator, service: Service, last: Last
) -> list[Finding]:
    now = system.clock()
    if last.facts.get("revoked"):
        service.revoked_at = now
        session.add(service)
        after: Facts = {"revoked_at": now.isoformat()}
        await _record(session, system, caller, "service.revoke", service, last, after)
        return [Finding("service", service.id, service.name, None, "it was revoked")]
    ended = 0
    for at, grace_seconds in last.facts.get("ends", ()):
        ends_at = max(now, at + timedelta(seconds=grace_seconds))
        ended += await restore_queries.end_secrets_made_until(session, service.id, at, ends_at)
    if not ended:
        return []
    await _record(session, system, caller, "service.end_secret", service, last, {"secrets_ended": ended})
    return [Finding("service", service.id, service.name, None, "its secret was replaced; rotate it for another one")]


async def _record(
    session: AsyncSession, system: System, caller: Operator, action: str, row: User | Service, last: Last, after: Facts
) -> None:
    await record(
        session,
        system,
        actor_of(caller),
        chain=SYSTEM_CHAIN,
        action=action,
        target_id=row.id,
        target_name=shown_account(row) if isinstance(row, User) else "",
        after={**after, REPLAYS: last.event_id},
    )
