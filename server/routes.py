"""Every address the server answers, in one table."""

from __future__ import annotations

import strawberry
from starlette.routing import BaseRoute, Route

from .api_key_list import list_api_keys
from .api_keys import change_api_key, create_api_key, revoke_api_key, rotate_api_key, show_api_key
from .graphql_http import graphql_endpoint
from .health import healthz, metrics, readyz
from .introspect_batch import introspect_tokens
from .oauth import introspect_token, revoke_presented
from .openapi_route import openapi
from .self_route import show_self
from .usage_route import add_usage

API = "/api/v1"
GRAPHQL = "/graphql"


def build_routes(schema: strawberry.Schema) -> list[BaseRoute]:
    """The routes. Each endpoint says itself who may come in."""
    return [
        Route(GRAPHQL, graphql_endpoint(schema), methods=["POST"]),
        Route(f"{API}/api-keys", list_api_keys, methods=["GET"]),
        Route(f"{API}/api-keys", create_api_key, methods=["POST"]),
        Route(f"{API}/api-keys/{{id}}", show_api_key, methods=["GET"]),
        Route(f"{API}/api-keys/{{id}}", change_api_key, methods=["PATCH"]),
        Route(f"{API}/api-keys/{{id}}", revoke_api_key, methods=["DELETE"]),
        Route(f"{API}/api-keys/{{id}}/rotate", rotate_api_key, methods=["POST"]),
        Route(f"{API}/introspect", introspect_token, methods=["POST"]),
        Route(f"{API}/introspect/batch", introspect_tokens, methods=["POST"]),
        Route(f"{API}/revoke", revoke_presented, methods=["POST"]),
        Route(f"{API}/self", show_self, methods=["GET"]),
        Route(f"{API}/usage", add_usage, methods=["POST"]),
        Route(f"{API}/openapi.json", openapi, methods=["GET"]),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]
