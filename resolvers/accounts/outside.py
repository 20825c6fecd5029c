"""Accounts of people whose identity comes from outside: a provider, a proxy, or the host application.

They are keyed by issuer and subject, never by an address. Such an account has no password. What the issuer says about
an address is a claim, as from anyone else, unless the operator assigned the address's domain to that issuer; then it is
proven.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.ids import USER, new_id
from spacekey.domain.refusal import Conflict, InputCode, InvalidInput
from spacekey.models.queries import identities as identity_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries.erasure import PROVEN_BEFORE
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.identity import OutsideIdentity
from spacekey.models.tables.user import User
from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.addresses import clean_email, shown_account
from spacekey.resolvers.audit.log import CREDENTIAL_LENGTH_MAX, Attribution, Facts, record
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_name, has_control

from .users import prove

SUBJECT_LENGTH_MAX: Final = 255
EVERY_DOMAIN: Final = "*"
"""Stands for all domains, where an issuer is trusted with every address, as the host application may be."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Where people come from.

    :param name: the key of its people: the issuer's URL, or a name such as ``host``. Never changed later.
    :param domains: the domains whose addresses it proves, in ASCII and lower case; ``EVERY_DOMAIN`` for all.
    """

    name: str
    domains: frozenset[str] | Literal["*"] = frozenset()

    def proves(self, email: str) -> bool:
        """Return whether the issuer's word about an address, in its stored form, proves it."""
        return self.domains == EVERY_DOMAIN or email.rpartition("@")[2] in self.domains


@dataclass(frozen=True, slots=True)
class Person:
    """Person as a provider, a proxy or the host application describes them.

    :param subject: the person's id there, 1 to 255 characters, which is never given to another person.
    :param name: the name to show; without one, the account keeps the name it has.
    :param email: the e-mail address, if known.
    :param email_verified: whether the issuer has verified the address. It counts only for the domains that the operator
        assigned to the issuer.
    :param roles: id of a workspace → role, for all memberships that the issuer decides on; a membership that is
        missing here ends. None leaves memberships to Spacekey alone.
    """

    subject: str
    name: str = ""
    email: str | None = None
    email_verified: bool = False
    roles: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """Description of a person that was checked. ``email`` is in its stored form."""

    subject: str
    name: str | None
    email: str | None
    is_proof: bool
    roles: Mapping[str, str] | None


def checked(issuer: Issuer, person: Person) -> Described:
    """Return the description with what is unacceptable left out: a name or an address that could not be entered here.

    :raises InvalidInput: if the subject is missing, too long or has characters that cannot be seen.
    """
    subject = person.subject
    if not subject or len(subject) > SUBJECT_LENGTH_MAX or has_control(subject) or subject != subject.strip():
        raise InvalidInput(
            "subject",
            f"Must be the person's id, of 1 to {SUBJECT_LENGTH_MAX} visible characters.",
            InputCode.INVALID_FORMAT,
        )
    email = _or_none(lambda: clean_email("email", person.email or ""))
    return Described(
        subject=subject,
        name=_or_none(lambda: clean_name("name", person.name)),
        email=email,
        is_proof=email is not None and person.email_verified and issuer.proves(email),
        roles=person.roles,
    )


async def account_of(
    session: AsyncSession, system: System, request: RequestFacts, issuer: Issuer, person: Described
) -> User:
    """Return the person's account, locked and with what the issuer says about the person, inside the transaction.

    An issuer's proof of an address that an account has proven stands for that account if it has a password: the two
    become one, and its password and sessions end. An account that has an identity from outside is never given another
    one, because an issuer may give an address to another of its people. In every other case a subject that is not known
    gets a new account.

    :raises Conflict: if the same person signs in for the first time twice at once.
    """
    known = await identity_queries.user_from_outside(session, issuer.name, person.subject)
    if known is not None:
        user = await user_queries.lock_user(session, known.id)
        if user is not None:
            await _describe(session, system, request, issuer, user, person)
            return user
    if person.is_proof and person.email is not None:
        prover = await user_queries.user_by_proven_email(session, person.email)
        user = await user_queries.lock_user(session, prover.id) if prover is not None else None
        proven = user is not None and user.email == person.email and user.email_proven_at is not None
        if user is not None and proven and not await identity_queries.issuers_of_user(session, user.id):
            await _link(session, system, request, issuer, user, person)
            return user
    return await _create(session, system, request, issuer, person)


