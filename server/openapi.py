"""The REST API described for machines (OpenAPI 3.1): written by hand, held against the routes by a test."""

from __future__ import annotations

from typing import Any

from .metrics import build_version
from .openapi_schemas import SCHEMAS, reference

Json = dict[str, Any]

_WAIT: Json = {
    "name": "wait",
    "in": "query",
    "description": "false answers at once, with effective_at in the future where other processes may cache.",
    "schema": {"type": "boolean", "default": True},
}
_ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^key_"}}


def document() -> Json:
    """The OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Spacekey",
            "version": build_version(),
            "description": "Create, edit, rotate and revoke API tokens, and ask whether a token is valid.",
        },
        "security": [{"token": []}, {"session": []}],
        "paths": {
            "/api/v1/api-keys": {"get": _list(), "post": _create()},
            "/api/v1/api-keys/{id}": {"get": _show(), "patch": _change(), "delete": _revoke()},
            "/api/v1/api-keys/{id}/rotate": {"post": _rotate()},
            "/api/v1/introspect": {"post": _introspect()},
            "/api/v1/introspect/batch": {"post": _introspect_batch()},
            "/api/v1/revoke": {"post": _revoke_presented()},
            "/api/v1/self": {"get": _operation("self", "Who the caller is", {"200": _json("Principal")}, (401,))},
            "/api/v1/usage": {"post": _usage()},
            "/api/v1/openapi.json": {"get": _open("openapi", "This document", "application/json")},
            "/graphql": {"post": _graphql()},
            "/healthz": {"get": _open("healthz", "Whether the process lives", "application/json")},
            "/readyz": {"get": _open("readyz", "Whether the store answers", "application/json", 503)},
            "/metrics": {"get": _open("metrics", "Counters for Prometheus", "text/plain")},
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token, such as sp_live_…"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-spacekey"},
                "client": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "A token's id, or an introspector's name, and its secret (RFC 6749 §2.3.1).",
                },
            },
            "responses": {
                "Problem": {"description": "What is wrong (RFC 9457).", "content": _problem()},
                "OAuthError": {"description": "What is wrong (RFC 6749 §5.2).", "content": _oauth_error()},
            },
        },
    }


def _list() -> Json:
    parameters = [
        {"name": name, "in": "query", "schema": schema}
        for name, schema in (
            ("workspace_id", {"type": "string"}),
            ("space_id", {"type": "string"}),
            ("status", {"type": "string", "description": "Any of active, disabled, expired, revoked, by commas."}),
            ("environment", {"enum": ["live", "test"]}),
            ("created_by", {"type": "string", "description": "The id of the person or token that made them."}),
            ("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
            ("after", {"type": "string", "description": "The 'next' of the page before."}),
        )
    ]
    answer = {"200": _json("ApiKeyPage")}
    return _operation("listApiKeys", "A page of keys, newest first", answer, (400, 401, 403, 404, 422), parameters)


def _create() -> Json:
    operation = _operation(
        "createApiKey",
        "Create a key; its secret is shown here only",
        {"201": _json("NewApiKey")},
        (400, 401, 403, 404, 413, 415, 422),
    )
    return operation | {"requestBody": _body("CreateApiKey")}


def _show() -> Json:
    return _operation("showApiKey", "One key", {"200": _json("ApiKey")}, (400, 401, 403, 404), [_ID])


def _change() -> Json:
    operation = _operation(
        "changeApiKey",
        "Edit a key, or disable or enable it",
        {"200": _json("ApiKey")},
        (400, 401, 403, 404, 409, 413, 415, 422),
        [_ID, _WAIT],
    )
    return operation | {"requestBody": _body("ChangeApiKey")}


def _revoke() -> Json:
    summary = "Revoke a key for good; it stays in lists as revoked"
    return _operation("revokeApiKey", summary, {"200": _json("ApiKey")}, (400, 401, 403, 404), [_ID, _WAIT])


def _rotate() -> Json:
    operation = _operation(
        "rotateApiKey",
        "Make a successor; the old key ends after a grace; needs tokens:create and tokens:revoke",
        {"201": _json("NewApiKey")},
        (400, 401, 403, 404, 409, 415, 422),
        [_ID, _WAIT],
    )
    return operation | {"requestBody": _body("RotateApiKey", required=False)}


def _introspect() -> Json:
    operation = _operation(
        "introspect",
        "Whether a token is valid (RFC 7662); needs tokens:introspect",
        {"200": _json("Introspection")},
        (400, 401, 403, 415),
    )
    return _for_oauth_clients(operation | {"requestBody": _form("IntrospectionForm")})


def _introspect_batch() -> Json:
    operation = _operation(
        "introspectBatch",
        "Whether each of up to 1,000 tokens is valid, and what changed since a version; needs tokens:introspect",
        {"200": _json("IntrospectionResults")},
        (400, 401, 403, 413, 415, 422, 503),
    )
    return _for_oauth_clients(operation | {"requestBody": _body("IntrospectionBatch")})


def _revoke_presented() -> Json:
    done = {"200": {"description": "It is not valid any more, or never was."}}
    operation = _operation(
        "revoke", "Revoke a token by its secret (RFC 7009); a token can revoke itself", done, (400, 401, 403, 415)
    )
    return _for_oauth_clients(operation | {"requestBody": _form("TokenForm")})


def _for_oauth_clients(operation: Json) -> Json:
    """An OAuth endpoint: its clients authenticate in three ways and read their own kind of error."""
    error = {"$ref": "#/components/responses/OAuthError"}
    responses = {status: answer if status == "200" else error for status, answer in operation["responses"].items()}
    return operation | {"responses": responses, "security": [{"token": []}, {"client": []}, {}]}


def _usage() -> Json:
    operation = _operation(
        "addUsage",
        "Report usage counted elsewhere; needs tokens:introspect",
        {"200": _json("Accepted")},
        (400, 401, 403, 413, 415, 422),
    )
    return operation | {"requestBody": _body("Usage")}


def _graphql() -> Json:
    content = {
        media: {"schema": {"type": "object"}} for media in ("application/json", "application/graphql-response+json")
    }
    answers: Json = {"200": {"description": "The result.", "content": content}}
    operation = _operation("graphql", "The GraphQL API", answers, (401,))
    return operation | {"requestBody": _body("GraphQLRequest"), "security": [{}, {"token": []}, {"session": []}]}


def _open(name: str, summary: str, media: str, *refusals: int) -> Json:
    schema = {"type": "string"} if media == "text/plain" else {"type": "object"}
    answer: Json = {"200": {"description": summary, "content": {media: {"schema": schema}}}}
    operation = _operation(name, summary, answer, refusals) | {"security": []}
    del operation["responses"]["default"]
    return operation


def _operation(
    name: str, summary: str, answers: Json, refusals: tuple[int, ...], parameters: list[Json] | None = None
) -> Json:
    problem = {"$ref": "#/components/responses/Problem"}
    responses = answers | {str(status): problem for status in refusals} | {"default": problem}
    return {"operationId": name, "summary": summary, "parameters": parameters or [], "responses": responses}


def _json(name: str) -> Json:
    return {"description": "Done.", "content": {"application/json": {"schema": reference(name)}}}


def _problem() -> Json:
    return {"application/problem+json": {"schema": reference("Problem")}}


def _oauth_error() -> Json:
    return {"application/json": {"schema": reference("OAuthError")}}


def _body(name: str, *, required: bool = True) -> Json:
    return {"required": required, "content": {"application/json": {"schema": reference(name)}}}


def _form(name: str) -> Json:
    return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": reference(name)}}}
