"""Accounts as the operator makes, proves and helps them."""

from __future__ import annotations

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import USER, id_prefix, new_id
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.refusal import Conflict, InvalidInput, NotFound
from spacekey.models.queries import users as user_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.records import UserRecord
from spacekey.models.tables.user import User
from spacekey.resolvers.access.caller import Operator
from spacekey.resolvers.addresses import clean_email, shown_account, shown_email, sign_in_name_of
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.own_words import words_about, words_around
from spacekey.resolvers.passwords.hashing import COMMAND_LINE, check_password
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_name


async def create_user(system: System, caller: Operator, *, email: str, name: str, password: str) -> User:
    """Make an account with a password, whose address counts as proven: the operator says whose it is.

    :raises InvalidInput: the address, name or password are not usable.
    :raises Conflict: another account has proven the address.
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
        lost = await _prove(session, system, user)
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
    """Take the operator's word that an account's address is its holder's. A proven address stays so.

    :raises NotFound: there is no such account.
    :raises Conflict: it has no address, or another account has proven it.
    """
    async with system.store.changing() as session:
        user = await user_queries.lock_user(session, user_id) if id_prefix(user_id) == USER else None
        if user is None:
            raise NotFound("account")
        if user.email is None:
            raise Conflict(f"The account {user.id} has no address to prove; its holder enters one first.")
        if user.email_proven_at is None:
            user.email = _provable(user.email)
            lost = await _prove(session, system, user)
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
    """Give an account another password; all of its sessions end.

    :raises NotFound: there is no such account.
    :raises InvalidInput: the password is not usable.
    """
    async with system.store.reading() as session:
        user = await user_queries.user_by_id(session, user_id)
    if user is None:
        raise NotFound("account")
    await check_password("password", password, about=await words_around(system, user))
    hashed = await system.passwords.hash(password, COMMAND_LINE)
    async with system.store.changing() as session:
        user = await user_queries.lock_user(session, user_id)
        if user is None:
            raise NotFound("account")
        user.password_hash = hashed
        session.add(user)
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


async def user_list(
    system: System, caller: Operator, request: PageRequest, email: str | None = None
) -> Page[UserRecord]:
    """Return a page of all accounts, the newest first, or of those with this address, proven or not.

    :raises InvalidInput: the address cannot be one, or the cursor is of another list.
    """
    address = None if email is None else clean_email("email", email)
    return await system.store.read(lambda reader: user_queries.user_page(reader, request, address))


def _provable(email: str) -> str:
    """The address in today's form: one from before may be in none.

    :raises Conflict: it cannot be an address.
    """
    try:
        return clean_email("email", email)
    except InvalidInput:
        raise Conflict(f"{shown_email(email)} cannot be an address; the account's holder enters another.") from None


async def _prove(session: AsyncSession, system: System, user: User) -> dict[str, object]:
    """Make the account the one that has proven its address, and store it.

    Accounts that merely claimed the address lose it, and one of them that signs in by it signs in by its id until its
    holder chooses a name. They keep everything else.

    :returns: what others lost, for the audit log.
    :raises Conflict: another account has proven the address.
    """
    email = user.email or ""
    prover = await user_queries.user_by_proven_email(session, email)
    if prover is not None and prover.id != user.id:
        raise Conflict(f"The account {prover.id} has proven the address {shown_email(email)}.")
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
    """Whether the account has proven an address that is equal to the sign-in name."""
    return user.email_proven_at is not None and sign_in_name_of(user.email or "") == name
