"""The OpenAPI 3.1 document of the REST API, generated from the table of operations and their models."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, NoDefault
from pydantic_core import core_schema
from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.unset import UNSET
from spacekey.middleware import public
from spacekey.server.metrics import build_version

from .request_models import NoQuery
from .requests import JSON_TYPE, RequestModel
from .response_models import Answer, GraphQLResult, OAuthError, Problem

Json = dict[str, Any]
Callers = Literal["tokens and people", "oauth clients", "graphql", "everyone"]
PROBLEM_TYPE = "application/problem+json"
GRAPHQL_TYPES = (JSON_TYPE, "application/graphql-response+json")

_REFERENCE = "#/components/schemas/{model}"
_ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^key_"}}
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A random key, such as a UUID in quotes. Repeating the request with it within 24 hours creates "
    "nothing: the answer is the key that exists, without its secret.",
    "schema": {"type": "string", "minLength": 1},
    "example": '"8e03978e-40d5-43e6-bc93-6894a57f9324"',
}
_CONDITIONS: dict[str, str] = {
    "If-Match": "Do this only if the key still has one of these entity tags, from the ETag of an earlier answer. "
    "Otherwise nothing happens, and the answer is 412 (RFC 9110, section 13.1.1).",
    "If-None-Match": "Send the key only if it has none of these entity tags. Otherwise the answer is 304, without a "
    "body (RFC 9110, section 13.1.2).",
}
"""Headers with conditions about a key: the first for every operation on it, the second for reading it."""
_ALWAYS = (429, 503)
"""Statuses that any operation may refuse with: a limit is used up, or the database does not answer."""

_SECURITY: dict[Callers, list[Json]] = {
    "oauth clients": [{"token": []}, {"client": []}, {}],
    "graphql": [{}, {"token": []}, {"session": []}],
    "everyone": [],
}
_ERRORS: dict[Callers, str] = {"oauth clients": "OAuthError", "graphql": "GraphQLError"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, a method of an address, which the app routes and the document describes.

    :param name: the operation's id, such as ``createApiKey``.
    :param endpoint: None for an endpoint that is created with the app.
    :param answer: the successful response, in one of ``media``; None for one without a body.
    :param replay: the response to a repeated request, for an operation that takes an ``Idempotency-Key``.
    :param refusals: the statuses of errors that clients should expect; other errors have the same format.
    :param body: the model of the request body, of type ``body_media`` or one of ``body_also``.
    :param callers: the kind of callers, which also decides the format of errors.
    :param conditional: whether the answer has an ``ETag``, and the request may have preconditions about it.
    """

    method: str
    path: str
    name: str
    summary: str
    endpoint: Callable[..., Any] | None
    answer: Answer[Any] | None
    status: int = 200
    media: Sequence[str] = (JSON_TYPE,)
    refusals: Sequence[int] = ()
    query: type[RequestModel] = NoQuery
    body: type[RequestModel] | None = None
    body_media: str = JSON_TYPE
    body_also: Sequence[str] = ()
    body_required: bool = True
    callers: Callers = "tokens and people"
    replay: Answer[Any] | None = None
    conditional: bool = False

    @property
    def answers(self) -> dict[int, Answer[Any] | None]:
        """Successful responses by status."""
        return {self.status: self.answer} | ({} if self.replay is None else {200: self.replay})


@dataclass(frozen=True, slots=True)
class _Schemas:
    """JSON schemas of all models, with a reference to each."""

    components: Json
    references: Mapping[Any, Json]


class _Generator(GenerateJsonSchema):
    """Schema generator without titles, and without defaults that only mean "left out"."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False, as a title would only repeat the name."""
        return False

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        """Return the default that clients see."""
        default = super().get_default_value(schema)
        return NoDefault if default is None or default is UNSET else default


def document(operations: Sequence[Operation]) -> Json:
    """Return the OpenAPI document of these operations."""
    schemas = _schemas(operations)
    paths: Json = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Spacekey",
            "version": build_version(),
            "description": "Create, edit, rotate and revoke API tokens, and ask whether a token is valid.",
        },
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": name} for name in dict.fromkeys(_tag(operation) for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token, such as sp_live_…"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-spacekey"},
                "client": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "A token's id, or a service's name, and its secret (RFC 6749 §2.3.1).",
                },
            },
            "responses": {
                "Problem": {
                    "description": "What is wrong (RFC 9457).",
                    "content": {PROBLEM_TYPE: {"schema": schemas.references[Problem]}},
                },
                "OAuthError": {
                    "description": "What is wrong (RFC 6749 §5.2).",
                    "content": {
                        JSON_TYPE: {"schema": schemas.references[OAuthError]},
                        # For a browser with a session, which is no OAuth client.
                        PROBLEM_TYPE: {"schema": schemas.references[Problem]},
                    },
                },
                "GraphQLError": {
                    "description": "What is wrong, by GraphQL or before it.",
                    "content": {
                        PROBLEM_TYPE: {"schema": schemas.references[Problem]},
                        **{media: {"schema": schemas.references[GraphQLResult]} for media in GRAPHQL_TYPES},
                    },
                },
            },
        },
    }


