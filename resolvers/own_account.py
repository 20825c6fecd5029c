"""What people change about their own account: name, address and sign-in name."""

from __future__ import annotations

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import Conflict, NotFound
from spacekey.domain.unset import UNSET, Unset
from spacekey.models.queries import users as user_queries
from spacekey.models.queries.erasure import PROVEN_BEFORE
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.user import User
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.audit.log import Facts, actor_of, record

from .addresses import clean_email, clean_sign_in_name, shown_account
from .system import System
from .validation import clean_name

TAKEN = "This sign-in name is taken; choose another."


async def own_account(system: System, caller: MemberCaller) -> User:
    """Return the caller's account.

    :raises NotFound: it is gone.
    """
    async with system.store.reading() as session:
        user = await user_queries.user_by_id(session, caller.id)
    if user is None:
        raise NotFound("account")
    return user


async def update_account(
    system: System,
    caller: MemberCaller,
    *,
    name: str | Unset = UNSET,
    email: str | Unset | None = UNSET,
    sign_in_name: str | Unset = UNSET,
) -> User:
    """Change the caller's account; what is left out stays. Sessions and memberships stay, too.

    :param email: another address is a claim: it is unproven, whoever else claims it. None takes the address out.
    :param sign_in_name: an address only if no other account has proven it.
    :raises InvalidInput: one of them is not usable.
    :raises Conflict: the sign-in name is taken.
    :raises TooManyAttempts: too many names that were taken, which tell who has an account.
    """
    asking = f"sign-in names by {caller.id}"
    system.attempts.check(system.clock(), asking)
    wanted = UNSET if name is UNSET else clean_name("name", name)
    address = email if email is UNSET or email is None else clean_email("email", email)
    calling = UNSET if sign_in_name is UNSET else clean_sign_in_name("sign_in_name", sign_in_name)
    async with system.store.changing() as session:
        user = await user_queries.lock_user(session, caller.id)
        if user is None:
            raise NotFound("account")
        changed = []
        given_up: Facts | None = None
        if wanted is not UNSET and wanted != user.name:
            user.name = wanted
            changed.append("name")
        if address is not UNSET and address != user.email:
            if user.email_proven_at is not None:
                given_up = {PROVEN_BEFORE: user.email}
            user.email, user.email_proven_at = address, None
            changed.append("email")
        if calling is not UNSET and calling != user.sign_in_name:
            typed = clean_email("sign_in_name", str(sign_in_name)) if "@" in calling else calling
            if not await is_free(session, calling, typed, user.id):
                system.attempts.count(system.clock(), {asking: 1.0})
                raise Conflict(TAKEN)
            user.sign_in_name = calling
            changed.append("sign_in_name")
        if changed:
            session.add(user)
            await record(
                session,
                system,
                actor_of(caller),
                chain=SYSTEM_CHAIN,
                action="user.update",
                target_id=user.id,
                target_name=shown_account(user),
                target_facts=given_up,
                after={"changed": changed},
            )
    return user


async def is_free(session: AsyncSession, name: str, email: str, user_id: str) -> bool:
    """Whether an account may have a sign-in name: no other has it, or has proven the address that is equal to it.

    :param email: the name as an address, in the form in which addresses are stored.
    """
    holder = await user_queries.user_by_sign_in_name(session, [name])
    prover = await user_queries.user_by_proven_email(session, email)
    return all(other is None or other.id == user_id for other in (holder, prover))
