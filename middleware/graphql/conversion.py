"""Mistakes that are told while Strawberry converts a type: a moment later it fails itself, and names no cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.middleware.access import Requirement, access_of

from .directives import written_directives


def refuse_unconvertible(
    type_name: str, definition: StrawberryObjectDefinition, fields: dict[str, StrawberryField]
) -> None:
    """Raise :class:`RuleError` for what is no directive, and for a resolver that the decorator of routes wraps.

    :param fields: those of the type, by their GraphQL names.
    """
    written_directives(type_name, definition.directives)
    for name, field in fields.items():
        where = f"{type_name}.{name}"
        written_directives(where, field.directives)
        resolver = field.base_resolver
        if resolver is not None and isinstance(access_of(resolver.wrapped_func), Requirement):
            raise RuleError(
                f"{where}: @requires is for routes; on a field write "
                "strawberry.field(directives=[requires_scopes('jobs:read')])"
            )


@contextmanager
def told_plainly() -> Iterator[None]:
    """graphql-core wraps whatever is raised about a type's fields in a TypeError; give our own back."""
    try:
        yield
    except TypeError as error:
        cause = error.__cause__
        while cause is not None and not isinstance(cause, ConfigurationError):
            cause = cause.__cause__
        raise cause or error from None
