"""No change of REST or GraphQL breaks a client of the baseline unless it is accepted, and breaking changes are seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from spacekey.schema.export import printed_schema
from support.documents import graphql_changes, openapi_changes

from .baseline import ACCEPTED, FOLDER, GRAPHQL, OPENAPI, openapi_now

pytestmark = pytest.mark.sampled(2)

CURE = f"""Clients of the baseline in {FOLDER.name}/ would break. Keep what they use and deprecate it
(docs/reference/stability.md). If the change is meant, name it under "Breaking" in CHANGELOG.md and add its line to
{ACCEPTED.parent.name}/{ACCEPTED.name}. After a release, `make baseline` makes the new contract the baseline."""


@cache
def rest() -> Any:
    return json.loads(openapi_now())


@cache
def graphql() -> str:
    return printed_schema()


def test_no_client_of_the_baseline_breaks() -> None:
    found = openapi_changes.breaking_changes(json.loads(OPENAPI.read_text("utf-8")), rest())
    found += graphql_changes.breaking_changes(GRAPHQL.read_text("utf-8"), graphql())
    accepted = ACCEPTED.read_text("utf-8").splitlines()
    assert sorted(set(found) - set(accepted)) == [], CURE
    assert sorted(set(accepted) - set(found)) == [], "These lines name no change; remove them."


def test_nothing_has_changed_where_nothing_has() -> None:
    assert openapi_changes.breaking_changes(rest(), deepcopy(rest())) == []
    assert graphql_changes.breaking_changes(graphql(), graphql()) == []


KEY, KEYS = "/api/v1/api-keys/{id}", "/api/v1/api-keys"


def member(of: str, name: str) -> Callable[[Any], Any]:
    return lambda doc: doc["components"]["schemas"][of]["properties"][name]


def operation(method: str, path: str) -> Callable[[Any], Any]:
    return lambda doc: doc["paths"][path][method]


def parameter(doc: Any, name: str) -> Any:
    return next(one for one in doc["paths"][KEYS]["get"]["parameters"] if one["name"] == name)


def schema(doc: Any, name: str) -> Any:
    return doc["components"]["schemas"][name]


BREAKING: list[tuple[str, Callable[[Any], Any]]] = [
    (f"DELETE {KEY}: removed", lambda doc: doc["paths"][KEY].pop("delete")),
    ("operationId", lambda doc: operation("get", KEY)(doc).update(operationId="showKey")),
    ("query parameter 'text' removed",
     lambda doc: doc["paths"][KEYS]["get"]["parameters"].remove(parameter(doc, "text"))),
    ("'workspace_id' is required", lambda doc: parameter(doc, "workspace_id").update(required=True)),
    ("new required", lambda doc: doc["paths"][KEYS]["get"]["parameters"].append(
        {"name": "x", "in": "query", "required": True, "schema": {"type": "string"}}
    )),
    ("another default", lambda doc: parameter(doc, "limit")["schema"].update(default=10)),
    ("maximum 100 is 50", lambda doc: parameter(doc, "limit")["schema"].update(maximum=50)),
    ("no longer taken", lambda doc: parameter(doc, "status")["schema"]["items"]["enum"].remove("expired")),
    ("written otherwise", lambda doc: parameter(doc, "status").update(explode=True)),
    ("the body is required", lambda doc: operation("post", f"{KEY}/rotate")(doc)["requestBody"].update(required=True)),
    ("body as application/merge-patch+json removed",
     lambda doc: operation("patch", KEY)(doc)["requestBody"]["content"].pop("application/merge-patch+json")),
    ("body.preset removed", lambda doc: schema(doc, "CreateApiKey")["properties"].pop("preset")),
    ("body.preset is required", lambda doc: schema(doc, "CreateApiKey")["required"].append("preset")),
    ("is new and required", lambda doc: schema(doc, "CreateApiKey")["required"].append("owner")),
    ("maxLength 200 is 100", lambda doc: member("CreateApiKey", "name")(doc).update(maxLength=100)),
    ('type ["string", "null"] is "string"', lambda doc: member("CreateApiKey", "preset")(doc).update(type="string")),
    ("body.uses[].ip removed", lambda doc: schema(doc, "Use")["properties"].pop("ip")),
    ("dependentRequired changed", lambda doc: schema(doc, "Usage").pop("dependentRequired")),
    ("pattern changed", lambda doc: member("Usage", "reporter")(doc).update(pattern="^x$")),
    ("200 removed", lambda doc: operation("get", KEY)(doc)["responses"].pop("200")),
    ("new status 202", lambda doc: operation("delete", KEY)(doc)["responses"].update({"202": {"description": "x"}})),
    ("200.scopes removed", lambda doc: schema(doc, "ApiKey")["properties"].pop("scopes")),
    ("200.scopes may be missing", lambda doc: schema(doc, "ApiKey")["required"].remove("scopes")),
    ('type "string" is ["string", "null"]', lambda doc: member("ApiKey", "name")(doc).update(type=["string", "null"])),
    ("api_keys[].created_by.id removed", lambda doc: schema(doc, "Actor")["properties"].pop("id")),
    ("format changed", lambda doc: member("ApiKey", "created_at")(doc).pop("format")),
    ("an alternative is new", lambda doc: member("IntrospectionResults", "results")(doc)["items"]["anyOf"].append(
        {"type": "string"}
    )),
    ("header 'ETag' removed", lambda doc: operation("get", KEY)(doc)["responses"]["200"]["headers"].pop("ETag")),
    ("header 'Retry-After' may be missing",
     lambda doc: doc["components"]["responses"]["ServiceUnavailable"]["headers"]["Retry-After"].pop("required")),
    ("application/problem+json removed", lambda doc: doc["components"]["responses"]["NotFound"]["content"].clear()),
    ("is no longer enough", lambda doc: operation("get", KEY)(doc).update({"x-required-scopes": [["tokens:admin"]]})),
    ("needs credentials", lambda doc: operation("get", "/healthz")(doc).update({"x-required-scopes": [[]]})),
    ("no longer authenticated by", lambda doc: doc.update(security=[{"token": []}])),
]  # fmt: skip
COMPATIBLE: list[Callable[[Any], Any]] = [
    lambda doc: doc["paths"].update({"/api/v1/more": {"get": operation("get", KEY)(doc)}}),
    lambda doc: doc["paths"][KEYS]["get"]["parameters"].append({"name": "x", "in": "query", "schema": {}}),
    lambda doc: parameter(doc, "limit")["schema"].update(maximum=200),
    lambda doc: parameter(doc, "status")["schema"]["items"]["enum"].append("frozen"),
    lambda doc: schema(doc, "CreateApiKey")["properties"].update(owner={"type": "string"}),
    lambda doc: schema(doc, "CreateApiKey")["required"].remove("name"),
    lambda doc: schema(doc, "ApiKey")["properties"].update(owner={"type": "string"}),
    lambda doc: member("ApiKey", "status")(doc)["enum"].append("frozen"),
    lambda doc: member("ApiKey", "role")(doc).update(type="string", description="Other words."),
    lambda doc: operation("get", KEY)(doc)["responses"].update({"418": {"description": "x"}}),
    lambda doc: operation("get", KEY)(doc).update({"x-required-scopes": [["tokens:read"], ["tokens:admin"]]}),
    lambda doc: doc["security"].append({"other": []}),
]


@pytest.mark.parametrize(("said", "change"), BREAKING, ids=[said for said, _ in BREAKING])
def test_a_breaking_change_of_rest_is_seen(said: str, change: Callable[[Any], Any]) -> None:
    changed = deepcopy(rest())
    change(changed)
    assert said in "\n".join(openapi_changes.breaking_changes(rest(), changed))


@pytest.mark.parametrize("change", COMPATIBLE, ids=range(len(COMPATIBLE)))
def test_a_compatible_change_of_rest_is_none(change: Callable[[Any], Any]) -> None:
    changed = deepcopy(rest())
    change(changed)
    assert changed != rest()
    assert openapi_changes.breaking_changes(rest(), changed) == []


OLD = """
directive @requiresScopes(scopes: [[String!]!]!) on FIELD_DEFINITION
enum Status { ACTIVE }
input Wish { name: String }
type Query { key(id: ID!): String @requiresScopes(scopes: [["keys:read"]]) status: Status wish(input: Wish): Int }
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("wish(input: Wish): Int", "", "FIELD_REMOVED"),
        ("key(id: ID!)", "key(id: ID!, of: ID!)", "REQUIRED_ARG_ADDED"),
        ("name: String", "name: String!", "FIELD_CHANGED_KIND"),
        ("name: String", "name: String more: Int!", "REQUIRED_INPUT_FIELD_ADDED"),
        ('[["keys:read"]]', '[["keys:write"]]', "Query.key: 'keys:read' is no longer enough"),
        ("status: Status", 'status: Status @requiresScopes(scopes: [["a:b"]])', "Query.status: needs credentials"),
        ("ACTIVE", "ACTIVE GONE", None),
        ("name: String", "name: String more: Int", None),
        ('[["keys:read"]]', '[["keys:read"], ["keys:write"]]', None),
        (' @requiresScopes(scopes: [["keys:read"]])', "", None),
    ],
)
def test_a_breaking_change_of_graphql_is_seen(before: str, after: str, said: str | None) -> None:
    assert before in OLD
    found = graphql_changes.breaking_changes(OLD, OLD.replace(before, after))
    assert (found == []) if said is None else (said in "\n".join(found)), found