def openapi_endpoint(operations: Sequence[Operation]) -> Callable[[Request], Any]:
    """Return the endpoint of ``GET /api/v1/openapi.json``. The first request generates the document."""

    @cache
    def text() -> str:
        return json.dumps(document(operations), ensure_ascii=False, separators=(",", ":"))

    @public
    async def openapi(_request: Request) -> Response:
        return Response(text(), media_type=JSON_TYPE)

    return openapi


def _schemas(operations: Sequence[Operation]) -> _Schemas:
    read = {one.body for one in operations if one.body is not None}
    written: dict[Any, TypeAdapter[Any]] = {
        answer.kind: answer.adapter for one in operations for answer in one.answers.values() if answer is not None
    } | {kind: TypeAdapter(kind) for kind in (Problem, OAuthError, GraphQLResult)}
    found, definitions = TypeAdapter.json_schemas(
        [
            *((model, "validation", TypeAdapter(model)) for model in sorted(read, key=lambda model: model.__name__)),
            *((kind, "serialization", adapter) for kind, adapter in written.items()),
        ],
        ref_template=_REFERENCE,
        schema_generator=_Generator,
    )
    return _Schemas(definitions["$defs"], {kind: schema for (kind, _), schema in found.items()})


def _described(operation: Operation, schemas: _Schemas) -> Json:
    error = {"$ref": f"#/components/responses/{_ERRORS.get(operation.callers, 'Problem')}"}
    unchanged = operation.conditional and operation.method == "GET"
    conflicts = (412,) if operation.conditional else ()
    described: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [_tag(operation)],
        "parameters": [
            *([_ID] if "{id}" in operation.path else []),
            *([] if operation.replay is None else [_IDEMPOTENCY_KEY]),
            *_conditions(operation),
            *_parameters(operation.query),
        ],
        "responses": {
            **{str(status): _answer(operation, answer, schemas) for status, answer in operation.answers.items()},
            **({"304": {"description": "The key has one of the entity tags that were sent."}} if unchanged else {}),
            **{str(status): error for status in sorted({*operation.refusals, *conflicts, *_ALWAYS})},
            "default": error,
        },
    }
    if operation.body is not None:
        taken = (operation.body_media, *operation.body_also)
        content = {media: {"schema": schemas.references[operation.body]} for media in taken}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    if operation.callers in _SECURITY:
        described["security"] = _SECURITY[operation.callers]
    return described


def _answer(operation: Operation, answer: Answer[Any] | None, schemas: _Schemas) -> Json:
    described: Json = {"description": "Done."}
    if answer is not None:
        described["content"] = {media: {"schema": schemas.references[answer.kind]} for media in operation.media}
    return described


def _conditions(operation: Operation) -> list[Json]:
    names = [] if not operation.conditional else list(_CONDITIONS) if operation.method == "GET" else ["If-Match"]
    return [
        {"name": name, "in": "header", "description": _CONDITIONS[name], "schema": {"type": "string"}} for name in names
    ]


def _tag(operation: Operation) -> str:
    if operation.callers == "everyone":
        return "Operation"
    return "GraphQL" if operation.callers == "graphql" else operation.path.split("/")[3]


def _parameters(query: type[RequestModel]) -> list[Json]:
    """Return the parameters of a query; lists are written with commas (``style: form``, not ``explode``)."""
    shape = query.model_json_schema(schema_generator=_Generator)
    parameters: list[Json] = []
    for name, schema in shape.get("properties", {}).items():
        text = {key: value for key, value in schema.items() if key not in ("anyOf", "description")}
        given = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
        parameter: Json = {"name": name, "in": "query", "schema": text if not given else text | given[0]}
        if name in shape.get("required", ()):
            parameter["required"] = True
        if "description" in schema:
            parameter["description"] = schema["description"]
        if parameter["schema"].get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        parameters.append(parameter)
    return parameters
