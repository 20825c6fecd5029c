"""The OpenAPI 3.1 document of the REST API, generated from the table of operations and their models.

Scopes are those of the endpoints' own rules, and the examples of problems are made by the code that answers them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, NoDefault
from pydantic_core import core_schema
from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.deprecation import Deprecation
from spacekey.domain.unset import UNSET
from spacekey.middleware.routing.endpoints import public
from spacekey.middleware.rules.marks import access_of
from spacekey.middleware.rules.requirement import Requirement
from spacekey.server.metrics import build_version

from .base_path import base_path
from .examples import ANSWERS, BODIES, ENTITY_TAG, REQUEST_ID, oauth_example, problem_example
from .request_models import NoQuery
from .requests import JSON_TYPE, RequestModel
from .response_models import Answer, GraphQLResult, OAuthError, Problem
from .session_cookie import cookie_name

Json = dict[str, Any]
Callers = Literal["tokens and people", "tokens", "oauth clients", "graphql", "everyone"]
PROBLEM_TYPE = "application/problem+json"
GRAPHQL_TYPES = (JSON_TYPE, "application/graphql-response+json")
REQUIRED_SCOPES = "x-required-scopes"
"""Member of an operation with the scopes of its rule: all of one of the lists."""

_REFERENCE = "#/components/schemas/{model}"
_IDS: Mapping[str, tuple[str, str]] = {
    "api-keys": ("key", "key"),
    "portal-sessions": ("portal session", "pts"),
    "spaces": ("space", "space"),
    "workspaces": ("workspace", "ws"),
}
"""Tag → what the ID in a path is of, and how it begins."""
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A random key, such as a UUID in quotes. Repeating the request with it within 24 hours creates "
    "nothing: the answer is the key that exists, without its secret.",
    "schema": {"type": "string", "minLength": 1},
    "example": '"8e03978e-40d5-43e6-bc93-6894a57f9324"',
}
_CONDITIONS: dict[str, str] = {
    "If-Match": "Do this only if the object still has one of these entity tags, from the `ETag` of an earlier answer. "
    "Otherwise nothing happens, and the answer is 412 (RFC 9110, section 13.1.1).",
    "If-None-Match": "Send the object only if it has none of these entity tags. Otherwise the answer is 304, without a "
    "body (RFC 9110, section 13.1.2).",
}
"""Headers with conditions about an object: the first for every operation on it, the second for reading it."""

_HEADERS: dict[str, Json] = {
    "X-Request-Id": {
        "description": "The ID of the request in the server's log: the one that was sent, or a new one.",
        "required": True,
        "schema": {"type": "string"},
        "example": REQUEST_ID,
    },
    "Cache-Control": {
        "description": "Always `no-store`: answers must not be stored by caches.",
        "required": True,
        "schema": {"type": "string", "const": "no-store"},
    },
    "Vary": {
        "description": "The request headers that the answer depends on.",
        "schema": {"type": "string"},
        "example": "Authorization, Cookie",
    },
    "RateLimit-Policy": {
        "description": "The caller's rate limit: `q` requests in `w` seconds (draft-ietf-httpapi-ratelimit-headers).",
        "schema": {"type": "string", "pattern": r'^"default";q=\d+;w=60;spacekey-burst=\d+$'},
        "example": '"default";q=100;w=60;spacekey-burst=20',
    },
    "RateLimit": {
        "description": "How many requests are left at once (`r`), and in how many seconds there is another one (`t`).",
        "schema": {"type": "string", "pattern": r'^"default";r=-?\d+;t=\d+$'},
        "example": '"default";r=19;t=1',
    },
    "WWW-Authenticate": {
        "description": "How to authenticate, and what is wrong with the credentials (RFC 6750, section 3).",
        "schema": {"type": "string", "pattern": "^(Bearer|Basic) realm="},
        "example": 'Bearer realm="spacekey", error="invalid_token", error_description="The token is not valid."',
    },
    "Retry-After": {
        "description": "How many seconds to wait before the request is sent again.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 1,
    },
    "ETag": {
        "description": "The object's entity tag, for `If-Match` and `If-None-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[^"]+"$'},
        "example": ENTITY_TAG,
    },
    "Location": {
        "description": "The address of the key.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/v1/api-keys/key_01kb8c2v4r6t8x0z2b4d6f8h0k",
    },
    "Idempotent-Replayed": {
        "description": "Always `true`: an earlier request with the same `Idempotency-Key` created the key.",
        "required": True,
        "schema": {"type": "string", "const": "true"},
    },
    "Link": {
        "description": "The address of the next page, relative to the request (RFC 8288). Left out on the last page.",
        "schema": {"type": "string"},
        "example": '<?limit=20&after=WyJjaGVja291dCJd>; rel="next"',
    },
    "Set-Cookie": {
        "description": "The session of a person who has signed in or out.",
        "schema": {"type": "string"},
        "example": "__Host-spacekey=…; Path=/; Secure; HttpOnly; SameSite=Strict",
    },
    "X-Spacekey-Token-Id": {
        "description": "The ID of the token.",
        "required": True,
        "schema": {"type": "string"},
        "example": "key_01kb8c2v4r6t8x0z2b4d6f8h0k",
    },
    "X-Spacekey-Workspace-Id": {
        "description": "The ID of the token's workspace.",
        "schema": {"type": "string"},
        "example": "ws_01kb8c2v4r6t8x0z2b4d6f8h0k",
    },
    "X-Spacekey-Space-Id": {
        "description": "The ID of the token's space. Empty for a token of a workspace.",
        "schema": {"type": "string"},
        "example": "space_01kb8c2v4r6t8x0z2b4d6f8h0k",
    },
    "X-Spacekey-Environment": {
        "description": "The environment that the token is for.",
        "required": True,
        "schema": {"type": "string", "enum": ["live", "test"]},
        "example": "live",
    },
    "X-Spacekey-Scopes": {
        "description": "The scopes that the token has now, separated by spaces.",
        "schema": {"type": "string"},
        "example": "jobs:read jobs:write",
    },
    "X-Spacekey-External-Id": {
        "description": "The external ID of the token, percent-encoded where it is not visible ASCII. Empty if it "
        "has none.",
        "schema": {"type": "string"},
        "example": "user-7",
    },
    "Deprecation": {
        "description": "Since when the operation is deprecated (RFC 9745). Only for a deprecated operation.",
        "schema": {"type": "string", "pattern": r"^@\d+$"},
        "example": "@1796083200",
    },
    "Sunset": {
        "description": "When the operation stops working (RFC 8594). Only for a deprecated operation.",
        "schema": {"type": "string"},
        "example": "Wed, 01 Dec 2027 00:00:00 GMT",
    },
}
"""Headers of answers, by name. Which answer has which, :func:`_headers` says."""

_ERROR_RESPONSES: dict[int, tuple[str, str]] = {
    400: ("BadRequest", "The request cannot be read, or its credentials are malformed."),
    401: ("Unauthorized", "Valid credentials are missing."),
    403: ("Forbidden", "The caller may not do this."),
    404: ("NotFound", "The object does not exist, or the caller has no access to it."),
    406: ("NotAcceptable", "None of the media types that the client accepts can be answered."),
    409: ("Conflict", "The object is not in a state that allows this."),
    412: ("PreconditionFailed", "The object is not as `If-Match` says. Nothing was changed."),
    413: ("ContentTooLarge", "The body is too large."),
    415: ("UnsupportedMediaType", "The body has another media type than those that are accepted."),
    422: ("UnprocessableContent", "Values of the input are not valid. `errors` lists all that is wrong with it."),
    429: ("TooManyRequests", "Too many requests. `Retry-After` says how long to wait."),
    503: ("ServiceUnavailable", "The server cannot answer now."),
}
"""Status of an error → the name of its response, and what it means. Names do not depend on Python's version."""
_DEPRECATED = ["Deprecation", "Sunset"]
_IDENTITY = [name for name in _HEADERS if name.startswith("X-Spacekey-")]
_OTHER_ERRORS = ("Error", "Any other error.")
_UNAVAILABLE = 503

