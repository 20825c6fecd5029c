"""``GET /api/v1/api-keys``: a page of a workspace's keys, newest first."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from spacekey.domain.ids import SPACE, WORKSPACE
from spacekey.domain.page import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, PageRequest, TokenOrder
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.suggest import did_you_mean
from spacekey.domain.token_state import Status
from spacekey.middleware import requires
from spacekey.resolvers.list_tokens import TokenSearch, token_list

from .api_key import shown
from .fields import an_id
from .parts import known_caller, known_principal, parts_of
from .query import query_of

QUERY = ("workspace_id", "space_id", "status", "environment", "created_by", "limit", "after")


@requires("tokens:read")
async def list_api_keys(request: Request) -> JSONResponse:
    """``{"api_keys": […], "next": cursor or null}``; pass ``next`` as ``after`` for the following page."""
    given = query_of(request, QUERY)
    workspace_id = given.get("workspace_id", known_principal(request).workspace_id)
    if workspace_id is None:
        raise InvalidInput("workspace_id", "Is required for members; a token knows its own.")
    page = await token_list(
        parts_of(request).system,
        known_caller(request),
        an_id(workspace_id, WORKSPACE, "workspace"),
        search=TokenSearch(
            statuses=_statuses(given.get("status")),
            environment=given.get("environment"),
            created_by=given.get("created_by"),
        ),
        order=TokenOrder.CREATED_AT,
        descending=True,
        request=PageRequest(size=_limit(given.get("limit")), after=given.get("after")),
        space_id=an_id(given["space_id"], SPACE, "space") if "space_id" in given else None,
    )
    following = page.cursors[-1] if page.has_next and page.cursors else None
    return JSONResponse({"api_keys": [shown(view) for view in page.rows], "next": following})


def _statuses(text: str | None) -> frozenset[Status] | None:
    if text is None:
        return None
    try:
        return frozenset(Status(one) for one in text.split(","))
    except ValueError:
        known = [status.value for status in Status]
        raise InvalidInput("status", f"Write any of {', '.join(known)}.{did_you_mean(text, known)}") from None


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE_SIZE_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= PAGE_SIZE_MAX):
        raise InvalidInput("limit", f"Write a whole number from 1 to {PAGE_SIZE_MAX}.")
    return int(text)
