"""Which things a declaration can go on, and how one is put there without changing what was given."""

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.routing import BaseRoute, Mount

from spacekey.domain.errors import RuleError

_DESCRIPTORS = (staticmethod, classmethod, functools.partialmethod, property)


def refuse_unfit(endpoint: object, word: str) -> None:
    """Raise for what a declaration cannot go on.

    :param word: the declaration as people write it, such as ``requires(…)``.
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
                f"{endpoint.__qualname__} is no HTTPEndpoint or WebSocketEndpoint; wrap the app: protect(app, …)"
            )
    elif not callable(endpoint):
        raise RuleError(f"{word} cannot go on {endpoint!r:.60}: put it on a function, a class of endpoints or an app")
    elif not is_function(endpoint) and not _may_be_app(endpoint):
        raise RuleError(f"{word} cannot go on a {name}, which is no ASGI app: write a function that calls it")


def refuse_no_app(app: object) -> None:
    """Raise for what is no ASGI app, with what to write instead.

    :raises RuleError: for routes, endpoint functions and what cannot be called.
    """
    name = type(app).__name__
    if isinstance(app, Mount):
        raise RuleError("protect() goes inside the Mount: write Mount(path, app=protect(app, …))")
    if isinstance(app, BaseRoute):
        raise RuleError(f"protect() cannot go around a {name}: write {name}(path, requires(…)(endpoint))")
    if not callable(app) or not _may_be_app(app):
        raise RuleError(f"protect() is for ASGI apps, and {app!r:.60} is none; for a function write requires(…)")


def is_function(endpoint: object) -> bool:
    """Whether routes take it for a function of a request, as Starlette decides it."""
    while isinstance(endpoint, functools.partial):
        endpoint = endpoint.func
    return inspect.isfunction(endpoint) or inspect.ismethod(endpoint)


def is_asgi_function(function: Callable[..., object]) -> bool:
    """Whether a function calls its arguments what the arguments of an ASGI app are called."""
    return [*inspect.signature(function).parameters][:3] == ["scope", "receive", "send"]


def copy_of(endpoint: Any) -> Any:
    """A function, method or partial that does the same: what is set on one is not seen on the other."""
    if isinstance(endpoint, types.MethodType):
        return types.MethodType(copy_of(endpoint.__func__), endpoint.__self__)
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


def subclass_of(endpoint: type, members: Mapping[str, object]) -> type:
    """A class that is called the same, with some members of its own."""
    own = {"__module__": endpoint.__module__, "__qualname__": endpoint.__qualname__, "__doc__": endpoint.__doc__}
    return types.new_class(endpoint.__name__, (endpoint,), exec_body=lambda body: body.update({**own, **members}))


def _may_be_app(endpoint: Callable[..., object]) -> bool:
    try:
        inspect.signature(endpoint).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:
        return True  # it does not tell
    return True
