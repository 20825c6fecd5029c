"""Make an endpoint enforce its own rule, so that no way of routing to it gets round the rule.

The routes' guards (see ``doors.py``) decide earlier, before a body is read; this is what holds when an endpoint is
reached through an app whose routes the middleware cannot see.
"""

import functools
import inspect
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast
from weakref import WeakKeyDictionary

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import request_response
from starlette.types import ASGIApp, Scope
from starlette.websockets import WebSocket, WebSocketState

from spacekey.domain.errors import ConfigurationError, RuleError

from .access import MARK, Access, Requirement, access_of, combined, set_mark, where
from .guard import Guard
from .kinds import is_asgi_function, is_function, refuse_unfit, subclass_of
from .refuse import can_deny_with_response, close_code, refuse
from .visit import KEY, Visit, visit_of

CONNECTION = "spacekey_connection"
"""A keyword that FastAPI fills with the connection, because its endpoints need not take one themselves."""

_HANDLERS = ("starlette.middleware.exceptions", "fastapi.exception_handlers")
"""Where the frameworks' own handlers of HTTP exceptions are defined."""

_NOTHING = object()

_BARE: WeakKeyDictionary[Callable[..., object], tuple[Callable[..., Awaitable[object]], Requirement]]
_BARE = WeakKeyDictionary()
"""A guarded async function → the one it guards, and by which requirement."""


def enforced(endpoint: object, requirement: Requirement) -> object:
    """The endpoint with the rule on it: a class comes back as a subclass, functions and ASGI apps are wrapped.

    :raises RuleError: for things that cannot be endpoints, or cannot be wrapped safely.
    """
    refuse_unfit(endpoint, "requires(…)")
    if isinstance(endpoint, type):
        return _class(endpoint, requirement)
    if is_function(endpoint):
        return _function(endpoint, requirement)
    return Guard(cast("ASGIApp", endpoint), requirement)


def _class(endpoint: type, requirement: Requirement) -> type:
    inner: Callable[[Any], Awaitable[None]] = cast("Any", endpoint).dispatch

    @functools.wraps(inner)
    async def dispatch(self: HTTPEndpoint | WebSocketEndpoint) -> None:
        refusal = await visit_of(self.scope).refusal(requirement)
        if refusal is None:
            await inner(self)
        else:
            await refuse(self.scope, self.receive, self.send, refusal)

    declared = combined(access_of(endpoint), requirement, where(endpoint))
    return subclass_of(endpoint, {"dispatch": dispatch, MARK: declared})


def _function(endpoint: Any, requirement: Requirement) -> object:
    bare = endpoint
    while isinstance(bare, functools.partial):
        bare = bare.func
    if is_asgi_function(endpoint):
        raise RuleError(f"{bare.__qualname__} is an ASGI app and no endpoint; wrap it: protect({bare.__name__}, …)")
    if inspect.isasyncgenfunction(bare) or inspect.isgeneratorfunction(bare):
        raise RuleError(f"{bare.__qualname__} is a generator; guard it with a dependency, or in the rule table")
    guarded = _async(endpoint, requirement) if inspect.iscoroutinefunction(bare) else _sync(endpoint, requirement)
    functools.update_wrapper(guarded, endpoint)
    guarded.__dict__["__signature__"] = _with_connection(inspect.signature(endpoint))
    set_mark(guarded, requirement)
    return guarded


def _async(endpoint: Callable[..., Awaitable[object]], requirement: Requirement) -> Callable[..., Awaitable[object]]:
    handed_on = _takes_connection(endpoint)

    async def guarded(request: Any = _NOTHING, /, *rest: Any, **kwargs: Any) -> object:
        if type(request) is Request and not rest and not kwargs:
            visit = request.scope.get(KEY)
            if type(visit) is Visit and visit.admitted is requirement:
                return await endpoint(request)  # the usual case: the route's guard has just let it in
        args = rest if request is _NOTHING else (request, *rest)  # FastAPI passes everything by name
        connection = _connection(args, kwargs, handed_on)
        visit = visit_of(connection.scope)
        refusal = None if visit.passes(requirement) else await visit.refusal(requirement)
        if refusal is None:
            return await endpoint(*args, **kwargs)
        if isinstance(connection, WebSocket):
            await _refuse_websocket(connection, refusal)
            return None
        raise as_exception(refusal, connection.scope)

    if not handed_on:
        _BARE[guarded] = (endpoint, requirement)
    return guarded


