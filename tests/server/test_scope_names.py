"""Every name that RFC 6749 §3.3 allows, through each interface: nothing on the way takes it for something else."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from spacekey import TokenMiddleware, requires
from spacekey.domain.product_file import load_product, load_products
from spacekey.domain.scope import MANAGEMENT_SCOPES, OPERATOR_NAMESPACE, SCOPE_LENGTH_MAX, is_scope_name
from spacekey.models.engine.store import Store
from spacekey.server.app import build_app
from spacekey.server.build import build_parts
from spacekey.server.cli.common.run import scope_names
from spacekey.server.settings import Settings
from spacekey.verifiers import DatabaseVerifier
from support.cli import Cli
from support.databases import sqlite_database
from support.documents.openapi import check_answer
from support.server import ORIGIN, bearer
from support.world import make_world

ALPHABET = "".join(chr(code) for code in (0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)))
"""RFC 6749 §3.3: ``scope-token = 1*( %x21 / %x23-5B / %x5D-7E )``."""
TAKEN = {*MANAGEMENT_SCOPES, "owner"}
NAMES = st.text(ALPHABET, min_size=1, max_size=SCOPE_LENGTH_MAX).filter(
    lambda name: name not in TAKEN and not name.startswith(OPERATOR_NAMESPACE)
)
ODD = [
    "user.read", "User.Read", "https://www.example.com/auth/jobs.read-only", "*", "jobs:*", "a,b", "a,", ",", "%", "_",
    "%25", "--help", "-x", "'", "$(id)", "`", "a;b", "<b>", "&amp;", "{}", "[0]", "#", "=", "?a=b&c", "/", "//", "..",
    "~", "!", "@", "null", "true", "0", "a" * SCOPE_LENGTH_MAX,
]  # fmt: skip
PRODUCT = """
name = "odd"
title = "Odd"
secret_prefix = "od"
environments = ["live"]
default_plan = "free"
[tokens]
kinds = ["workspace"]
[roles.owner]
every_scope = true
every_management_scope = true
[plans.free]
title = "Free"
[scopes]
"""


def product_file(folder: Path, names: list[str]) -> Path:
    file = folder / "odd.toml"
    file.write_text(PRODUCT + "\n".join(f"{json.dumps(name)} = {json.dumps(f'May {name}')}" for name in names))
    return file


CREATE = """mutation($input: CreateTokenInput!) {
  createToken(input: $input) { __typename ... on CreateTokenSuccess { secret } }
}"""


async def over_http(file: Path, url: str, workspace_id: str, manager: str, names: list[str]) -> None:
    """Create over REST and GraphQL; verify, introspect, audit, list and authorize."""
    products = load_products([file])
    store = Store(url)
    world = make_world(store)
    chosen = Settings(database_url=url, anonymous_cpu_ms_burst=60_000, api_burst=10_000, api_per_minute=600_000)
    app = build_app(chosen, parts=build_parts(chosen, replace(world.system, products=products)))
    hooks = {"response": [check_answer]}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=ORIGIN, event_hooks=hooks) as client,
    ):
        made = await client.post(
            "/api/v1/api-keys", json={"name": "all", "permissions": names}, headers=bearer(manager)
        )
        assert made.json()["permissions"] == names, made.text
        assert set(made.json()["scopes"]) == set(names)
        secret = made.json()["key"]
        form = {"token": secret}
        told = (await client.post("/api/v1/introspect", data=form, headers=bearer(manager))).json()
        assert set(told["scope"].split(" ")) == set(names)
        events = await client.get("/api/v1/audit-events?action=token.create", headers=bearer(manager))
        assert names in [one["after"].get("grants") for one in events.json()["audit_events"] if one.get("after")]
        for name in names:
            given = {"ownerId": workspace_id, "name": "one", "grants": [name]}
            body = {"query": CREATE, "variables": {"input": given}}
            answer = (await client.post("/graphql", json=body, headers=bearer(manager))).json()
            own = answer["data"]["createToken"]["secret"]
            found = await client.get("/api/v1/api-keys", params={"scope": name, "limit": 100}, headers=bearer(manager))
            assert {tuple(one["permissions"]) for one in found.json()["api_keys"] if one["name"] == "one"} == {(name,)}
            for other in names[:3]:
                asked = await client.get("/api/v1/authorize", params={"scope": other}, headers=bearer(own))
                assert asked.status_code == (200 if other == name else 403), (name, other, asked.text)
            sent = await client.get("/api/v1/authorize", params={"scope": name}, headers=bearer(own))
            assert httpx.URL(f"http://x/?{sent.headers['x-spacekey-scopes']}")
        await _by_rules(file, url, secret, names)
    await store.aclose()


async def _by_rules(file: Path, url: str, secret: str, names: list[str]) -> None:
    """Routes that require each name, in an app on the database."""

    async def endpoint(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("x")

    verifier = DatabaseVerifier(url, [file], collect_usage=False)
    routes = [Route(f"/{number}", requires(name)(endpoint)) for number, name in enumerate(names)]
    app = Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=verifier)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        for number, name in enumerate(names):
            assert (await client.get(f"/{number}", headers=bearer(secret))).status_code == 200, name
    await verifier.aclose()


def check_everywhere(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        file = product_file(folder, names)
        assert list(load_product(file).scopes) == names
        url = sqlite_database(folder, None)
        cli = Cli({"SPACEKEY_DATABASE_URL": url, "SPACEKEY_PRODUCTS": str(file)})
        cli("migrate")
        workspace = cli.one("workspace", "create", "odd", "--product", "odd")
        escaped = ",".join(name.replace(",", r"\,") for name in [*names, *MANAGEMENT_SCOPES])
        token = cli.one("token", "create", "manager", "-w", workspace["slug"], f"--grant={escaped}")
        assert token["grants"] == [*names, *MANAGEMENT_SCOPES]
        asyncio.run(over_http(file, url, workspace["id"], token["secret"], names))


@pytest.mark.timeout(60)
def test_unusual_names_mean_themselves_everywhere() -> None:
    check_everywhere(ODD)


@pytest.mark.timeout(120)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(names=st.lists(NAMES, min_size=1, max_size=8, unique=True))
@example(names=["a", "A", "a.b", "a:b", "a/b"])
def test_any_name_of_the_standard_means_itself_everywhere(names: list[str]) -> None:
    check_everywhere(names)


@given(st.text(max_size=20))
def test_a_name_is_what_the_standard_allows(text: str) -> None:
    assert is_scope_name(text) is (bool(text) and set(text) <= set(ALPHABET))


@given(st.lists(st.text(ALPHABET, min_size=1, max_size=8), min_size=1, max_size=5))
def test_names_come_through_the_command_line_as_they_are(names: list[str]) -> None:
    escaped = [name.replace(",", r"\,") for name in names]
    assert scope_names([",".join(escaped)]) == tuple(names)
    assert scope_names(escaped) == tuple(names)
