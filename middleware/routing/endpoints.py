"""Put a declaration on an endpoint: ``requires(…)``, ``public``, ``optional`` and ``protect``.

A function that requires scopes enforces them by itself, wherever it is routed. The routes' guards (see ``policy.py``)
decide earlier, before a body is read; the endpoint's own check holds even if it is reached through an app whose routes
the middleware cannot see.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeVar, cast

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Scope
from starlette.websockets import WebSocket, WebSocketState

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.principal import Limit
from spacekey.domain.rule import Rule
from spacekey.middleware.request_auth import RequestAuth, auth_of
from spacekey.middleware.responses import ProblemResponse, can_deny_with_response, close_code, refuse
from spacekey.middleware.rules.marks import MARK, access_of, name_of, note_rule, set_mark
from spacekey.middleware.rules.requirement import (
    OPTIONAL,
    PUBLIC,
    Access,
    Declaration,
    Openness,
    Requirement,
    access_from,
    combined,
    requirement_of,
)

from .guards import guarded
from .routes import no_dependency

CONNECTION = "spacekey_connection"
"""Keyword that FastAPI fills with the connection, because its endpoints need not take one themselves."""

Endpoint = TypeVar("Endpoint")
_MISSING = object()

_HANDLERS = ("starlette.middleware.exceptions", "fastapi.exception_handlers")
"""Modules of the frameworks' own handlers for HTTP exceptions."""

_DESCRIPTORS = (staticmethod, classmethod, functools.partialmethod, property)


class _RefusesDepends:
    """Attribute that FastAPI asks of dependencies and of what is inside ``Depends(…)``: a declaration is neither.

    As a dependency it would enforce nothing. (A ``__getattr__`` would do too, but then each attribute of a declaration
    takes several times as long to read, on every request.)
    """

    def __get__(self, declaration: Access | None, owner: type) -> NoReturn:
        """Refuse, where a declaration is asked and not its class.

        :raises ConfigurationError: with what to write.
        """
        if declaration is None:
            raise AttributeError(f"{owner.__name__} has no such attribute")
        if isinstance(declaration, Openness):
            raise ConfigurationError(no_dependency(declaration))
        raise ConfigurationError("requires(…) is no FastAPI dependency: write dependencies=[RequireScopes(…)]")


class EndpointRequirement(Requirement):
    """Requirement that is also a decorator; see :func:`requires`."""

    dependency = __signature__ = _RefusesDepends()

    def __call__(self, endpoint: Endpoint) -> Endpoint:
        """Put the rule on an endpoint, which then enforces it by itself wherever it is routed.

        A function comes back wrapped, a class as a subclass, an ASGI app inside a guard.

        :raises RuleError: if the object cannot be an endpoint, or cannot be wrapped safely.
        """
        _refuse_unfit(endpoint, "requires(…)")
        if isinstance(endpoint, type):
            return cast("Endpoint", _class(endpoint, self))
        if _is_function(endpoint):
            return cast("Endpoint", _function(endpoint, self))
        return cast("Endpoint", guarded(cast("ASGIApp", endpoint), self))


class EndpointOpenness(Openness):
    """Openness that is also a decorator; see :data:`public` and :data:`optional`."""

    dependency = _RefusesDepends()

    def __call__(self, endpoint: Endpoint = cast("Any", _MISSING)) -> Endpoint:  # noqa: B008 - a constant
        """Return a new endpoint with the declaration; the given one remains undeclared.

        A function or method comes back as a copy of itself, so that an open route costs no further call; a class as a
        subclass, an ASGI app inside a guard.

        :raises RuleError: if the object cannot be an endpoint, or already declares something else.
        """
        if endpoint is _MISSING:
            raise RuleError(f"{self.value}(): write {self.value} without parentheses")
        _refuse_unfit(endpoint, self.value)
        combined(access_of(endpoint), self, name_of(endpoint))
        if isinstance(endpoint, type):
            return cast("Endpoint", _subclass_of(endpoint, {MARK: self}))
        if _is_function(endpoint):
            copy = _copy_of(endpoint)
            set_mark(copy, self)
            return cast("Endpoint", copy)
        return cast("Endpoint", guarded(cast("ASGIApp", endpoint), self))


def _openness(value: str, doc: str) -> EndpointOpenness:
    """Return an openness that ``help`` describes as what it is, and not as one of its class."""
    made = EndpointOpenness(value)
    object.__setattr__(made, "__doc__", doc)
    return made


