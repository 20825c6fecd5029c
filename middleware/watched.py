"""A router's list of routes that counts its changes, so that what was added or exchanged is noticed at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.routing import BaseRoute, Router


class WatchedRoutes(list[BaseRoute]):
    """A list whose ``version`` grows with every change of its items."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        super().__init__(routes)
        self.version = 0


def _counting(name: str) -> Callable[..., Any]:
    changing = getattr(list, name)

    def method(self: WatchedRoutes, *args: Any, **kwargs: Any) -> Any:
        self.version += 1
        return changing(self, *args, **kwargs)

    method.__name__ = name
    return method


_CHANGING = ("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort")
for _name in (*_CHANGING, "__delitem__", "__iadd__", "__imul__", "__setitem__"):
    setattr(WatchedRoutes, _name, _counting(_name))


def watched(router: Router) -> Callable[[], int]:
    """From now on, how often the routes of ``router`` have changed; -1 once its list or its default is another.

    Several may watch one router.
    """
    found = router.routes
    routes = found if isinstance(found, WatchedRoutes) else WatchedRoutes(found)
    router.routes = routes
    default = router.default

    def version() -> int:
        return routes.version if router.routes is routes and router.default is default else -1

    return version
