"""Every list is read page by page, however long it is: by the command line and by REST.

What is looked at is the database: the most rows that any one statement brings.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from typer.main import get_command

from spacekey.domain.page import PAGE_SIZE_MAX
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Member
from spacekey.server.cli.app import build_app
from support.cli import Cli
from support.openapi import api_document
from support.rows import NOW, a_space, a_token, a_user, a_workspace, add
from support.server import bearer, served

ROWS = 2 * PAGE_SIZE_MAX + 30
BOUND = PAGE_SIZE_MAX + 1

LISTS: dict[str, list[str]] = {
    "workspace list": [],
    "space list": ["WORKSPACE"],
    "member list": ["WORKSPACE"],
    "member invitations": ["WORKSPACE"],
    "user list": [],
    "token list": ["WORKSPACE"],
    "token inactive": [],
    "audit list": ["WORKSPACE"],
}
"""Each command with ``--limit``, and what it is called with."""


@dataclass
class Most:
    """The most rows of one statement."""

    rows: int = 0
    statement: str = ""


@contextmanager
def most_rows() -> Iterator[Most]:
    """Note how many rows each statement brings: both drivers fetch them all at once."""
    most = Most()

    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        rows = len(getattr(cursor, "_rows", ()))
        if rows > most.rows:
            most.rows, most.statement = rows, statement

    event.listen(Engine, "after_cursor_execute", note)
    try:
        yield most
    finally:
        event.remove(Engine, "after_cursor_execute", note)


def test_every_list_is_tried() -> None:
    root: Any = get_command(build_app())
    limited = {
        f"{group} {name}"
        for group, inner in root.commands.items()
        for name, command in getattr(inner, "commands", {}).items()
        if any("--limit" in one.opts for one in command.params)
    }
    assert limited == set(LISTS)


async def filled(store: Store) -> str:
    """More rows of each kind than two pages hold; the workspace's id."""
    home = a_workspace(catalog="spooled", slug="home", plan="enterprise")
    people = [a_user() for _ in range(ROWS)]
    await add(store, home, *(a_workspace(catalog="spooled") for _ in range(ROWS)), *people)
    await add(store, *(a_space(home) for _ in range(ROWS)), *(a_token(home) for _ in range(ROWS)))
    await add(store, *(member(home.id, one) for one in people))
    return home.id


def member(workspace_id: str, user: User) -> Member:
    return Member(workspace_id=workspace_id, user_id=user.id, role="member", created_at=NOW)


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
        if words not in ("audit list", "member invitations"):
            assert len(lines) >= ROWS, words
        short = await asyncio.to_thread(cli.lines, *words.split(), *given, "--limit", "2")
        assert len(short) <= 2, words


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_rest_has_one_list_and_its_page_is_bounded(database_url: str) -> None:
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
    assert lists == arrays == {"/api/v1/api-keys"}
    async with served(database_url) as server:
        workspace = await filled(server.world.system.store)
        _, secret = await server.token(workspace, "tokens:read")
        for asked, expected in (("", 20), ("&limit=100", 100), ("&limit=1", 1)):
            with most_rows() as most:
                answer = await server.client.get(
                    f"/api/v1/api-keys?workspace_id={workspace}{asked}", headers=bearer(secret)
                )
            assert len(answer.json()["api_keys"]) == expected
            assert most.rows <= expected + 1
        for asked in ("101", "1000000", "0", "-1", "1e2"):
            answer = await server.client.get(f"/api/v1/api-keys?limit={asked}", headers=bearer(secret))
            assert answer.status_code == 422, asked
