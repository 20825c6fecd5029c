"""Logs: JSON lines with request ids, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import strawberry

from spacekey.models.engine.store import SQLITE
from spacekey.server.http.session_cookie import COOKIE, cookie_name
from spacekey.server.logs import KINDS_MAX, JsonLines, OncePerSecond, configure_logging, redacted
from support.server import bearer, changed, served
from support.world import PASSWORD

SECRET = "sp_live_" + "Ab3" * 12 + "xy"
only_sqlite = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

REDACTED: list[tuple[str, str]] = [
    (f"token {SECRET} is here", "token sp_live_[redacted] is here"),
    (f"'{SECRET}','{SECRET}'", "'sp_live_[redacted]','sp_live_[redacted]'"),
    ("Authorization: Bearer abcdefghijk.lmn", "Authorization: Bearer [redacted]"),
    (f"{COOKIE}={'q' * 43}; other=1", f"{COOKIE}=[redacted]; other=1"),
    (f"{cookie_name('/keys')}={'q' * 43}; other=1", f"{cookie_name('/keys')}=[redacted]; other=1"),
    (f"{cookie_name('/keys')}-sign-in={'q' * 43}", f"{cookie_name('/keys')}-sign-in=[redacted]"),
    ("postgresql://me:pass@host/db", "postgresql://me:[redacted]@host/db"),
    ("sp_live_ab1234…", "sp_live_ab1234…"),
    ("key_01kt1gw6g0nq2zy86kw2qpz89s", "key_01kt1gw6g0nq2zy86kw2qpz89s"),
]


@pytest.mark.parametrize(("text", "clean"), REDACTED)
def test_what_has_a_secrets_shape_is_taken_out(text: str, clean: str) -> None:
    assert redacted(text) == clean


def test_messages_facts_and_tracebacks_are_redacted() -> None:
    try:
        raise ValueError(f"driver says {SECRET}")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "got %s", (SECRET,), (ValueError, error, None))
    record.facts = {"route": SECRET, "status": 500}
    line = JsonLines().format(record)
    assert SECRET not in line
    assert json.loads(line)["status"] == 500
    assert "\n" not in line


@contextmanager
def logged(level: str = "debug") -> Iterator[io.StringIO]:
    """What the configured logs write meanwhile; the root logger is as before afterwards."""
    root = logging.getLogger()
    handlers, before = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(level, stream)
    try:
        yield stream
    finally:
        for handler in list(root.handlers):
            root.removeHandler(handler)
        for handler in handlers:
            root.addHandler(handler)
        root.setLevel(before)


def _access(stream: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in lines if line["logger"] == "spacekey.access"]


@only_sqlite
async def test_each_request_is_one_line_with_its_template_and_principal(database_url: str) -> None:
    with logged("info") as stream:
        async with served(database_url) as server:
            workspace = await server.world.workspace("spooled")
            token_id, secret = await server.token(workspace.id, "tokens:read")
            await server.client.get(f"/api/v1/api-keys/{token_id}?q=hidden", headers=bearer(secret))
            await server.client.get("/not/there?q=hidden")
    one, two = _access(stream)
    assert (one["method"], one["route"], one["status"]) == ("GET", "/api/v1/api-keys/{id}", 422)
    assert one["principal"] == token_id
    assert (two["route"], two["status"], two["principal"]) == ("(none)", 404, None)
    assert "hidden" not in stream.getvalue()


@only_sqlite
async def test_a_well_formed_request_id_is_kept_and_any_other_replaced(database_url: str) -> None:
    async with served(database_url) as server:
        for sent, kept in (("abcdefgh-1", True), ("short", False), ("x" * 65, False), ("with blank in", False)):
            answer = await server.client.get("/healthz", headers={"X-Request-Id": sent})
            got = answer.headers["x-request-id"]
            assert (got == sent) is kept
            assert len(got) >= 8
        made = {(await server.client.get("/healthz")).headers["x-request-id"] for _ in range(5)}
        assert len(made) == 5


@strawberry.type
class Faulty:
    @strawberry.field
    def bug(self) -> str:
        raise RuntimeError(f"broken near {SECRET}")


@only_sqlite
async def test_a_bug_in_a_field_is_logged_with_its_traceback_and_clients_mistakes_are_not(database_url: str) -> None:
    with logged("info") as stream:
        async with served(database_url, schema=strawberry.Schema(Faulty)) as server:
            await server.client.post("/graphql", json={"query": "{ bug }"})
            await server.client.post("/graphql", json={"query": "{ nothing }"})
            await server.client.post("/graphql", json={"query": "{"})
    faults = [line for line in map(json.loads, stream.getvalue().splitlines()) if line["level"] == "error"]
    assert [line["message"] for line in faults] == ["a GraphQL field failed at ['bug']"]
    assert "RuntimeError: broken near sp_live_[redacted]" in faults[0]["traceback"]


@only_sqlite
async def test_no_secret_password_or_cookie_is_ever_logged(database_url: str) -> None:
    with logged() as stream:
        async with served(database_url) as server:
            workspace = await server.world.workspace("spooled")
            _, admin = await server.token(workspace.id, "jobs:read", "tokens:create", "tokens:introspect")
            await server.world.user("ann@example.com")
            cookie = await server.cookie("ann@example.com")
            made = await server.client.post(
                "/api/v1/api-keys", json={"name": "k", "permissions": ["jobs:read"]}, headers=bearer(admin)
            )
            key = made.json()["key"]
            canaries = [admin, key, cookie["Cookie"].partition("=")[2], PASSWORD]
            await server.client.post("/api/v1/introspect", data={"token": key}, headers=bearer(admin))
            await server.client.get(f"/api/v1/api-keys/{key}?access_token={key}", headers=bearer(admin))
            await server.client.get(f"/{key}", headers=bearer(changed(key)))
            await server.client.get("/api/v1/self", headers=cookie)
            for document in (
                f'mutation {{ signIn(input: {{email: "ann@example.com", password: "{PASSWORD}"}}) {{ __typename }} }}',
                f'mutation {{ signIn(input: {{email: 1, password: "{PASSWORD}"}}) {{ __typename }} }}',
                f'mutation {{ signIn(input: {{password: "{PASSWORD}" }}',
                f'{{ node(id: "{key}") {{ id }} }}',
            ):
                await server.client.post("/graphql", json={"query": document}, headers=bearer(admin))
            variables = {"query": "query($i: Int!) { __typename }", "variables": {"i": PASSWORD}}
            await server.client.post("/graphql", json=variables, headers=bearer(admin))
    text = stream.getvalue()
    assert len(_access(stream)) == 10
    assert [canary for canary in canaries if canary in text] == []


def test_lines_that_clients_cause_at_will_are_one_a_second_and_counted() -> None:
    now = [100.0]
    once = OncePerSecond(("uvicorn.error",))

    def passes(name: str, message: str, line: int = 1) -> dict[str, object] | None:
        record = logging.LogRecord(name, logging.WARNING, "protocol.py", line, message, (), None)
        record.created = now[0]
        return getattr(record, "facts", {}) if once.filter(record) else None

    assert passes("uvicorn.error", "Invalid HTTP request received.") == {}
    assert [passes("uvicorn.error", "Invalid HTTP request received.") for _ in range(3)] == [None] * 3
    assert passes("uvicorn.error", "Exceeded concurrency limit.") == {}
    assert passes("spacekey.access", "request") == passes("spacekey.access", "request") == {}
    now[0] += 0.75
    assert passes("uvicorn.error", "Invalid HTTP request received.") is None
    now[0] += 0.25
    assert passes("uvicorn.error", "Invalid HTTP request received.") == {"like_it_before": 4}
    assert passes("uvicorn.error", "Invalid HTTP request received.") is None
    for line in range(10 * KINDS_MAX):
        passes("uvicorn.error", "x", line)
    assert len(once._last) == KINDS_MAX
