"""Accounts: created, verified and helped by the operator, and edited by the people who own them.

Changing an account keeps its sessions and memberships. A new address is a claim until the operator confirms it with
:func:`prove_email`. A sign-in name that is an address can only be used by the account that has proven it, or while no
account has. The module also gives the words about a person that their password must not consist of.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import USER, id_prefix, new_id
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.refusal import Conflict, ConflictCode, Faults, InvalidInput, NotFound
from spacekey.domain.unset import UNSET, Unset
from spacekey.models.queries import identities as identity_queries
from spacekey.models.queries import mails as mail_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.queries.erasure import PROVEN_BEFORE
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.records import UserRecord
from spacekey.models.tables.user import User
from spacekey.resolvers.access.caller import MemberCaller, Operator
from spacekey.resolvers.addresses import clean_email, clean_sign_in_name, shown_account, shown_email, sign_in_name_of
from spacekey.resolvers.audit.log import Facts, actor_of, record
from spacekey.resolvers.passwords.hashing import COMMAND_LINE, check_password
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_name

TAKEN = "This sign-in name is taken; choose another."


async def create_user(system: System, caller: Operator, *, email: str, name: str, password: str) -> User:
    """Create an account with a password. Its address counts as proven, because the operator vouches for it.

    :raises InvalidInput: if the address, name or password is not acceptable.
    :raises Conflict: if another account has proven the address.
    """
    address, cleaned = clean_email("email", email), clean_name("name", name)
    await check_password("password", password, about=words_about(system, address, cleaned))
    hashed = await system.passwords.hash(password, COMMAND_LINE)
    async with system.store.changing() as session:
        user = User(
            id=new_id(USER, system.clock(), system.entropy),
            email=address,
            name=cleaned,
            password_hash=hashed,
            created_at=system.clock(),
        )
        lost = await prove(session, system, user)
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action="user.create",
            target_id=user.id,
            target_name=shown_account(user),
            after=lost or None,
        )
    return user


async def prove_email(system: System, caller: Operator, user_id: str) -> User:
    """Mark an account's address as proven, on the operator's word. Proving a proven address changes nothing.

    :raises NotFound: if the account does not exist.
    :raises Conflict: if it has no address, or another account has proven the address.
    """
    async with system.store.changing() as session:
        user = await user_queries.lock_user(session, user_id) if id_prefix(user_id) == USER else None
        if user is None:
            raise NotFound("account")
        if user.email is None:
            raise Conflict(
                f"The account {user.id} has no address to prove; its owner must enter one first.",
                ConflictCode.ADDRESS_UNUSABLE,
            )
        if user.email_proven_at is None:
            user.email = _provable(user.email)
            lost = await prove(session, system, user)
            await record(
                session,
                system,
                actor_of(caller),
                chain=SYSTEM_CHAIN,
                action="user.prove_email",
                target_id=user.id,
                target_name=shown_account(user),
                after=lost or None,
            )
    return user


async def reset_password(system: System, caller: Operator, user_id: str, *, password: str) -> User:
    """Set a new password for an account and end all of its sessions.

    :raises NotFound: if the account does not exist.
    :raises InvalidInput: if the password is not acceptable.
    :raises Conflict: if the account's identity comes from outside.
    """
    async with system.store.reading() as session:
        user = await user_queries.user_by_id(session, user_id)
        issuers = await identity_queries.issuers_of_user(session, user_id)
    if user is None:
        raise NotFound("account")
    check_has_password(issuers)
    await check_password("password", password, about=await words_around(system, user))
    hashed = await system.passwords.hash(password, COMMAND_LINE)
    async with system.store.changing() as session:
        user = await user_queries.lock_user(session, user_id)
        if user is None:
            raise NotFound("account")
        check_has_password(await identity_queries.issuers_of_user(session, user_id))
        user.password_hash = hashed
        session.add(user)
        await mail_queries.delete_links(session, user.id)
        await user_queries.delete_sessions_of_user(session, user.id)
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action="user.reset_password",
            target_id=user.id,
            target_name=shown_account(user),
        )
    return user


def check_has_password(issuers: Sequence[str]) -> None:
    """Raise if an account's identity comes from outside, so that it has no password here.

    :raises Conflict: naming the issuers.
    """
    if issuers:
        raise Conflict(
            f"This account signs in through {', '.join(issuers)} and has no password here.",
            ConflictCode.OUTSIDE_IDENTITY,
        )


async def user_list(
    system: System, caller: Operator, request: PageRequest, email: str | None = None
) -> Page[UserRecord]:
    """Return a page of all accounts, newest first, or of those with this address, proven or not.

    :raises InvalidInput: if the address is malformed, or the cursor belongs to another list.
    """
    address = None if email is None else clean_email("email", email)
    return await system.store.read(lambda reader: user_queries.user_page(reader, request, address))


async def own_account(system: System, caller: MemberCaller) -> User:
    """Return the caller's account.

    :raises NotFound: if it was deleted.
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
    """Change the caller's account. Fields that are left out keep their values; sessions and memberships are kept too.

    :param email: a new address, which is an unproven claim even if other accounts claim it. None removes the address.
    :param sign_in_name: a new sign-in name; an address only if no other account has proven it.
    :raises InvalidInput: if one of them is not acceptable.
    :raises Conflict: if the sign-in name is taken.
    :raises TooManyAttempts: after too many names that were taken, since each of them reveals an account.
    """
    asking = f"sign-in names by {caller.id}"
    system.attempts.check(system.clock(), asking)
    faults = Faults()
    with faults:
        wanted = UNSET if name is UNSET else clean_name("name", name)
    with faults:
        address = email if email is UNSET or email is None else clean_email("email", email)
    with faults:
        calling = UNSET if sign_in_name is UNSET else clean_sign_in_name("sign_in_name", sign_in_name)
    faults.raise_found()
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
            await mail_queries.delete_links(session, user.id)
            changed.append("email")
        if calling is not UNSET and calling != user.sign_in_name:
            typed = clean_email("sign_in_name", str(sign_in_name)) if "@" in calling else calling
            if not await is_free(session, calling, typed, user.id):
                system.attempts.count(system.clock(), {asking: 1.0})
                raise Conflict(TAKEN, ConflictCode.ADDRESS_TAKEN)
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
    """Return whether an account may have a sign-in name: no other account has it or has proven the equal address.

    :param email: the name as an address, in the stored form.
    """
    holder = await user_queries.user_by_sign_in_name(session, [name])
    prover = await user_queries.user_by_proven_email(session, email)
    return all(other is None or other.id == user_id for other in (holder, prover))


