"""Facts of each object as JSON values, made from a server's answers: the same names as on the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from spacekey.server.cli.common.output import Facts
from spacekey.server.timestamps import written

Node = Mapping[str, Any]


def _actor(node: Node) -> Facts:
    return {
        "kind": node["kind"].lower(),
        "id": node["actorId"],
        "name": node["name"] or "",
        "unproven": node["unproven"],
    }


def moment(text: str | None) -> str | None:
    """Return a time in the precision that commands show."""
    return None if text is None else written(datetime.fromisoformat(text))


def _id(node: Node | None) -> str | None:
    return None if node is None else node["id"]


def token_facts(node: Node) -> Facts:
    """Return the facts of a token, without its secret."""
    return {
        "id": node["id"],
        "display_id": node["displayId"],
        "name": node["name"],
        "description": node["description"],
        "kind": node["kind"].lower(),
        "environment": node["environment"],
        "workspace_id": _id(node["workspace"]),
        "space_id": _id(node["space"]),
        "prefix": node["prefix"],
        "role": node["role"],
        "grants": node["grants"],
        "scopes": node["scopes"],
        "status": node["status"].lower(),
        "created_at": moment(node["createdAt"]),
        "created_by": _actor(node["createdBy"]),
        "expires_at": moment(node["expiresAt"]),
        "disabled_at": moment(node["disabledAt"]),
        "revoked_at": moment(node["revokedAt"]),
        "revoked_reason": node["revokedReason"],
        "last_used_at": moment(node["lastUsedAt"]),
        "last_used_ip": node["lastUsedIp"],
        "rotated_from": _id(node["rotatedFrom"]),
        "rotated_to": _id(node["rotatedTo"]),
        "grace_ends_at": moment(node["graceEndsAt"]),
        "external_id": node["externalId"],
        "metadata": node["metadata"],
        "imported_from": node["importedFrom"],
    }


def listed_token(node: Node) -> Facts:
    """Return the facts of a token in a list, with the workspace's slug."""
    return {**token_facts(node), "workspace": None if node["workspace"] is None else node["workspace"]["slug"]}


def workspace_facts(node: Node) -> Facts:
    """Return the facts of a workspace, with the rate limit of each of its tokens."""
    policy, limit = node["policy"], node["rateLimit"]
    return {
        "id": node["id"],
        "slug": node["slug"],
        "name": node["name"],
        "product": node["product"]["name"],
        "plan": None if node["plan"] is None else node["plan"]["name"],
        "rate_limit": None if limit is None else {"per_minute": limit["perMinute"], "burst": limit["burst"]},
        "expiry_required": policy["expiryRequired"],
        "max_lifetime_seconds": policy["maxLifetimeSeconds"],
        "default_lifetime_seconds": policy["defaultLifetimeSeconds"],
        "scopes_allowed": policy["scopesAllowed"],
        "status": "active" if node["suspendedAt"] is None else "suspended",
        "suspended_at": moment(node["suspendedAt"]),
        "created_at": moment(node["createdAt"]),
        "external_id": node["externalId"],
    }


def role_facts(node: Node) -> Facts:
    """Return the facts of a role."""
    return {name: node[name] for name in ("name", "title", "description", "grants", "scopes")}


def space_facts(node: Node) -> Facts:
    """Return the facts of a space."""
    return {
        "id": node["id"],
        "slug": node["slug"],
        "name": node["name"],
        "workspace_id": _id(node["workspace"]),
        "created_at": moment(node["createdAt"]),
        "external_id": node["externalId"],
    }


def member_facts(node: Node, workspace_id: str) -> Facts:
    """Return the facts of a member. Whether the account has a password is known on the database only."""
    return {
        "user_id": node["userId"],
        "email": node["email"],
        "email_proven": node["emailProven"],
        "name": node["name"],
        "role": node["role"],
        "workspace_id": workspace_id,
        "can_sign_in": None,
        "created_at": moment(node["createdAt"]),
    }


def invitation_facts(node: Node, workspace_id: str) -> Facts:
    """Return the facts of an invitation, without its code."""
    return {
        "id": node["id"],
        "email": node["email"],
        "email_proven": node["emailProven"],
        "name": node["name"],
        "role": node["role"],
        "invited_by": _actor(node["invitedBy"]),
        "workspace_id": workspace_id,
        "created_at": moment(node["createdAt"]),
        "expires_at": moment(node["expiresAt"]),
    }


def event_facts(node: Node, workspace_id: str) -> Facts:
    """Return the facts of an event of the audit log."""
    return {
        "id": node["id"],
        "chain": workspace_id,
        "sequence": node["sequence"],
        "created_at": moment(node["createdAt"]),
        "action": node["action"].lower().replace("_", ".", 1),
        "outcome": node["outcome"].lower(),
        "credential": node["credential"],
        "target_id": node["targetId"],
        "before": node["before"],
        "after": node["after"],
        "ip": node["ip"],
        "user_agent": node["userAgent"],
        "request_id": node["requestId"],
        "hash": node["hash"],
        "target_name": node["targetName"],
        "target_facts": node["targetFacts"],
        "actor_erased": node["actorErased"],
        "target_erased": node["targetErased"],
        "actor": _actor(node["actor"]),
    }


def usage_facts(node: Node) -> Facts:
    """Return the requests of a day, or of a token in a period."""
    return {"allowed": node["allowed"], "denied": node["denied"], "rate_limited": node["rateLimited"]}
