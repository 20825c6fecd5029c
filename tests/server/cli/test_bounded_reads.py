"""Every list is read page by page, however long it is: by the command line and by REST.

What is looked at is the database: the most rows that any one statement brings.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlmodel import select

from spacekey.domain.actor import SYSTEM_ACTOR
from spacekey.domain.page import PAGE_SIZE_MAX
from spacekey.domain.usage import TokenUse
from spacekey.models.engine.postgres_reads import PostgresReader
from spacekey.models.engine.reading import Reader, ResultRow, Values
from spacekey.models.engine.sqlite_reads import SqliteReader
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.tables.service import Service
from spacekey.models.tables.token import Token
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.audit.log import Attribution, record
from spacekey.resolvers.tokens import usage as keep_usage
from support.cli import Cli, command_tree
from support.documents.openapi import api_document
from support.rows import NOW, a_space, a_token, a_user, a_workspace, add
from support.server import bearer, served

ROWS = 2 * PAGE_SIZE_MAX + 30
BOUND = PAGE_SIZE_MAX + 1

LISTS: dict[str, list[str]] = {
    "workspace list": [],
    "service list": [],
    "space list": ["-w", "WORKSPACE"],
    "member list": ["-w", "WORKSPACE"],
    "invitation list": ["-w", "WORKSPACE"],
    "user list": [],
    "token list": ["-w", "WORKSPACE"],
    "token inactive": [],
    "token whose": ["sp_live"],
    "role list": ["-w", "WORKSPACE"],
    "usage list": ["-w", "WORKSPACE"],
    "audit list": ["-w", "WORKSPACE"],
}
"""Each command with ``--limit``, and what it is called with."""


@dataclass
class Most:
    """The most rows of one statement."""

    rows: int = 0
    statement: str = ""


@contextmanager
def most_rows() -> Iterator[Most]:
    """Note how many rows each statement brings, of the engine and of the raw driver: both fetch them all at once."""
    most = Most()

    def count(rows: int, statement: str) -> None:
        if rows > most.rows:
            most.rows, most.statement = rows, statement

    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        count(len(getattr(cursor, "_rows", ())), statement)

    def noting(read: Callable[..., Awaitable[Sequence[ResultRow]]]) -> Callable[..., Awaitable[Sequence[ResultRow]]]:
        async def rows(reader: Reader, statement: str, values: Values | None = None) -> Sequence[ResultRow]:
            found = await read(reader, statement, values)
            count(len(found), statement)
            return found

        return rows

    event.listen(Engine, "after_cursor_execute", note)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for kind in (SqliteReader, PostgresReader):
                patch.setattr(kind, "rows", noting(kind.rows))
            yield most
    finally:
        event.remove(Engine, "after_cursor_execute", note)


def test_every_list_is_tried() -> None:
    root = command_tree()
    limited = {
        f"{group} {name}"
        for group, inner in root.commands.items()
        for name, command in getattr(inner, "commands", {}).items()
        if any("--limit" in one.opts for one in command.params)
    }
    assert limited == set(LISTS)


async def filled(store: Store) -> str:
    """More rows of each kind than two pages hold; the workspace's id."""
    home = a_workspace(product="spooled", slug="home", plan="enterprise")
    people = [a_user() for _ in range(ROWS)]
    await add(store, home, *(a_workspace(product="spooled") for _ in range(ROWS)), *people)
    await add(store, *(a_space(home) for _ in range(ROWS)), *(a_token(home) for _ in range(ROWS)))
    await add(
        store,
        *(
            Service(id=f"svc_{number}", name=f"s-{number}", product="emit", scopes=[], created_at=NOW)
            for number in range(ROWS)
        ),
    )
    await add(store, *(member(home.id, one) for one in people))
    return home.id


def member(workspace_id: str, user: User) -> Member:
    return Member(workspace_id=workspace_id, user_id=user.id, role="member", created_at=NOW)


@pytest.mark.long
async def test_the_command_line_reads_every_list_in_pages(database_url: str) -> None:
    store = Store(database_url)
    workspace = await filled(store)
    await store.aclose()
    cli = Cli({"SPACEKEY_DATABASE_URL": database_url})
    for words, args in LISTS.items():
        given = [workspace if one == "WORKSPACE" else one for one in args]
        with most_rows() as most:
            lines = await asyncio.to_thread(cli.lines, *words.split(), *given)
        assert most.rows <= BOUND, f"{words}: {most.rows} rows by {most.statement}"
        if words not in ("audit list", "invitation list", "role list", "usage list", "token whose"):
            assert len(lines) >= ROWS, words
        short = await asyncio.to_thread(cli.lines, *words.split(), *given, "--limit", "2")
        assert len(short) <= 2, words


REST_LISTS = {
    "/api/v1/api-keys": "api_keys",
    "/api/v1/audit-events": "audit_events",
    "/api/v1/spaces": "spaces",
    "/api/v1/usage/api-keys": "api_keys",
    "/api/v1/workspaces": "workspaces",
}
"""Each list of REST, and the member that holds its rows."""
BUSIEST = "/api/v1/usage/api-keys"
"""A list of one page."""


def test_every_list_of_rest_is_tried() -> None:
    lists = {
        path
        for path, methods in api_document()["paths"].items()
        if "get" in methods and '"limit"' in json.dumps(methods["get"].get("parameters", []))
    }
    arrays = {
        path
        for path, methods in api_document()["paths"].items()
        if "get" in methods and "Page" in json.dumps(methods["get"]["responses"])
    }
    assert lists == arrays | {BUSIEST} == set(REST_LISTS)


@pytest.mark.long
@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_page_of_rest_is_bounded(database_url: str) -> None:
    """A member's own workspaces are read whole, because what the member may see depends on each."""
    async with served(database_url) as server:
        store = server.world.system.store
        workspace = await filled(store)
        owner = await server.world.user("owner@example.com")
        async with store.changing() as session:
            for one in (await session.exec(select(Workspace))).all():
                session.add(Member(workspace_id=one.id, user_id=owner.id, role="owner", created_at=NOW))
            for number in range(ROWS):
                await record(
                    session,
                    server.world.system,
                    Attribution(SYSTEM_ACTOR, "", RequestFacts()),
                    chain=workspace,
                    action="token.create",
                    target_id=f"key_{number}",
                )
            now = server.world.clock()
            ids = [one.id for one in (await session.exec(select(Token))).all()]
            await keep_usage.add(session, [TokenUse(one, now, allowed=1) for one in ids], now)
        _, secret = await server.token(workspace, "tokens:read", "spaces:read", "usage:read", "audit:read")
        callers = {"workspaces": await server.cookie(owner.name)}
        for path, member in REST_LISTS.items():
            headers = callers.get(member, bearer(secret))
            of_one = "" if member == "workspaces" else f"workspace_id={workspace}&"
            for asked, expected in (("", 10 if path == BUSIEST else 20), ("limit=100", 100), ("limit=1", 1)):
                with most_rows() as most:
                    answer = await server.client.get(f"{path}?{of_one}{asked}", headers=headers)
                assert len(answer.json()[member]) == expected
                assert expected <= most.rows
                assert most.rows <= expected + 1 or member == "workspaces"
            for asked in ("101", "1000000", "0", "-1", "1e2"):
                answer = await server.client.get(f"{path}?{of_one}limit={asked}", headers=headers)
                assert answer.status_code == 422, asked
