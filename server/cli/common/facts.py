"""Facts of each object as JSON values, as commands on the database show them."""

from __future__ import annotations

from spacekey.domain.actor import actor_from
from spacekey.models.tables.records import AnyEvent, AnyInvitation, AnyMember, AnySpace, AnyUser, AnyWorkspace
from spacekey.resolvers.access.entitlements import limit_of, plan_of
from spacekey.resolvers.addresses import shown_email
from spacekey.resolvers.audit.log import actor_facts, event_facts
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.view import TokenView
from spacekey.server.timestamps import written

from .output import Facts

GRACE_ASKED_BELOW = 60
"""Seconds of grace below which a rotation is asked about."""

FOR_VERIFICATION = {"at", "version", "actor_salt", "actor_digest", "target_salt", "target_digest"}
NULLABLE = ("credential", "ip", "target_name", "user_agent")


def token_facts(view: TokenView) -> Facts:
    """Return the facts of a token, without its secret."""
    token = view.token
    return {
        "id": token.id,
        "display_id": view.public_id,
        "name": token.name,
        "description": token.description or None,
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
        "grace_ends_at": written(view.retires_at),
        "external_id": token.external_id,
        "metadata": token.metadata_ or {},
        "imported_from": token.imported_from,
    }


def workspace_facts(system: System, workspace: AnyWorkspace) -> Facts:
    """Return the facts of a workspace, with the rate limit of each of its tokens."""
    product = system.products.get(workspace.product)
    limit = limit_of(None if product is None else plan_of(product, workspace), workspace.per_minute, workspace.burst)
    return {
        "id": workspace.id,
        "slug": workspace.slug,
        "name": workspace.name,
        "product": workspace.product,
        "plan": workspace.plan,
        "rate_limit": None if limit is None else {"per_minute": limit.per_minute, "burst": limit.burst},
        "expiry_required": workspace.expiry_required,
        "max_lifetime_seconds": workspace.lifetime_seconds_max,
        "default_lifetime_seconds": workspace.lifetime_seconds_default,
        "scopes_allowed": workspace.scopes_allowed,
        "status": _status(workspace),
        "suspended_at": written(workspace.suspended_at),
        "deleted_at": written(workspace.deleted_at),
        "created_at": written(workspace.created_at),
        "external_id": workspace.external_id,
    }


def _status(workspace: AnyWorkspace) -> str:
    if workspace.deleted_at is not None:
        return "deleted"
    return "active" if workspace.suspended_at is None else "suspended"


def space_facts(space: AnySpace) -> Facts:
    """Return the facts of a space."""
    return {
        "id": space.id,
        "slug": space.slug,
        "name": space.name,
        "workspace_id": space.workspace_id,
        "created_at": written(space.created_at),
        "external_id": space.external_id,
    }


def member_facts(member: AnyMember, user: AnyUser) -> Facts:
    """Return the facts of a member and their account."""
    return {
        "user_id": user.id,
        "email": None if user.email is None else shown_email(user.email),
        "email_proven": user.email_proven_at is not None,
        "name": user.name,
        "role": member.role,
        "workspace_id": member.workspace_id,
        "can_sign_in": user.has_password,
        "created_at": written(member.created_at),
    }


def invitation_facts(invitation: AnyInvitation) -> Facts:
    """Return the facts of an invitation, with the address and name that its sender entered. Its code is not stored."""
    return {
        "id": invitation.id,
        "email": shown_email(invitation.email),
        "email_proven": False,
        "name": invitation.name,
        "role": invitation.role,
        "invited_by": actor_facts(actor_from(invitation.inviter_kind, invitation.inviter_id, invitation.inviter_name)),
        "workspace_id": invitation.workspace_id,
        "created_at": written(invitation.created_at),
        "expires_at": written(invitation.expires_at),
    }


def invited_facts(invitation: AnyInvitation) -> Facts:
    """Return the facts of a new invitation in place of a member's, as there is no account yet."""
    return {"user_id": None, **invitation_facts(invitation)}


def user_facts(user: AnyUser) -> Facts:
    """Return the facts of an account. Without a sign-in name, its id is used to sign in."""
    return {
        "id": user.id,
        "sign_in_name": None if user.sign_in_name is None else shown_email(user.sign_in_name),
        "email": None if user.email is None else shown_email(user.email),
        "email_proven": user.email_proven_at is not None,
        "name": user.name,
        "created_at": written(user.created_at),
    }


def audit_facts(event: AnyEvent) -> Facts:
    """Return an event as JSON values, without what only verifies the log, which an export has."""
    facts = {**event_facts(event), "actor": actor_facts(event.actor), "created_at": written(event.at)}
    for name in NULLABLE:
        facts[name] = facts[name] or None
    return {name: value for name, value in facts.items() if name not in FOR_VERIFICATION}