public = _openness(
    PUBLIC.value,
    """Admit any caller to an endpoint: nothing is verified, even if credentials are sent.

    ``@public`` on a function or a class of endpoints, or ``public`` in a rule table and for ``protect``.

    :param endpoint: a function, a class of endpoints, or an ASGI app.
    :returns: a new endpoint with the declaration; the given one remains undeclared.
    :raises RuleError: if the object cannot be an endpoint, or already declares something else.
    """,
)

optional = _openness(
    OPTIONAL.value,
    """Admit any caller to an endpoint: credentials are verified if they are sent, and invalid ones are rejected.

    ``request.user`` is then the principal, else Starlette's unauthenticated user. ``@optional`` on a function or a
    class of endpoints, or ``optional`` in a rule table and for ``protect``.

    :param endpoint: a function, a class of endpoints, or an ASGI app.
    :returns: a new endpoint with the declaration; the given one remains undeclared.
    :raises RuleError: if the object cannot be an endpoint, or already declares something else.
    """,
)


def requires(
    *parts: str | Rule,
    space_param: str | None = None,
    environment: str | None = None,
    cost: int | None = None,
    limit: Limit | None = None,
) -> EndpointRequirement:
    """Require all of ``parts``, each a scope or a rule; without parts, any valid principal.

    :param parts: scopes and rules, such as ``"jobs:read"`` and ``any_of(…)``.
    :param space_param: the name of a path parameter; the token must belong to the space that it identifies.
    :param environment: ``live`` or ``test``; a token of another environment is refused like an unknown one.
    :param cost: what a request costs of the token's limit (see docs/how-to/limits.md): 1 by default, 0 if it is free.
    :param limit: a rate to which each caller is limited on this route, besides that of its token.
    :returns: a decorator for endpoints, also accepted by ``protect`` and in rule tables.
    :raises RuleError: for a string that is not a scope name, a part that is neither a scope nor a rule, or a negative
        cost.
    :raises ConfigurationError: for an environment that does not exist.
    """
    made = requirement_of(
        *parts, space_param=space_param, environment=environment, cost=cost, limit=limit, of=EndpointRequirement
    )
    return cast("EndpointRequirement", made)


def decorator(access: Access) -> EndpointRequirement | EndpointOpenness:
    """Return an access, such as one of a rule table, as a decorator."""
    if isinstance(access, Openness):
        return EndpointOpenness(access.value)
    return EndpointRequirement(access.rule, access.spaces, access.environments, access.cost, access.limits)


def protect(app: ASGIApp, declaration: Declaration) -> ASGIApp:
    """Guard any ASGI app, mounted or not: ``Mount("/reports", app=protect(reports, "reports:read"))``.

    Starlette's ``CORSMiddleware`` stays outside of the guard, whichever of the two is written around the other.

    :param app: any ASGI app but a route or a mount.
    :param declaration: ``requires(…)``, ``optional``, ``public``, or a scope or rule as a short form of ``requires``.
    :raises RuleError: if it is none of these, or if ``app`` is a route or an endpoint function.
    """
    _refuse_no_app(app)
    return guarded(app, access_from(declaration))


def _class(endpoint: type, requirement: Requirement) -> type:
    inner: Callable[[Any], Awaitable[None]] = cast("Any", endpoint).dispatch

    @functools.wraps(inner)
    async def dispatch(self: HTTPEndpoint | WebSocketEndpoint) -> None:
        refusal = await auth_of(self.scope).authorize(requirement, self.scope)
        if refusal is None:
            await inner(self)
        else:
            await refuse(self.scope, self.receive, self.send, refusal)

    declared = combined(access_of(endpoint), requirement, name_of(endpoint))
    return _subclass_of(endpoint, {"dispatch": dispatch, MARK: declared})


def _function(endpoint: Any, requirement: Requirement) -> object:
    bare = endpoint
    while isinstance(bare, functools.partial):
        bare = bare.func
    if _is_asgi_function(endpoint):
        raise RuleError(f"{bare.__qualname__} is an ASGI app and no endpoint; wrap it: protect({bare.__name__}, …)")
    if inspect.isasyncgenfunction(bare) or inspect.isgeneratorfunction(bare):
        raise RuleError(f"{bare.__qualname__} is a generator; guard it with a dependency, or in the rule table")
    wrapped = _async(endpoint, requirement) if inspect.iscoroutinefunction(bare) else _sync(endpoint, requirement)
    functools.update_wrapper(wrapped, endpoint)
    wrapped.__dict__["__signature__"] = _with_connection(inspect.signature(endpoint))
    set_mark(wrapped, requirement)
    note_rule(endpoint)
    return wrapped


