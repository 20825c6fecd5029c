"""Every address with every method: what is not possible there is told with all that is."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
from starlette.routing import Route

from spacekey.domain.ids import KEY, new_id
from spacekey.server.http.client_auth import OAUTH_PATHS
from support.server import Served, served

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


def methods_by_path(app: Served) -> dict[str, set[str]]:
    """From the route table; all of a path's routes together."""
    found: dict[str, set[str]] = defaultdict(set)
    for route in app.app.routes:
        assert isinstance(route, Route), route
        found[route.path] |= set(METHODS) if route.methods is None else route.methods
    return found


def fits(template: str, path: str) -> bool:
    """Whether another template matches a fixed path too, as ``/spaces/{id}`` does ``/spaces/ensure``."""
    return "{" not in path and re.fullmatch(re.sub(r"\\\{id\\\}", "[^/]+", re.escape(template)), path) is not None


async def test_a_method_that_is_not_possible_gets_405_and_all_methods_that_are(database_url: str) -> None:
    async with served(database_url) as app:
        table = methods_by_path(app)
        assert table["/api/v1/api-keys/{id}"] == {"GET", "HEAD", "PATCH", "DELETE"}
        for template, declared in table.items():
            possible = declared.union(*(one for other, one in table.items() if fits(other, template)))
            path = template.replace("{id}", new_id(KEY, app.world.clock(), lambda size: b"x" * size))
            path = path.replace("{name}", "x.js").replace("{rest:path}", "x/y")
            for method in METHODS:
                answer = await app.client.request(method, path)
                if method in possible:
                    assert answer.status_code != 405, (method, path)
                    continue
                assert answer.status_code == 405, (method, path)
                assert answer.headers["allow"] == ", ".join(sorted(possible)), (method, path)
                kind = "application/json" if path in OAUTH_PATHS else "application/problem+json"
                assert answer.headers["content-type"] == kind, (method, path)
                if method != "HEAD":
                    assert answer.json()["code"] == "method_not_allowed"
                    assert answer.headers["allow"] in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/v1/api-keys/", "/api/v1/nothing", "/api/v1/api-keys/a/b/c"])
async def test_an_address_without_routes_is_404_whatever_the_method(database_url: str, path: str) -> None:
    async with served(database_url) as app:
        for method in METHODS:
            answer = await app.client.request(method, path)
            assert (answer.status_code, "allow" in answer.headers) == (404, False), method
