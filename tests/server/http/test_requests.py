"""What clients send is taken as it is or refused by field: nothing coerced, nothing echoed, every fault bounded."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.routing import Route

from spacekey.domain.clock import EXAMPLE_MOMENT
from spacekey.domain.ids import KEY, new_id
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET
from spacekey.models.engine.store import SQLITE
from spacekey.server.http.client_auth import OAUTH_PATHS
from spacekey.server.http.request_models import (
    ChangeApiKey,
    CreateApiKey,
    IntrospectionBatch,
    ListApiKeys,
    NoQuery,
    RotateApiKey,
    Usage,
    Waiting,
)
from spacekey.server.http.requests import NAMED_LENGTH_MAX, RequestModel, validated
from support.server import Served, bearer, served

AT = "2026-06-01T11:30:00Z"
STRINGS = "Must be a list of at most 100 strings."
USE = {"token_id": "key_1", "at": AT}

REFUSED: list[tuple[type[RequestModel], dict[str, Any], str, str]] = [
    (CreateApiKey, {}, "name", "Is required."),
    (CreateApiKey, {"name": None}, "name", "Must be a string."),
    (CreateApiKey, {"name": 7}, "name", "Must be a string."),
    (CreateApiKey, {"nme": "k"}, "nme", "There is no such field. Did you mean 'name'?"),
    (CreateApiKey, {"zzzzz\n": "k"}, "(unprintable)", "There is no such field."),
    (CreateApiKey, {"permissions": 1, "unheard": 2}, "unheard", "There is no such field."),
    (CreateApiKey, {"name": "k", "permissions": "jobs:read"}, "permissions", STRINGS),
    (CreateApiKey, {"name": "k", "permissions": None}, "permissions", STRINGS),
    (CreateApiKey, {"name": "k", "permissions": ["a", 1]}, "permissions", STRINGS),
    (CreateApiKey, {"name": "k", "permissions": ["a"] * 101}, "permissions", STRINGS),
    (CreateApiKey, {"name": "k", "environment": 1}, "environment", "Must be a string."),
    (
        CreateApiKey,
        {"name": "k", "environment": "{prod}"},
        "environment",
        "Unknown environment '{prod}'. There are 'live' and 'test'.",
    ),
    (
        CreateApiKey,
        {"name": "k", "expires_at": 5},
        "expires_at",
        f"Is not a time; write '{EXAMPLE_MOMENT}'.",
    ),
    (CreateApiKey, {"name": "k", "expires_in": 0}, "expires_in", "Must be a whole number from 1 to 2147483647."),
    (CreateApiKey, {"name": "k", "expires_in": 60.0}, "expires_in", "Must be a whole number from 1 to 2147483647."),
    (CreateApiKey, {"name": "k", "expires_in": True}, "expires_in", "Must be a whole number from 1 to 2147483647."),
    (CreateApiKey, {"name": "k", "expires_in": 10**40}, "expires_in", "Must be a whole number from 1 to 2147483647."),
    (CreateApiKey, {"name": "k", "space_id": []}, "space_id", "Must be a string."),
    (ChangeApiKey, {"name": None}, "name", "Must be a string."),
    (ChangeApiKey, {"disabled": None}, "disabled", "Must be true or false."),
    (ChangeApiKey, {"disabled": 1}, "disabled", "Must be true or false."),
    (RotateApiKey, {"grace_seconds": -1}, "grace_seconds", "Must be a whole number from 0 to 604800."),
    (RotateApiKey, {"retire_on_first_use": "yes"}, "retire_on_first_use", "Must be true or false."),
    (ListApiKeys, {"limit": "101"}, "limit", "Write a whole number from 1 to 100."),
    (ListApiKeys, {"limit": "٣"}, "limit", "Write a whole number from 1 to 100."),
    (ListApiKeys, {"limit": "9" * 5_000}, "limit", "Write a whole number from 1 to 100."),
    (ListApiKeys, {"status": ""}, "status", "Write any of active, disabled, expired, revoked."),
    (Waiting, {"wait": "True"}, "wait", "Write true or false."),
    (NoQuery, {"wait": "true"}, "wait", "There is no such field."),
    (Usage, {}, "uses", "Is required."),
    (Usage, {"uses": {}}, "uses", "Must be a list of objects."),
    (Usage, {"uses": [USE, 1]}, "uses.1", "Must be an object."),
    (Usage, {"uses": [USE] * 1_001}, "uses", "Send at most 1000 at once."),
    (Usage, {"uses": [USE, {"at": AT}]}, "uses.1.token_id", "Is required."),
    (Usage, {"uses": [USE, USE | {"alowed": 1}]}, "uses.1.alowed", "There is no such field. Did you mean 'allowed'?"),
    (Usage, {"uses": [USE | {"scopes": None}]}, "uses.0.scopes", "Must be a list of at most 1000 strings."),
    (IntrospectionBatch, {"tokens": []}, "tokens", "Send at least 1."),
    (Usage, {"uses": [], "number": None}, "number", "Must be a whole number from 1 to 9007199254740991."),
]


@pytest.mark.parametrize(("model", "given", "field", "reason"), REFUSED)
def test_a_fault_is_named_with_what_to_do(
    model: type[RequestModel], given: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        validated(model, given)
    assert (".".join(refused.value.faults[0].path), refused.value.reason) == (field, reason)


def test_null_and_what_is_left_out_are_two_things() -> None:
    left_out, null = validated(ChangeApiKey, {}), validated(ChangeApiKey, {"description": None, "expires_at": None})
    assert (left_out.name, left_out.description, left_out.expires_at, left_out.disabled) == (UNSET,) * 4
    assert (null.description, null.expires_at) == (None, None)


def test_no_message_and_no_repr_of_an_error_repeats_what_was_sent() -> None:
    secret = "sp_live_" + "S" * 38
    for given in ({"name": [secret]}, {"name": "k", "environment": [secret]}, {"name": "k", "expires_at": secret}):
        with pytest.raises(ValidationError) as refused:
            CreateApiKey.model_validate(given)
        assert secret not in str(refused.value) + repr(refused.value)
        with pytest.raises(InvalidInput) as shown:
            validated(CreateApiKey, given)
        assert secret not in str(shown.value)
        assert shown.value.__cause__ is None


def test_a_body_of_unknown_fields_costs_one_error() -> None:
    flood = {f"field{number}": 1 for number in range(100_000)}
    for model, given in ((CreateApiKey, flood), (Usage, {"uses": [USE | flood]}), (Usage, {"uses": [1] * 100_000})):
        with pytest.raises(ValidationError) as refused:
            model.model_validate(given)
        assert refused.value.error_count() == 1


def test_the_name_of_an_unknown_field_is_cut() -> None:
    with pytest.raises(InvalidInput) as refused:
        validated(CreateApiKey, {"x" * 10_000: 1})
    assert refused.value.field == "x" * NAMED_LENGTH_MAX


# Bodies that cannot be read, and addresses and methods that are not there: each its own status, nothing changed.


JSON = "application/json"
DEEP = b'{"name":' + b"[" * 30 + b"]" * 30 + b"}"

TABLE: list[tuple[str | None, bytes, int, str]] = [
    (None, b'{"name": "k"}', 415, "unsupported_media_type"),
    ("text/plain", b'{"name": "k"}', 415, "unsupported_media_type"),
    ("application/x-www-form-urlencoded", b"name=k", 415, "unsupported_media_type"),
    ("application/json; charset=latin-1", b'{"name": "k"}', 415, "unsupported_media_type"),
    (JSON, b"", 400, "malformed_json"),
    (JSON, b"{", 400, "malformed_json"),
    (JSON, b"[]", 400, "malformed_json"),
    (JSON, b'"text"', 400, "malformed_json"),
    (JSON, b'{"name": NaN}', 400, "malformed_json"),
    (JSON, b'{"name": "a", "name": "b"}', 400, "malformed_json"),
    (JSON, b'{"name": "\\ud800"}', 400, "malformed_json"),
    (JSON, b'{"name": "\xff"}', 400, "malformed_json"),
    (JSON, DEEP, 400, "malformed_json"),
    (JSON, b"[" * 60_000, 400, "malformed_json"),
    (JSON, b'{"name": ' + b"9" * 5_000 + b"}", 400, "malformed_json"),
    (JSON, json.dumps({"name": "x" * 70_000}).encode(), 413, "too_large"),
    ("application/json; charset=UTF-8", b'{"name": 1}', 422, "invalid_input"),
]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_unreadable_bodies_have_their_own_status(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "tokens:create", "tokens:read")
        for media, body, status, code in TABLE:
            headers = bearer(admin) | ({"Content-Type": media} if media else {})
            answer = await server.client.post("/api/v1/api-keys", content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code), body[:50]
            assert answer.headers["content-type"] == "application/problem+json"
        assert len((await server.client.get("/api/v1/api-keys", headers=bearer(admin))).json()["api_keys"]) == 1


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_body_without_a_length_is_bounded_too(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "tokens:create")

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(1_000):
                yield b" " * 1_000

        headers = bearer(admin) | {"Content-Type": JSON}
        answer = await server.client.post("/api/v1/api-keys", content=endless(), headers=headers)
        assert answer.status_code == 413


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_unknown_addresses_and_methods_are_problems_and_methods_name_what_is_allowed(database_url: str) -> None:
    async with served(database_url) as server:
        missing = await server.client.get("/api/v1/nothing")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert (await server.client.get("/api/v1/api-keys/")).status_code == 404
        wrong = await server.client.put("/api/v1/usage")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_bug_is_500_with_the_request_id_and_nothing_else(database_url: str) -> None:
    async with served(database_url) as server:
        server.app.state.parts = None
        answer = await server.client.get("/readyz", headers={"X-Request-Id": "my-request-1"})
        server.app.state.parts = server.parts
        assert answer.status_code == 500
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "my-request-1"
        assert "build_app" not in answer.text


# Every address with every method: what is not possible there is told with all that is.


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


def methods_by_path(app: Served) -> dict[str, set[str]]:
    """From the route table; all of a path's routes together."""
    found: dict[str, set[str]] = defaultdict(set)
    for route in app.app.routes:
        assert isinstance(route, Route), route
        found[route.path] |= set(METHODS) if route.methods is None else route.methods
    return found