def _async(endpoint: Callable[..., Awaitable[object]], requirement: Requirement) -> Callable[..., Awaitable[object]]:
    handed_on = _takes_connection(endpoint)

    async def guarded(*args: Any, **kwargs: Any) -> object:
        as_usual = args and not kwargs and type(args[0]) is Request  # FastAPI passes everything by name
        connection = args[0] if as_usual else _connection(args, kwargs, handed_on)
        scope = connection.scope
        auth = auth_of(scope)
        if auth.authorize_cached(requirement, scope):
            return await endpoint(*args, **kwargs)
        refusal = await auth.authorize(requirement, scope)
        if refusal is None:
            return await endpoint(*args, **kwargs)
        if isinstance(connection, WebSocket):
            await _refuse_websocket(connection, refusal)
            return None
        raise as_exception(refusal, connection.scope)

    return guarded


def _sync(endpoint: Callable[..., object], requirement: Requirement) -> Callable[..., object]:
    handed_on = _takes_connection(endpoint)

    def guarded(*args: Any, **kwargs: Any) -> object:
        connection = _connection(args, kwargs, handed_on)
        auth = auth_of(connection.scope)
        # Starlette runs sync endpoints in a worker thread; anything to be awaited is awaited in the event loop.
        known = auth.result is not None and auth.authorize_cached(requirement, connection.scope)
        refusal = None if known else _refusal_from_thread(auth, requirement, connection.scope)
        if refusal is None:
            return endpoint(*args, **kwargs)
        raise as_exception(refusal, connection.scope)

    return guarded


def _refusal_from_thread(auth: RequestAuth, requirement: Requirement, scope: Scope) -> Response | None:
    from anyio import from_thread  # rarely needed, and a tenth of the middleware's import time

    return from_thread.run(auth.authorize, requirement, scope)


class RefusalException(HTTPException):
    """Refusal, raised to the exception handlers of the app that the endpoint is in.

    ``detail`` is a sentence and ``headers`` has the challenge, for the app's own handlers. ``response`` is the refusal
    itself, which is sent if the app has none.
    """

    def __init__(self, refusal: Response) -> None:
        own = {name: value for name, value in refusal.headers.items() if not name.startswith("content-")}
        super().__init__(refusal.status_code, refusal.detail if isinstance(refusal, ProblemResponse) else None, own)
        self.response = refusal


def as_exception(refusal: Response, scope: Scope) -> RefusalException:
    """Return the refusal as an exception for the caller to raise.

    It is raised rather than returned because a guarded function that serves as a dependency must stop the endpoint too.
    The frameworks' own handlers would make a body of another shape from its ``detail``, so a handler that sends the
    refusal is registered beside them.
    """
    handlers: dict[type, object] = next(iter(scope.get("starlette.exception_handlers") or ()), {})
    first = next((handlers[kind] for kind in RefusalException.__mro__ if kind in handlers), None)
    if scope["type"] == "websocket" or getattr(first, "__module__", "") in _HANDLERS:
        handlers[RefusalException] = _send_refusal
    return RefusalException(refusal)


async def _send_refusal(connection: HTTPConnection, error: Exception) -> Response | None:
    """Send a refusal, as an exception handler of Starlette."""
    if not isinstance(error, RefusalException):
        raise error
    if isinstance(connection, WebSocket):
        await _refuse_websocket(connection, error.response)
        return None
    return error.response


def _takes_connection(endpoint: Callable[..., object]) -> bool:
    """Return whether the endpoint is (or wraps) one that is already enforced and takes the connection too."""
    return CONNECTION in inspect.signature(endpoint).parameters


def _connection(args: tuple[object, ...], kwargs: dict[str, Any], handed_on: bool) -> HTTPConnection:
    injected = kwargs.get(CONNECTION) if handed_on else kwargs.pop(CONNECTION, None)
    if args and type(args[0]) in (Request, WebSocket):  # the common case; isinstance is slow on abstract classes
        return cast("HTTPConnection", args[0])
    for value in (injected, *args, *kwargs.values()):
        if isinstance(value, HTTPConnection):
            return value
    raise ConfigurationError("a protected endpoint was called without its request or websocket")


async def _refuse_websocket(websocket: WebSocket, refusal: Response) -> None:
    """Refuse a WebSocket, at any stage.

    It gets a response or a close code before it is accepted, a close code after that, and nothing once it is closed.
    """
    if websocket.application_state is not WebSocketState.CONNECTING:
        if WebSocketState.DISCONNECTED not in (websocket.application_state, websocket.client_state):
            await websocket.close(close_code(refusal))
    elif can_deny_with_response(websocket.scope):
        await websocket.send_denial_response(refusal)
    else:
        await websocket.close(close_code(refusal))


