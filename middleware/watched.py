"""What was seen of an app's routes, and how it is noticed that they were added, removed or exchanged since."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakSet

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp


class Extent:
    """The routes of an app as they are when this is made.

    It is asked at every request, so the usual case can be seen without a call: ``unsure`` is false, and ``router``
    still has these ``routes`` and this ``default``. Else :meth:`changed` knows.

    :param routers: every router that leads to the routes; the outermost first.
    :param facts: what else would answer with another number after a change.
    """

    __slots__ = ("__weakref__", "_facts", "_routers", "_told", "default", "router", "routes", "unsure")

    router: Router | None
    routes: list[BaseRoute] | None
    default: ASGIApp | None

    def __init__(self, routers: Iterable[Router] = (), facts: Iterable[Callable[[], int]] = ()) -> None:
        self._routers = [(router, _watched(router, self), router.default) for router in routers]
        self._facts = [(fact, fact()) for fact in facts]
        self._told = False
        self.unsure = bool(self._facts) or len(self._routers) != 1
        self.router, self.routes, self.default = self._routers[0] if self._routers else (None, None, None)

    def tell(self) -> None:
        """Items of a list of routes are being changed."""
        self._told = self.unsure = True

    def changed(self) -> bool:
        """Whether the routes are others now."""
        return (
            self._told
            or any(router.routes is not routes or router.default is not same for router, routes, same in self._routers)
            or any(fact() != known for fact, known in self._facts)
        )


class _WatchedRoutes(list[BaseRoute]):
    """A list that tells of every change of its items, whoever wants to know."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        super().__init__(routes)
        self.watchers: WeakSet[Extent] = WeakSet()

    def tell(self) -> None:
        for extent in tuple(self.watchers):
            extent.tell()


def _telling(name: str) -> Callable[..., Any]:
    changing = getattr(list, name)

    def method(self: _WatchedRoutes, *args: Any, **kwargs: Any) -> Any:
        self.tell()
        try:
            return changing(self, *args, **kwargs)
        finally:
            self.tell()  # again: another thread may have looked before the change

    method.__name__ = name
    return method


_CHANGING = ("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort")
for _name in (*_CHANGING, "__delitem__", "__iadd__", "__imul__", "__setitem__"):
    setattr(_WatchedRoutes, _name, _telling(_name))


def _watched(router: Router, extent: Extent) -> list[BaseRoute]:
    """The router's list of routes, which tells ``extent`` of changes from now on."""
    found = router.routes
    routes = found if isinstance(found, _WatchedRoutes) else _WatchedRoutes(found)
    routes.watchers.add(extent)
    router.routes = routes
    return routes
