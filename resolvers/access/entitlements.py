"""A workspace's row in the domain's words: its roles, plan, policy and limit as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spacekey.domain.catalog import Catalog, Plan, Policy, Role, RoleTable, effective_scopes, role_table
from spacekey.domain.principal import Kind, Limit
from spacekey.models.tables.records import AnyWorkspace


def roles_from(catalog: Catalog, configured: Mapping[str, Any]) -> RoleTable:
    """The roles that exist, from the stored configuration: name → {title, description, grants} or null."""
    return role_table(
        catalog,
        {
            name: None
            if entry is None
            else Role(name, entry["title"], entry.get("description", ""), tuple(entry["grants"]))
            for name, entry in configured.items()
        },
    )


def plan_of(catalog: Catalog, workspace: AnyWorkspace) -> Plan | None:
    """The plan, or None when the catalog no longer has it."""
    return catalog.plans.get(workspace.plan)


def policy_of(workspace: AnyWorkspace) -> Policy:
    """The workspace's own limits on its tokens."""
    return Policy(
        lifetime_seconds_max=workspace.lifetime_seconds_max,
        lifetime_seconds_default=workspace.lifetime_seconds_default,
        expiry_required=workspace.expiry_required,
        scopes_allowed=None if workspace.scopes_allowed is None else frozenset(workspace.scopes_allowed),
    )


def limit_of(plan: Plan | None, per_minute: int | None, burst: int | None) -> Limit | None:
    """The workspace's own numbers, else the plan's, else no limit."""
    if per_minute is not None and burst is not None:
        return Limit(per_minute, burst)
    return None if plan is None else plan.limit


def scopes_of(catalog: Catalog, workspace: AnyWorkspace, grants: Iterable[str], kind: Kind) -> frozenset[str]:
    """What grants come to in this workspace now."""
    return effective_scopes(
        catalog,
        grants,
        kind=kind,
        roles=roles_from(catalog, workspace.roles),
        plan=plan_of(catalog, workspace),
        policy=policy_of(workspace),
    )
