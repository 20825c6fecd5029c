"""``GET /api/v1/api-keys``: a page of a workspace's keys, newest first."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.ids import SPACE, WORKSPACE
from spacekey.domain.page import PageRequest, TokenOrder
from spacekey.domain.refusal import InvalidInput
from spacekey.middleware import requires
from spacekey.resolvers.tokens.list import TokenSearch, token_list
from spacekey.server.http.request_models import ListApiKeys
from spacekey.server.http.requests import an_id, query_of
from spacekey.server.http.response_models import API_KEY_PAGE

from .api_key import shown
from .context import known_caller, known_principal, parts_of


@requires("tokens:read")
async def list_api_keys(request: Request) -> Response:
    """``{"api_keys": […], "next": cursor or null}``; pass ``next`` as ``after`` for the following page."""
    query = query_of(request, ListApiKeys)
    workspace_id = query.workspace_id if query.workspace_id is not None else known_principal(request).workspace_id
    if workspace_id is None:
        raise InvalidInput("workspace_id", "Is required for members; a token knows its own.")
    page = await token_list(
        parts_of(request).system,
        known_caller(request),
        an_id(workspace_id, WORKSPACE, "workspace"),
        search=TokenSearch(
            statuses=query.status,
            environment=query.environment,
            created_by=query.created_by,
        ),
        order=TokenOrder.CREATED_AT,
        descending=True,
        request=PageRequest(size=query.limit, after=query.after),
        space_id=None if query.space_id is None else an_id(query.space_id, SPACE, "space"),
    )
    following = page.cursors[-1] if page.has_next and page.cursors else None
    return API_KEY_PAGE.response({"api_keys": [shown(view) for view in page.rows], "next": following})
