"""What a caller may do in one workspace, read afresh from the database inside the caller's transaction.

The scopes a request was admitted with are not trusted here: a member's differ from workspace to workspace, and a
token may have lost some since. Whatever a caller may not see does not exist: :class:`NotFound`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.catalog import OWNER_ROLE, Catalog, RoleTable, expand
from spacekey.domain.ids import WORKSPACE, id_prefix
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import Forbidden, NotFound
from spacekey.domain.scope import INTROSPECT, MANAGEMENT_SCOPES
from spacekey.domain.token_state import refusal_reason
from spacekey.models import token_queries, workspace_queries
from spacekey.models.token import Token
from spacekey.models.workspace import Workspace

from .caller import Caller, IntrospectorCaller, MemberCaller, Operator, TokenCaller
from .system import System
from .workspace_facts import roles_from, scopes_of


@dataclass(frozen=True, slots=True)
class Authority:
    """A caller in a workspace.

    ``scopes`` are effective now. ``space_id`` confines a space token to its space, ``environment`` a token to its
    environment when it makes others; both are None for members.
    """

    caller: Caller
    workspace: Workspace
    catalog: Catalog
    roles: RoleTable
    scopes: frozenset[str]
    grants: tuple[str, ...]
    space_id: str | None = None
    environment: str | None = None

    def require(self, *scopes: str) -> None:
        """Refuse unless the caller holds all of ``scopes`` here.

        :raises Forbidden: naming what is missing.
        """
        missing = frozenset(scopes) - self.scopes
        if missing:
            raise Forbidden(missing)

    def lacking(self, scopes: frozenset[str]) -> frozenset[str]:
        """Which of ``scopes`` the caller does not hold: what it must not hand out. An operator lacks nothing."""
        return frozenset() if isinstance(self.caller, Operator) else scopes - self.scopes

    def covers(self, token: Token) -> bool:
        """Whether the token lies within what the caller may see at all."""
        return token.workspace_id == self.workspace.id and (self.space_id is None or token.space_id == self.space_id)

    def expand(self, grants: list[str] | tuple[str, ...]) -> frozenset[str]:
        """Grants → scopes by this workspace's roles, before plan and policy cut them."""
        return expand(self.catalog, grants, self.roles)


async def authority_in(
    session: AsyncSession, system: System, caller: Caller, workspace_id: str, *, lock: bool = False
) -> Authority:
    """The caller's authority in a workspace. ``lock`` holds the workspace's row until the transaction ends.

    :raises NotFound: when there is no such workspace or the caller does not belong to it.
    """
    if id_prefix(workspace_id) != WORKSPACE:
        raise NotFound("workspace")
    find = workspace_queries.lock_workspace if lock else workspace_queries.workspace_by_id
    workspace = await find(session, workspace_id)
    if workspace is None or workspace.deleted_at is not None:
        raise NotFound("workspace")
    catalog = system.catalog(workspace.catalog)
    if isinstance(caller, Operator):
        return Authority(
            caller=caller,
            workspace=workspace,
            catalog=catalog,
            roles=roles_from(catalog, workspace.roles),
            scopes=catalog.known_scopes | frozenset(MANAGEMENT_SCOPES),
            grants=(OWNER_ROLE,),
        )
    if isinstance(caller, IntrospectorCaller):
        return _introspector_authority(caller, workspace, catalog)
    if isinstance(caller, MemberCaller):
        return await _member_authority(session, caller, workspace, catalog)
    return await _token_authority(session, system, caller, workspace, catalog)


def _introspector_authority(caller: IntrospectorCaller, workspace: Workspace, catalog: Catalog) -> Authority:
    if workspace.catalog != caller.catalog:
        raise NotFound("workspace")
    return Authority(
        caller=caller,
        workspace=workspace,
        catalog=catalog,
        roles=roles_from(catalog, workspace.roles),
        scopes=frozenset((INTROSPECT,)),
        grants=(),
    )


async def _member_authority(
    session: AsyncSession, caller: MemberCaller, workspace: Workspace, catalog: Catalog
) -> Authority:
    member = await workspace_queries.member(session, workspace.id, caller.id)
    if member is None:
        raise NotFound("workspace")
    return Authority(
        caller=caller,
        workspace=workspace,
        catalog=catalog,
        roles=roles_from(catalog, workspace.roles),
        scopes=scopes_of(catalog, workspace, [member.role], Kind.MEMBER),
        grants=(member.role,),
    )


async def _token_authority(
    session: AsyncSession, system: System, caller: TokenCaller, workspace: Workspace, catalog: Catalog
) -> Authority:
    token = await token_queries.token_by_id(session, caller.id)
    if token is None or token.workspace_id != workspace.id or workspace.suspended_at is not None:
        raise NotFound("workspace")
    retired = await token_queries.first_uses(session, [token.rotated_to_id] if token.rotated_to_id else [])
    reason = refusal_reason(
        system.clock(),
        expires_at=token.expires_at,
        disabled_at=token.disabled_at,
        revoked_at=token.revoked_at,
        retires_at=min([*retired.values(), *([token.retires_at] if token.retires_at else [])], default=None),
        deleted_at=token.deleted_at,
    )
    if reason is not None or await _space_is_gone(session, token):
        raise NotFound("workspace")
    return Authority(
        caller=caller,
        workspace=workspace,
        catalog=catalog,
        roles=roles_from(catalog, workspace.roles),
        scopes=scopes_of(catalog, workspace, token.grants, Kind(token.kind)),
        grants=tuple(token.grants),
        space_id=token.space_id,
        environment=token.environment,
    )


async def _space_is_gone(session: AsyncSession, token: Token) -> bool:
    if token.space_id is None:
        return False
    space = await workspace_queries.space_by_id(session, token.space_id)
    return space is None or space.deleted_at is not None
