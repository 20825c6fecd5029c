"""Authority of a caller in its workspaces, read from the database for every request.

A change reads the authority inside its own transaction, which may hold the workspace's row: :func:`authority_in` in a
session, :func:`authority_to_change` in a function of queries.
Lists and single records read it together with the data they return: :func:`authority_to_read` for one workspace,
:func:`authorities` for many in one statement, :func:`workspace_list` for a page of them.

The scopes that admitted the request are not used here: a member's scopes differ by workspace, and a token may have lost
scopes since. Anything the caller may not see is :class:`NotFound`, as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import WORKSPACE, id_prefix
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.principal import Kind
from spacekey.domain.product import OWNER_ROLE, Product, RoleTable, expand, unresolved
from spacekey.domain.refusal import Fault, Faults, Forbidden, InputCode, NotFound
from spacekey.domain.scope import MANAGEMENT_SCOPES, OPERATOR_SCOPES
from spacekey.domain.token_state import refusal_reason
from spacekey.models.engine.reading import Reader
from spacekey.models.queries import portal_sessions as portal_queries
from spacekey.models.queries import services as service_queries
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.queries.pagination import page_of_one
from spacekey.models.tables.portal import PortalSession
from spacekey.models.tables.records import AnyToken, AnyWorkspace, PortalSessionRecord
from spacekey.models.tables.token import Token
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import unknown

from .caller import (
    Caller,
    HostCaller,
    MemberCaller,
    Operator,
    PortalCaller,
    ServiceCaller,
    TokenCaller,
    acts_as_operator,
)
from .credentials import portal_reason, scopes_of_portal, valid_scopes
from .entitlements import roles_from, scopes_of

READ = "workspace:read"
OPERATORS = frozenset(MANAGEMENT_SCOPES) | frozenset(OPERATOR_SCOPES)
"""Scopes of the operator, besides those of the product."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Authority of a caller in one workspace.

    ``scopes`` are the effective scopes now. ``space_id`` confines a space token to its space, and ``environment``
    confines the tokens that a token creates to its own environment; both are None for members. ``external_id`` confines
    a portal session to the tokens of its person, and a host application to those of the user that it names.
    """

    caller: Caller
    workspace: AnyWorkspace
    product: Product
    roles: RoleTable
    scopes: frozenset[str]
    grants: tuple[str, ...]
    space_id: str | None = None
    environment: str | None = None
    external_id: str | None = None

    @property
    def is_confined(self) -> bool:
        """Whether the caller sees only a part of the workspace's tokens."""
        return self.space_id is not None or self.external_id is not None

    def require(self, *scopes: str) -> None:
        """Raise unless the caller holds all of ``scopes`` in this workspace.

        :raises Forbidden: with the missing scopes.
        """
        missing = frozenset(scopes) - self.scopes
        if missing:
            raise Forbidden(missing)

    def lacking(self, scopes: frozenset[str]) -> frozenset[str]:
        """Return the scopes that the caller does not hold and so must not grant.

        An operator lacks none, and neither does a host application, unless it named what it is held to. A portal
        session for its person's tokens grants no management scope, because a token that has one is not confined to
        them.
        """
        if isinstance(self.caller, HostCaller) and self.caller.granted_by is not None:
            return scopes - self.expand(self.caller.granted_by)
        if acts_as_operator(self.caller):
            return frozenset()
        return scopes - (self.scopes if self.external_id is None else self.scopes - frozenset(MANAGEMENT_SCOPES))

    def covers(self, token: AnyToken) -> bool:
        """Return whether the caller may see the token."""
        return (
            token.workspace_id == self.workspace.id
            and (self.space_id is None or token.space_id == self.space_id)
            and (self.external_id is None or token.external_id == self.external_id)
        )

    def expand(self, grants: list[str] | tuple[str, ...]) -> frozenset[str]:
        """Return the scopes of the grants by this workspace's roles, before the plan and the policy reduce them."""
        return expand(self.product, grants, self.roles)


@dataclass(frozen=True, slots=True)
class SessionAuthority(Authority):
    """Authority of a caller in a workspace whose row belongs to a session and can be changed in it."""

    workspace: Workspace


