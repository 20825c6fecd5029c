"""Which routers, routes and endpoint classes do what the frameworks' own do, and can therefore be looked into.

A subclass that takes things into its own hands may do anything before, or instead of, what its routes or methods
declare. It is guarded as a whole then.
"""

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.routing import Router

_FRAMEWORKS = ("starlette.applications", "starlette.routing", "fastapi.applications", "fastapi.routing")


def routes_as_usual(app: Router | Starlette, *, entered: bool = False) -> bool:
    """Whether an app does what the frameworks' own do and nothing else: find a route and hand over to it.

    :param entered: whether its ``__call__`` has been passed already, so that it matters no more.
    """
    router = app.router if isinstance(app, Starlette) else app
    asked = [type(router).app] if router is app and entered else [type(router).app, type(router).__call__]
    return all(of_a_framework(one) for one in (asked if entered else [*asked, type(app).__call__]))


def of_a_framework(method: object) -> bool:
    """Whether a method is Starlette's or FastAPI's own, whose doings are known here."""
    return getattr(method, "__module__", "") in _FRAMEWORKS


def dispatches_as_usual(endpoint: type) -> bool:
    """Whether a class's methods tell all that it does: it has not taken dispatching into its own hands."""
    return (
        issubclass(endpoint, HTTPEndpoint)
        and endpoint.dispatch is HTTPEndpoint.dispatch
        and endpoint.__await__ is HTTPEndpoint.__await__
        and endpoint.method_not_allowed is HTTPEndpoint.method_not_allowed
    )


def connects_as_usual(endpoint: object) -> bool:
    """Whether a class of sockets runs its ``on_connect`` before anything else of its own."""
    return (
        isinstance(endpoint, type)
        and issubclass(endpoint, WebSocketEndpoint)
        and endpoint.dispatch is WebSocketEndpoint.dispatch
        and endpoint.__await__ is WebSocketEndpoint.__await__
    )
