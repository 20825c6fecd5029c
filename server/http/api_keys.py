"""``/api/v1/api-keys``: doors to the resolvers, nothing more."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.ids import KEY, SPACE, WORKSPACE
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET, Unset
from spacekey.middleware import any_of, requires
from spacekey.resolvers.token_expiry import asked_expiry
from spacekey.resolvers.tokens.create import Issued, NewToken, create_space_token, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.revoke import disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.rotate import ROTATING, rotate_token
from spacekey.resolvers.tokens.update import Changed, TokenChanges, update_token
from spacekey.server.api_key import created, shown
from spacekey.server.context import known_caller, known_principal, parts_of
from spacekey.server.timestamps import written

from .request_models import ChangeApiKey, CreateApiKey, NoQuery, RotateApiKey, Waiting
from .requests import an_id, json_body, query_of
from .response_models import API_KEY, CHANGED_API_KEY, NEW_API_KEY, NewApiKey


@requires("tokens:create")
async def create_api_key(request: Request) -> Response:
    """POST /api-keys → 201 with the secret, once."""
    body = await json_body(request, CreateApiKey)
    issued = await _create(request, body)
    return _issued(issued, created(issued, body.model_fields_set))


@requires("tokens:read")
async def show_api_key(request: Request) -> Response:
    """GET /api-keys/{id}"""
    query_of(request, NoQuery)
    view = await token_view(parts_of(request).system, known_caller(request), _key_id(request))
    return API_KEY.response(shown(view))


@requires(any_of("tokens:update", "tokens:disable"))
async def change_api_key(request: Request) -> Response:
    """PATCH /api-keys/{id}: what is left out stays, null clears. ``disabled`` comes alone."""
    body = await json_body(request, ChangeApiKey)
    system, caller, wait = parts_of(request).system, known_caller(request), query_of(request, Waiting).wait
    if body.disabled is UNSET:
        return _changed(await update_token(system, caller, _key_id(request), _changes(request, body), wait=wait))
    if len(body.model_fields_set) > 1:
        raise InvalidInput("disabled", "Send it alone: disabling and editing are two steps.")
    if body.disabled:
        return _changed(await disable_token(system, caller, _key_id(request), wait=wait))
    return _changed(await enable_token(system, caller, _key_id(request)))


@requires("tokens:revoke")
async def revoke_api_key(request: Request) -> Response:
    """DELETE /api-keys/{id}: revokes for good; the key stays in lists as revoked."""
    wait = query_of(request, Waiting).wait
    return _changed(await revoke_token(parts_of(request).system, known_caller(request), _key_id(request), wait=wait))


@requires(*ROTATING)
async def rotate_api_key(request: Request) -> Response:
    """POST /api-keys/{id}/rotate → 201 with the successor's secret, once. The body may be left out."""
    body = await json_body(request, RotateApiKey, optional=True)
    issued = await rotate_token(
        parts_of(request).system,
        known_caller(request),
        _key_id(request),
        grace_seconds=body.grace_seconds,
        retire_on_first_use=body.retire_on_first_use,
        expires_at=_expiry(request, body),
        wait=query_of(request, Waiting).wait,
    )
    answer = created(issued, ("rotated_from", "expires_at"))
    answer["effective_at"] = written(issued.effective_at)
    return _issued(issued, answer)


async def _create(request: Request, body: CreateApiKey) -> Issued:
    system, caller, principal = parts_of(request).system, known_caller(request), known_principal(request)
    space_id = body.space_id
    workspace_id = body.workspace_id or principal.workspace_id
    if space_id is None and principal.kind is Kind.SPACE:
        space_id = principal.space_id
    if space_id is not None:
        an_id(space_id, SPACE, "space")
    new = NewToken(
        workspace_id=an_id(workspace_id, WORKSPACE, "workspace") if workspace_id is not None else "",
        name=body.name,
        grants=tuple(body.permissions),
        space_id=space_id,
        preset=body.preset,
        description=body.description or "",
        environment=body.environment,
        expires_at=_expiry(request, body),
    )
    if workspace_id is None:
        if space_id is None:
            raise InvalidInput("workspace_id", "Is required for members; a token knows its own.")
        return await create_space_token(system, caller, space_id, new)
    return await create_token(system, caller, new)


def _changes(request: Request, body: ChangeApiKey) -> TokenChanges:
    return TokenChanges(
        name=body.name,
        description=body.description,
        grants=UNSET if body.permissions is UNSET else tuple(body.permissions),
        expires_at=_expiry(request, body),
    )


def _expiry(request: Request, body: CreateApiKey | ChangeApiKey | RotateApiKey) -> datetime | Unset | None:
    return asked_expiry(parts_of(request).system.clock(), body.expires_at, body.expires_in)


def _issued(issued: Issued, answer: NewApiKey) -> Response:
    return NEW_API_KEY.response(answer, 201, {"Location": f"/api/v1/api-keys/{issued.view.token.id}"})


def _changed(changed: Changed) -> Response:
    return CHANGED_API_KEY.response({**shown(changed.view), "effective_at": written(changed.effective_at)})


def _key_id(request: Request) -> str:
    return an_id(request.path_params["id"], KEY, "token")
