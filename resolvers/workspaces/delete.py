"""Deletion of a workspace with everything that was granted in it."""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.product import OWNER_ROLE
from spacekey.domain.refusal import CredentialNotAllowed, Forbidden, NotFound
from spacekey.domain.scope import DELETE_WORKSPACES
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import AnyWorkspace
from spacekey.resolvers.access.authority import Authority, authority_in
from spacekey.resolvers.access.caller import Caller, MemberCaller, ServiceCaller
from spacekey.resolvers.audit.log import actor_of, anchor, record
from spacekey.resolvers.staleness import settle, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System

from .workspaces import ChangedWorkspace, check_unchanged


@takes_access_away
async def delete_workspace(
    system: System,
    caller: Caller,
    workspace_id: str,
    *,
    wait: bool = True,
    precondition: Callable[[AnyWorkspace], bool] | None = None,
) -> ChangedWorkspace:
    """Delete a workspace: its tokens are refused, and its memberships and invitations end.

    Its members keep their accounts and can still sign in. The rows of its tokens are unchanged: verification checks the
    workspace, so deleting one with a million tokens takes as long as deleting one with ten.

    :raises NotFound: if the caller may not see the workspace.
    :raises PreconditionFailed: if ``precondition`` does not hold.
    :raises CredentialNotAllowed: if the caller is a token or a portal session, whatever its scopes.
    :raises Forbidden: if the caller is not an owner, nor a service that may delete workspaces.
    """
    async with system.store.changing() as session:
        authority = await authority_in(session, system, caller, workspace_id, lock=True)
        if authority.space_id is not None:
            raise NotFound("workspace")
        authority.require("workspace:write")
        _require_owner(authority)
        workspace = authority.workspace
        check_unchanged("workspace", workspace, precondition)
        workspace.deleted_at = system.clock()
        session.add(workspace)
        await workspace_queries.release_slug(session, workspace.slug, workspace.id, workspace.deleted_at)
        await _end_what_was_given(session, system, authority)
        staleness = await staleness_seconds(session, system)
    return ChangedWorkspace(workspace, await settle(system, staleness, wait=wait))


def _require_owner(authority: Authority) -> None:
    if DELETE_WORKSPACES in authority.scopes:
        return
    if isinstance(authority.caller, ServiceCaller):
        raise Forbidden([DELETE_WORKSPACES])
    if not isinstance(authority.caller, MemberCaller):
        raise CredentialNotAllowed(
            "Deleting a workspace takes one of its owners, signed in, or an operator credential: a service with the "
            f"scope {DELETE_WORKSPACES}."
        )
    if authority.grants != (OWNER_ROLE,):
        raise Forbidden((), "Only an owner of the workspace may delete it.")


async def _end_what_was_given(session: AsyncSession, system: System, authority: Authority) -> None:
    workspace = authority.workspace
    members = await workspace_queries.delete_members_of_workspace(session, workspace.id)
    await invitation_queries.delete_invitations_of_workspace(session, workspace.id)
    await record(
        session,
        system,
        actor_of(authority.caller),
        chain=workspace.id,
        action="workspace.delete",
        target_id=workspace.id,
        before={"name": workspace.name, "slug": workspace.slug},
        after={"memberships_ended": members},
    )
    await anchor(session, system, [await audit_queries.lock_chain(session, workspace.id)])
