"""The OpenAPI document is about the routes there are, and the answers are what it says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.routing import Route

from spacekey.models.store import SQLITE
from spacekey.schema.build import build_schema
from spacekey.server.openapi import document
from spacekey.server.openapi_schemas import SCHEMAS
from spacekey.server.request_models import (
    INTROSPECTED_MAX,
    AskedToken,
    ChangeApiKey,
    CreateApiKey,
    IntrospectionBatch,
    ListApiKeys,
    RotateApiKey,
    Usage,
    Use,
)
from spacekey.server.routes import build_routes
from support.server import bearer, served


def test_every_route_is_described_and_nothing_else_is() -> None:
    routes = {
        (method.lower(), route.path)
        for route in build_routes(build_schema())
        if isinstance(route, Route) and route.path.startswith(("/api/", "/graphql", "/healthz", "/readyz", "/metrics"))
        for method in route.methods or ()
        if method != "HEAD"
    }
    described = {(method, path) for path, item in document()["paths"].items() for method in item}
    assert described == routes


def test_operations_are_named_once_and_every_reference_leads_somewhere() -> None:
    text = repr(document())
    for reference in re.findall(r"#/components/([a-z]+)/(\w+)", text, re.IGNORECASE):
        assert reference[1] in document()["components"][reference[0]], reference
    names = [operation["operationId"] for item in document()["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))
    unused = {name for name in SCHEMAS if f"schemas/{name}'" not in text}
    assert unused == set()


def test_the_documented_fields_are_those_the_routes_take() -> None:
    for model in (CreateApiKey, ChangeApiKey, RotateApiKey, Usage):
        assert set(SCHEMAS[model.__name__]["properties"]) == set(model.model_fields)
    assert set(SCHEMAS["Usage"]["properties"]["uses"]["items"]["properties"]) == set(Use.model_fields)
    asked = SCHEMAS["IntrospectionBatch"]["properties"]
    assert set(asked) == set(IntrospectionBatch.model_fields)
    assert set(asked["tokens"]["items"]["properties"]) == set(AskedToken.model_fields)
    assert asked["tokens"]["maxItems"] == INTROSPECTED_MAX
    parameters = document()["paths"]["/api/v1/api-keys"]["get"]["parameters"]
    assert [one["name"] for one in parameters] == list(ListApiKeys.model_fields)


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_answers_have_exactly_the_documented_members(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        scopes = ("jobs:read", "tokens:read", "tokens:create", "tokens:introspect", "tokens:update", "tokens:revoke")
        token_id, admin = await server.token(workspace.id, *scopes)
        client, who = server.client, bearer(admin)
        key = (await client.get(f"/api/v1/api-keys/{token_id}", headers=who)).json()
        _matches("ApiKey", key)
        page = (await client.get("/api/v1/api-keys", headers=who)).json()
        _matches("ApiKeyPage", page)
        edited = await client.patch(f"/api/v1/api-keys/{token_id}", json={"name": "n"}, headers=who)
        _matches("ApiKey", edited.json())
        rotated = await client.post(f"/api/v1/api-keys/{token_id}/rotate", headers=who)
        _matches("NewApiKey", rotated.json())
        _matches("Principal", (await client.get("/api/v1/self", headers=who)).json())
        _matches("Problem", (await client.get("/api/v1/self")).json())
        _matches("Problem", (await client.get("/api/v1/api-keys?limit=0", headers=who)).json())
        told = await client.post("/api/v1/introspect", data={"token": admin}, headers=who)
        _matches("Introspection", told.json())
        used = await client.post("/api/v1/usage", json={"uses": []}, headers=who)
        _matches("Accepted", used.json())


def _matches(name: str, answer: dict[str, Any]) -> None:
    schema = SCHEMAS[name]
    assert set(schema.get("required", ())) <= set(answer) <= set(schema["properties"]), (name, answer)
