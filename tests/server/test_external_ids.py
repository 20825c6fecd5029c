"""External ids and metadata over every interface: what one writes, all others give back."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from spacekey.domain.authentication import Authenticated
from spacekey.domain.secret import Secret
from spacekey.middleware.verifiers.remote import RemoteVerifier, reading_of
from spacekey.resolvers.workspaces.spaces import create_space
from spacekey.resolvers.workspaces.workspaces import create_workspace
from support.server import ANSWER_SECONDS_MAX, ORIGIN, bearer, fault_of, served
from support.world import OPERATOR

META = {"seats": [1, {"plan": "pro"}], "é": None}
MANAGE = ("jobs:read", "tokens:read", "tokens:create", "tokens:update", "tokens:introspect")
FIND = """query ($workspace: ID!, $external: String) {
  workspace(externalId: "tenant-42") { id externalId
    tokens(filter: { externalId: $external }) { nodes { id externalId metadata } } }
  space(workspaceId: $workspace, externalId: "project-1") { slug externalId } }"""


async def test_what_is_given_by_one_interface_comes_back_from_all(database_url: str) -> None:
    async with served(database_url) as server:
        system = server.world.system
        workspace = await create_workspace(
            system, OPERATOR, name="W", slug="w", product="spooled", external_id="tenant-42"
        )
        await create_space(system, OPERATOR, workspace.id, name="S", slug="s", external_id="project-1")
        _, admin = await server.token(workspace.id, *MANAGE, "workspace:read", "spaces:read")
        head, client = bearer(admin), server.client
        asked = {"name": "CI", "permissions": ["jobs:read"], "external_id": "user-7", "metadata": META}
        made = (await client.post("/api/v1/api-keys", json=asked, headers=head)).json()
        assert (made["external_id"], made["metadata"], made["imported_from"]) == ("user-7", META, None)

        own = (await client.get("/api/v1/self", headers=bearer(made["key"]))).json()
        form = {"token": made["key"]}
        described = (await client.post("/api/v1/introspect", data=form, headers=head)).json()
        batch = {"tokens": [form, {"token": admin}]}
        results = (await client.post("/api/v1/introspect/batch", json=batch, headers=head)).json()["results"]
        for one in (own, described, results[0]):
            assert (one["external_id"], one["metadata"]) == ("user-7", META)
        assert results[1].keys().isdisjoint({"external_id", "metadata"})

        async def keys(**query: str) -> list[str]:
            found = await client.get("/api/v1/api-keys", params=query, headers=head)
            return [one["id"] for one in found.json()["api_keys"]]

        assert await keys(external_id="user-7") == await keys(external_id="user-7", imported="false") == [made["id"]]
        assert await keys(external_id="user-8") == await keys(external_id="user-7", imported="true") == []
        for path, list_, wanted in (
            ("workspaces?external_id=tenant-42", "workspaces", ["tenant-42"]),
            ("workspaces?external_id=tenant-42&product=guard", "workspaces", []),
            ("workspaces?external_id=tenant-43", "workspaces", []),
            ("spaces?external_id=project-1", "spaces", ["project-1"]),
            ("spaces?external_id=project-2", "spaces", []),
        ):
            answer = await client.get(f"/api/v1/{path}", headers=head)
            assert [one["external_id"] for one in answer.json()[list_]] == wanted, path
        assert (await client.get("/api/v1/workspaces?product=spooled", headers=head)).status_code == 422

        variables = {"workspace": workspace.id, "external": "user-7"}
        body = {"query": FIND, "variables": variables}
        data = (await client.post("/graphql", json=body, headers=head)).json()["data"]
        assert data == {
            "workspace": {
                "id": workspace.id,
                "externalId": "tenant-42",
                "tokens": {"nodes": [{"id": made["id"], "externalId": "user-7", "metadata": META}]},
            },
            "space": {"slug": "s", "externalId": "project-1"},
        }

        changed = {"external_id": None, "metadata": {"a": 1}}
        path = f"/api/v1/api-keys/{made['id']}"
        assert (await client.patch(path, json=changed, headers=head)).json()["metadata"] == {"a": 1}
        assert (await client.patch(path, json={"name": "CI 2"}, headers=head)).json()["metadata"] == {"a": 1}
        assert (await client.patch(path, json={"metadata": None}, headers=head)).json()["metadata"] == {}
        assert (await client.get(path, headers=head)).json()["external_id"] is None


async def test_bad_metadata_is_refused_with_its_place_and_nothing_is_created(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, *MANAGE)
        head = {**bearer(admin), "Content-Type": "application/json"}
        plain = '"name": "CI", "permissions": ["jobs:read"]'
        for part, status, place in (
            ('"metadata": {"a": {"b": "\\u0000"}}', 422, "metadata.a.b"),
            ('"metadata": {"a": 1e999}', 422, "metadata.a"),
            (f'"metadata": {{"a": {2**53}}}', 422, "metadata.a"),
            ('"metadata": []', 422, "metadata"),
            (f'"metadata": {{"a": "{"x" * 5000}"}}', 422, "metadata"),
            ('"external_id": 7', 422, "external_id"),
            ('"external_id": ""', 422, "external_id"),
            ('"metadata": {"a": 1, "a": 2}', 400, None),
            ('"metadata": {"a": NaN}', 400, None),
            ('"metadata": {"a": "\\ud800"}', 400, None),
        ):
            answer = await server.client.post("/api/v1/api-keys", content=f"{{{plain}, {part}}}", headers=head)
            assert answer.status_code == status, answer.text
            if place is not None:
                assert fault_of(answer) == place
        assert len((await server.client.get("/api/v1/api-keys", headers=head)).json()["api_keys"]) == 1


async def test_a_remote_verifier_gives_the_principal_that_the_database_gives(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, *MANAGE)
        asked = {"name": "CI", "permissions": ["jobs:read"], "external_id": "user-7", "metadata": META}
        made = (await server.client.post("/api/v1/api-keys", json=asked, headers=bearer(admin))).json()
        remote = RemoteVerifier(
            ORIGIN,
            admin,
            allow_plain_http=True,
            timeout=ANSWER_SECONDS_MAX,
            collect_usage=False,
            transport=httpx.ASGITransport(server.app),
            now=server.world.clock,
        )
        here, there = [await one.verify(Secret(made["key"])) for one in (server.parts.verifier, remote)]
        [batch] = await remote.verify_many([Secret(made["key"])])
        await remote.aclose()
        for verdict in (here, there, batch):
            assert isinstance(verdict, Authenticated)
            principal = verdict.principal
            assert (principal.external_id, json.loads(json.dumps(principal.metadata))) == ("user-7", META)


def test_an_answer_of_an_earlier_server_has_neither_and_garbage_is_no_answer() -> None:
    answer: dict[str, Any] = {"active": True, "sub": "key_1", "kind": "workspace", "scope": "jobs:read"}
    verdict = reading_of(answer).verdict
    assert isinstance(verdict, Authenticated)
    assert (verdict.principal.external_id, verdict.principal.metadata) == (None, {})
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for name, garbage in (("metadata", []), ("metadata", "x"), ("external_id", 7), ("metadata", deep)):
        with pytest.raises(ValueError, match=name):
            reading_of({**answer, name: garbage})
