"""The shapes the OpenAPI document refers to."""

from __future__ import annotations

from typing import Any

from spacekey.domain.actor import ActorKind

Json = dict[str, Any]


def reference(name: str) -> Json:
    """A pointer to one of :data:`    SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Json = {"type": "string"}
_MAYBE_TEXT: Json = {"type": ["string", "null"]}
_MOMENT: Json = {"type": "string", "format": "date-time"}
_MAYBE_MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}
_TEXTS: Json = {"type": "array", "items": {"type": "string"}}
_COUNT: Json = {"type": "integer", "minimum": 0}
_LIMIT: Json = {
    "type": ["object", "null"],
    "properties": {"per_minute": _COUNT, "burst": _COUNT},
    "required": ["per_minute", "burst"],
}


def _object(properties: Json, required: tuple[str, ...] | None = None, *, closed: bool = False) -> Json:
    """All properties are there unless ``required`` says which."""
    names = list(properties) if required is None else list(required)
    schema: Json = {"type": "object", "properties": properties}
    return schema | ({"required": names} if names else {}) | ({"additionalProperties": False} if closed else {})


_API_KEY: Json = {
    "id": _TEXT,
    "name": _TEXT,
    "description": _TEXT,
    "kind": {"enum": ["space", "workspace"]},
    "environment": {"enum": ["live", "test"]},
    "prefix": _TEXT,
    "permissions": _TEXTS,
    "scopes": _TEXTS,
    "role": _MAYBE_TEXT,
    "status": {"enum": ["active", "disabled", "expired", "revoked"]},
    "workspace_id": _TEXT,
    "space_id": _MAYBE_TEXT,
    "created_at": _MOMENT,
    "created_by": reference("Actor"),
    "expires_at": _MAYBE_MOMENT,
    "last_used_at": _MAYBE_MOMENT,
    "disabled_at": _MAYBE_MOMENT,
    "revoked_at": _MAYBE_MOMENT,
    "revoked_reason": _MAYBE_TEXT,
    "retires_at": _MAYBE_MOMENT,
    "rotated_from": _MAYBE_TEXT,
    "rotated_to": _MAYBE_TEXT,
}

_LIFETIME: Json = {
    "type": ["integer", "null"],
    "minimum": 1,
    "maximum": 2**31 - 1,
    "description": "A lifetime in seconds, counted by the server's clock; give either this or expires_at.",
}

_ASKED: Json = {
    "name": _TEXT | {"maxLength": 200},
    "permissions": _TEXTS | {"maxItems": 100},
    "preset": _MAYBE_TEXT,
    "description": _MAYBE_TEXT,
    "environment": {"enum": ["live", "test", None]},
    "expires_at": _MAYBE_MOMENT,
    "expires_in": _LIFETIME,
    "space_id": _MAYBE_TEXT,
    "workspace_id": _MAYBE_TEXT,
}

_USE: Json = {
    "token_id": _TEXT,
    "at": _MOMENT,
    "ip": _TEXT,
    "allowed": _COUNT,
    "denied": _COUNT,
    "limited": _COUNT,
    "scopes": _TEXTS,
    "used": {"type": "boolean", "default": True},
}

_CLIENT: Json = {
    "client_id": {**_TEXT, "description": "The token's id, or the introspector's name, that authenticates the caller."},
    "client_secret": {**_TEXT, "description": "Its secret, where it is not sent in a header."},
}

SCHEMAS: Json = {
    "Actor": _object(
        {
            "kind": {"enum": [kind.value for kind in ActorKind]},
            "id": _TEXT,
            "name": {**_TEXT, "description": "What they were called at that moment; kind and id identify."},
            "unproven": {
                "type": "boolean",
                "description": "Whether the name is an e-mail address that was not known to be theirs at that moment.",
            },
        }
    ),
    "ApiKey": _object(_API_KEY | {"effective_at": _MOMENT}, tuple(_API_KEY)),
    "ApiKeyPage": _object({"api_keys": {"type": "array", "items": reference("ApiKey")}, "next": _MAYBE_TEXT}),
    "NewApiKey": _object(
        _API_KEY | {"key": _TEXT, "effective_at": _MOMENT}, ("id", "name", "key", "permissions", "created_at")
    ),
    "CreateApiKey": _object(_ASKED, ("name",), closed=True),
    "ChangeApiKey": _object(
        {name: _ASKED[name] for name in ("name", "permissions", "description", "expires_at", "expires_in")}
        | {"disabled": {"type": "boolean"}},
        (),
        closed=True,
    ),
    "RotateApiKey": _object(
        {
            "grace_seconds": {"type": "integer", "minimum": 0, "maximum": 604_800, "default": 86_400},
            "retire_on_first_use": {"type": "boolean", "default": False},
            "expires_at": _MAYBE_MOMENT,
            "expires_in": _LIFETIME,
        },
        (),
        closed=True,
    ),
    "TokenForm": _object({"token": _TEXT, "token_type_hint": _TEXT, **_CLIENT}, ("token",)),
    "IntrospectionForm": _object(
        {
            "token": _TEXT,
            "token_type_hint": _TEXT,
            "environment": {"enum": ["live", "test"], "description": "Where the asking app runs."},
            "used_in": {
                "enum": ["live", "test"],
                "description": "The same, of an app that refuses tokens of another environment by itself.",
            },
            "client_ip": {**_TEXT, "description": "Who sent the token to the asking app, by its word."},
            "client_user_agent": _TEXT,
            **_CLIENT,
        },
        ("token",),
    ),
    "IntrospectionBatch": _object(
        {
            "environment": {"enum": ["live", "test"], "description": "Where the asking app runs."},
            "tokens": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1000,
                "items": _object(
                    {
                        "token": {"type": "string", "minLength": 1},
                        "version": {**_TEXT, "description": "Of the answer that the asking app holds."},
                        "used_in": {
                            "enum": ["live", "test"],
                            "description": "The environment, of an app that refuses tokens of another one by itself.",
                        },
                        "client_ip": {**_TEXT, "description": "Who sent the token to the asking app, by its word."},
                        "client_user_agent": _TEXT,
                    },
                    ("token",),
                ),
            },
        },
        ("tokens",),
    ),
    "IntrospectionResults": _object(
        {
            "results": {
                "type": "array",
                "description": "One for each token, in the same order.",
                "items": {"$ref": "#/components/schemas/IntrospectionResult"},
            }
        }
    ),
    "IntrospectionResult": {
        "description": "What introspection of the token alone would answer, or why it cannot be answered about now.",
        "oneOf": [
            {
                "allOf": [{"$ref": "#/components/schemas/Introspection"}],
                "properties": {"version": {**_TEXT, "description": "Of this answer; only if it is active."}},
                "required": ["active"],
            },
            _object(
                {
                    "active": {"const": True},
                    "unchanged": {"const": True, "description": "The answer is the one whose version was sent."},
                }
            ),
            _object(
                {
                    "error": {"enum": ["temporarily_unavailable", "invalid_request"]},
                    "error_description": _TEXT,
                    "retry_after": {**_COUNT, "description": "Seconds."},
                },
                ("error",),
            ),
        ],
    },
    "Introspection": _object(
        {
            "active": {"type": "boolean"},
            "sub": _TEXT,
            "token_type": _TEXT,
            "kind": {"enum": ["space", "workspace"]},
            "name": _TEXT,
            "scope": _TEXT,
            "workspace_id": _TEXT,
            "space_id": _TEXT,
            "environment": _TEXT,
            "exp": {"type": "integer", "description": "Seconds since 1970, rounded down."},
            "expires_at": {**_MOMENT, "description": "The same moment, exactly."},
            "limit": _LIMIT,
            "limit_key": {**_TEXT, "description": "What the limit is charged to, where it is not sub."},
            "max_age": {"type": "number", "description": "Seconds the answer may be relied on, from before asking."},
        },
        ("active",),
    ),
    "Principal": _object(
        {
            "id": _TEXT,
            "kind": {"enum": ["space", "workspace", "member"]},
            "name": _TEXT,
            "workspace_id": _MAYBE_TEXT,
            "space_id": _MAYBE_TEXT,
            "environment": _MAYBE_TEXT,
            "scopes": _TEXTS,
            "expires_at": _MAYBE_MOMENT,
            "limit": _LIMIT,
        }
    ),
    "Usage": _object(
        {
            "uses": {"type": "array", "maxItems": 1_000, "items": _object(_USE, ("token_id", "at"), closed=True)},
            "reporter": {"type": "string", "pattern": "^[0-9A-Za-z]{1,64}$"},
            "number": {"type": "integer", "minimum": 1},
        },
        ("uses",),
        closed=True,
    ),
    "Accepted": _object({"accepted": _COUNT, "requests_too_old": _COUNT}, ("accepted",)),
    "GraphQLRequest": _object(
        {
            "query": _TEXT,
            "variables": {"type": ["object", "null"]},
            "operationName": _MAYBE_TEXT,
            "extensions": {"type": ["object", "null"]},
        },
        ("query",),
    ),
    "OAuthError": _object(
        {"error": _TEXT, "error_description": _TEXT}
        | {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "code": _TEXT}
        | {"missing_scopes": _TEXTS, "request_id": _TEXT},
        ("error", "error_description", "status", "code"),
    ),
    "Problem": _object(
        {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "code": _TEXT}
        | {"field": _TEXT, "reason": _TEXT, "successor_id": _TEXT, "missing_scopes": _TEXTS, "request_id": _TEXT},
        ("type", "title", "status", "detail", "code"),
    ),
}
