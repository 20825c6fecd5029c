"""The HTTP app of an MCP server behind a ``TokenMiddleware``: refusals as the protocol has them, and its metadata.

A message is read before the SDK sees it, so that a refusal can be an HTTP response with a challenge, as the protocol's
authorization page asks ("Runtime Insufficient Scope Errors"). The SDK then enforces the same rules on the message as it
understood it (:class:`~spacekey.middleware.mcp.scopes.McpScopes`), which holds whatever the first reading made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey.domain.authentication import Authenticated
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.verifier import VerifiesSecrets
from spacekey.middleware.request_auth import auth_of
from spacekey.middleware.responses import ProblemResponse, refuse
from spacekey.middleware.rules.requirement import PUBLIC, Declaration, Requirement, requirement_of
from spacekey.middleware.token_middleware import TokenMiddleware
from spacekey.middleware.verifiers.wrapper import as_verifier

from .access_token import SpacekeyAccessToken
from .scopes import McpScopes, Rules, as_error

WELL_KNOWN = "/.well-known/oauth-protected-resource"
"""Path of the metadata, before the path of the server (RFC 9728 §3.1)."""
_PREFLIGHT_HEADERS = ["Authorization", "MCP-Protocol-Version"]


class HasMiddleware(Protocol):
    """``MCPServer`` and the SDK's low-level ``Server``."""

    @property
    def middleware(self) -> list[Any]:
        """The SDK's middleware, outermost first."""
        ...


def protect_mcp(
    app: Starlette,
    server: HasMiddleware,
    *,
    verifier: VerifiesSecrets,
    resource: str,
    tools: Rules | None = None,
    resources: Rules | None = None,
    prompts: Rules | None = None,
    requires: Declaration | None = None,
    authorization_servers: Sequence[str] = (),
    **options: Any,
) -> TokenMiddleware:
    """Protect an MCP server: every message needs a valid token, and what it names needs the scopes of its rule.

    Tokens are verified, limited and counted as for any other app; a stream ends when its token does. A refusal is 401
    or 403 with a challenge that names the metadata, and its body is an error of JSON-RPC with the request's id.

    :param app: the server's app, ``mcp.streamable_http_app()``. Its other routes are left alone.
    :param server: the server itself, which enforces the rules once more and filters its lists.
    :param verifier: turns secrets into principals.
    :param resource: the URL at which clients reach the server, such as ``https://api.example.com/mcp``.
    :param tools: rules by the name of a tool, ``"*"`` for all others; see :class:`McpScopes`.
    :param resources: rules by URI or URI template.
    :param prompts: rules by the name of a prompt.
    :param requires: holds for every message; None admits any valid token.
    :param authorization_servers: URLs of OAuth servers whose tokens ``verifier`` knows too, for the metadata.
    :param options: other arguments of :class:`~spacekey.middleware.TokenMiddleware`, such as ``limits``.
    :return: the app to serve, or to mount.
    :raises ConfigurationError: for an invalid setting, or an app that serves no MCP server, or has authentication of
        its own.
    :raises RuleError: for an invalid rule, or one that names a scope that no token of the verifier can have.
    """
    scopes = McpScopes(
        tools=tools,
        resources=resources,
        prompts=prompts,
        requires=requirement_of() if requires is None else requires,
    )
    asked = as_verifier(verifier)
    for where, requirement in scopes.requirements if asked.known_scopes is not None else ():
        requirement.rule.check_known(asked.known_scopes or frozenset(), where)
    metadata = resource_metadata(resource, scopes=scopes.scopes, authorization_servers=authorization_servers)
    place, route, endpoint = _route_of(app)
    bytes_max = endpoint.session_manager.max_request_body_size
    app.router.routes[place] = Route(route.path, McpEndpoint(endpoint, scopes, bytes_max, resource), name=route.name)
    app.router.routes.append(metadata)
    server.middleware.append(scopes)
    challenge = {"resource_metadata": _metadata_url(resource), **(options.pop("challenge", None) or {})}
    return TokenMiddleware(app, asked, challenge=challenge, undeclared="ignore", **options)


def resource_metadata(
    resource: str, *, scopes: Sequence[str] = (), authorization_servers: Sequence[str] = (), name: str | None = None
) -> Route:
    """Return the public route of the protected-resource metadata (RFC 9728 §3).

    :func:`protect_mcp` adds it to the server's app. If that is mounted below a path, add this one to the outermost app,
    because the address of the metadata begins at the host's root.

    :param resource: the URL of what is protected.
    :param scopes: the scopes that it may ask for.
    :param authorization_servers: OAuth servers that issue tokens for it; left out if there are none.
    :param name: its name for people.
    :raises ConfigurationError: for a URL that is not one of HTTP, or has a query or fragment.
    """
    document: dict[str, Any] = {
        "resource": resource,
        "authorization_servers": list(authorization_servers),
        "scopes_supported": list(scopes),
        "bearer_methods_supported": ["header"],
        "resource_name": name,
    }
    answer = {key: value for key, value in document.items() if value}

    async def metadata(_request: Request) -> Response:
        return JSONResponse(answer, headers={"Cache-Control": "public, max-age=3600"})

    path = urlsplit(_metadata_url(resource)).path
    open_to_pages = CORSMiddleware(
        Route(path, metadata).app, allow_origins=["*"], allow_methods=["GET"], allow_headers=_PREFLIGHT_HEADERS
    )
    return Route(path, _Public(open_to_pages), methods=["GET", "HEAD", "OPTIONS"], name="oauth_protected_resource")


