"""Portal sessions: bearers for the people of a host product, for its pages that list and create tokens.

The host opens one for a person that it has signed in, in one workspace, for at most an hour, bound to the origins of
its pages. A session has token scopes by default, never those of members, the workspace's settings or the audit log, and
opens no further session. The server reads it at every request, so it has ended once ending it is answered. Its secret
is shown once and kept as its SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.external import clean_external_id
from spacekey.domain.ids import PORTAL_SESSION, WORKSPACE, id_prefix, new_id
from spacekey.domain.origin import is_listed, serialized_origin
from spacekey.domain.product import OWNER_ROLE
from spacekey.domain.refusal import (
    Conflict,
    ConflictCode,
    CredentialNotAllowed,
    Fault,
    Faults,
    InputCode,
    InvalidInput,
    NotFound,
    ScopeNotAllowed,
)
from spacekey.domain.scope import MANAGEMENT_SCOPES, PORTAL_SCOPES, PORTAL_SESSIONS, TOKEN_SCOPES
from spacekey.domain.secret import Secret, mint
from spacekey.models.queries import portal_sessions as portal_queries
from spacekey.models.queries.portal_sessions import PortalFacts
from spacekey.models.queries.settings import hold_staleness
from spacekey.models.tables.portal import PortalSession
from spacekey.resolvers.access.authority import SessionAuthority, authority_in
from spacekey.resolvers.access.caller import Caller, MemberCaller, PortalCaller, ServiceCaller, TokenCaller
from spacekey.resolvers.access.credentials import scopes_of_portal
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.staleness import takes_access_away
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_grants, clean_name, unknown

SECRET_PREFIX = "spkportal"  # noqa: S105 - the first part of every portal session's secret
SECONDS_MAX = 3_600
SECONDS_DEFAULT = 900
ORIGINS_MAX = 10
SESSIONS_MAX = 50
"""Maximum number of sessions of one person in a workspace; opening another ends the oldest."""
KEPT = timedelta(days=1)
"""How long the row of a session is kept after it has expired."""
FORGOTTEN_AT_ONCE = 100
OWN, ALL = "own", "workspace"
VISIBLE = (OWN, ALL)
"""Which tokens a session sees: those with its person's external id, or all of the workspace."""

_WHO = f"Portal sessions take an operator credential: a service with the scope {PORTAL_SESSIONS}."


@dataclass(frozen=True, slots=True)
class NewPortalSession:
    """Portal session to open.

    :param person_id: the host's id of the person; compared exactly.
    :param role: the name of a role of the workspace whose scopes it has at most; not together with ``scopes``.
    :param scopes: scopes and shorthands of the product, and management scopes of
        :data:`~spacekey.domain.scope.PORTAL_SCOPES`. With neither, it has all of the product's own scopes and may read,
        create, edit, disable, revoke and delete tokens.
    :param origins: the origins of the pages that use it, 1 to 10.
    :param expires_in: its lifetime in seconds, 1 to 3,600.
    :param tokens: ``own`` for tokens whose external id is the person's, ``workspace`` for all of the workspace.
    """

    workspace_id: str
    person_id: str
    person_name: str
    origins: tuple[str, ...]
    role: str | None = None
    scopes: tuple[str, ...] | None = None
    expires_in: int = SECONDS_DEFAULT
    tokens: str = OWN


@dataclass(frozen=True, slots=True)
class OpenedPortalSession:
    """A new portal session with its secret, which is available only now, and the scopes that it has."""

    session: PortalSession
    secret: Secret
    scopes: frozenset[str]


async def open_portal_session(system: System, caller: Caller, new: NewPortalSession) -> OpenedPortalSession:
    """Open a portal session for a person of the host's.

    :raises CredentialNotAllowed: if the caller is a person, a token or another portal session.
    :raises NotFound, Forbidden: if the workspace is not the caller's, or it may not open portal sessions there.
    :raises InvalidInput: for invalid values, and scopes or a role that no portal session can have.
    :raises ScopeNotAllowed: for scopes beyond the host application's own ceiling.
    :raises Conflict: if the workspace is suspended.
    """
    _check_caller(caller)
    async with system.store.changing() as session:
        authority = await authority_in(session, system, caller, new.workspace_id, lock=True)
        authority.require(PORTAL_SESSIONS)
        cleaned = _cleaned(system, authority, new)
        if authority.workspace.suspended_at is not None:
            raise Conflict(
                "The workspace is suspended; resume it before opening a portal session.",
                ConflictCode.WORKSPACE_SUSPENDED,
            )
        scopes = scopes_of_portal(authority.product, authority.workspace, cleaned.grants)
        _check_ceiling(authority, scopes)
        opened, secret = _prepared(system, caller, cleaned, scopes)
        await _make_room(session, system, opened)
        session.add(opened)
        await record(
            session,
            system,
            actor_of(caller),
            chain=opened.workspace_id,
            action="portal_session.open",
            target_id=opened.id,
            target_name=opened.person_name,
            after={
                "person_id": opened.person_id,
                "grants": list(opened.grants) if new.role is not None or new.scopes is not None else None,
                "tokens": cleaned.tokens,
                "origins": list(opened.origins),
                "expires_in": new.expires_in,
            },
        )
    return OpenedPortalSession(opened, secret, scopes)


