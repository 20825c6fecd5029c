"""Sessions: sign in, authenticate a session cookie, list and end sessions, sign out. Tokens cannot use any of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import UNKNOWN_PERSON_ID, Actor, ActorKind
from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.ids import SESSION, USER, id_prefix, new_id
from spacekey.domain.network import network_of
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.refusal import InputCode, InvalidInput, NotFound, SignInFailed
from spacekey.domain.secret import Secret, opaque_secret, parse
from spacekey.models.queries import mails as mail_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.user import User, UserSession
from spacekey.resolvers.access.caller import MemberCaller, RequestFacts
from spacekey.resolvers.access.entitlements import make_room_for_session, scopes_of
from spacekey.resolvers.addresses import shown_account, typed_sign_in_names
from spacekey.resolvers.audit.log import CREDENTIAL_LENGTH_MAX, Attribution, actor_of, printable, record
from spacekey.resolvers.passwords.hashing import Turn, check_password
from spacekey.resolvers.system import System

from .users import words_around

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=14)
TOUCH_EVERY = timedelta(minutes=1)
EVERYWHERE_WEIGHT = 0.1
"""Weight of a failed sign-in against an account over all networks.

The bound over all networks is ten times looser, so that a stranger cannot lock out the owner with a few wrong
passwords. About 100 consecutive failures are what NIST SP 800-63B-4 §3.2.2 allows.
"""

UNKNOWN_PERSON = Actor(ActorKind.PERSON, UNKNOWN_PERSON_ID, "")
SESSIONS_LISTED_MAX = 100


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session, with the cookie's secret (available only now) and the latest time at which it ends."""

    user: User
    secret: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedOut:
    """The id of the session that ended, and the identity provider that it was opened through; None without one."""

    session_id: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A session as its owner sees it. ``ends_at`` is earlier if the session is idle."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    ip: str
    user_agent: str
    is_current: bool


async def sign_in(system: System, request: RequestFacts, *, email: str, password: str) -> SignedIn:
    """Open a session for a member. A session that came with the request ends.

    :param email: the account's sign-in name, by default the address it was created for, or its id.
    :raises ServiceUnavailable: if too many passwords are waiting to be checked.
    :raises TooManyAttempts: if there were too many failures for this account or address.
    :raises SignInFailed: if the name is unknown or the password wrong; both look the same and take the same time.
    :raises InvalidInput: if the password is an API token, or people do not sign in by passwords here.
    """
    check_takes_passwords(system)
    if parse(Secret(password.strip())) is not None or parse(Secret(email.strip())) is not None:
        raise InvalidInput(
            "password", "This is an API token. Tokens are for programs and cannot sign in.", InputCode.NOT_ALLOWED
        )
    network = network_of(request.ip)
    by_network = f"address {network}"
    system.attempts.check(system.clock(), by_network)
    user = await _user_called(system, email)
    # An account has one bound, whichever of its names was entered.
    account = user.id if user is not None else email.strip().casefold()[:254]
    by_account = f"account {account} from {network}"
    # Counted before the attempt, and taken back if it succeeds.
    counted = {by_account: 1.0, by_network: 1.0, _everywhere(account): EVERYWHERE_WEIGHT}
    system.attempts.count(system.clock(), counted)
    stored = user.password_hash if user is not None else None
    turn = Turn(network)
    with _not_counted_when_turned_away(system, counted):
        good = await system.passwords.matches(stored, password, turn)
    if not good or user is None or stored is None:
        await _record_failure(system, request, user)
        raise SignInFailed
    # Only the account's count is reset: success with one account must not pay for guesses at others.
    system.attempts.succeeded(system.clock(), by_account, _everywhere(account))
    system.attempts.take_back(system.clock(), {by_network: 1.0})
    rehashed = await system.passwords.hash(password, turn) if system.passwords.is_outdated(stored) else None
    async with system.store.changing() as session:
        user = await _unchanged(session, user.id, stored)
        if rehashed is not None:
            user.password_hash = rehashed
        return await open_session(session, system, user, request, "session.sign_in")


def check_takes_passwords(system: System) -> None:
    """Raise if all people come from outside.

    :raises InvalidInput: saying so.
    """
    if not system.takes_passwords:
        raise InvalidInput(
            "password",
            "Passwords are not used here. Sign in where this page's application, or its operator, tells you to.",
            InputCode.NOT_ALLOWED,
        )


async def sign_out(system: System, caller: MemberCaller, secret: Secret) -> SignedOut:
    """End the session of a cookie, unless it has already ended or the person was erased."""
    async with system.store.changing() as session:
        if not await user_queries.hold_user(session, caller.id):
            return SignedOut()  # erasing the person ended their sessions
        found = await user_queries.session_by_digest(session, secret.digest())
        ended = SignedOut() if found is None else SignedOut(found[0].id, found[0].issuer)
        await user_queries.delete_session(session, secret.digest())
        await record(
            session, system, actor_of(caller), chain=SYSTEM_CHAIN, action="session.sign_out", target_id=caller.id
        )
    return ended


