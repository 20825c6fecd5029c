"""An API key on the wire: a token, in the words REST clients know."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from spacekey.resolvers.audit.log import actor_facts
from spacekey.resolvers.tokens.create import Issued
from spacekey.resolvers.tokens.view import TokenView
from spacekey.server.http.response_models import Actor, ApiKey, NewApiKey

from .timestamps import written

CREATED = ("id", "name", "key", "permissions", "created_at")
"""What creating answers, exactly, when nothing but name and permissions is asked for."""


def shown(view: TokenView) -> ApiKey:
    """Everything lists and pages show. There is no secret in it."""
    token = view.token
    return {
        "id": token.id,
        "name": token.name,
        "description": token.description,
        "kind": token.kind,
        "environment": token.environment,
        "prefix": view.shown_prefix,
        "permissions": list(token.grants),
        "scopes": sorted(view.scopes),
        "role": view.role,
        "status": view.status.value,
        "workspace_id": token.workspace_id,
        "space_id": token.space_id,
        "created_at": written(token.created_at),
        "created_by": cast("Actor", actor_facts(token.created_by)),
        "expires_at": written(token.expires_at),
        "last_used_at": written(token.last_used_at),
        "disabled_at": written(token.disabled_at),
        "revoked_at": written(token.revoked_at),
        "revoked_reason": token.revoked_reason,
        "retires_at": written(view.retires_at),
        "rotated_from": token.rotated_from_id,
        "rotated_to": token.rotated_to_id,
    }


def created(issued: Issued, asked: Collection[str]) -> NewApiKey:
    """A new key with its secret, shown here and never again; beside the five usual fields, those that were asked for.

    :param asked: names of the request's fields, and of further facts to show.
    """
    facts: dict[str, Any] = {**shown(issued.view), "key": issued.secret.reveal()}
    return cast(
        "NewApiKey",
        {name: facts[name] for name in CREATED} | {name: value for name, value in facts.items() if name in asked},
    )