@takes_access_away
async def end_portal_session(system: System, caller: Caller, session_id: str) -> None:
    """End a portal session. A portal session may end itself. Ending an ended session succeeds without a change.

    :raises CredentialNotAllowed, Forbidden: if the caller may not end it.
    :raises NotFound: if it does not exist, or belongs to a workspace that is not the caller's.
    """
    own = isinstance(caller, PortalCaller) and caller.session_id == session_id
    if not own:
        _check_caller(caller)
    if id_prefix(session_id) != PORTAL_SESSION:
        raise NotFound("portal session")
    async with system.store.changing() as session:
        await hold_staleness(session)  # the commit reaches the disk
        found = await portal_queries.portal_session_by_id(session, session_id)
        if found is None:
            raise NotFound("portal session")
        try:
            authority = await authority_in(session, system, caller, found.workspace_id, lock=True)
        except NotFound:
            raise NotFound("portal session") from None
        if not own:
            authority.require(PORTAL_SESSIONS)
        await session.refresh(found)
        await _end(session, system, caller, [found])


@takes_access_away
async def end_portal_sessions(system: System, caller: Caller, workspace_id: str, person_id: str) -> int:
    """End all portal sessions of a person in a workspace, and return how many there were.

    :raises CredentialNotAllowed, Forbidden: if the caller may not end them.
    :raises NotFound: if the workspace is not the caller's.
    :raises InvalidInput: if no person can have this id.
    """
    _check_caller(caller)
    if id_prefix(workspace_id) != WORKSPACE:
        raise NotFound("workspace")
    async with system.store.changing() as session:
        await hold_staleness(session)  # the commit reaches the disk
        authority = await authority_in(session, system, caller, workspace_id, lock=True)
        authority.require(PORTAL_SESSIONS)
        return await end_sessions_of(session, system, caller, workspace_id, clean_external_id("person_id", person_id))


async def end_sessions_of(
    session: AsyncSession, system: System, caller: Caller, workspace_id: str, person_id: str
) -> int:
    """End all portal sessions of a person, in the transaction of a change that holds the workspace."""
    ended = await portal_queries.open_portal_sessions(session, workspace_id, person_id, system.clock())
    await _end(session, system, caller, ended)
    return len(ended)


async def read_portal_session(system: System, digest: bytes) -> PortalFacts | None:
    """Return the portal session whose secret has this SHA-256, in any state, or None if there is none.

    :raises ServiceUnavailable: if the database does not answer.
    """
    return await system.store.read(lambda reader: portal_queries.portal_session_by_digest(reader, digest))


@dataclass(frozen=True, slots=True)
class _Cleaned:
    workspace_id: str
    person_id: str
    person_name: str
    grants: list[str]
    origins: list[str]
    expires_in: int
    tokens: str


def _check_caller(caller: Caller) -> None:
    """Raise for callers that no scope lets manage portal sessions.

    :raises CredentialNotAllowed: if it is a person, a token or a portal session.
    """
    if isinstance(caller, MemberCaller | TokenCaller | PortalCaller):
        raise CredentialNotAllowed(_WHO)


def _cleaned(system: System, authority: SessionAuthority, new: NewPortalSession) -> _Cleaned:
    faults = Faults()
    person_id = person_name = ""
    origins, grants = [], []
    with faults, _below("person", "id"):
        person_id = clean_external_id("id", new.person_id)
    with faults, _below("person", "name"):
        person_name = clean_name("name", new.person_name)
    with faults:
        origins = clean_origins("origins", new.origins, system.portal_origins)
    with faults:
        grants = _clean_grants(authority, new)
    if not 1 <= new.expires_in <= SECONDS_MAX:
        reason = f"Give 1 to {SECONDS_MAX} seconds (1 hour)."
        faults.add(Fault(("expires_in",), InputCode.OUT_OF_RANGE, reason))
    if new.tokens not in VISIBLE:
        faults.add(Fault(("tokens",), InputCode.UNKNOWN_VALUE, unknown("value", new.tokens, VISIBLE)))
    faults.raise_found()
    return _Cleaned(new.workspace_id, person_id, person_name, grants, origins, new.expires_in, new.tokens)