async def session_outcome(system: System, secret: Secret, issuer: str | None = None) -> Authenticated | Rejected:
    """Return the member principal of a session cookie, with the union of scopes over all of the person's workspaces.

    :param issuer: the identity provider that this server is set up with. A session that was opened through another one,
        or through one that is not set up any more, has ended.
    :raises ServiceUnavailable: if the database is unreachable.
    """
    now = system.clock()
    async with system.store.reading() as session:
        found = await user_queries.session_by_digest(session, secret.digest())
        if found is None:
            return Rejected(Reason.UNKNOWN)
        opened, user = found
        last_seen = system.last_seen.of(opened)
        if now >= opened.expires_at or now >= last_seen + IDLE or opened.issuer not in (None, issuer):
            return Rejected(Reason.EXPIRED)
        scopes = await union_of_scopes(session, system, user.id)
    if now >= last_seen + TOUCH_EVERY:
        system.last_seen.note(opened, now)
    name = shown_account(user)
    return Authenticated(
        Principal(id=user.id, kind=Kind.MEMBER, scopes=scopes, name=name, expires_at=opened.expires_at)
    )


async def change_password(system: System, caller: MemberCaller, *, current: str, new: str) -> SignedIn:
    """Set a new password. All of the caller's sessions end, and the caller gets a new one.

    :raises SignInFailed: if the current password is wrong.
    :raises TooManyAttempts, InvalidInput: as for signing in, and for weak passwords.
    """
    key = f"account {caller.id} from {network_of(caller.request.ip)}"
    counted = {key: 1.0, _everywhere(caller.id): EVERYWHERE_WEIGHT}
    system.attempts.count(system.clock(), counted)
    async with system.store.reading() as session:
        user = await user_queries.user_by_id(session, caller.id)
    if user is None:
        raise SignInFailed
    stored = user.password_hash
    turn = Turn(network_of(caller.request.ip), signed_in=True)
    with _not_counted_when_turned_away(system, counted):
        good = await system.passwords.matches(stored, current, turn)
    if stored is None or not good:
        await _record_failure(system, caller.request, user, "user.change_password")
        raise SignInFailed
    system.attempts.succeeded(system.clock(), key, _everywhere(caller.id))
    await check_password("new", new, about=await words_around(system, user))
    hashed = await system.passwords.hash(new, turn)
    async with system.store.changing() as session:
        user = await _unchanged(session, user.id, stored)
        user.password_hash = hashed
        await mail_queries.delete_links(session, user.id, "password")
        await user_queries.delete_sessions_of_user(session, user.id)
        return await open_session(session, system, user, caller.request, "user.change_password")


async def own_sessions(system: System, caller: MemberCaller, present: Secret | None) -> list[OwnSession]:
    """Return the caller's sessions that have not ended, most recently seen first; at most 100.

    :param present: the session secret that came with the request, to mark its session as the current one.
    """
    now = system.clock()
    digest = None if present is None else present.digest()
    async with system.store.reading() as session:
        rows = await user_queries.sessions_of_user(session, caller.id, seen_after=now - IDLE, limit=SESSIONS_LISTED_MAX)
    return [_own(row, digest) for row in rows if now < row.expires_at]


async def end_session(system: System, caller: MemberCaller, session_id: str, present: Secret | None) -> bool:
    """End one of the caller's own sessions, and return whether it was the current one.

    :raises NotFound: if the session does not exist, belongs to another person or has ended.
    """
    async with system.store.changing() as session:
        await _hold(session, caller)
        ended = await user_queries.session_by_id(session, session_id)
        if ended is None or ended.user_id != caller.id:
            raise NotFound("session")
        await user_queries.delete_session(session, ended.digest)
        await _record(session, system, caller, "session.end", session_id)
    return present is not None and ended.digest == present.digest()


async def end_other_sessions(system: System, caller: MemberCaller, present: Secret | None) -> list[str]:
    """End all of the caller's sessions but the current one, and return the ids of those that ended.

    :raises NotFound: if the caller was erased meanwhile.
    """
    async with system.store.changing() as session:
        await _hold(session, caller)
        keep = None if present is None else present.digest()
        ended = await user_queries.delete_sessions_of_user(session, caller.id, keep=keep)
        await _record(session, system, caller, "session.end_others", caller.id, len(ended))
    return ended


