"""``/api/v1/api-keys``: doors to the resolvers, nothing more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from spacekey.domain.ids import KEY, SPACE, WORKSPACE
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET, Unset
from spacekey.middleware import any_of, requires
from spacekey.resolvers.create_token import Issued, NewToken, create_space_token, create_token
from spacekey.resolvers.end_token import disable_token, enable_token, revoke_token
from spacekey.resolvers.list_tokens import token_view
from spacekey.resolvers.rotate_token import GRACE_SECONDS_DEFAULT, GRACE_SECONDS_MAX, ROTATING, rotate_token
from spacekey.resolvers.token_expiry import asked_expiry
from spacekey.resolvers.update_token import Changed, TokenChanges, update_token

from .api_key import created, shown
from .body import json_object
from .fields import an_id, flag, only_known, optional_text, strings, text, whole
from .moments import read_moment, written
from .parts import known_caller, known_principal, parts_of
from .query import query_of

EXPIRY = ("expires_at", "expires_in")
CREATE = ("name", "permissions", "preset", "description", "environment", *EXPIRY, "space_id", "workspace_id")
CHANGE = ("name", "permissions", "description", *EXPIRY, "disabled")
ROTATE = ("grace_seconds", "retire_on_first_use", *EXPIRY)


@requires("tokens:create")
async def create_api_key(request: Request) -> JSONResponse:
    """POST /api-keys → 201 with the secret, once."""
    body = await json_object(request)
    only_known(body, CREATE)
    issued = await _create(request, body)
    return JSONResponse(created(issued, body), 201, headers={"Location": f"/api/v1/api-keys/{issued.view.token.id}"})


@requires("tokens:read")
async def show_api_key(request: Request) -> JSONResponse:
    """GET /api-keys/{id}"""
    query_of(request)
    view = await token_view(parts_of(request).system, known_caller(request), _key_id(request))
    return JSONResponse(shown(view))


@requires(any_of("tokens:update", "tokens:disable"))
async def change_api_key(request: Request) -> JSONResponse:
    """PATCH /api-keys/{id}: what is left out stays, null clears. ``disabled`` comes alone."""
    body = await json_object(request)
    only_known(body, CHANGE)
    system, caller, wait = parts_of(request).system, known_caller(request), _wait(request)
    if "disabled" not in body:
        return _changed(await update_token(system, caller, _key_id(request), _changes(request, body), wait=wait))
    if len(body) > 1:
        raise InvalidInput("disabled", "Send it alone: disabling and editing are two steps.")
    if flag(body, "disabled", default=False):
        return _changed(await disable_token(system, caller, _key_id(request), wait=wait))
    return _changed(await enable_token(system, caller, _key_id(request)))


@requires("tokens:revoke")
async def revoke_api_key(request: Request) -> JSONResponse:
    """DELETE /api-keys/{id}: revokes for good; the key stays in lists as revoked."""
    wait = _wait(request)
    return _changed(await revoke_token(parts_of(request).system, known_caller(request), _key_id(request), wait=wait))


@requires(*ROTATING)
async def rotate_api_key(request: Request) -> JSONResponse:
    """POST /api-keys/{id}/rotate → 201 with the successor's secret, once. The body may be left out."""
    body = await json_object(request, optional=True)
    only_known(body, ROTATE)
    issued = await rotate_token(
        parts_of(request).system,
        known_caller(request),
        _key_id(request),
        grace_seconds=whole(body, "grace_seconds", GRACE_SECONDS_DEFAULT, most=GRACE_SECONDS_MAX),
        retire_on_first_use=flag(body, "retire_on_first_use", default=False),
        expires_at=_expiry(request, body),
        wait=_wait(request),
    )
    answer = created(issued, ("rotated_from", "expires_at")) | {"effective_at": written(issued.effective_at)}
    return JSONResponse(answer, 201, headers={"Location": f"/api/v1/api-keys/{issued.view.token.id}"})


async def _create(request: Request, body: dict[str, Any]) -> Issued:
    system, caller, principal = parts_of(request).system, known_caller(request), known_principal(request)
    space_id = optional_text(body, "space_id")
    workspace_id = optional_text(body, "workspace_id") or principal.workspace_id
    if space_id is None and principal.kind is Kind.SPACE:
        space_id = principal.space_id
    if space_id is not None:
        an_id(space_id, SPACE, "space")
    new = NewToken(
        workspace_id=an_id(workspace_id, WORKSPACE, "workspace") if workspace_id is not None else "",
        name=text(body, "name"),
        grants=strings(body, "permissions"),
        space_id=space_id,
        preset=optional_text(body, "preset"),
        description=optional_text(body, "description") or "",
        environment=optional_text(body, "environment"),
        expires_at=_expiry(request, body),
    )
    if workspace_id is None:
        if space_id is None:
            raise InvalidInput("workspace_id", "Is required for members; a token knows its own.")
        return await create_space_token(system, caller, space_id, new)
    return await create_token(system, caller, new)


def _changes(request: Request, body: dict[str, Any]) -> TokenChanges:
    return TokenChanges(
        name=text(body, "name") if "name" in body else UNSET,
        description=optional_text(body, "description") if "description" in body else UNSET,
        grants=strings(body, "permissions") if "permissions" in body else UNSET,
        expires_at=_expiry(request, body),
    )


def _expiry(request: Request, body: dict[str, Any]) -> datetime | Unset | None:
    moment, lifetime = body.get("expires_at", UNSET), body.get("expires_in")
    if moment is not None and moment is not UNSET:
        moment = read_moment("expires_at", moment)
    if lifetime is not None:
        lifetime = whole(body, "expires_in")
    return asked_expiry(parts_of(request).system.clock(), moment, lifetime)


def _changed(changed: Changed) -> JSONResponse:
    return JSONResponse(shown(changed.view) | {"effective_at": written(changed.effective_at)})


def _key_id(request: Request) -> str:
    return an_id(request.path_params["id"], KEY, "token")


def _wait(request: Request) -> bool:
    """``?wait=false`` answers at once, with ``effective_at`` in the future where other processes cache."""
    answer = query_of(request, ("wait",)).get("wait", "true")
    if answer not in ("true", "false"):
        raise InvalidInput("wait", "Write true or false.")
    return answer == "true"
