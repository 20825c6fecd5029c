"""The ``Idempotency-Key`` header of REST and the field of GraphQL: replays, refusals, and no secret twice."""

from __future__ import annotations

from typing import Any

import pytest

from support.server import Served, bearer, served

CREATE = "/api/v1/api-keys"
WISH = {"name": "CI", "permissions": ["jobs:read"]}
MANAGE = ("jobs:read", "tokens:read", "tokens:create", "tokens:revoke")


async def ask(server: Served, who: dict[str, str], key: str, path: str = CREATE, body: Any = None) -> Any:
    return await server.client.post(path, json=WISH if body is None else body, headers={**who, "Idempotency-Key": key})


async def test_a_repeated_request_answers_the_key_without_its_secret(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, *MANAGE)
        first = await ask(server, bearer(admin), '"8e03978e"')
        assert (first.status_code, "idempotent-replayed" in first.headers) == (201, False)
        again = await ask(server, bearer(admin), '"8e03978e"')
        assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
        assert again.headers["location"] == first.headers["location"]
        assert "key" not in again.json()
        assert first.json()["key"] not in again.text
        assert f"rotate {first.json()['id']}" in again.json()["detail"]
        shown = (await server.client.get(f"{CREATE}/{first.json()['id']}", headers=bearer(admin))).json()
        assert {name: again.json()[name] for name in shown} == shown
        rotated = await ask(server, bearer(admin), '"r1"', f"{CREATE}/{first.json()['id']}/rotate", {})
        assert rotated.status_code == 201
        replayed = await ask(server, bearer(admin), '"r1"', f"{CREATE}/{first.json()['id']}/rotate", {})
        assert (replayed.status_code, replayed.json()["id"]) == (200, rotated.json()["id"])


async def test_quoted_and_plain_keys_are_the_same_and_another_body_is_422(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        key_id, admin = await server.token(workspace.id, *MANAGE)
        await ask(server, bearer(admin), '"8e03978e-40d5"')
        reordered = {"permissions": WISH["permissions"], "name": WISH["name"]}
        assert (await ask(server, bearer(admin), "8e03978e-40d5", body=reordered)).status_code == 200
        other = await ask(server, bearer(admin), '"8e03978e-40d5"', body={**WISH, "name": "CD"})
        assert (other.status_code, other.json()["errors"][0]["code"]) == (422, "idempotency_key_reused")
        assert other.json()["errors"][0]["pointer"] == "/Idempotency-Key"
        elsewhere = await ask(server, bearer(admin), "r", f"{CREATE}/{key_id}/rotate", {"grace_seconds": 60})
        assert elsewhere.status_code == 201
        another = await ask(server, bearer(admin), "r", f"{CREATE}/{elsewhere.json()['id']}/rotate", {})
        assert another.status_code == 422


@pytest.mark.parametrize("key", ["", '""', '"a', 'a"', '"a";b=1', "a, b", "a b", "x" * 256, f'"{"x" * 256}"', '"\\a"'])
async def test_a_malformed_key_is_400_and_creates_nothing(database_url: str, key: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, *MANAGE)
        answer = await ask(server, bearer(admin), key)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
        twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "a"), *bearer(admin).items()]
        assert (await server.client.post(CREATE, json=WISH, headers=twice)).status_code == 400
        assert len((await server.client.get(CREATE, headers=bearer(admin))).json()["api_keys"]) == 1


async def test_another_callers_key_is_a_key_of_its_own(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        made = []
        for _ in range(2):
            _, secret = await server.token(workspace.id, *MANAGE)
            answer = await ask(server, bearer(secret), '"same"')
            assert answer.status_code == 201
            made.append(answer.json()["id"])
        assert made[0] != made[1]


async def test_a_request_in_progress_is_409(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, *MANAGE)
        places = server.parts.system.places
        taken: list[str] = []
        take = places.take

        def watch(what: str, most: int) -> Any:
            if what.startswith("idempotency "):
                taken.append(what)
            return take(what, most)

        object.__setattr__(server.parts.system, "places", type("Watched", (), {"take": staticmethod(watch)})())
        assert (await ask(server, bearer(admin), '"k"')).status_code == 201
        release = take(taken[0], 1)
        assert release is not None
        answer = await ask(server, bearer(admin), '"k"')
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_use")
        release()
        assert (await ask(server, bearer(admin), '"k"')).status_code == 200


MUTATION = """mutation ($input: CreateTokenInput!) { answer: createToken(input: $input) {
    __typename ... on CreateTokenSuccess { secret token { id } }
    ... on TokenAlreadyCreated { message token { id } } ... on InvalidInput { errors { path code } } } }"""
ROTATE = """mutation ($input: RotateTokenInput!) { answer: rotateToken(input: $input) {
    __typename ... on RotateTokenSuccess { secret token { id } }
    ... on TokenAlreadyCreated { message token { id } } ... on InvalidInput { errors { path code } } } }"""


async def test_graphql_answers_the_token_that_exists(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, *MANAGE)

        async def mutate(document: str, **given: Any) -> Any:
            sent = {"query": document, "variables": {"input": given}}
            answer = (await server.client.post("/graphql", json=sent, headers=bearer(admin))).json()
            return answer["data"]["answer"]

        asked = {"ownerId": workspace.id, "name": "CI", "grants": ["jobs:read"], "idempotencyKey": "k"}
        first = await mutate(MUTATION, **asked)
        again = await mutate(MUTATION, **asked)
        assert (again["__typename"], again["token"]) == ("TokenAlreadyCreated", first["token"])
        assert f"rotate {first['token']['id']}" in again["message"]
        assert (await mutate(MUTATION, **{**asked, "name": "CD"})) == {
            "__typename": "InvalidInput",
            "errors": [{"path": ["idempotencyKey"], "code": "IDEMPOTENCY_KEY_REUSED"}],
        }
        empty = await mutate(MUTATION, **{**asked, "idempotencyKey": ""})
        assert empty["errors"][0]["path"] == ["idempotencyKey"]
        rotation = {"id": first["token"]["id"], "graceSeconds": 60, "idempotencyKey": "k"}
        rotated = await mutate(ROTATE, **rotation)
        replayed = await mutate(ROTATE, **rotation)
        assert (replayed["__typename"], replayed["token"]) == ("TokenAlreadyCreated", rotated["token"])
