"""Entitlements of a workspace: its roles, plan, policy and rate limit now, and the bounds on what it can contain.

The bounds are checked inside a transaction that has locked the row they belong to, so that concurrent requests cannot
pass them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.principal import Kind, Limit
from spacekey.domain.product import Plan, Policy, Product, Role, RoleTable, effective_scopes, role_table
from spacekey.domain.refusal import Conflict, ConflictCode
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import AnyWorkspace

MEMBERS_MAX = 5_000
"""Maximum number of members of a workspace."""

MEMBERSHIPS_MAX = 500
"""Maximum number of workspaces of one person: all of them are read when the person is authenticated."""

SPACES_MAX = 5_000
"""Maximum number of spaces of a workspace, deleted ones excluded."""

SESSIONS_MAX = 100
"""Maximum number of sessions of one person; the next sign-in ends the one that was seen longest ago."""


def roles_from(product: Product, configured: Mapping[str, Any]) -> RoleTable:
    """Return the workspace's roles from its stored configuration: name → {title, description, grants}, or null."""
    return role_table(
        product,
        {
            name: None
            if entry is None
            else Role(name, entry["title"], entry.get("description", ""), tuple(entry["grants"]))
            for name, entry in configured.items()
        },
    )


def plan_of(product: Product, workspace: AnyWorkspace) -> Plan | None:
    """Return the workspace's plan, or None if the product no longer has it."""
    return product.plans.get(workspace.plan)


def policy_of(workspace: AnyWorkspace) -> Policy:
    """Return the workspace's policy for its tokens."""
    return Policy(
        lifetime_seconds_max=workspace.lifetime_seconds_max,
        lifetime_seconds_default=workspace.lifetime_seconds_default,
        expiry_required=workspace.expiry_required,
        scopes_allowed=None if workspace.scopes_allowed is None else frozenset(workspace.scopes_allowed),
    )


def limit_of(plan: Plan | None, per_minute: int | None, burst: int | None) -> Limit | None:
    """Return the workspace's own rate limit, else the plan's, else None."""
    if per_minute is not None and burst is not None:
        return Limit(per_minute, burst)
    return None if plan is None else plan.limit


def scopes_of(product: Product, workspace: AnyWorkspace, grants: Iterable[str], kind: Kind) -> frozenset[str]:
    """Return the effective scopes of grants in this workspace now."""
    return effective_scopes(
        product,
        grants,
        kind=kind,
        roles=roles_from(product, workspace.roles),
        plan=plan_of(product, workspace),
        policy=policy_of(workspace),
    )


async def check_room_for_member(session: AsyncSession, workspace_id: str, user_id: str) -> None:
    """Raise if the workspace has the maximum number of members, or the person the maximum number of workspaces.

    Call it inside a transaction that has locked the workspace.

    :raises Conflict: naming which of the two is full.
    """
    if await workspace_queries.count_members(session, workspace_id) >= MEMBERS_MAX:
        raise Conflict(
            f"This workspace has {MEMBERS_MAX} members, the maximum; remove one first.", ConflictCode.LIMIT_REACHED
        )
    if len(await workspace_queries.members_of_user(session, user_id)) >= MEMBERSHIPS_MAX:
        raise Conflict(
            f"This account belongs to {MEMBERSHIPS_MAX} workspaces, the maximum; leave one first.",
            ConflictCode.LIMIT_REACHED,
        )


async def check_room_for_space(session: AsyncSession, workspace_id: str) -> None:
    """Raise if the workspace has the maximum number of spaces.

    Call it inside a transaction that has locked the workspace.

    :raises Conflict: if it has.
    """
    if await workspace_queries.count_spaces(session, workspace_id) >= SPACES_MAX:
        raise Conflict(
            f"This workspace has {SPACES_MAX} spaces, the maximum; delete one first.", ConflictCode.LIMIT_REACHED
        )


async def make_room_for_session(session: AsyncSession, user_id: str) -> None:
    """End the person's sessions that were seen longest ago, so that one more is within :data:`SESSIONS_MAX`."""
    await user_queries.delete_sessions_beyond(session, user_id, keep=SESSIONS_MAX - 1)