def _with_connection(signature: inspect.Signature) -> inspect.Signature:
    """Return the signature with one more keyword, through which FastAPI passes the connection."""
    parameters = [each for each in signature.parameters.values() if each.name != CONNECTION]
    last = [each for each in parameters if each.kind is inspect.Parameter.VAR_KEYWORD]
    keyword = inspect.Parameter(CONNECTION, inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection)
    return signature.replace(parameters=[*(each for each in parameters if each not in last), keyword, *last])


def _refuse_unfit(endpoint: object, word: str) -> None:
    """Raise if a declaration cannot be put on this endpoint.

    :param word: the declaration as written in code, such as ``requires(…)``.
    :raises RuleError: with what to write instead.
    """
    name = type(endpoint).__name__
    if isinstance(endpoint, Mount):
        raise RuleError(f"{word} cannot go on a Mount: write Mount(…, app=protect(app, …))")
    if isinstance(endpoint, BaseRoute):
        raise RuleError(
            f"{word} goes on the endpoint and not on the {name}: write {name}(…, {word}(endpoint)), or name the route "
            "in TokenMiddleware(rules=…)"
        )
    if isinstance(endpoint, _DESCRIPTORS):
        raise RuleError(f"{word} cannot go on a {name}: put it below @{name}, on the function itself")
    if isinstance(endpoint, type):
        if not issubclass(endpoint, HTTPEndpoint | WebSocketEndpoint):
            raise RuleError(
                f"{endpoint.__qualname__} is not an HTTPEndpoint or WebSocketEndpoint; wrap the app: protect(app, …)"
            )
    elif not callable(endpoint):
        raise RuleError(f"{word} cannot go on {endpoint!r:.60}: put it on a function, a class of endpoints or an app")
    elif not _is_function(endpoint) and not _may_be_app(endpoint):
        raise RuleError(f"{word} cannot go on a {name}, which is not an ASGI app: write a function that calls it")


def _refuse_no_app(app: object) -> None:
    """Raise if this is not an ASGI app.

    :raises RuleError: for routes, endpoint functions and objects that cannot be called, with what to write instead.
    """
    name = type(app).__name__
    if isinstance(app, Mount):
        raise RuleError("protect() goes inside the Mount: write Mount(path, app=protect(app, …))")
    if isinstance(app, BaseRoute):
        raise RuleError(f"protect() cannot go around a {name}: write {name}(path, requires(…)(endpoint))")
    if not callable(app) or not _may_be_app(app):
        raise RuleError(f"protect() is for ASGI apps, and {app!r:.60} is not one; for a function write requires(…)")


def _is_function(endpoint: object) -> bool:
    """Return whether routes treat this as a function of a request, by Starlette's own test."""
    while isinstance(endpoint, functools.partial):
        endpoint = endpoint.func
    return inspect.isfunction(endpoint) or inspect.ismethod(endpoint)


def _is_asgi_function(function: Callable[..., object]) -> bool:
    """Return whether a function's parameters have the names of an ASGI app's."""
    return [*inspect.signature(function).parameters][:3] == ["scope", "receive", "send"]


def _copy_of(endpoint: Any) -> Any:
    """Return a copy of a function, method or partial; attributes set on one are not seen on the other."""
    if isinstance(endpoint, types.MethodType):
        return types.MethodType(_copy_of(endpoint.__func__), endpoint.__self__)
    if isinstance(endpoint, functools.partial):
        same = functools.partial(endpoint.func, *endpoint.args, **endpoint.keywords)
        vars(same).update(vars(endpoint))
        return same
    if not isinstance(endpoint, types.FunctionType):
        raise RuleError(f"{type(endpoint).__name__} cannot be declared; write a function that calls it")
    copy = types.FunctionType(
        endpoint.__code__, endpoint.__globals__, endpoint.__name__, endpoint.__defaults__, endpoint.__closure__
    )
    copy.__kwdefaults__ = endpoint.__kwdefaults__
    return functools.update_wrapper(copy, endpoint)


def _subclass_of(endpoint: type, members: Mapping[str, object]) -> type:
    """Return a subclass of the same name, with some members of its own."""
    own = {"__module__": endpoint.__module__, "__qualname__": endpoint.__qualname__, "__doc__": endpoint.__doc__}
    return types.new_class(endpoint.__name__, (endpoint,), exec_body=lambda body: body.update({**own, **members}))


def _may_be_app(endpoint: Callable[..., object]) -> bool:
    try:
        inspect.signature(endpoint).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:
        return True  # a callable without a signature
    return True
