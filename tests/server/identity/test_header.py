"""A proxy's header names people where the proxy itself is at the other end of the connection, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from spacekey.models.engine.store import SQLITE, Store
from spacekey.server.app import build_app
from spacekey.server.build import build_parts
from spacekey.server.settings import Settings
from support.schema import spacekey_schema
from support.server import ORIGIN, Served
from support.world import World, make_world

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

PROXY, OTHER_PROXY, STRANGER = "10.0.0.7", "10.0.0.8", "203.0.113.9"
ME = {"query": "{ me { user { id name email emailProven } } }"}
HEADERS = {"X-User": "ada", "X-Name": "Ada Lovelace", "X-Email": "ada@acme.example", "Sec-Fetch-Site": "same-origin"}


@asynccontextmanager
async def behind(database_url: str, peer: str, **more: Any) -> AsyncIterator[Served]:
    """The server, to which all connections come from one address."""
    settings = Settings(
        database_url=database_url,
        identity_header="X-User",
        identity_header_name="X-Name",
        identity_header_email="X-Email",
        identity_proxies=(f"{PROXY}/32", "fd00::/8"),
        identity_domains=("acme.example",),
        **more,
    )
    world: World = make_world(Store(database_url))
    parts = build_parts(settings, world.system)
    app = build_app(settings, parts=parts, schema=spacekey_schema())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(peer, 1234))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client,
    ):
        yield Served(client, world, parts, app)


async def me(server: Served, headers: Any = HEADERS) -> Any:
    found = (await server.client.post("/graphql", json=ME, headers=headers)).json()["data"]["me"]
    return found and found["user"]


@pytest.mark.parametrize("peer", [PROXY, f"::ffff:{PROXY}", "fd00::1"])
async def test_the_proxy_says_who_it_is(database_url: str, peer: str) -> None:
    async with behind(database_url, peer) as server:
        found = await me(server)
        assert (found["name"], found["email"], found["emailProven"]) == ("Ada Lovelace", "ada@acme.example", True)
        assert (await me(server))["id"] == found["id"]
        assert (await me(server, HEADERS | {"X-User": "eve"}))["id"] != found["id"]


@pytest.mark.parametrize("peer", [STRANGER, OTHER_PROXY, f"::ffff:{STRANGER}", "::1", "", "unix"])
@pytest.mark.parametrize("trusted", [(), (STRANGER, OTHER_PROXY, "::1")])
async def test_from_anyone_else_the_header_is_ignored(database_url: str, peer: str, trusted: tuple[str, ...]) -> None:
    """Also from a proxy that is trusted with X-Forwarded-For, and says that the request comes from the other one."""
    async with behind(database_url, peer, trusted_proxies=trusted) as server:
        for more in (
            {},
            {"X-Forwarded-For": PROXY},
            {"X-Forwarded-For": f"{PROXY}, {PROXY}"},
            {"Forwarded": f"for={PROXY}"},
        ):
            assert await me(server, HEADERS | more) is None, more


async def test_who_is_behind_the_proxy_does_not_matter(database_url: str) -> None:
    """X-Forwarded-For tells the client's address for limits and the log; the header is still the proxy's word."""
    async with behind(database_url, PROXY, trusted_proxies=(PROXY,)) as server:
        assert (await me(server, HEADERS | {"X-Forwarded-For": STRANGER}))["name"] == "Ada Lovelace"


async def test_a_header_that_stands_twice_is_nobodys(database_url: str) -> None:
    async with behind(database_url, PROXY) as server:
        twice = [("X-User", "eve"), ("x-user", "ada"), ("Sec-Fetch-Site", "same-origin")]
        assert await me(server, twice) is None
        names = [*HEADERS.items(), ("X-Email", "eve@acme.example")]
        assert (await me(server, names))["email"] is None


@pytest.mark.parametrize("value", ["", " ", "x" * 256])
async def test_a_header_without_a_person_names_nobody(database_url: str, value: str) -> None:
    async with behind(database_url, PROXY) as server:
        assert await me(server, HEADERS | {"X-User": value}) is None


async def test_names_are_in_utf_8(database_url: str) -> None:
    async with behind(database_url, PROXY) as server:
        headers = [*((name, value.encode()) for name, value in HEADERS.items() if name != "X-Name")]
        found = await me(server, [*headers, ("X-Name", "Zoë Straße".encode())])
        assert found["name"] == "Zoë Straße"


async def test_a_page_of_another_origin_changes_nothing_through_the_proxy(database_url: str) -> None:
    async with behind(database_url, PROXY) as server:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "", "Origin": "https://evil.example"}):
            answer = await server.client.post("/graphql", json=ME, headers=HEADERS | headers)
            assert answer.status_code == 403
