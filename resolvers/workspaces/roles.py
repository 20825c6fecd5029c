"""Role configuration of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.product import OWNER_ROLE, Role
from spacekey.domain.refusal import Conflict, ConflictCode, Faults, InputCode, InvalidInput, NotFound
from spacekey.domain.scope import is_plain_name
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.resolvers.access.authority import Authority, authority_in
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.access.delegation import check_strengthening, check_within, role_power
from spacekey.resolvers.audit.log import Facts, actor_of, record
from spacekey.resolvers.members.invitations import end_void_invitations
from spacekey.resolvers.staleness import settle, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_grants, clean_name, clean_text

from .workspaces import ChangedWorkspace

ROLES_MAX = 50
DESCRIPTION_LENGTH_MAX = 500


@takes_access_away
async def set_role(
    system: System,
    caller: Caller,
    workspace_id: str,
    *,
    name: str,
    title: str | None = None,
    description: str | None = None,
    grants: Sequence[str],
    wait: bool = True,
) -> ChangedWorkspace:
    """Define the grants of a role in this workspace, or add a role.

    A title or description that is left out is kept. The change applies to members and tokens with the role at once.

    :raises NotFound, Forbidden: if the caller may not see or configure the workspace.
    :raises InvalidInput: for the owner role, a name that is taken, unknown grants or too many roles.
    :raises ScopeNotAllowed: if the role, before or after the change, goes beyond what the caller holds.
    """
    return await _configure(system, caller, workspace_id, name, title, description, grants, wait=wait)


@takes_access_away
async def delete_role(
    system: System, caller: Caller, workspace_id: str, *, name: str, wait: bool = True
) -> ChangedWorkspace:
    """Remove a role from this workspace.

    :raises NotFound, Forbidden: if the caller may not see or configure the workspace, or it has no such role.
    :raises InvalidInput: for the owner role.
    :raises ScopeNotAllowed: if the role goes beyond what the caller holds.
    :raises Conflict: if members, tokens or pending invitations still hold it.
    """
    return await _configure(system, caller, workspace_id, name, None, None, None, wait=wait)


async def _configure(
    system: System,
    caller: Caller,
    workspace_id: str,
    name: str,
    title: str | None,
    description: str | None,
    grants: Sequence[str] | None,
    *,
    wait: bool,
) -> ChangedWorkspace:
    """Store the role, or that there is none with ``grants`` None."""
    async with system.store.changing() as session:
        authority = await authority_in(session, system, caller, workspace_id, lock=True)
        if authority.space_id is not None:
            raise NotFound("workspace")
        authority.require("workspace:write")
        _check_name(authority, name)
        present = authority.roles.get(name)
        if present is not None:
            check_within(authority, present.grants)
        if grants is None:
            entry = None
            await _check_removal(session, authority, name, system.clock())
        else:
            entry = _entry(authority, name, title, description, grants)
            before = None if present is None else role_power(present.grants)
            check_strengthening(authority, before, role_power(entry["grants"]), system.clock())
        workspace = authority.workspace
        others = {key: value for key, value in workspace.roles.items() if key != name}
        # Only a role of the product needs a mark of its removal, because the product would bring it back.
        keep = entry is not None or name in authority.product.roles
        workspace.roles = {**others, name: entry} if keep else others
        session.add(workspace)
        await record(
            session,
            system,
            actor_of(caller),
            chain=workspace_id,
            action="role.set" if entry is not None else "role.remove",
            target_id=workspace_id,
            before={name: list(present.grants) if present else None},
            after={name: entry},
        )
        await end_void_invitations(session, system, caller, workspace_id)
        staleness = await staleness_seconds(session, system)
    return ChangedWorkspace(workspace, await settle(system, staleness, wait=wait))


async def _check_removal(session: AsyncSession, authority: Authority, name: str, now: datetime) -> None:
    """Raise if the role is still held: its holders would get it back if a role of this name returned."""
    if name not in authority.roles:
        raise NotFound("role")
    workspace_id = authority.workspace.id
    holders = {
        "member": await workspace_queries.count_members_with_role(session, workspace_id, name),
        "token": await token_queries.count_tokens_with_grant(session, workspace_id, name, now),
        "invitation": await invitation_queries.count_invitations_with_role(session, workspace_id, name, now),
    }
    counted = [f"{count} {what}{'s' if count != 1 else ''}" for what, count in holders.items() if count]
    if counted:
        raise Conflict(
            f"This role is still held by {' and '.join(counted)}; give them another one or end them first.",
            ConflictCode.ROLE_IN_USE,
        )


def _entry(authority: Authority, name: str, title: str | None, description: str | None, grants: Sequence[str]) -> Facts:
    """Return the role as stored in the workspace."""
    present = authority.roles.get(name)
    names = authority.product.known_scopes | frozenset(authority.product.shorthands)
    called = present.title if present else name
    faults = Faults()
    with faults:
        cleaned = clean_grants("grants", grants, names)
    with faults:
        called = clean_name("title", title) if title is not None else called
    with faults:
        described = _description(present, description)
    faults.raise_found()
    if present is None and len(authority.roles) >= ROLES_MAX:
        raise InvalidInput("name", f"A workspace has at most {ROLES_MAX} roles.", InputCode.TOO_MANY)
    return {
        "title": called,
        "description": described,
        "grants": cleaned,
    }


def _description(present: Role | None, given: str | None) -> str:
    if given is None:
        return present.description if present is not None else ""
    return clean_text("description", given, DESCRIPTION_LENGTH_MAX)


def _check_name(authority: Authority, name: str) -> None:
    if name == OWNER_ROLE:
        raise InvalidInput(
            "name", "The owner role cannot be changed: it can correct every other setting.", InputCode.NOT_ALLOWED
        )
    if not is_plain_name(name) or len(name) > 60:
        raise InvalidInput("name", "Use lower-case words, like 'reviewer'.", InputCode.INVALID_FORMAT)
    if name in authority.product.known_scopes or name in authority.product.shorthands:
        raise InvalidInput("name", f"'{name}' is a scope or shorthand; choose another name.", InputCode.RESERVED)