_SECURITY: dict[Callers, list[Json]] = {
    "tokens": [{"token": []}],
    "oauth clients": [{"token": []}, {"client": []}, {}],
    "graphql": [{}, {"token": []}, {"session": []}],
    "everyone": [],
}
_ERRORS: dict[Callers, str] = {"oauth clients": "OAuth", "graphql": "GraphQL", "everyone": "Public"}
"""Prefix of the names of error responses, for callers whose errors differ from the others'."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, a method of an address, which the app routes and the document describes.

    :param name: the operation's id, such as ``createApiKey``.
    :param summary: what it does, in a few words.
    :param description: what it does, for someone who calls it for the first time.
    :param endpoint: None for an endpoint that is created with the app.
    :param answer: the successful response, in one of ``media``; None for one without a body.
    :param answered: what the successful response says.
    :param replay: the response to a repeated request, for an operation that takes an ``Idempotency-Key``.
    :param refusals: the statuses of errors that it answers besides those of :attr:`statuses`.
    :param body: the model of the request body, of type ``body_media`` or one of ``body_also``.
    :param callers: the kind of callers, which also decides the format of errors.
    :param conditional: whether the answer has an ``ETag``, and the request may have preconditions about it.
    :param paged: whether the answer is a page of a list, with a ``Link`` to the next one.
    :param stored: whether caches may store the answer.
    :param service_scopes: the scopes of a service that it takes, if no token or person may do it.
    :param also: the response with status 200 if there is nothing to create, for an operation that finds or creates.
    :param tagged: whether the answer has an ``ETag``, though the request has no preconditions.
    :param identifies: whether the answer has the headers of the caller's identity.
    :param gone: whether what it is about is gone afterwards, so that the answer has no ``ETag``.
    :param deprecated: the notice that answers carry, for an operation that is going to be removed.
    """

    method: str
    path: str
    name: str
    summary: str
    description: str
    endpoint: Callable[..., Any] | None
    answer: Answer[Any] | None
    answered: str
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
    paged: bool = False
    stored: bool = False
    deprecated: Deprecation | None = None
    service_scopes: Sequence[str] = ()
    also: Answer[Any] | None = None
    tagged: bool = False
    gone: bool = False
    identifies: bool = False

    @property
    def answers(self) -> dict[int, Answer[Any] | None]:
        """Successful responses by status."""
        other = self.replay if self.replay is not None else self.also
        return {self.status: self.answer} | ({} if other is None else {200: other})

    @property
    def requirement(self) -> Requirement | None:
        """The rule of the endpoint; None if it admits callers without credentials."""
        access = access_of(self.endpoint)
        return access if isinstance(access, Requirement) else None

    @property
    def limited(self) -> bool:
        """Whether requests count against the caller's rate limit, so that answers may have the headers of it."""
        requirement = self.requirement
        return self.callers in ("graphql", "tokens") or (requirement is not None and requirement.cost != 0)

    @property
    def statuses(self) -> list[int]:
        """Statuses of all errors, sorted.

        Any connection may be one too many for the server (503), and any request to the API one too many for its address
        or token (429). Where credentials are read, they may be malformed (400), missing or invalid (401). A body may be
        too large (413) or of another type (415), and of a browser's session it may come from another origin (403).
        """
        found = {*self.refusals, _UNAVAILABLE}
        if self.callers != "everyone" or self.path.startswith("/api/"):
            found.add(429)
        if self.callers != "everyone":
            found |= {400, 401}
            if (
                self.method != "GET"
                or self.service_scopes
                or (self.requirement is not None and self.requirement.rule.scopes)
            ):
                found.add(403)
        if self.body is not None:
            found |= {413, 415}
        if self.conditional:
            found.add(412)
        return sorted(found)


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