async def open_session(
    session: AsyncSession,
    system: System,
    user: User,
    request: RequestFacts,
    action: str,
    *,
    issuer: str | None = None,
    lifetime: timedelta = ABSOLUTE,
    replaces: bytes | None = None,
) -> SignedIn:
    """Open a session for the user, inside the caller's transaction.

    The session that came with the request ends, whichever account it belongs to: the browser replaces its cookie.

    :param issuer: the identity provider that the person signed in through; None for a password.
    :param replaces: the digest of a session to end as well, which the browser had when the sign-in began.
    """
    now = system.clock()
    if replaces is not None:
        await user_queries.delete_session(session, replaces)
    if request.session is not None:
        await user_queries.delete_session(session, request.session.digest())
    secret = opaque_secret(system.entropy)
    await user_queries.delete_expired_sessions(session, now)
    await make_room_for_session(session, user.id)
    session.add(
        UserSession(
            digest=secret.digest(),
            id=new_id(SESSION, now, system.entropy),
            user_id=user.id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + lifetime,
            ip=request.ip[:64],
            user_agent=printable(request.user_agent, 300),
            issuer=issuer,
        )
    )
    credential = "password" if issuer is None else issuer[:CREDENTIAL_LENGTH_MAX]
    actor = Attribution(Actor(ActorKind.PERSON, user.id, shown_account(user)), credential, request)
    await record(session, system, actor, chain=SYSTEM_CHAIN, action=action, target_id=user.id)
    return SignedIn(user, secret, now + lifetime)


@contextmanager
def _not_counted_when_turned_away(system: System, counted: Mapping[str, float]) -> Iterator[None]:
    """Take back an attempt that was counted if the block fails before the password is checked."""
    try:
        yield
    except ServiceUnavailable:
        system.attempts.take_back(system.clock(), counted)
        raise


def _everywhere(account: str) -> str:
    return f"account {account}"


async def _user_called(system: System, text: str) -> User | None:
    """Return the account with this sign-in name or id, or None."""
    typed = text.strip()
    async with system.store.reading() as session:
        if id_prefix(typed) == USER:
            return await user_queries.user_by_id(session, typed)
        names = typed_sign_in_names(typed)
        return await user_queries.user_by_sign_in_name(session, names) if names else None


async def _unchanged(session: AsyncSession, user_id: str, stored: str) -> User:
    """Return the locked user whose password is still the one that was checked.

    :raises SignInFailed: if the password was changed meanwhile; a session opened now would survive that change.
    """
    user = await user_queries.lock_user(session, user_id)
    if user is None or user.password_hash != stored:
        raise SignInFailed
    return user


async def _record_failure(
    system: System, request: RequestFacts, user: User | None, action: str = "session.sign_in"
) -> None:
    """Record a failed sign-in, without the address as entered: people type passwords into the wrong field."""
    async with system.store.changing() as session:
        known = user is not None and await user_queries.hold_user(session, user.id)
        person = Actor(ActorKind.PERSON, user.id, shown_account(user)) if user is not None and known else UNKNOWN_PERSON
        actor, target = Attribution(person, "password", request), person.id
        await record(session, system, actor, chain=SYSTEM_CHAIN, action=action, target_id=target, outcome="denied")


async def union_of_scopes(session: AsyncSession, system: System, user_id: str) -> frozenset[str]:
    """Return the scopes that a person has in any workspace."""
    members = await workspace_queries.members_of_user(session, user_id)
    workspaces = {
        workspace.id: workspace
        for workspace in await workspace_queries.workspaces_by_ids(session, [one.workspace_id for one in members])
    }
    scopes: frozenset[str] = frozenset()
    for one in members:
        workspace = workspaces[one.workspace_id]
        product = system.products.get(workspace.product)
        if product is not None:
            scopes |= scopes_of(product, workspace, [one.role], Kind.MEMBER)
    return scopes


async def _hold(session: AsyncSession, caller: MemberCaller) -> None:
    """Hold the caller's row before the rows of their sessions, in the order in which an erasure locks them.

    :raises NotFound: if the caller was erased meanwhile, which ended their sessions.
    """
    if not await user_queries.hold_user(session, caller.id):
        raise NotFound("session")


async def _record(
    session: AsyncSession, system: System, caller: MemberCaller, action: str, target_id: str, ended: int = 1
) -> None:
    await record(
        session,
        system,
        actor_of(caller),
        chain=SYSTEM_CHAIN,
        action=action,
        target_id=target_id,
        after={"sessions_ended": ended},
    )


def _own(row: UserSession, present: bytes | None) -> OwnSession:
    return OwnSession(
        id=row.id,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        ends_at=min(row.expires_at, row.last_seen_at + IDLE),
        ip=row.ip,
        user_agent=row.user_agent,
        is_current=row.digest == present,
    )