def looked_at_once(app: ASGIApp, access: Access) -> ASGIApp:
    """The same app, without the second look of the endpoint's own guard where ``access`` is decided right before it.

    Only for what Starlette makes of an async function (``request_response``) that ``requires`` has wrapped, and only
    where the two requirements are one; anything else comes back as it is.

    :param app: what a route hands over to.
    :param access: what the guard just before ``app`` decides by.
    """
    cells = (app.__closure__ or ()) if inspect.isfunction(app) else ()
    for function in (cell.cell_contents for cell in cells):
        endpoint, requirement = _BARE.get(function, (None, None)) if inspect.isfunction(function) else (None, None)
        if endpoint is not None and requirement is access:
            same = request_response(cast("Callable[[Request], Awaitable[Response]]", endpoint))
            return same if getattr(same, "__code__", None) is app.__code__ else app
    return app


def _sync(endpoint: Callable[..., object], requirement: Requirement) -> Callable[..., object]:
    handed_on = _takes_connection(endpoint)

    def guarded(*args: Any, **kwargs: Any) -> object:
        connection = _connection(args, kwargs, handed_on)
        visit = visit_of(connection.scope)
        # Starlette runs sync endpoints in a worker thread; whoever must be asked is asked in the event loop.
        known = visit.consulted and visit.passes(requirement)
        refusal = None if known else _refusal_from_thread(visit, requirement)
        if refusal is None:
            return endpoint(*args, **kwargs)
        raise as_exception(refusal, connection.scope)

    return guarded


def _refusal_from_thread(visit: Visit, requirement: Requirement) -> Response | None:
    from anyio import from_thread  # seldom needed, and a tenth of what importing the middleware would take

    return from_thread.run(visit.refusal, requirement)


class RefusalException(HTTPException):
    """A refusal on its way to the exception handlers of the app that the endpoint is in.

    ``detail`` is a sentence and ``headers`` has the challenge, for handlers of the app's own. ``response`` is the
    refusal itself, which is sent where the app has none.
    """

    def __init__(self, refusal: Response) -> None:
        own = {name: value for name, value in refusal.headers.items() if not name.startswith("content-")}
        super().__init__(refusal.status_code, json.loads(bytes(refusal.body))["detail"], own)
        self.response = refusal


def as_exception(refusal: Response, scope: Scope) -> RefusalException:
    """Return the refusal as an exception, for the caller to raise: used as a dependency, a guarded function must stop
    the endpoint too.

    The frameworks' own handlers would make a body of another shape from its ``detail``, so they are told what to send.
    """
    handlers: dict[type, object] = next(iter(scope.get("starlette.exception_handlers") or ()), {})
    first = next((handlers[kind] for kind in RefusalException.__mro__ if kind in handlers), None)
    if scope["type"] == "websocket" or getattr(first, "__module__", "") in _HANDLERS:
        handlers[RefusalException] = _send_refusal
    return RefusalException(refusal)


async def _send_refusal(connection: HTTPConnection, error: Exception) -> Response | None:
    """Starlette's exception handler for refusals."""
    if not isinstance(error, RefusalException):
        raise error
    if isinstance(connection, WebSocket):
        await _refuse_websocket(connection, error.response)
        return None
    return error.response


def _takes_connection(endpoint: Callable[..., object]) -> bool:
    """Whether the endpoint is (or wraps) one that is already enforced and wants the connection too."""
    return CONNECTION in inspect.signature(endpoint).parameters


def _connection(args: tuple[object, ...], kwargs: dict[str, Any], handed_on: bool) -> HTTPConnection:
    injected = kwargs.get(CONNECTION) if handed_on else kwargs.pop(CONNECTION, None)
    if args and type(args[0]) in (Request, WebSocket):  # the usual case; isinstance is slow on abstract classes
        return cast("HTTPConnection", args[0])
    for value in (injected, *args, *kwargs.values()):
        if isinstance(value, HTTPConnection):
            return value
    raise ConfigurationError("a protected endpoint was called without its request or websocket")


async def _refuse_websocket(websocket: WebSocket, refusal: Response) -> None:
    """Refuse a socket at whatever stage it is: a response before it was accepted, a close code after, then nothing."""
    if websocket.application_state is not WebSocketState.CONNECTING:
        if WebSocketState.DISCONNECTED not in (websocket.application_state, websocket.client_state):
            await websocket.close(close_code(refusal))
    elif can_deny_with_response(websocket.scope):
        await websocket.send_denial_response(refusal)
    else:
        await websocket.close(close_code(refusal))


def _with_connection(signature: inspect.Signature) -> inspect.Signature:
    """The same signature with one more keyword, by which FastAPI hands over the connection."""
    parameters = [each for each in signature.parameters.values() if each.name != CONNECTION]
    last = [each for each in parameters if each.kind is inspect.Parameter.VAR_KEYWORD]
    keyword = inspect.Parameter(CONNECTION, inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection)
    return signature.replace(parameters=[*(each for each in parameters if each not in last), keyword, *last])