def document(operations: Sequence[Operation], base: str = "") -> Json:
    """Return the OpenAPI document of these operations.

    :param base: the base path of the app, as it is written in URLs.
    """
    schemas = _schemas(operations)
    paths: Json = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    tags = {_tag(operation): None for operation in operations}
    errors = _error_responses(operations, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Spacekey",
            "version": build_version(),
            "summary": "API tokens: create, verify, rotate and revoke them.",
            "description": "Manage API tokens, which this API calls API keys, and verify them. Everything else, such "
            "as members and roles, is in the GraphQL API at "
            f"`{base}/graphql`.\n\n"
            "Errors are problem documents (RFC 9457) with a `code` for programs. Expect new members in answers, and "
            "new values of `code` and other enums.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base or "/", "description": "This server."}],
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": tag, "description": _TAGS[tag]} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": {
                name: header for name, header in _HEADERS.items() if f"/headers/{name}'" in repr((paths, errors))
            },
            "responses": errors,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token with the scopes that the operation names, such as `sp_live_…`.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": cookie_name(base),
                    "description": "The session of a person who has signed in, in a page of this server.",
                },
                "client": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "A token's ID, or a service's name, and its secret (RFC 6749, section 2.3.1).",
                },
            },
        },
    }


_TAGS = {
    "GraphQL": "The GraphQL API, which has everything that this one has, and more.",
    "api-keys": "Create, list, edit, rotate and revoke API keys.",
    "workspaces": "The workspaces that keys belong to.",
    "spaces": "The spaces of workspaces, to which keys can be confined.",
    "introspect": "Verify tokens for another app (RFC 7662).",
    "revoke": "Revoke a token by its secret (RFC 7009).",
    "self": "The caller.",
    "authorize": "Forward authentication for proxies.",
    "portal-sessions": "Sessions for people of the product that Spacekey is part of, for its own pages.",
    "audit-events": "What was done in a workspace.",
    "usage": "What keys are used for, here and in other apps.",
    "quota": "How many keys a workspace may have.",
    "Operation": "For programs that watch the server. These operations need no credentials.",
}
"""Description of each tag."""