def clean_origins(field: str, origins: Sequence[str], allowed: frozenset[str] | None) -> list[str]:
    """Return origins as browsers send them.

    :param allowed: the origins whose pages the server answers; None if that is not known here.
    :raises InvalidInput: for none, too many, and each that is not the origin of a page or not among those.
    """
    if not origins:
        raise InvalidInput(field, "Name at least one origin, such as https://app.example.com.", InputCode.REQUIRED)
    if len(origins) > ORIGINS_MAX:
        raise InvalidInput(field, f"Name at most {ORIGINS_MAX} origins.", InputCode.TOO_MANY)
    faults, found = Faults(), []
    for place, origin in enumerate(origins):
        try:
            found.append(serialized_origin(origin))
        except ValueError as error:
            faults.add(Fault((field, str(place)), InputCode.INVALID_FORMAT, str(error)))
            continue
        if allowed is not None and not is_listed(found[-1], allowed):
            reason = "Is not an origin whose pages this server answers; add it to SPACEKEY_CORS_ORIGINS."
            faults.add(Fault((field, str(place)), InputCode.NOT_ALLOWED, reason))
    faults.raise_found()
    return list(dict.fromkeys(found))


def _clean_grants(authority: SessionAuthority, new: NewPortalSession) -> list[str]:
    """Return the grants of a session by the workspace's roles and the product's names.

    :raises InvalidInput: for a role and scopes together, unknown names, and what no portal session can have.
    """
    product = authority.product
    if new.role is not None and new.scopes is not None:
        raise InvalidInput("role", "Give either a role or scopes.", InputCode.EXCLUSIVE)
    if new.role is not None:
        if new.role == OWNER_ROLE:
            raise InvalidInput(
                "role", "A portal session is never an owner's; name another role.", InputCode.NOT_ALLOWED
            )
        if new.role not in authority.roles:
            raise InvalidInput("role", unknown("role", new.role, authority.roles), InputCode.UNKNOWN_VALUE)
        return [new.role]
    if new.scopes is None:
        return sorted((*product.scopes, *TOKEN_SCOPES))
    faults = Faults()
    for place, name in enumerate(new.scopes):
        if name in MANAGEMENT_SCOPES and name not in PORTAL_SCOPES:
            reason = f"A portal session cannot have '{name}'."
            faults.add(Fault(("scopes", str(place)), InputCode.NOT_ALLOWED, reason))
    faults.raise_found()
    return clean_grants("scopes", new.scopes, {*product.scopes, *product.shorthands, *PORTAL_SCOPES})


def _check_ceiling(authority: SessionAuthority, scopes: frozenset[str]) -> None:
    """Raise if a host application would give more than it is held to.

    What a service may give follows from its scope for portal sessions: token scopes and the product's own.

    :raises ScopeNotAllowed: with the scopes beyond the ceiling.
    """
    lacking = authority.lacking(scopes)
    if lacking and not isinstance(authority.caller, ServiceCaller):
        raise ScopeNotAllowed(lacking)


def _prepared(system: System, caller: Caller, new: _Cleaned, scopes: frozenset[str]) -> tuple[PortalSession, Secret]:
    now = system.clock()
    secret = mint(SECRET_PREFIX, "live", system.entropy)
    opened = PortalSession(
        digest=secret.digest(),
        id=new_id(PORTAL_SESSION, now, system.entropy),
        workspace_id=new.workspace_id,
        person_id=new.person_id,
        person_name=new.person_name,
        grants=new.grants,
        scopes=sorted(scopes),
        own_tokens=new.tokens == OWN,
        origins=new.origins,
        service_id=caller.id if isinstance(caller, ServiceCaller) else None,
        created_at=now,
        expires_at=now + timedelta(seconds=new.expires_in),
    )
    return opened, secret


async def _make_room(session: AsyncSession, system: System, opened: PortalSession) -> None:
    """End the person's oldest sessions beyond the maximum, and delete rows of sessions that expired long ago."""
    now = system.clock()
    await portal_queries.forget_portal_sessions(session, now - KEPT, most=FORGOTTEN_AT_ONCE)
    present = await portal_queries.open_portal_sessions(session, opened.workspace_id, opened.person_id, now)
    for oldest in present[: max(0, len(present) - SESSIONS_MAX + 1)]:
        oldest.ended_at = now
        session.add(oldest)


async def _end(session: AsyncSession, system: System, caller: Caller, sessions: Sequence[PortalSession]) -> None:
    for one in sessions:
        if one.ended_at is not None:
            continue
        one.ended_at = system.clock()
        session.add(one)
        await record(
            session,
            system,
            actor_of(caller),
            chain=one.workspace_id,
            action="portal_session.end",
            target_id=one.id,
            target_name=one.person_name,
            after={"person_id": one.person_id},
        )


@contextmanager
def _below(*path: str) -> Iterator[None]:
    """Put the faults of the block at this place."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput.of(Fault(path, one.code, one.reason) for one in error.faults) from None
