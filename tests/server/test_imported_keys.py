"""Imported keys at every verifier and over HTTP, as their holders send them: after "Bearer", otherwise unchanged."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.routing.endpoints import requires
from spacekey.middleware.token_middleware import TokenMiddleware
from spacekey.middleware.verifiers.memory import MemoryVerifier
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.middleware.verifiers.verifier_chain import VerifierChain
from spacekey.resolvers.tokens.imports import import_keys, read_row
from spacekey.server.database_verifier import DatabaseVerifier
from support import world as worlds
from support.cli import Cli
from support.databases import sqlite_database
from support.imported import SYSTEMS, Other, another, spooled_text, spooled_with
from support.server import ANSWER_SECONDS_MAX, ORIGIN, Served, bearer, served
from support.world import OPERATOR, example_products


@pytest.fixture(autouse=True)
def _formats(monkeypatch: pytest.MonkeyPatch) -> None:
    products = {**example_products(), "spooled": spooled_with()}
    monkeypatch.setattr(worlds, "example_products", lambda: products)


async def import_one(server: Served, workspace_id: str, other: Other) -> str:
    async def keys() -> Any:
        yield read_row(json.dumps({"hash": other.hash, "name": "t", "grants": ["jobs:read"]}).encode())

    [done] = [one async for one in import_keys(server.world.system, OPERATOR, workspace_id, other.format, keys())]
    assert done.token_id is not None, done.refusal
    return done.token_id


async def test_every_verifier_and_the_server_accept_them_until_they_are_revoked(
    database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "spooled.toml"
    file.write_text(spooled_text())
    others = [another(system) for system in SYSTEMS]
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled", plan="enterprise")
        ids = [await import_one(server, workspace.id, other) for other in others]
        _, admin = await server.token(workspace.id, "tokens:introspect", "tokens:read", "tokens:revoke", "jobs:read")
        database = DatabaseVerifier(database_url, [file], collect_usage=False, clock=server.world.clock)
        remote = RemoteVerifier(
            ORIGIN,
            admin,
            allow_plain_http=True,
            timeout=ANSWER_SECONDS_MAX,
            collect_usage=False,
            transport=httpx.ASGITransport(server.app),
            now=server.world.clock,
            key_formats=spooled_with().key_formats.values(),
        )
        chain = VerifierChain({"other": MemoryVerifier("other"), "sp": database})
        unaware = RemoteVerifier(
            ORIGIN,
            admin,
            allow_plain_http=True,
            collect_usage=False,
            transport=httpx.MockTransport(lambda _: pytest.fail("was asked")),
        )
        for other, token_id in zip(others, ids, strict=True):
            secret = Secret(other.key)
            for verifier in (server.parts.verifier, database, remote, chain):
                for verdict in (await verifier.verify(secret), *await verifier.verify_many([secret])):
                    assert isinstance(verdict, Authenticated), (other.format, verifier)
                    assert verdict.principal.id == token_id
            assert await unaware.verify(secret) == Rejected(Reason.MALFORMED)
            seen = await server.client.get("/api/v1/self", headers=bearer(other.key))
            assert (seen.status_code, seen.json()["id"]) == (200, token_id)
            form = {"token": other.key}
            described = await server.client.post("/api/v1/introspect", data=form, headers=bearer(admin))
            assert described.json()["sub"] == token_id
            shown = (await server.client.get(f"/api/v1/api-keys/{token_id}", headers=bearer(admin))).json()
            assert shown["imported_from"] == other.format
            assert other.key not in str(shown)
            # by itself, and the first by another caller's word
            revoker = admin if other is others[0] else other.key
            assert (await server.client.post("/api/v1/revoke", data=form, headers=bearer(revoker))).status_code == 200
            assert (await server.client.get("/api/v1/self", headers=bearer(other.key))).status_code == 401
            assert isinstance(await server.parts.verifier.verify(secret), Rejected)
            assert server.world.naps or not server.world.system.default_staleness_seconds, "waited for the caches"
            # a refused key that revokes itself is answered as ours is
            again = await server.client.post("/api/v1/revoke", data=form, headers=bearer(other.key))
            assert again.status_code == 200
        for verifier in (database, remote, unaware):
            await verifier.aclose()


async def test_the_middleware_lets_them_through(tmp_path: Path, sqlite_template: Path) -> None:
    url = sqlite_database(tmp_path, sqlite_template)
    file, rows = tmp_path / "spooled.toml", tmp_path / "keys.ndjson"
    file.write_text(spooled_text())
    cli = Cli({"SPACEKEY_DATABASE_URL": url, "SPACEKEY_PRODUCTS": str(file)})
    await asyncio.to_thread(cli, "workspace", "create", "acme", "--product", "spooled")

    @requires("jobs:read")
    async def jobs(request: Request) -> JSONResponse:
        principal: Principal = request.user
        return JSONResponse({"user": principal.external_id})

    verifier = DatabaseVerifier(url, [file], collect_usage=False)
    app = Starlette(routes=[Route("/jobs", jobs)], middleware=[Middleware(TokenMiddleware, verifier=verifier)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        for number, other in enumerate(map(another, SYSTEMS)):
            given = {"hash": other.hash, "name": "t", "grants": ["jobs:read"], "external_id": f"user-{number}"}
            rows.write_text(json.dumps(given) + "\n")
            assert (await client.get("/jobs", headers=bearer(other.key))).status_code == 401
            words = ("token", "import", str(rows), "-w", "acme", "--format", other.format)
            await asyncio.to_thread(cli, *words)
            answer = await client.get("/jobs", headers=bearer(other.key))
            assert (answer.status_code, answer.json()) == (200, {"user": f"user-{number}"})
    await verifier.aclose()


def test_the_command_tells_each_row_and_no_secret(tmp_path: Path, sqlite_template: Path) -> None:
    file = tmp_path / "spooled.toml"
    file.write_text(spooled_text())
    url = sqlite_database(tmp_path, sqlite_template)
    cli = Cli({"SPACEKEY_DATABASE_URL": url, "SPACEKEY_PRODUCTS": str(file)})
    cli("workspace", "create", "acme", "--product", "spooled")
    keys = [another("unkey", number) for number in range(2)]
    rows = [{"hash": key.hash, "name": "Build", "grants": ["jobs:read"]} for key in keys]
    text = "\n".join(map(json.dumps, [*rows, {**rows[0], "hash": "$2b$12$x"}])) + "\n"
    words = ("token", "import", "-", "-w", "acme", "--format", "unkey")
    dry = cli(*words, "--dry-run", stdin=text, code=1)
    assert "2 would be imported, 0 already there, 1 refused." in dry.stderr
    assert cli.lines("token", "list", "--imported") == []
    first = cli(*words, stdin=text, code=1)
    assert "2 imported, 0 already there, 1 refused." in first.stderr
    assert "slow hash" in first.stdout
    again = cli(*words, "--jsonl", stdin=text, code=1)
    outcomes = [json.loads(line) for line in again.stdout.splitlines()]
    assert [one["outcome"] for one in outcomes] == ["present", "present", "refused"]
    listed = cli.lines("token", "list", "--imported")
    assert {one["id"] for one in listed} == {one["id"] for one in outcomes[:2]}
    assert cli.one("token", "verify", stdin=keys[0].key)["accepted"] is True
    told = dry.output + first.output + again.output
    assert not any(secret in told for key in keys for secret in (key.key, key.hash))
    assert "key format 'unkye'" in cli.error(
        "token", "import", "-", "-w", "acme", "--format", "unkye", stdin=text, code=2
    )
    assert "cannot be read" in cli.error("token", "import", "missing", "-w", "acme", "--format", "unkey", code=2)
