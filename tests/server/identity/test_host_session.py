"""The host application's own session: no second sign-in, and nothing that outlives it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection

from spacekey.domain.errors import ConfigurationError
from spacekey.models.engine.store import SQLITE, Store
from spacekey.server.app import build_app
from spacekey.server.build import build_parts
from spacekey.server.http.session_cookie import COOKIE
from spacekey.server.identity import HostSession, Passwords, Person
from spacekey.server.settings import Settings
from support.schema import spacekey_schema
from support.server import ORIGIN, Served
from support.world import PASSWORD, World, make_world

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

ME = "{ me { user { id name email emailProven } scopes } }"
SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { __typename ... on UserError { message } } }"
UPDATE = 'mutation { updateAccount(input: { name: "Eve" }) { __typename } }'
HOST = {"Cookie": "host=ada", "Sec-Fetch-Site": "same-origin"}

Read = Callable[[HTTPConnection], Awaitable[Person | None]]


class Host:
    """A host application whose people are signed in by a cookie of its own."""

    def __init__(self) -> None:
        self.people = {"ada": Person("user-7", "Ada", "ada@acme.example", email_verified=True)}

    async def read(self, connection: HTTPConnection) -> Person | None:
        return self.people.get(connection.cookies.get("host", ""))


@asynccontextmanager
async def hosted(database_url: str, read: Read, **given: Any) -> AsyncIterator[Served]:
    settings = Settings(database_url=database_url)
    world: World = make_world(Store(database_url))
    parts = build_parts(settings, world.system, identity=HostSession(read, **given))
    app = build_app(settings, parts=parts, schema=spacekey_schema())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client,
    ):
        yield Served(client, world, parts, app)


async def ask(server: Served, query: str, headers: dict[str, str], **given: Any) -> httpx.Response:
    variables = {"input": given} if given else {}
    return await server.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


async def me(server: Served, headers: dict[str, str] = HOST) -> Any:
    return (await ask(server, ME, headers)).json()["data"]["me"]


async def test_who_is_signed_in_on_the_host_is_signed_in_here(database_url: str) -> None:
    host = Host()
    async with hosted(database_url, host.read, domains="*") as server:
        found = await me(server)
        person = {"name": "Ada", "email": "ada@acme.example", "emailProven": True}
        assert {key: found["user"][key] for key in person} == person
        assert await me(server) == found, "the same account with each request"
        assert await me(server, {"Sec-Fetch-Site": "same-origin"}) is None
        answer = await ask(server, ME, HOST)
        assert "set-cookie" not in answer.headers, "no session of its own beside the host's"


async def test_a_host_session_that_ends_ends_here_with_the_next_request(database_url: str) -> None:
    host = Host()
    async with hosted(database_url, host.read) as server:
        assert await me(server) is not None
        host.people.clear()
        assert await me(server) is None
        assert (await server.client.get("/api/v1/self", headers=HOST)).status_code == 401


async def test_a_page_of_another_origin_cannot_use_the_hosts_cookie(database_url: str) -> None:
    host = Host()
    async with hosted(database_url, host.read) as server:
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {},
        ):
            answer = await ask(server, UPDATE, {"Cookie": "host=ada"} | headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin"), headers
            form = await server.client.post(
                "/graphql", data={"query": UPDATE}, headers={"Cookie": "host=ada", "Sec-Fetch-Site": "same-origin"}
            )
            assert form.status_code == 415
        assert (await me(server))["user"]["name"] == "Ada"


async def test_passwords_and_their_sessions_are_not_used_beside_it(database_url: str) -> None:
    host = Host()
    async with hosted(database_url, host.read) as server:
        await server.world.user("eve@evil.example")
        same = {"Sec-Fetch-Site": "same-origin"}
        answer = (await ask(server, SIGN_IN, same, email="eve@evil.example", password=PASSWORD)).json()
        assert answer["data"]["signIn"]["__typename"] == "InvalidInput"
        assert "Passwords are not used here" in answer["data"]["signIn"]["message"]
        cookie = await server.cookie("eve@evil.example")
        assert COOKIE in cookie["Cookie"]
        assert await me(server, cookie) is None


async def test_a_page_acts_as_the_account_that_it_was_opened_for(database_url: str) -> None:
    host = Host()
    async with hosted(database_url, host.read) as server:
        ada = (await me(server))["user"]["id"]
        host.people["ada"] = Person("user-8", "Eve")
        assert (await ask(server, ME, HOST | {"Spacekey-Person": ada})).status_code == 401


async def test_a_host_that_cannot_tell_is_an_outage_and_no_answer(database_url: str) -> None:
    async def broken(_: HTTPConnection) -> Person | None:
        raise OSError("the host's database is down: host=ada")

    async def confused(_: HTTPConnection) -> Any:
        return {"sub": "user-7"}

    for read in (broken, confused):
        async with hosted(database_url, read) as server:
            answer = await ask(server, ME, HOST)
            assert answer.status_code == 503
            assert "host=ada" not in answer.text


async def test_a_subject_that_cannot_be_is_nobody(database_url: str) -> None:
    host = Host()
    host.people["ada"] = Person("")
    async with hosted(database_url, host.read) as server:
        assert await me(server) is None


@pytest.mark.parametrize(
    "given",
    [
        {"issuer": ""},
        {"issuer": "a b"},
        {"issuer": "x" * 256},
        {"domains": "acme.example"},
        {"domains": ["ada@acme.example"]},
        {"domains": [""]},
        {"sign_in_url": "//evil.example"},
        {"sign_in_url": "javascript:alert(1)"},
    ],
)
def test_what_cannot_be_is_refused_when_it_is_written(given: dict[str, Any], database_kind: str) -> None:
    with pytest.raises(ConfigurationError):
        HostSession(Host().read, **given)


async def test_passwords_are_the_default(database_url: str) -> None:
    parts = build_parts(Settings(database_url=database_url), make_world(Store(database_url)).system)
    assert isinstance(parts.identity, Passwords)
    await parts.aclose()
