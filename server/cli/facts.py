"""Rows in JSON values, under the names the REST and GraphQL APIs use."""

from __future__ import annotations

from spacekey.models.user import Invitation, User
from spacekey.models.workspace import Member, Space, Workspace
from spacekey.resolvers.audit import actor_facts
from spacekey.resolvers.token_view import TokenView
from spacekey.server.moments import written

from .show import Facts


def token_facts(view: TokenView) -> Facts:
    """A token. There is no secret in it."""
    token = view.token
    return {
        "id": token.id,
        "token_id": view.public_id,
        "name": token.name,
        "description": token.description,
        "kind": token.kind,
        "environment": token.environment,
        "workspace_id": token.workspace_id,
        "space_id": token.space_id,
        "prefix": view.shown_prefix,
        "role": view.role,
        "grants": list(token.grants),
        "scopes": sorted(view.scopes),
        "status": view.status.value,
        "created_at": written(token.created_at),
        "created_by": actor_facts(token.created_by),
        "expires_at": written(token.expires_at),
        "disabled_at": written(token.disabled_at),
        "revoked_at": written(token.revoked_at),
        "revoked_reason": token.revoked_reason,
        "last_used_at": written(token.last_used_at),
        "last_used_ip": token.last_used_ip,
        "rotated_from": token.rotated_from_id,
        "rotated_to": token.rotated_to_id,
        "retires_at": written(view.retires_at),
    }


def workspace_facts(workspace: Workspace) -> Facts:
    """A workspace."""
    return {
        "id": workspace.id,
        "slug": workspace.slug,
        "name": workspace.name,
        "catalog": workspace.catalog,
        "plan": workspace.plan,
        "per_minute": workspace.per_minute,
        "burst": workspace.burst,
        "expiry_required": workspace.expiry_required,
        "lifetime_seconds_max": workspace.lifetime_seconds_max,
        "lifetime_seconds_default": workspace.lifetime_seconds_default,
        "scopes_allowed": workspace.scopes_allowed,
        "status": _status(workspace),
        "suspended_at": written(workspace.suspended_at),
        "deleted_at": written(workspace.deleted_at),
        "created_at": written(workspace.created_at),
    }


def _status(workspace: Workspace) -> str:
    if workspace.deleted_at is not None:
        return "deleted"
    return "active" if workspace.suspended_at is None else "suspended"


def space_facts(space: Space) -> Facts:
    """A space."""
    return {
        "id": space.id,
        "slug": space.slug,
        "name": space.name,
        "workspace_id": space.workspace_id,
        "created_at": written(space.created_at),
    }


def member_facts(member: Member, user: User) -> Facts:
    """A member, with who it is."""
    return {
        "user_id": user.id,
        "email": user.email,
        "name": user.name,
        "role": member.role,
        "workspace_id": member.workspace_id,
        "can_sign_in": user.password_hash is not None,
        "created_at": written(member.created_at),
    }


def invitation_facts(invitation: Invitation, user: User) -> Facts:
    """An invitation, with whom it is for. Its code is kept nowhere."""
    return {
        "id": invitation.id,
        "email": user.email,
        "role": invitation.role,
        "invited_by": invitation.invited_by,
        "workspace_id": invitation.workspace_id,
        "created_at": written(invitation.created_at),
        "expires_at": written(invitation.expires_at),
    }


def user_facts(user: User) -> Facts:
    """A person."""
    return {"id": user.id, "email": user.email, "name": user.name, "created_at": written(user.created_at)}
