"""Table of all operations of the API, from which the app's routes and the OpenAPI document are built."""

from __future__ import annotations

import strawberry
from starlette.routing import BaseRoute, Route

from . import response_models as answers
from .api_keys import (
    create_api_key,
    delete_api_key,
    disable_api_key,
    enable_api_key,
    get_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
    show_self,
    update_api_key,
)
from .graphql import graphql_endpoint
from .health import healthz, metrics, readyz
from .oauth import introspect_token, introspect_tokens, revoke_presented
from .openapi import GRAPHQL_TYPES, Operation, openapi_endpoint
from .places import list_spaces, list_workspaces
from .request_models import (
    ChangeApiKey,
    CreateApiKey,
    GraphQLRequest,
    IntrospectionBatch,
    IntrospectionForm,
    ListApiKeys,
    ListSpaces,
    ListWorkspaces,
    RevokeApiKey,
    RotateApiKey,
    TokenForm,
    Usage,
    Waiting,
)
from .requests import FORM_TYPE, MERGE_PATCH_TYPE
from .usage import report_api_usage

API = "/api/v1"
GRAPHQL = "/graphql"
OPENAPI = f"{API}/openapi.json"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        GRAPHQL,
        "graphql",
        "The GraphQL API",
        None,
        answers.GRAPHQL_RESULT,
        media=GRAPHQL_TYPES,
        refusals=(400, 401, 403, 406, 413, 415, 429, 503),
        body=GraphQLRequest,
        callers="graphql",
    ),
    Operation(
        "GET",
        f"{API}/api-keys",
        "listApiKeys",
        "A page of keys, newest first unless sorted otherwise",
        list_api_keys,
        answers.API_KEY_PAGE,
        query=ListApiKeys,
        refusals=(400, 401, 403, 404, 422),
    ),
    Operation(
        "POST",
        f"{API}/api-keys",
        "createApiKey",
        "Create a key; its secret is shown here only",
        create_api_key,
        answers.NEW_API_KEY,
        status=201,
        replay=answers.REPLAYED_API_KEY,
        body=CreateApiKey,
        refusals=(400, 401, 403, 404, 409, 413, 415, 422),
    ),
    Operation(
        "GET",
        f"{API}/api-keys/{{id}}",
        "getApiKey",
        "One key",
        get_api_key,
        answers.API_KEY,
        refusals=(400, 401, 403, 404, 422),
        conditional=True,
    ),
    Operation(
        "PATCH",
        f"{API}/api-keys/{{id}}",
        "updateApiKey",
        "Edit a key, or disable or enable it",
        update_api_key,
        answers.CHANGED_API_KEY,
        query=Waiting,
        body=ChangeApiKey,
        body_also=(MERGE_PATCH_TYPE,),
        refusals=(400, 401, 403, 404, 409, 413, 415, 422),
        conditional=True,
    ),
    Operation(
        "DELETE",
        f"{API}/api-keys/{{id}}",
        "deleteApiKey",
        "Revoke a key for good, like revokeApiKey but without a reason; it stays in lists as revoked",
        delete_api_key,
        answers.CHANGED_API_KEY,
        query=Waiting,
        refusals=(400, 401, 403, 404, 409, 422),
        conditional=True,
    ),
    Operation(
        "POST",
        f"{API}/api-keys/{{id}}/revoke",
        "revokeApiKey",
        "Revoke a key for good, with a reason; it stays in lists as revoked",
        revoke_api_key,
        answers.CHANGED_API_KEY,
        query=Waiting,
        body=RevokeApiKey,
        body_required=False,
        refusals=(400, 401, 403, 404, 409, 413, 415, 422),
        conditional=True,
    ),
    Operation(
        "POST",
        f"{API}/api-keys/{{id}}/disable",
        "disableApiKey",
        "Disable a key: it is refused until it is enabled again",
        disable_api_key,
        answers.CHANGED_API_KEY,
        query=Waiting,
        refusals=(400, 401, 403, 404, 409, 422),
        conditional=True,
    ),
    Operation(
        "POST",
        f"{API}/api-keys/{{id}}/enable",
        "enableApiKey",
        "Enable a disabled key",
        enable_api_key,
        answers.CHANGED_API_KEY,
        refusals=(400, 401, 403, 404, 409, 422),
        conditional=True,
    ),
    Operation(
        "POST",
        f"{API}/api-keys/{{id}}/rotate",
        "rotateApiKey",
        "Make a successor; the old key ends after a grace; needs tokens:create and tokens:revoke",
        rotate_api_key,
        answers.NEW_API_KEY,
        status=201,
        replay=answers.REPLAYED_API_KEY,
        query=Waiting,
        body=RotateApiKey,
        body_required=False,
        refusals=(400, 401, 403, 404, 409, 413, 415, 422),
        conditional=True,
    ),
    Operation(
        "GET",
        f"{API}/workspaces",
        "listWorkspaces",
        "A page of the caller's workspaces, by name; needs workspace:read",
        list_workspaces,
        answers.WORKSPACE_PAGE,
        query=ListWorkspaces,
        refusals=(400, 401, 403, 422),
    ),
    Operation(
        "GET",
        f"{API}/spaces",
        "listSpaces",
        "A page of a workspace's spaces, by name; needs spaces:read",
        list_spaces,
        answers.SPACE_PAGE,
        query=ListSpaces,
        refusals=(400, 401, 403, 404, 422),
    ),
    Operation(
        "POST",
        f"{API}/introspect",
        "introspect",
        "Whether a token is valid (RFC 7662); needs tokens:introspect",
        introspect_token,
        answers.INTROSPECTION,
        body=IntrospectionForm,
        body_media=FORM_TYPE,
        refusals=(400, 401, 403, 413, 415, 503),
        callers="oauth clients",
    ),
    Operation(
        "POST",
        f"{API}/introspect/batch",
        "introspectBatch",
        "Whether each of up to 1,000 tokens is valid, and what changed since a version; needs tokens:introspect",
        introspect_tokens,
        answers.INTROSPECTION_RESULTS,
        body=IntrospectionBatch,
        refusals=(400, 401, 403, 413, 415, 422, 503),
        callers="oauth clients",
    ),
    Operation(
        "POST",
        f"{API}/revoke",
        "revoke",
        "Revoke a token by its secret (RFC 7009); a token can revoke itself",
        revoke_presented,
        None,
        body=TokenForm,
        body_media=FORM_TYPE,
        refusals=(400, 401, 403, 413, 415, 503),
        callers="oauth clients",
    ),
    Operation("GET", f"{API}/self", "getSelf", "Who the caller is", show_self, answers.PRINCIPAL, refusals=(400, 401)),
    Operation(
        "POST",
        f"{API}/usage",
        "reportUsage",
        "Report usage counted elsewhere; needs tokens:introspect",
        report_api_usage,
        answers.ACCEPTED,
        body=Usage,
        refusals=(400, 401, 403, 413, 415, 422),
    ),
    Operation("GET", OPENAPI, "openapi", "This document", None, answers.OPENAPI, callers="everyone"),
    Operation("GET", "/healthz", "healthz", "Whether the process lives", healthz, answers.HEALTH, callers="everyone"),
    Operation(
        "GET",
        "/readyz",
        "readyz",
        "Whether the store answers",
        readyz,
        answers.READINESS,
        refusals=(503,),
        callers="everyone",
    ),
    Operation(
        "GET",
        "/metrics",
        "metrics",
        "Counters for Prometheus",
        metrics,
        answers.METRICS,
        media=("text/plain",),
        callers="everyone",
    ),
)
"""In the order of the document. Each endpoint declares its own rule."""


def build_routes(schema: strawberry.Schema) -> list[BaseRoute]:
    """Return the routes of all operations. Those of REST come last, as probes are more frequent and match faster."""
    made = {GRAPHQL: graphql_endpoint(schema), OPENAPI: openapi_endpoint(OPERATIONS)}
    ordered = sorted(OPERATIONS, key=lambda one: one.path.startswith(f"{API}/"))
    return [Route(one.path, one.endpoint or made[one.path], methods=[one.method]) for one in ordered]