def fits(template: str, path: str) -> bool:
    """Whether another template matches a fixed path too, as ``/spaces/{id}`` does ``/spaces/ensure``."""
    return "{" not in path and re.fullmatch(re.sub(r"\\\{id\\\}", "[^/]+", re.escape(template)), path) is not None


async def test_a_method_that_is_not_possible_gets_405_and_all_methods_that_are(database_url: str) -> None:
    async with served(database_url) as app:
        table = methods_by_path(app)
        assert table["/api/v1/api-keys/{id}"] == {"GET", "HEAD", "PATCH", "DELETE"}
        for template, declared in table.items():
            possible = declared.union(*(one for other, one in table.items() if fits(other, template)))
            path = template.replace("{id}", new_id(KEY, app.world.clock(), lambda size: b"x" * size))
            path = path.replace("{name}", "x.js").replace("{rest:path}", "x/y")
            for method in METHODS:
                answer = await app.client.request(method, path)
                if method in possible:
                    assert answer.status_code != 405, (method, path)
                    continue
                assert answer.status_code == 405, (method, path)
                assert answer.headers["allow"] == ", ".join(sorted(possible)), (method, path)
                kind = "application/json" if path in OAUTH_PATHS else "application/problem+json"
                assert answer.headers["content-type"] == kind, (method, path)
                if method != "HEAD":
                    assert answer.json()["code"] == "method_not_allowed"
                    assert answer.headers["allow"] in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/v1/api-keys/", "/api/v1/nothing", "/api/v1/api-keys/a/b/c"])
async def test_an_address_without_routes_is_404_whatever_the_method(database_url: str, path: str) -> None:
    async with served(database_url) as app:
        for method in METHODS:
            answer = await app.client.request(method, path)
            assert (answer.status_code, "allow" in answer.headers) == (404, False), method
