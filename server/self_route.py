"""``GET /api/v1/self``: who the caller is and what it may do."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from spacekey.middleware import requires
from spacekey.resolvers.access.caller import RequestFacts, caller_of
from spacekey.resolvers.addresses import plain_name
from spacekey.server.http.response_models import PRINCIPAL

from .context import known_principal
from .timestamps import written


@requires()
async def show_self(request: Request) -> Response:
    """A token's own facts, or a member's with the union of scopes over their workspaces."""
    principal = known_principal(request)
    name, _ = plain_name(caller_of(principal, RequestFacts()).actor)
    limit = principal.limit
    return PRINCIPAL.response(
        {
            "id": principal.id,
            "kind": principal.kind.value,
            "name": name,
            "workspace_id": principal.workspace_id,
            "space_id": principal.space_id,
            "environment": principal.environment,
            "scopes": sorted(principal.scopes),
            "expires_at": written(principal.expires_at),
            "limit": None if limit is None else {"per_minute": limit.per_minute, "burst": limit.burst},
        }
    )