class _Public:
    """ASGI app that is declared public, also where it stands outside of every ``TokenMiddleware``."""

    __spacekey_access__ = PUBLIC

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class McpEndpoint:
    """Guard in front of the SDK's endpoint: an ASGI app that refuses a message, or passes it on with its caller.

    :param app: the SDK's endpoint.
    :param scopes: the rules.
    :param bytes_max: bound of a message; a longer one is left to the SDK, which refuses it.
    :param resource: the server's URL.
    """

    __spacekey_access__ = PUBLIC  # it decides by itself, once it knows what is asked for

    def __init__(self, app: ASGIApp, scopes: McpScopes, bytes_max: int, resource: str) -> None:
        self.app = app
        self._scopes = scopes
        self._bytes_max = bytes_max
        self._resource = resource

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        auth = auth_of(scope)
        requirement, message_id = self._scopes.requires, None
        is_post = scope["method"] == "POST"
        if is_post and isinstance(await auth.authenticate(), Authenticated):
            body, receive = await _read(receive, self._bytes_max)
            requirement, message_id = self._asked_for(body)
        refusal = await auth.authorize(requirement, scope)
        if refusal is not None:
            await refuse(scope, receive, send, _as_json_rpc(refusal, message_id) if is_post else refusal)
            return
        access = SpacekeyAccessToken.of(scope["user"], self._resource)
        user = AuthenticatedUser(access)
        inner = {**scope, "user": user, "auth": AuthCredentials(access.scopes)}
        before = auth_context_var.set(user)
        try:
            await self.app(inner, receive, send)
        finally:
            auth_context_var.reset(before)

    def _asked_for(self, body: bytes) -> tuple[Requirement, object]:
        """Return what a message requires, and its id. One that cannot be read is left to the SDK, which refuses it."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return self._scopes.requires, None
        found = self._scopes.requires
        for each in message if isinstance(message, list) else [message]:
            if isinstance(each, Mapping):
                found = found & self._scopes.requirement(each.get("method"), each.get("params"))
        return found, message.get("id") if isinstance(message, Mapping) else None


def _route_of(app: Starlette) -> tuple[int, Route, StreamableHTTPASGIApp]:
    """Return the route of the SDK's endpoint with its place, and the endpoint.

    :raises ConfigurationError: if there is none.
    """
    routes = app.router.routes if isinstance(app, Starlette) else []
    for place, route in enumerate(routes):
        endpoint: object = route.endpoint if isinstance(route, Route) else None
        if isinstance(route, Route) and isinstance(endpoint, StreamableHTTPASGIApp):
            return place, route, endpoint
        if isinstance(getattr(endpoint, "app", None), StreamableHTTPASGIApp):
            raise ConfigurationError(
                "the MCP server has authentication of its own: leave token_verifier and auth out, or keep them and "
                "give it token_verifier=McpTokenVerifier(…)"
            )
    raise ConfigurationError("this app serves no MCP server: write protect_mcp(mcp.streamable_http_app(), mcp, …)")


def _metadata_url(resource: str) -> str:
    """Return the address of the metadata of a resource (RFC 9728 §3.1).

    :raises ConfigurationError: for a URL that is not one of HTTP, or has a query or fragment.
    """
    url = urlsplit(resource)
    if url.scheme not in ("https", "http") or not url.netloc or url.query or url.fragment or not resource.isascii():
        raise ConfigurationError(
            f"resource={resource!r:.80}: write the server's URL, such as 'https://example.com/mcp'"
        )
    return f"{url.scheme}://{url.netloc}{WELL_KNOWN}{'' if url.path == '/' else url.path}"


async def _read(receive: Receive, bytes_max: int) -> tuple[bytes, Receive]:
    """Return the body, up to the first part beyond the bound, and a ``receive`` that repeats it before the rest."""
    messages: list[Message] = []
    size = 0
    while size <= bytes_max:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    body = b"".join(message.get("body", b"") for message in messages)

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return body if size <= bytes_max else b"", again


def _as_json_rpc(refusal: Response, message_id: object) -> Response:
    """Return a refusal with the body of a JSON-RPC error, which clients show; the app's own response stays as it is."""
    if not isinstance(refusal, ProblemResponse):
        return refusal
    error = as_error(refusal).error.model_dump(mode="json", exclude_none=True)
    answer = {"jsonrpc": "2.0", "id": message_id if isinstance(message_id, int | str) else None, "error": error}
    kept = {name: value for name, value in refusal.headers.items() if not name.startswith("content-")}
    return JSONResponse(answer, refusal.status_code, kept)
