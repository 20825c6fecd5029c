"""The least scopes of an operation over any Strawberry schema, found by ``module:name`` as uvicorn finds an app."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import strawberry
from graphql import GraphQLError

from spacekey.domain.rule import Rule
from spacekey.middleware.graphql import required_scopes

from .codes import USAGE, Failure


def schema_called(place: str | None) -> strawberry.Schema:
    """The schema at ``module:name``, which is a schema or a function without arguments that makes one.

    :raises Failure: it is not there, or is no Strawberry schema.
    """
    if place is None:
        from spacekey.schema.build import build_schema

        return build_schema()
    module_name, colon, names = place.partition(":")
    if not module_name or not colon or not names:
        raise Failure(f"--schema: '{place}' is not MODULE:NAME, like myapp.schema:schema", USAGE)
    found: object = _imported(module_name)
    for name in names.split("."):
        found = getattr(found, name, None)
    if callable(found) and not isinstance(found, strawberry.Schema):
        found = found()
    if not isinstance(found, strawberry.Schema):
        raise Failure(
            f"--schema: '{names}' in '{module_name}' is no Strawberry schema, nor a function that makes one", USAGE
        )
    return found


def least_scopes(schema: strawberry.Schema, document: str, operation: str | None) -> Rule:
    """The rule of the operation.

    :raises Failure: the document is not valid for the schema; where and why.
    :raises RuleError: too many combinations of scopes would do.
    """
    try:
        return required_scopes(schema, document, operation)
    except GraphQLError as error:
        places = ", ".join(f"line {place.line}, column {place.column}" for place in error.locations or ())
        raise Failure(
            f"The document cannot be used: {error.message}{f' ({places})' if places else ''}", USAGE
        ) from None


def _imported(module_name: str) -> object:
    """The module, looked for in the working directory first."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise Failure(
            f"--schema: there is no module '{error.name}'. Run this where your app is, in its virtual environment.",
            USAGE,
        ) from None
