"""A database that is locked or gone: 503 with Retry-After on every door, said truly, and reads go on where they can."""

from __future__ import annotations

import logging
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import mint
from spacekey.models.engine.reading import Reading
from spacekey.models.engine.store import SQLITE, Store, answering
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.members.members import add_member
from spacekey.server.app import build_app
from spacekey.server.build import build_parts, build_system, make_folder
from spacekey.server.settings import Settings
from support.server import ORIGIN, Served, bearer, served
from support.world import OPERATOR, make_world

JSON, MODERN = "application/json", "application/graphql-response+json"
LIST = "{ workspaces(first: 1) { nodes { name } } }"
NEVER_MIND = "The server cannot answer right now. Try again."
LOOK_FIRST = "The server cannot answer right now. A change may have been made; check before you retry."

only_sqlite = pytest.mark.parametrize("database_kind", [SQLITE])


@contextmanager
def locked(server: Served) -> Iterator[None]:
    """Another process writes, and does not end."""
    other = sqlite3.connect(str(server.world.system.store.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def hurried(server: Served) -> None:
    """Nobody waits long for the lock."""
    server.world.system.store._busy_seconds = 0.01


@only_sqlite
async def test_members_go_on_reading_while_another_process_writes(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("teamspace")
        member = await server.world.member(workspace, "owner")
        cookie = await server.cookie(member.name)
        server.world.clock.forward(minutes=5)  # the session's last use is due to be written
        with locked(server):
            rest = await server.client.get("/api/v1/api-keys", headers=cookie, params={"workspace_id": workspace.id})
            listed = await server.client.post("/graphql", json={"query": LIST}, headers=cookie)
        assert rest.status_code == 200, rest.text
        assert listed.json()["data"]["workspaces"]["nodes"] == [{"name": workspace.name}]


@only_sqlite
@pytest.mark.parametrize("accept", [JSON, MODERN])
async def test_signing_in_while_another_process_writes_is_503_and_leaves_nothing(
    database_url: str, accept: str
) -> None:
    async with served(database_url) as server:
        await server.world.user("ada@example.com")
        hurried(server)
        query = 'mutation { signIn(input: {email: "ada@example.com", password: "no"}) { __typename } }'
        before = [report.events for report in await verify_chains(server.world.system)]
        with locked(server):
            answer = await server.client.post("/graphql", json={"query": query}, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.headers["content-type"].startswith(accept)
        body = answer.json()
        assert "data" not in body
        assert [(one["message"], one["extensions"]) for one in body["errors"]] == [
            (NEVER_MIND, {"code": "UNAVAILABLE"})
        ]
        assert "set-cookie" not in answer.headers
        assert [report.events for report in await verify_chains(server.world.system)] == before


async def _reset() -> None:
    raise ConnectionResetError("db.internal is gone")


@contextmanager
def gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No read is answered any more."""

    @asynccontextmanager
    async def unanswered() -> AsyncIterator[None]:
        async with answering():
            await _reset()
            yield

    async def unread(_function: Reading[object]) -> object:
        async with unanswered():
            raise AssertionError("a database that is gone has answered")

    with monkeypatch.context() as patched:
        patched.setattr(store, "reading", unanswered)
        patched.setattr(store, "read", unread)
        yield


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (LIST, 503),
        ('{ a: workspaces(first: 1) { nodes { name } } b: workspace(id: "ws_1") { name } }', 503),
        ('{ a: token(id: "KEY") { name } b: token(id: "KEY") { name } }', 503),
        # Something could be said, if only what no store was asked for.
        ('{ __typename b: token(id: "KEY") { name } }', 200),
        ("{ __typename }", 200),
    ],
)
@only_sqlite
async def test_graphql_is_503_when_no_field_at_the_root_could_be_answered(
    database_url: str, query: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "tokens:read", "workspace:read")
        with gone(server.world.system.store, monkeypatch):
            answer = await server.client.post(
                "/graphql", json={"query": query.replace("KEY", token_id)}, headers=bearer(secret)
            )
        assert answer.status_code == status, answer.text
        assert ("retry-after" in answer.headers, "data" in answer.json()) == (status == 503, status == 200)
        assert "Connection" not in answer.text


async def test_only_what_was_begun_may_have_been_made(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(database_url) as server:
        store = server.world.system.store
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read", "tokens:create", "tokens:read", "workspace:read")
        made = """mutation($w: ID!) {
            createToken(input: {ownerId: $w, name: "k", grants: ["jobs:read"]}) {
                __typename ... on CreateTokenSuccess { token { workspace { name } } }
            } }"""
        ask = {"query": made, "variables": {"w": workspace.id}}
        with gone(store, monkeypatch):
            ready = await server.client.get("/readyz")
            read = await server.client.post("/graphql", json={"query": LIST}, headers=bearer(secret))
            changed = await server.client.post("/graphql", json=ask, headers=bearer(secret))
        assert (ready.status_code, ready.json()["detail"]) == (503, NEVER_MIND)
        assert [one["message"] for one in read.json()["errors"]] == [NEVER_MIND]
        # The token was made, and then what else was asked for could not be read.
        (error,) = changed.json()["errors"]
        assert (error["message"], error["extensions"]["mayHaveChanged"]) == (LOOK_FIRST, True)
        listed = await server.client.get("/api/v1/api-keys", headers=bearer(secret))
        assert "k" in [one["name"] for one in listed.json()["api_keys"]]


async def test_the_log_says_why_and_the_caller_is_not_told(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("teamspace")
        cookie = await server.cookie((await server.world.member(workspace, "owner")).name)
        with gone(server.world.system.store, monkeypatch), caplog.at_level(logging.WARNING):
            answers: list[Any] = [
                await server.client.get("/readyz"),
                await server.client.get("/api/v1/api-keys", headers=cookie),
            ]
        assert [one.status_code for one in answers] == [503, 503]
        said = [one.getMessage() for one in caplog.records]
        cause = "the database does not answer (ConnectionResetError); start it, or correct SPACEKEY_DATABASE_URL"
        assert f"cannot answer: {cause}" in said
        assert f"credentials cannot be checked: the fallback authenticator is unavailable: {cause}" in said
        assert not any("Connection" in one.text for one in answers)
        assert "db.internal" not in caplog.text


def test_a_folder_that_spacekey_makes_is_its_owners_only_and_one_that_was_there_stays(tmp_path: Path) -> None:
    made, there = tmp_path / "made", tmp_path / "there"
    there.mkdir(mode=0o755)
    for folder in (made, there):
        make_folder(build_system(Settings(database_url=f"sqlite:///{folder}/spacekey.db")).store)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (made, there)] == [0o700, 0o755]


def test_a_folder_is_no_database_and_that_is_said_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder; name a file in it"):
        build_system(Settings(database_url=f"sqlite:///{tmp_path}"))


# A server that was started without a product that stored workspaces need: it cannot tell, and says what is missing.


@asynccontextmanager
async def served_without(product: str, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Another server on the same database."""
    settings = Settings(database_url=database_url)
    system = make_world(Store(database_url)).system
    loaded = {name: one for name, one in system.products.items() if name != product}
    app = build_app(settings, parts=build_parts(settings, replace(system, products=loaded)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


async def test_good_tokens_are_answered_503_and_never_401(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with served(database_url) as server:
        spooled, guard = await server.world.workspace("spooled"), await server.world.workspace("guard", plan="paid")
        _, lost = await server.token(spooled.id, "jobs:read")
        _, known = await server.token(guard.id, "sessions:read")
        unknown = mint("sp", "live", server.world.system.entropy)
        with caplog.at_level(logging.WARNING, "spacekey.server"):
            async with served_without("spooled", database_url) as client:
                answers = [await client.get("/api/v1/self", headers=bearer(one)) for one in (lost, known, unknown)]
    assert [one.status_code for one in answers] == [503, 200, 401]
    assert answers[0].headers["retry-after"]
    (told,) = [record.getMessage() for record in caplog.records if record.name == "spacekey.server"]
    assert told.startswith("the product 'spooled' of 1 workspaces is not loaded.")
    assert "SPACEKEY_PRODUCTS" in told


async def test_a_token_of_another_workspace_is_inactive_as_an_unknown_one_is(database_url: str) -> None:
    """Whether its product is loaded is not the business of a caller who may not see it."""
    async with served(database_url) as server:
        spooled, guard = await server.world.workspace("spooled"), await server.world.workspace("guard", plan="paid")
        _, stranger = await server.token(spooled.id, "jobs:read")
        _, own = await server.token(guard.id, "tokens:introspect")
        async with served_without("spooled", database_url) as client:
            answer = await client.post("/api/v1/introspect", data={"token": stranger}, headers=bearer(own))
    assert (answer.status_code, answer.json()) == (200, {"active": False})


async def test_a_person_still_sees_the_other_workspaces(database_url: str) -> None:
    async with served(database_url) as server:
        spooled, emit = await server.world.workspace("spooled"), await server.world.workspace("emit")
        await server.world.member(spooled, "owner", "both@example.com")
        await add_member(server.world.system, OPERATOR, emit.id, email="both@example.com", role="owner")
        browser = await server.cookie("both@example.com")
        async with served_without("spooled", database_url) as client:
            names = "{ workspaces { nodes { id } } }"
            listed = await client.post("/graphql", json={"query": names}, headers=browser)
            alone = f'{{ workspace(id: "{spooled.id}") {{ id }} }}'
            asked = await client.post("/graphql", json={"query": alone}, headers=browser)
    assert [one["id"] for one in listed.json()["data"]["workspaces"]["nodes"]] == [emit.id]
    assert asked.status_code == 503