async def authority_in(
    session: AsyncSession, system: System, caller: Caller, workspace_id: str, *, lock: bool = False
) -> SessionAuthority:
    """Return the caller's authority in a workspace, within the transaction of a change.

    :param lock: hold the workspace's row until the transaction ends.
    :raises NotFound: if the workspace does not exist or the caller does not belong to it.
    """
    if id_prefix(workspace_id) != WORKSPACE:
        raise NotFound("workspace")
    find = workspace_queries.lock_workspace if lock else workspace_queries.workspace_by_id
    workspace = await find(session, workspace_id)
    if workspace is None or workspace.deleted_at is not None:
        raise NotFound("workspace")
    held = await _held(session, system, caller, workspace, lock=lock)
    return SessionAuthority(
        caller=caller,
        workspace=workspace,
        product=held.product,
        roles=held.roles,
        scopes=held.scopes,
        grants=held.grants,
        space_id=held.space_id,
        environment=held.environment,
        external_id=held.external_id,
    )


async def authority_to_read(reader: Reader, system: System, caller: Caller, workspace_id: str) -> Authority:
    """Return the caller's authority in a workspace.

    :raises NotFound: if the workspace does not exist or the caller does not belong to it.
    """
    authority = (await authorities(reader, system, caller, [workspace_id])).get(workspace_id)
    if authority is None:
        raise NotFound("workspace")
    return authority


async def authority_to_change(reader: Reader, system: System, caller: Caller, workspace_id: str) -> Authority:
    """Return the caller's authority in a workspace, within a change, which holds both until it ends.

    :raises NotFound: if the workspace does not exist or the caller does not belong to it.
    """
    if id_prefix(workspace_id) != WORKSPACE:
        raise NotFound("workspace")
    await workspace_queries.hold_workspace(reader, workspace_id)
    if isinstance(caller, ServiceCaller | PortalCaller):
        await service_queries.hold_service_of(reader, caller.digest)
    return await authority_to_read(reader, system, caller, workspace_id)


async def authorities(
    reader: Reader, system: System, caller: Caller, workspace_ids: Iterable[str]
) -> dict[str, Authority]:
    """Return the caller's authority in each workspace by workspace id, from one statement.

    Unknown and deleted workspaces, and those the caller does not belong to, are left out.
    """
    wanted = {one for one in workspace_ids if id_prefix(one) == WORKSPACE}
    if isinstance(caller, TokenCaller):
        return await _authority_of_token(reader, system, caller, wanted)
    if isinstance(caller, PortalCaller):
        return await _authority_of_portal(reader, system, caller, wanted)
    if isinstance(caller, MemberCaller):
        held = await workspace_queries.memberships(reader, caller.id, system.clock(), wanted) if wanted else []
        return {workspace.id: member_authority(system, caller, workspace, role) for workspace, role in held}
    if not wanted:
        return {}
    found = {}
    scopes = await _scopes_of_server(reader, system, caller)
    for workspace in await workspace_queries.workspace_records(reader, wanted):
        with suppress(NotFound):
            found[workspace.id] = _servers_authority(system, caller, workspace, scopes)
    return found


async def authorities_in(system: System, caller: Caller, workspace_ids: Iterable[str]) -> dict[str, Authority]:
    """Return the caller's authority by workspace id; workspaces the caller does not belong to are left out."""
    return await system.store.read(lambda reader: authorities(reader, system, caller, workspace_ids))


async def own_authorities(reader: Reader, system: System, caller: Caller) -> list[Authority]:
    """Return the caller's authority in each workspace that it belongs to, at most 500 of them.

    Workspaces whose product is not loaded in this process are left out.
    """
    if isinstance(caller, MemberCaller):
        return [
            member_authority(system, caller, workspace, role)
            for workspace, role in await workspace_queries.memberships(reader, caller.id, system.clock())
            if workspace.product in system.products
        ]
    return list((await authorities(reader, system, caller, [getattr(caller, "workspace_id", "")])).values())


async def workspace_list(system: System, caller: Caller, request: PageRequest) -> Page[Authority]:
    """Return a page of the workspaces that the caller belongs to and may read, by name. A token belongs to one.

    A service has those of its product.

    A workspace is left out, and makes its page shorter, if the caller lacks ``workspace:read`` there or its product is
    not loaded in this process.
    """

    async def read(reader: Reader) -> Page[Authority]:
        if isinstance(caller, MemberCaller):
            page = await workspace_queries.workspaces_of_user_page(reader, caller.id, request, system.clock())
            held = {
                cursor: member_authority(system, caller, workspace, member.role)
                for (workspace, member), cursor in zip(page.rows, page.cursors, strict=True)
                if workspace.product in system.products
            }
            readable = {cursor: one for cursor, one in held.items() if READ in one.scopes}
            return Page(list(readable.values()), list(readable), page.has_next, page.has_previous)
        if isinstance(caller, ServiceCaller):
            return await _workspaces_of_service(reader, system, caller, request)
        found = await authorities(reader, system, caller, [getattr(caller, "workspace_id", "")])
        return page_of_one([(one.workspace.id, one) for one in found.values() if READ in one.scopes], request)

    return await system.store.read(read)