def words_about(system: System, *own: str | None) -> tuple[str, ...]:
    """Return a person's own names and the names of this server's products, which a password must not consist of."""
    known = (one for one in own if one is not None)
    return (*known, *(text for one in system.products.values() for text in (one.name, one.title)))


async def words_around(system: System, user: User) -> tuple[str, ...]:
    """Return the words of :func:`words_about` for an account, with the names of the workspaces it belongs to."""
    async with system.store.reading() as session:
        member_of = [one.workspace_id for one in await workspace_queries.members_of_user(session, user.id)]
        workspaces = await workspace_queries.workspaces_by_ids(session, member_of)
    return (
        *words_about(system, user.email, user.sign_in_name, user.name),
        *(text for one in workspaces for text in (one.name, one.slug)),
    )


def _provable(email: str) -> str:
    """Return the address in its stored form, which an address from before that form existed may lack.

    :raises Conflict: if it is not a valid address.
    """
    try:
        return clean_email("email", email)
    except InvalidInput:
        raise Conflict(
            f"{shown_email(email)} is not a valid address; the account's owner must enter another.",
            ConflictCode.ADDRESS_UNUSABLE,
        ) from None


async def prove(session: AsyncSession, system: System, user: User) -> dict[str, object]:
    """Mark the account's address as proven and store the account.

    Accounts that only claimed the address lose it, and one of them that used it as its sign-in name signs in by its id
    until its holder chooses a name. They keep everything else.

    :returns: what other accounts lost, for the audit log.
    :raises Conflict: if another account has proven the address.
    """
    email = user.email or ""
    prover = await user_queries.user_by_proven_email(session, email)
    if prover is not None and prover.id != user.id:
        raise Conflict(
            f"The account {prover.id} has proven the address {shown_email(email)}.", ConflictCode.ADDRESS_TAKEN
        )
    lost: dict[str, object] = {}
    claimed = await user_queries.count_users_claiming(session, email, but=user.id)
    if claimed:
        lost["claims_ended"] = claimed
        await user_queries.release_email(session, email, keep=user.id)
    for name in {sign_in_name_of(email), email}:
        holder = await user_queries.user_by_sign_in_name(session, [name])
        if holder is None or holder.id == user.id or _has_proven(holder, name):
            continue
        lost["sign_in_name_of"] = holder.id
        holder.sign_in_name = None
        session.add(holder)
        await session.flush()
    if user.sign_in_name is None and await user_queries.user_by_sign_in_name(session, [sign_in_name_of(email)]) is None:
        user.sign_in_name = sign_in_name_of(email)
    user.email_proven_at = system.clock()
    session.add(user)
    await session.flush()
    return lost


def _has_proven(user: User, name: str) -> bool:
    """Return whether the account has proven an address equal to the sign-in name."""
    return user.email_proven_at is not None and sign_in_name_of(user.email or "") == name
