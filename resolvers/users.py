"""People the operator makes or helps back in."""

from __future__ import annotations

from spacekey.domain.ids import USER, new_id
from spacekey.domain.refusal import Conflict, NotFound
from spacekey.models import invitation_queries, user_queries
from spacekey.models.audit import SYSTEM_CHAIN
from spacekey.models.user import User

from .audit import actor_of, record
from .caller import Operator
from .own_words import words_about, words_around
from .passwords import check_password
from .system import System
from .validate import clean_email, clean_name


async def create_user(system: System, caller: Operator, *, email: str, name: str, password: str) -> User:
    """Make a person with a password.

    :raises InvalidInput: the address, name or password are not usable.
    :raises Conflict: the address is taken.
    """
    address, cleaned = clean_email("email", email), clean_name("name", name)
    await check_password("password", password, about=words_about(system, address, cleaned))
    hashed = await system.passwords.hash(password)
    async with system.store.changing() as session:
        if await user_queries.user_by_email(session, address) is not None:
            raise Conflict(f"There is a user {address} already.")
        user = User(
            id=new_id(USER, system.clock(), system.entropy),
            email=address,
            name=cleaned,
            password_hash=hashed,
            created_at=system.clock(),
        )
        session.add(user)
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action="user.create",
            target_id=user.id,
            target_name=user.email,
        )
    return user


async def reset_password(system: System, caller: Operator, *, email: str, password: str) -> User:
    """Give a person another password; all of their sessions and invitations end.

    :raises NotFound: there is no such person.
    :raises InvalidInput: the password is not usable.
    """
    address = email.strip().lower()
    async with system.store.reading() as session:
        user = await user_queries.user_by_email(session, address)
    if user is None:
        raise NotFound("user")
    known = await words_around(system, user.id, user.email, user.name)
    await check_password("password", password, about=known)
    hashed = await system.passwords.hash(password)
    async with system.store.changing() as session:
        user.password_hash = hashed
        user = await session.merge(user)
        await user_queries.delete_sessions_of_user(session, user.id)
        await invitation_queries.delete_invitations_of_user(session, user.id)
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action="user.reset_password",
            target_id=user.id,
            target_name=user.email,
        )
    return user