def differs(user: User, person: Described) -> bool:
    """Return whether the account differs from what the issuer says about the person."""
    return (person.name is not None and person.name != user.name) or _is_news(user, person)


def by(user: User, issuer: Issuer, request: RequestFacts) -> Attribution:
    """Return the person as an actor, with the issuer as the credential."""
    return Attribution(
        Actor(ActorKind.PERSON, user.id, shown_account(user)), issuer.name[:CREDENTIAL_LENGTH_MAX], request
    )


async def _create(
    session: AsyncSession, system: System, request: RequestFacts, issuer: Issuer, person: Described
) -> User:
    user = User(
        id=new_id(USER, system.clock(), system.entropy),
        email=person.email,
        name=person.name or (person.email or "").partition("@")[0] or person.subject[:200],
        created_at=system.clock(),
    )
    session.add(user)
    await session.flush()
    session.add(_identity(system, issuer, user, person))
    await session.flush()
    await _record(session, system, request, issuer, user, "user.join", after={"issuer": issuer.name})
    if person.is_proof:
        await _prove(session, system, request, issuer, user)
    return user


async def _link(
    session: AsyncSession, system: System, request: RequestFacts, issuer: Issuer, user: User, person: Described
) -> None:
    """Give an account, which has proven the address that the issuer proves, an identity from outside."""
    user.password_hash = None
    session.add(user)
    session.add(_identity(system, issuer, user, person))
    ended = await user_queries.delete_sessions_of_user(session, user.id)
    await session.flush()
    await _record(
        session, system, request, issuer, user, "user.link", after={"issuer": issuer.name, "sessions_ended": len(ended)}
    )
    await _describe(session, system, request, issuer, user, person)


async def _describe(
    session: AsyncSession, system: System, request: RequestFacts, issuer: Issuer, user: User, person: Described
) -> None:
    """Take over the name and the address that the issuer says.

    A proof replaces any address; a claim only one that is unproven.
    """
    changed = []
    given_up = None
    if person.name is not None and person.name != user.name:
        user.name = person.name
        changed.append("name")
    news = _is_news(user, person)
    if news and person.is_proof:
        prover = await user_queries.user_by_proven_email(session, person.email or "")
        if prover is not None and prover.id != user.id:
            news = False  # the account that has proven it keeps it
    if news and user.email != person.email:
        if user.email_proven_at is not None:
            given_up = {PROVEN_BEFORE: user.email}
        user.email, user.email_proven_at = person.email, None
        changed.append("email")
    if changed:
        session.add(user)
        await session.flush()
        await _record(
            session, system, request, issuer, user, "user.update", target_facts=given_up, after={"changed": changed}
        )
    if news and person.is_proof:
        await _prove(session, system, request, issuer, user)


def _is_news(user: User, person: Described) -> bool:
    """Return whether what the issuer says about the address would change the account."""
    if person.email is None:
        return False
    if person.is_proof:
        return user.email != person.email or user.email_proven_at is None
    return user.email != person.email and user.email_proven_at is None


async def _prove(session: AsyncSession, system: System, request: RequestFacts, issuer: Issuer, user: User) -> None:
    """Prove the account's address by the issuer's word, unless another account has proven it."""
    try:
        lost = await prove(session, system, user)
    except Conflict:
        return
    await _record(session, system, request, issuer, user, "user.prove_email", after=lost or None)


async def _record(
    session: AsyncSession,
    system: System,
    request: RequestFacts,
    issuer: Issuer,
    user: User,
    action: str,
    *,
    target_facts: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Write what became of an account by its issuer's word: the person is the actor, and what was changed."""
    await record(
        session,
        system,
        by(user, issuer, request),
        chain=SYSTEM_CHAIN,
        action=action,
        target_id=user.id,
        target_name=shown_account(user),
        target_facts=target_facts,
        after=after,
    )


def _identity(system: System, issuer: Issuer, user: User, person: Described) -> OutsideIdentity:
    return OutsideIdentity(issuer=issuer.name, subject=person.subject, user_id=user.id, created_at=system.clock())


def _or_none(clean: Callable[[], str]) -> str | None:
    try:
        return clean()
    except InvalidInput:
        return None