async def _workspaces_of_service(
    reader: Reader, system: System, caller: ServiceCaller, request: PageRequest
) -> Page[Authority]:
    scopes = await _scopes_of_server(reader, system, caller)
    if READ not in scopes:
        raise Forbidden([READ])
    page = await workspace_queries.workspace_page(reader, request, caller.product)
    held = [_servers_authority(system, caller, workspace, scopes) for workspace in page.rows]
    return Page(held, page.cursors, page.has_next, page.has_previous)


def member_authority(system: System, caller: MemberCaller, workspace: AnyWorkspace, role: str) -> Authority:
    """Return the authority that a membership gives."""
    product = system.product(workspace.product)
    return Authority(
        caller=caller,
        workspace=workspace,
        product=product,
        roles=roles_from(product, workspace.roles),
        scopes=scopes_of(product, workspace, [role], Kind.MEMBER),
        grants=(role,),
    )


def token_authority(
    system: System,
    caller: TokenCaller,
    workspace: AnyWorkspace,
    token: AnyToken,
    successor_used_at: datetime | None,
    *,
    space_is_gone: bool,
) -> Authority:
    """Return the authority that a token has by itself.

    :param successor_used_at: the first use of a successor, if that use ends the token.
    :raises NotFound: if the token belongs to another workspace or is no longer valid.
    """
    product = system.product(workspace.product)
    if token.workspace_id != workspace.id or workspace.suspended_at is not None or space_is_gone:
        raise NotFound("workspace")
    ends = [moment for moment in (token.retires_at, successor_used_at) if moment is not None]
    reason = refusal_reason(
        system.clock(),
        expires_at=token.expires_at,
        disabled_at=token.disabled_at,
        revoked_at=token.revoked_at,
        retires_at=min(ends, default=None),
        deleted_at=token.deleted_at,
    )
    if reason is not None:
        raise NotFound("workspace")
    return Authority(
        caller=caller,
        workspace=workspace,
        product=product,
        roles=roles_from(product, workspace.roles),
        scopes=scopes_of(product, workspace, token.grants, Kind(token.kind)),
        grants=tuple(token.grants),
        space_id=token.space_id,
        environment=token.environment,
    )


async def service_scopes(session: AsyncSession, system: System, caller: ServiceCaller, *, lock: bool) -> frozenset[str]:
    """Return the scopes of a service, within the transaction of a change.

    :param lock: keep the service from being revoked until the transaction ends.
    :raises Forbidden: if it was revoked since its request was verified, or its secret has ended.
    """
    return valid_scopes(await service_queries.hold_service(session, caller.digest, lock=lock), system.clock())


def portal_authority(
    system: System,
    caller: PortalCaller,
    workspace: AnyWorkspace,
    session: PortalSession | PortalSessionRecord,
    *,
    service_is_revoked: bool,
) -> Authority:
    """Return the authority of a portal session.

    :raises NotFound: if the session belongs to another workspace or is no longer valid.
    """
    product = system.product(workspace.product)
    reason = portal_reason(session, workspace, system.clock(), service_is_revoked=service_is_revoked)
    if session.workspace_id != workspace.id or reason is not None:
        raise NotFound("workspace")
    return Authority(
        caller=caller,
        workspace=workspace,
        product=product,
        roles=roles_from(product, workspace.roles),
        scopes=scopes_of_portal(product, workspace, session.grants, session.scopes),
        grants=tuple(session.grants),
        external_id=session.person_id if session.own_tokens else None,
    )


