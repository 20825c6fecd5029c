"""Endpoints of ``/api/v1/api-keys`` (create, show, edit, revoke, rotate, list) and of ``/api/v1/self``.

Each reads its request, calls one resolver and writes the answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.ids import KEY, SPACE, WORKSPACE
from spacekey.domain.page import PageRequest
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import Fault, InputCode, InvalidInput
from spacekey.domain.rule import any_of
from spacekey.domain.unset import UNSET, Unset
from spacekey.middleware.routing.endpoints import requires
from spacekey.resolvers.access.caller import kind_of
from spacekey.resolvers.addresses import plain_name
from spacekey.resolvers.audit.log import actor_facts
from spacekey.resolvers.tokens.create import Issued, NewToken, create_space_token, create_token
from spacekey.resolvers.tokens.grants import asked_expiry
from spacekey.resolvers.tokens.idempotency import IdempotentRequest, Replayed, idempotent_request
from spacekey.resolvers.tokens.list import TokenSearch, token_list, token_view, tokens_everywhere
from spacekey.resolvers.tokens.revoke import disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.rotate import ROTATING, rotate_token
from spacekey.resolvers.tokens.update import Changed, TokenChanges, update_token
from spacekey.resolvers.tokens.view import Precondition, TokenView
from spacekey.resolvers.workspaces.figures import token_counts
from spacekey.resolvers.workspaces.lists import Place
from spacekey.server.context import known_caller, known_principal, parts_of
from spacekey.server.timestamps import written

from .base_path import base_path, route_path
from .preconditions import entity_tag, preconditions_of
from .request_models import ChangeApiKey, CreateApiKey, ListApiKeys, NoQuery, RevokeApiKey, RotateApiKey, Waiting
from .requests import (
    JSON_TYPE,
    MERGE_PATCH_TYPE,
    an_id,
    following_page,
    idempotency_key,
    json_body,
    json_object,
    one_figure,
    query_of,
    validated,
)
from .response_models import (
    API_KEY,
    API_KEY_PAGE,
    CHANGED_API_KEY,
    NEW_API_KEY,
    PRINCIPAL,
    REPLAYED_API_KEY,
    Actor,
    ApiKey,
    ApiKeyPage,
    ChangedApiKey,
    NewApiKey,
    ReplayedApiKey,
)

CREATED = ("id", "name", "key", "permissions", "created_at")
"""The first members of the answer to a request that creates or rotates a key, in this order. All others follow."""


@requires("tokens:create")
async def create_api_key(request: Request) -> Response:
    """Create a key: ``POST /api-keys`` → 201 with the secret, shown once."""
    sent = await json_object(request)
    body = validated(CreateApiKey, sent, _exclusive(sent))
    try:
        return _issued(request, await _create(request, body, _once(request, sent)))
    except Replayed as replayed:
        return _replayed(request, replayed)


@requires("tokens:read")
async def get_api_key(request: Request) -> Response:
    """Return a key: ``GET /api-keys/{id}`` → 200, or 304 if the client has it already."""
    query_of(request, NoQuery)
    conditions = preconditions_of(request)
    key = shown(await token_view(parts_of(request).system, known_caller(request), _key_id(request)))
    return conditions.answer("key", API_KEY, key)


@requires(any_of("tokens:update", "tokens:disable"))
async def update_api_key(request: Request) -> Response:
    """Edit a key: ``PATCH /api-keys/{id}``. Fields left out stay, null clears. ``disabled`` is sent alone."""
    sent = await json_object(request, types=(JSON_TYPE, MERGE_PATCH_TYPE))
    body = validated(ChangeApiKey, sent, [*_exclusive(sent), *_alone(sent)])
    system, caller, wait = parts_of(request).system, known_caller(request), query_of(request, Waiting).wait
    condition, key_id = _precondition(request), _key_id(request)
    if body.disabled is UNSET:
        changes = _changes(request, body)
        return _changed(await update_token(system, caller, key_id, changes, wait=wait, precondition=condition))
    if body.disabled:
        return _changed(await disable_token(system, caller, key_id, wait=wait, precondition=condition))
    return _changed(await enable_token(system, caller, key_id, precondition=condition))


@requires("tokens:revoke")
async def delete_api_key(request: Request) -> Response:
    """Revoke a key for good, without a reason: ``DELETE /api-keys/{id}``. It stays in lists as revoked."""
    wait, condition = query_of(request, Waiting).wait, _precondition(request)
    system, caller = parts_of(request).system, known_caller(request)
    return _changed(await revoke_token(system, caller, _key_id(request), wait=wait, precondition=condition))


@requires("tokens:revoke")
async def revoke_api_key(request: Request) -> Response:
    """Revoke a key for good: ``POST /api-keys/{id}/revoke``, with an optional reason. It stays in lists as revoked."""
    body = await json_body(request, RevokeApiKey, optional=True)
    wait, condition = query_of(request, Waiting).wait, _precondition(request)
    system, caller, key_id = parts_of(request).system, known_caller(request), _key_id(request)
    return _changed(await revoke_token(system, caller, key_id, reason=body.reason, wait=wait, precondition=condition))


@requires("tokens:disable")
async def disable_api_key(request: Request) -> Response:
    """Disable a key until it is enabled again: ``POST /api-keys/{id}/disable``."""
    wait, condition = query_of(request, Waiting).wait, _precondition(request)
    system, caller = parts_of(request).system, known_caller(request)
    return _changed(await disable_token(system, caller, _key_id(request), wait=wait, precondition=condition))


@requires("tokens:disable")
async def enable_api_key(request: Request) -> Response:
    """Enable a disabled key: ``POST /api-keys/{id}/enable``."""
    query_of(request, NoQuery)
    system, caller, condition = parts_of(request).system, known_caller(request), _precondition(request)
    return _changed(await enable_token(system, caller, _key_id(request), precondition=condition))


@requires(*ROTATING)
async def rotate_api_key(request: Request) -> Response:
    """Rotate a key: ``POST /api-keys/{id}/rotate`` → 201 with the new secret, shown once. The body is optional."""
    sent = await json_object(request, optional=True)
    body = validated(RotateApiKey, sent, _exclusive(sent))
    try:
        issued = await rotate_token(
            parts_of(request).system,
            known_caller(request),
            _key_id(request),
            grace_seconds=body.grace_seconds,
            retire_on_first_use=body.retire_on_first_use,
            expires_at=_expiry(request, body),
            wait=query_of(request, Waiting).wait,
            request=_once(request, sent),
            precondition=_precondition(request),
        )
    except Replayed as replayed:
        return _replayed(request, replayed)
    return _issued(request, issued)


async def _create(request: Request, body: CreateApiKey, once: IdempotentRequest | None) -> Issued:
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
        external_id=body.external_id,
        metadata=body.metadata,
    )
    if workspace_id is None:
        if space_id is None:
            raise InvalidInput("workspace_id", "Is required for members; a token knows its own.", InputCode.REQUIRED)
        return await create_space_token(system, caller, space_id, new, once)
    return await create_token(system, caller, new, once)


def _changes(request: Request, body: ChangeApiKey) -> TokenChanges:
    return TokenChanges(
        name=body.name,
        description=body.description,
        grants=UNSET if body.permissions is UNSET else tuple(body.permissions),
        expires_at=_expiry(request, body),
        external_id=body.external_id,
        metadata=body.metadata,
    )


def _exclusive(sent: Mapping[str, object]) -> list[Fault]:
    if sent.get("expires_in") is None or "expires_at" not in sent:
        return []
    return [Fault(("expires_in",), InputCode.EXCLUSIVE, "Give either expires_at or expires_in.")]


def _alone(sent: Mapping[str, object]) -> list[Fault]:
    if "disabled" not in sent or len(sent) == 1:
        return []
    reason = "Send it alone: disabling and editing are two steps."
    return [Fault(("disabled",), InputCode.EXCLUSIVE, reason)]


def _expiry(request: Request, body: CreateApiKey | ChangeApiKey | RotateApiKey) -> datetime | Unset | None:
    return asked_expiry(parts_of(request).system.clock(), body.expires_at, body.expires_in)


def _once(request: Request, sent: Mapping[str, object]) -> IdempotentRequest | None:
    """Return the request with its ``Idempotency-Key``; None if it has none."""
    key = idempotency_key(request)
    return None if key is None else idempotent_request(key, {"path": route_path(request.scope), "body": sent})


def _issued(request: Request, issued: Issued) -> Response:
    return NEW_API_KEY.response(created(issued), 201, _location(request, issued.view))


def _replayed(request: Request, replayed: Replayed) -> Response:
    answer: ReplayedApiKey = {**shown(replayed.view), "replayed": True, "detail": str(replayed)}
    return REPLAYED_API_KEY.response(answer, 200, {**_location(request, replayed.view), "Idempotent-Replayed": "true"})


def _location(request: Request, view: TokenView) -> dict[str, str]:
    """Return the headers that say where a key is, and in which state."""
    return {"Location": f"{base_path(request.scope)}/api/v1/api-keys/{view.token.id}", "ETag": entity_tag(shown(view))}


def _changed(changed: Changed) -> Response:
    key = shown(changed.view)
    answer: ChangedApiKey = {**key, "effective_at": written(changed.effective_at)}
    return CHANGED_API_KEY.response(answer, headers={"ETag": entity_tag(key)})


def _precondition(request: Request) -> Precondition:
    """Return the condition of ``If-Match`` and ``If-None-Match`` about the key before the change."""
    conditions = preconditions_of(request)
    return lambda view: conditions.allow(entity_tag(shown(view)))


def _key_id(request: Request) -> str:
    return an_id(request.path_params["id"], KEY, "token")


def shown(view: TokenView) -> ApiKey:
    """Return a key as lists and single answers show it, without its secret."""
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
        "grace_ends_at": written(view.retires_at),
        "rotated_from": token.rotated_from_id,
        "rotated_to": token.rotated_to_id,
        "external_id": token.external_id,
        "metadata": token.metadata_ or {},
        "imported_from": token.imported_from,
    }


def created(issued: Issued) -> NewApiKey:
    """Return a new key with its secret: :data:`CREATED` first, then all other members."""
    facts: dict[str, Any] = {
        **shown(issued.view),
        "key": issued.secret.reveal(),
        "effective_at": written(issued.effective_at),
    }
    return cast("NewApiKey", {name: facts[name] for name in CREATED} | facts)


@requires("tokens:read")
async def list_api_keys(request: Request) -> Response:
    """List keys: ``{"api_keys": […], "has_more": …, "next_cursor": …}``; ``Link`` leads to the next page (RFC 8288)."""
    query = query_of(request, ListApiKeys)
    system, caller = parts_of(request).system, known_caller(request)
    place, search = _place(request, query), _search(query)
    asked, descending = PageRequest(size=query.limit, after=query.after), query.direction == "desc"
    if place is None:
        page = await tokens_everywhere(
            system, caller, search=search, order=query.order_by, descending=descending, request=asked
        )
    else:
        workspace_id, space_id = place
        page = await token_list(
            system,
            caller,
            workspace_id,
            search=search,
            order=query.order_by,
            descending=descending,
            request=asked,
            space_id=space_id,
        )
    cursor, headers = following_page(request, page)
    rows = [shown(view) for view in page.rows]
    answer: ApiKeyPage = {"api_keys": rows, "has_more": cursor is not None, "next_cursor": cursor}
    if query.count and place is not None:
        counted = one_figure(await token_counts(system, caller, [place], search))
        answer |= {"count": counted.count, "count_precision": counted.precision.value}
    return API_KEY_PAGE.response(answer, headers=headers)


def _place(request: Request, query: ListApiKeys) -> Place | None:
    """Return the workspace to list, with a space or None; None for all workspaces of a person."""
    workspace_id = query.workspace_id if query.workspace_id is not None else known_principal(request).workspace_id
    space_id = None if query.space_id is None else an_id(query.space_id, SPACE, "space")
    if workspace_id is not None:
        return an_id(workspace_id, WORKSPACE, "workspace"), space_id
    for asked, reason in (
        (space_id is not None, "Is required beside 'space_id'."),
        (query.count, "Is required beside 'count': keys of one workspace are counted at a time."),
    ):
        if asked:
            raise InvalidInput("workspace_id", reason, InputCode.REQUIRED)
    return None


def _search(query: ListApiKeys) -> TokenSearch:
    return TokenSearch(
        statuses=query.status,
        environment=query.environment,
        kind=query.kind,
        text=query.text,
        unused_days=query.unused_for_days,
        expiring_days=query.expiring_within_days,
        created_by=query.created_by,
        created_after=query.created_after,
        created_before=query.created_before,
        scope=query.scope,
        prefix=query.prefix,
        external_id=query.external_id,
        imported=query.imported,
    )


@requires()
async def show_self(request: Request) -> Response:
    """Return the caller: a token, or a member with the union of their scopes over all workspaces."""
    principal, caller = known_principal(request), known_caller(request)
    name, _ = plain_name(caller.actor)
    limit = principal.rate_limit
    return PRINCIPAL.response(
        {
            "id": principal.id,
            "kind": kind_of(caller, principal),
            "name": name,
            "workspace_id": principal.workspace_id,
            "space_id": principal.space_id,
            "environment": principal.environment,
            "scopes": sorted(principal.scopes),
            "expires_at": written(principal.expires_at),
            "external_id": principal.external_id,
            "metadata": principal.metadata,
            "rate_limit": None if limit is None else {"per_minute": limit.per_minute, "burst": limit.burst},
        }
    )