def deprecation_notices(operations: Sequence[Operation]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the headers of deprecated operations, by method and path."""
    return {(one.method, one.path): one.deprecated.headers for one in operations if one.deprecated is not None}


def openapi_endpoint(operations: Sequence[Operation]) -> Callable[[Request], Any]:
    """Return the endpoint of ``GET /api/v1/openapi.json``. The first request generates the document."""

    @lru_cache(maxsize=4)
    def text(base: str) -> str:
        return json.dumps(document(operations, base), ensure_ascii=False, separators=(",", ":"))

    @public
    async def openapi(request: Request) -> Response:
        return Response(text(base_path(request.scope)), media_type=JSON_TYPE)

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
    return _Schemas(_plain(definitions["$defs"]), {kind: _plain(schema) for (kind, _), schema in found.items()})


def _plain(schema: Any) -> Any:
    """Return a JSON schema in the form that generators of clients read best.

    What may be null has a list of types, ``["string", "null"]``, instead of alternatives, unless it is an object with a
    name of its own.
    """
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(value) for name, value in schema.items()}
    choices = plain.get("anyOf", ())
    given = [one for one in choices if one != {"type": "null"}]
    if len(given) == 1 and len(choices) == 2 and isinstance(given[0].get("type"), str):
        del plain["anyOf"]
        plain = {**given[0], **plain, "type": [given[0]["type"], "null"]}
        if "enum" in plain:
            plain["enum"] = [*plain["enum"], None]
    return plain


def _described(operation: Operation, schemas: _Schemas) -> Json:
    described: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [_tag(operation)],
        "parameters": [
            *([_id(operation)] if "{id}" in operation.path else []),
            *([] if operation.replay is None else [_IDEMPOTENCY_KEY]),
            *_conditions(operation),
            *_parameters(operation.query),
        ],
        "responses": {
            **{
                str(status): _answer(operation, status, answer, schemas) for status, answer in operation.answers.items()
            },
            **({"304": _unchanged(operation)} if operation.conditional and operation.method == "GET" else {}),
            **{str(status): _reference(operation, status) for status in operation.statuses},
            "default": _reference(operation, None),
        },
    }
    if operation.deprecated is not None:
        described |= {
            "deprecated": True,
            "description": f"{operation.description}\n\n{operation.deprecated.reason}",
        }
    if operation.service_scopes:
        described[REQUIRED_SCOPES] = [list(operation.service_scopes)]
    elif operation.requirement is not None:
        described[REQUIRED_SCOPES] = operation.requirement.rule.as_lists()
    if operation.body is not None:
        taken = (operation.body_media, *operation.body_also)
        schema, example = schemas.references[operation.body], BODIES[operation.body]
        content = {media: {"schema": schema, "example": example} for media in taken}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    if operation.callers in _SECURITY:
        described["security"] = _SECURITY[operation.callers]
    return described


def _answer(operation: Operation, status: int, answer: Answer[Any] | None, schemas: _Schemas) -> Json:
    replayed = answer is operation.replay and answer is not None
    found = operation.also is not None and status == 200
    said = "There is one already. It was not changed." if found else operation.answered
    said = "An earlier request with the same `Idempotency-Key` created the key." if replayed else said
    described: Json = {"description": said, "headers": _headers(operation, status)}
    if answer is not None:
        shown = {"schema": schemas.references[answer.kind], **_example(ANSWERS.get(answer.kind))}
        described["content"] = dict.fromkeys(operation.media, shown)
    return described


def _example(example: Any) -> Json:
    return {} if example is None else {"example": example}


def _unchanged(operation: Operation) -> Json:
    said = "The object has one of the entity tags of `If-None-Match`."
    return {"description": said, "headers": _headers(operation, 304)}


def _headers(operation: Operation, status: int) -> Json:
    """Return the headers of a successful response, or of one without a body."""
    names = ["X-Request-Id"]
    names += [] if operation.stored else ["Cache-Control"]
    names += [] if operation.callers == "everyone" else ["Vary"]
    names += ["RateLimit-Policy", "RateLimit"] if operation.limited else []
    if operation.replay is not None:
        names += ["Location", "ETag"]
        names += ["Idempotent-Replayed"] if status == 200 else []
    elif operation.tagged or (operation.conditional and not operation.gone):
        names.append("ETag")
    names += ["Link"] if operation.paged else []
    names += _IDENTITY if operation.identifies else []
    names += ["Set-Cookie"] if operation.callers == "graphql" else []
    names += [] if operation.deprecated is None else _DEPRECATED
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _reference(operation: Operation, status: int | None) -> Json:
    return {"$ref": f"#/components/responses/{_error_name(operation, status)}"}


def _error_name(operation: Operation, status: int | None) -> str:
    name, _ = _OTHER_ERRORS if status is None else _ERROR_RESPONSES[status]
    return f"{_ERRORS.get(operation.callers, '')}{name}"


def _error_responses(operations: Sequence[Operation], schemas: _Schemas) -> Json:
    """Return the error responses by name: one for each status and kind of callers."""
    found: Json = {}
    for operation in operations:
        for status in (*operation.statuses, None):
            found.setdefault(_error_name(operation, status), _error(operation.callers, status, schemas))
    if any(operation.deprecated is not None for operation in operations):
        for response in found.values():
            response["headers"] |= {name: {"$ref": f"#/components/headers/{name}"} for name in _DEPRECATED}
    return dict(sorted(found.items()))


def _error(callers: Callers, status: int | None, schemas: _Schemas) -> Json:
    names = ["X-Request-Id", "Cache-Control"]
    names += [] if callers == "everyone" else ["Vary", "RateLimit-Policy", "RateLimit"]
    names += ["Vary"] if callers == "everyone" and status in (401, 403) else []  # of the metrics
    names += ["WWW-Authenticate"] if status in (400, 401, 403) else []
    names += ["Retry-After"] if status in (429, 503) else []
    headers: Json = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    for name in {401: ["WWW-Authenticate"], 503: ["Retry-After"]}.get(status or 0, ()):
        headers[name] = {**_HEADERS[name], "required": True}
    _, said = _OTHER_ERRORS if status is None else _ERROR_RESPONSES[status]
    problem = {"schema": schemas.references[Problem], **_example(problem_example(status or 500))}
    if callers == "oauth clients":
        content = {
            JSON_TYPE: {"schema": schemas.references[OAuthError], **_example(oauth_example(status or 500))},
            # For a browser with a session, which is no OAuth client.
            PROBLEM_TYPE: problem,
        }
    elif callers == "graphql":
        result = {"schema": schemas.references[GraphQLResult]}
        content = {PROBLEM_TYPE: problem, **dict.fromkeys(GRAPHQL_TYPES, result)}
    else:
        content = {PROBLEM_TYPE: problem}
    return {"description": said, "headers": headers, "content": content}


def _conditions(operation: Operation) -> list[Json]:
    names = [] if not operation.conditional else list(_CONDITIONS) if operation.method == "GET" else ["If-Match"]
    return [
        {"name": name, "in": "header", "description": _CONDITIONS[name], "schema": {"type": "string"}} for name in names
    ]


def _id(operation: Operation) -> Json:
    what, prefix = _IDS.get(_tag(operation), ("object", "[a-z]+"))
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": f"The {what}'s ID.",
        "schema": {"type": "string", "pattern": f"^{prefix}_"},
    }


def _tag(operation: Operation) -> str:
    if operation.callers == "everyone":
        return "Operation"
    return "GraphQL" if operation.callers == "graphql" else operation.path.split("/")[3]


def _parameters(query: type[RequestModel]) -> list[Json]:
    """Return the parameters of a query; lists are written with commas (``style: form``, not ``explode``)."""
    shape = query.model_json_schema(schema_generator=_Generator)
    parameters: list[Json] = []
    for name, schema in shape.get("properties", {}).items():
        given = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
        shown = {**(given[0] if given else {}), **{key: value for key, value in schema.items() if key != "anyOf"}}
        parameter: Json = {"name": name, "in": "query", "description": shown.pop("description"), "schema": shown}
        if name in shape.get("required", ()):
            parameter["required"] = True
        if parameter["schema"].get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        parameters.append(parameter)
    return parameters
