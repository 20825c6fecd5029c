"""Refuses a plain Strawberry schema whose rules nobody would enforce."""

from __future__ import annotations

from graphql import GraphQLSchema
from strawberry import federation
from strawberry.federation.schema_directives import Policy
from strawberry.schema import BaseSchema

from spacekey.domain.errors import ConfigurationError

from .directives import carries_rule, directives_on, elements
from .schema import ScopedSchema


def refuse_unenforced(schema: BaseSchema) -> None:
    """Raise :class:`ConfigurationError` for a rule in a schema that was not built with :class:`ScopedSchema`.

    A plain schema without any rule is nobody's mistake.
    """
    built: object = getattr(schema, "_schema", None)
    if isinstance(schema, ScopedSchema) or not isinstance(built, GraphQLSchema):
        return
    for where, element in elements(built):
        directives = directives_on(where, element)
        if carries_rule(directives) or any(isinstance(one, Policy) for one in directives):
            wanted = "ScopedFederationSchema" if isinstance(schema, federation.Schema) else "ScopedSchema"
            raise ConfigurationError(
                f"{where} has a rule, and {type(schema).__name__} enforces none: build it with {wanted}"
            )
