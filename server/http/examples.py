"""Examples of the OpenAPI document: one for each body and each answer, and a problem document for each status.

Those of problems are made by the code that answers them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput, NotFound, PreconditionFailed
from spacekey.middleware import responses

from . import request_models as bodies
from . import response_models as answers
from .errors import REALM, broken, response_to
from .requests import JSON_TYPE, BadBody

Json = dict[str, Any]

KEY_ID = "key_01kb8c2v4r6t8x0z2b4d6f8h0k"
WORKSPACE_ID = "ws_01kb8bz9q1s3u5w7y9a1c3e5g7"
SPACE_ID = "space_01kb8c0n2p4r6t8v0x2z4b6d8f"
USER_ID = "usr_01kb8bx5k7m9p1r3t5v7x9z1b3"
SUCCESSOR_ID = "key_01kb8d7w9y1a3c5e7g9j1m3p5r"
SECRET = "sp_live_…"  # noqa: S105 - no secret, and of no secret's shape
REQUEST_ID = "5f0c1e7a9b3d"
ENTITY_TAG = '"mXz1rGvR0q8bT5kYw3nJ7A"'

_KEY: Json = {
    "id": KEY_ID,
    "name": "Nightly report",
    "description": "Runs at 2:00",
    "kind": "workspace",
    "environment": "live",
    "prefix": "sp_live_a1b2…",
    "permissions": ["jobs:read"],
    "scopes": ["jobs:read"],
    "role": None,
    "status": "active",
    "workspace_id": WORKSPACE_ID,
    "space_id": None,
    "created_at": "2026-11-30T08:15:00.000Z",
    "created_by": {"kind": "person", "id": USER_ID, "name": "ada@example.com", "unproven": False},
    "expires_at": "2027-01-31T12:00:00.000Z",
    "last_used_at": None,
    "disabled_at": None,
    "revoked_at": None,
    "revoked_reason": None,
    "grace_ends_at": None,
    "rotated_from": None,
    "rotated_to": None,
    "external_id": "user-7",
    "metadata": {"seats": 3},
    "imported_from": None,
}
_CHANGED = {**_KEY, "effective_at": "2026-11-30T08:15:01.000Z"}
_NEW = {
    "id": KEY_ID,
    "name": _KEY["name"],
    "key": SECRET,
    "permissions": _KEY["permissions"],
    "created_at": _KEY["created_at"],
    **_CHANGED,
}
_DESCRIBED: Json = {
    "active": True,
    "sub": KEY_ID,
    "token_type": "Bearer",
    "kind": "workspace",
    "name": "Nightly report",
    "scope": "jobs:read",
    "workspace_id": WORKSPACE_ID,
    "environment": "live",
    "exp": 1801396800,
    "expires_at": "2027-01-31T12:00:00.000Z",
    "rate_limit": {"per_minute": 100, "burst": 20},
    "external_id": "user-7",
    "metadata": {"seats": 3},
    "max_age": 1.0,
}
_WORKSPACE: Json = {
    "id": WORKSPACE_ID,
    "name": "Acme",
    "slug": "acme",
    "product": "spooled",
    "plan": "starter",
    "rate_limit": None,
    "created_at": "2026-11-02T10:00:00.000Z",
    "suspended_at": None,
    "external_id": "tenant-42",
}
_SPACE: Json = {
    "id": SPACE_ID,
    "name": "Checkout",
    "slug": "checkout",
    "workspace_id": WORKSPACE_ID,
    "created_at": "2026-11-02T10:05:00.000Z",
    "external_id": None,
}
_PERSON: Json = {"id": "user-7", "name": "Ada Lovelace"}
_VERSION = "Zk3v8Q1mT6yB0nLr4sWc2A"

BODIES: Mapping[type, Json] = {
    bodies.CreateApiKey: {
        "name": "Nightly report",
        "permissions": ["jobs:read"],
        "description": "Runs at 2:00",
        "expires_at": "2027-01-31T12:00:00Z",
        "external_id": "user-7",
        "metadata": {"seats": 3},
    },
    bodies.ChangeApiKey: {"permissions": ["jobs:read", "queues:read"], "description": None},
    bodies.RotateApiKey: {"grace_seconds": 3_600, "retire_on_first_use": True},
    bodies.RevokeApiKey: {"reason": "The server was replaced"},
    bodies.IntrospectionForm: {"token": SECRET, "environment": "live"},
    bodies.IntrospectionBatch: {"tokens": [{"token": SECRET, "version": _VERSION}, {"token": SECRET}]},
    bodies.TokenForm: {"token": SECRET},
    bodies.Usage: {
        "uses": [
            {
                "token_id": KEY_ID,
                "at": "2026-11-30T08:59:12.000Z",
                "ip": "192.0.2.7",
                "allowed": 12,
                "denied": 1,
                "rate_limited": 0,
                "scopes": ["jobs:read"],
            }
        ]
    },
    bodies.CreateWorkspace: {"name": "Acme", "slug": "acme", "plan": "starter", "external_id": "tenant-42"},
    bodies.EnsureWorkspace: {"external_id": "tenant-42", "name": "Acme", "plan": "starter"},
    bodies.ChangeWorkspace: {"plan": "business", "rate_limit": {"per_minute": 600, "burst": 60}},
    bodies.CreateSpace: {"workspace_id": WORKSPACE_ID, "name": "Checkout", "slug": "checkout"},
    bodies.EnsureSpace: {"workspace_id": WORKSPACE_ID, "external_id": "project-7", "name": "Checkout"},
    bodies.ChangeSpace: {"name": "Checkout and returns"},
    bodies.OpenPortalSession: {
        "workspace_id": WORKSPACE_ID,
        "person": _PERSON,
        "origins": ["https://app.example.com"],
        "expires_in": 900,
    },
    bodies.EndPortalSessions: {"workspace_id": WORKSPACE_ID, "person_id": _PERSON["id"]},
    bodies.GraphQLRequest: {
        "query": "query ($id: ID!) { token(id: $id) { name status } }",
        "variables": {"id": KEY_ID},
    },
}
"""Model of a body → an example of it."""

ANSWERS: Mapping[Any, Any] = {
    answers.OpenedSession: {
        "id": "pts_01kb8e5r7t9v1x3z5b7d9f1h3k",
        "secret": "spkportal_live_…",
        "workspace_id": WORKSPACE_ID,
        "person": _PERSON,
        "scopes": ["jobs:read", "tokens:create", "tokens:read", "tokens:revoke"],
        "tokens": "own",
        "origins": ["https://app.example.com"],
        "expires_at": "2026-11-30T08:30:00.000Z",
    },
    answers.EndedSessions: {"ended": 1},
    answers.ApiKey: _KEY,
    answers.ChangedApiKey: _CHANGED,
    answers.NewApiKey: _NEW,
    answers.ReplayedApiKey: {
        **_KEY,
        "replayed": True,
        "detail": f"An earlier request with this idempotency key created {KEY_ID}. Its secret was shown then and is "
        f"not stored; if you do not have it, rotate {KEY_ID} with a new idempotency key.",
    },
    answers.ApiKeyPage: {"api_keys": [_KEY], "has_more": False, "next_cursor": None},
    answers.Workspace: _WORKSPACE,
    answers.ChangedWorkspace: {**_WORKSPACE, "effective_at": "2026-11-30T08:15:01.000Z"},
    answers.DeletedWorkspace: {"id": WORKSPACE_ID, "effective_at": "2026-11-30T08:15:01.000Z"},
    answers.WorkspacePage: {"workspaces": [_WORKSPACE], "has_more": False, "next_cursor": None},
    answers.Space: _SPACE,
    answers.DeletedSpace: {"id": SPACE_ID, "effective_at": "2026-11-30T08:15:01.000Z"},
    answers.SpacePage: {"spaces": [_SPACE], "has_more": True, "next_cursor": "WyJjaGVja291dCJd"},
    answers.Principal: {
        "id": KEY_ID,
        "kind": "workspace",
        "name": "Nightly report",
        "workspace_id": WORKSPACE_ID,
        "space_id": None,
        "environment": "live",
        "scopes": ["jobs:read"],
        "expires_at": "2027-01-31T12:00:00.000Z",
        "external_id": "user-7",
        "metadata": {"seats": 3},
        "rate_limit": {"per_minute": 100, "burst": 20},
    },
    answers.Introspection: _DESCRIBED,
    answers.IntrospectionResults: {
        "results": [
            {"active": True, "unchanged": True},
            {**_DESCRIBED, "version": _VERSION},
            {"active": False},
            {"error": "temporarily_unavailable", "retry_after": 1},
        ]
    },
    answers.Accepted: {"accepted": 1},
    answers.WorkspaceUsage: {"days": [{"day": "2026-11-30", "allowed": 12, "denied": 1, "rate_limited": 0}]},
    answers.BusiestApiKeys: {"api_keys": [{"api_key": _KEY, "allowed": 12, "denied": 1, "rate_limited": 0}]},
    answers.Quota: {"used": 3, "max": 20},
    answers.AuditEventPage: {
        "audit_events": [
            {
                "id": "evt_01kb8e1f3h5k7m9p1r3t5v7x9z",
                "at": "2026-11-30T09:30:00.000Z",
                "action": "token.revoke",
                "outcome": "success",
                "actor": {"kind": "person", "id": USER_ID, "name": "ada@example.com", "unproven": False},
                "target_id": KEY_ID,
                "target_name": "",
                "before": {"revoked_at": None},
                "after": {"revoked_at": "2026-11-30T09:30:00.000000+00:00"},
                "ip": "192.0.2.7",
                "user_agent": "curl/8.5.0",
                "request_id": REQUEST_ID,
            }
        ],
        "has_more": False,
        "next_cursor": None,
    },
    answers.GraphQLResult: {"data": {"token": {"name": "Nightly report", "status": "ACTIVE"}}},
    answers.Health: {"status": "ok"},
    answers.Readiness: {"status": "ok"},
}
"""Model of an answer → an example of it."""


def problem_example(status: int) -> Json | None:
    """Return the problem document of a status, as the server answers it; None if no problem has this status."""
    made: Mapping[int, Response] = {
        400: responses.request_malformed(REALM),
        401: responses.token_refused(REALM),
        403: responses.scope_missing(REALM, ["tokens:read"]),
        404: response_to(NotFound("token")),
        409: response_to(Conflict("A revoked token cannot be edited; create a new one.", ConflictCode.TOKEN_REVOKED)),
        412: response_to(PreconditionFailed("key")),
        413: response_to(BadBody(413, "too_large", "The body may have at most 65536 bytes.")),
        415: response_to(BadBody(415, "unsupported_media_type", f"Send the body as {JSON_TYPE}.")),
        422: response_to(InvalidInput("grants", "Must be a list of at most 100 strings.", InputCode.INVALID_TYPE)),
        429: responses.rate_limited(3),
        500: broken(REQUEST_ID),
        503: response_to(ServiceUnavailable("an example", 1)),
    }
    return json.loads(bytes(made[status].body)) if status in made else None


def oauth_example(status: int) -> Json | None:
    """Return an error of the OAuth endpoints: the same problem document, with RFC 6749's members."""
    problem = problem_example(status)
    if problem is None:
        return None
    error = {401: "invalid_token", 403: "insufficient_scope", 500: "server_error"}.get(status, "invalid_request")
    if status in (429, 503):
        error = "temporarily_unavailable"
    return {"error": error, "error_description": problem["detail"], **problem}
