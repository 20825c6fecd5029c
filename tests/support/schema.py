"""Spacekey's GraphQL schema, built once in a process: it holds no state of a server."""

from __future__ import annotations

from functools import cache

from spacekey.middleware.graphql import ScopedSchema
from spacekey.schema.build import build_schema


@cache
def spacekey_schema() -> ScopedSchema:
    """Return the schema of the server."""
    return build_schema()