async def _held(
    session: AsyncSession, system: System, caller: Caller, workspace: Workspace, *, lock: bool
) -> Authority:
    if isinstance(caller, MemberCaller):
        member = await workspace_queries.member(session, workspace.id, caller.id)
        if member is None or (member.ends_at is not None and system.clock() >= member.ends_at):
            raise NotFound("workspace")
        return member_authority(system, caller, workspace, member.role)
    if isinstance(caller, TokenCaller):
        token = await token_queries.token_by_id(session, caller.id)
        if token is None:
            raise NotFound("workspace")
        used = await token_queries.first_uses(session, [token.rotated_to_id] if token.rotated_to_id else [])
        gone = await _space_is_gone(session, token)
        return token_authority(
            system, caller, workspace, token, used.get(token.rotated_to_id or ""), space_is_gone=gone
        )
    if isinstance(caller, PortalCaller):
        found = await portal_queries.portal_session_in(session, caller.digest, lock=lock)
        if found is None:
            raise NotFound("workspace")
        return portal_authority(system, caller, workspace, found[0], service_is_revoked=found[1])
    scopes = OPERATORS
    if isinstance(caller, ServiceCaller):
        scopes = await service_scopes(session, system, caller, lock=lock)
    return _servers_authority(system, caller, workspace, scopes)


async def _authority_of_token(
    reader: Reader, system: System, caller: TokenCaller, wanted: set[str]
) -> dict[str, Authority]:
    """Return a token's authority. A token belongs to one workspace, so the result has at most one entry."""
    if caller.workspace_id not in wanted:
        return {}
    found = await token_queries.token_with_workspace(reader, caller.id)
    if found is None or found[1].deleted_at is not None:
        return {}
    token, workspace, gone = found
    try:
        held = token_authority(system, caller, workspace, token, token.successor_used_at, space_is_gone=gone)
    except NotFound:
        return {}
    return {workspace.id: held} if workspace.id in wanted else {}


async def _authority_of_portal(
    reader: Reader, system: System, caller: PortalCaller, wanted: set[str]
) -> dict[str, Authority]:
    """Return a portal session's authority. It belongs to one workspace, so the result has at most one entry."""
    if caller.workspace_id not in wanted:
        return {}
    found = await portal_queries.portal_session_by_digest(reader, caller.digest)
    if found is None:
        return {}
    try:
        held = portal_authority(
            system, caller, found.workspace, found.session, service_is_revoked=found.service_is_revoked
        )
    except NotFound:
        return {}
    return {found.workspace.id: held}


async def _scopes_of_server(
    reader: Reader, system: System, caller: Operator | ServiceCaller | HostCaller
) -> frozenset[str]:
    if not isinstance(caller, ServiceCaller):
        return OPERATORS
    return valid_scopes(await service_queries.service_by_digest(reader, caller.digest), system.clock())


def _servers_authority(
    system: System,
    caller: Operator | ServiceCaller | HostCaller,
    workspace: AnyWorkspace,
    scopes: frozenset[str],
) -> Authority:
    """Return the authority of the operator, of a service over the workspaces of its product, or of a host application.

    The product's own scopes are the operator's to give, and so a service's; what it may do is bounded by its scopes.

    :param scopes: the service's, or :data:`OPERATORS`.
    :raises NotFound: if the workspace belongs to another product than the service's, or than those that the host
        application has loaded.
    :raises InvalidInput: if the host application is held to a name that the workspace does not have.
    """
    if isinstance(caller, HostCaller) and (
        workspace.product not in system.products or caller.workspace_id not in {None, workspace.id}
    ):
        raise NotFound("workspace")
    if isinstance(caller, ServiceCaller) and workspace.product != caller.product:
        raise NotFound("workspace")
    product = system.product(workspace.product)
    roles = roles_from(product, workspace.roles)
    if isinstance(caller, HostCaller) and caller.granted_by is not None:
        _check_granted_by(product, roles, caller.granted_by)
    return Authority(
        caller=caller,
        workspace=workspace,
        product=product,
        roles=roles,
        scopes=frozenset(product.scopes) | scopes,
        grants=(OWNER_ROLE,) if acts_as_operator(caller) else (),
        external_id=caller.external_id if isinstance(caller, HostCaller) else None,
    )


def _check_granted_by(product: Product, roles: RoleTable, granted_by: tuple[str, ...]) -> None:
    faults = Faults()
    for number, name in enumerate(granted_by):
        if unresolved(product, [name], roles):
            known = {*product.known_scopes, *product.shorthands, *roles}
            faults.add(Fault(("granted_by", str(number)), InputCode.UNKNOWN_VALUE, unknown("scope", name, known)))
    faults.raise_found()


async def _space_is_gone(session: AsyncSession, token: Token) -> bool:
    if token.space_id is None:
        return False
    space = await workspace_queries.space_by_id(session, token.space_id)
    return space is None or space.deleted_at is not None
