"""Breaking changes between two versions of the GraphQL schema: those of graphql-core, and scopes that a field asks for.

New values of an enum and new types of a union are none, as docs/reference/stability.md announces them.
"""

from __future__ import annotations

from graphql import (
    FieldDefinitionNode,
    InterfaceTypeDefinitionNode,
    ListValueNode,
    ObjectTypeDefinitionNode,
    StringValueNode,
    build_schema,
    find_breaking_changes,
    parse,
)

from support.documents.openapi_changes import scopes_changed


def breaking_changes(old: str, new: str) -> list[str]:
    """Return a line for each breaking change between two schemas in the schema definition language, sorted."""
    found = find_breaking_changes(build_schema(old, assume_valid=True), build_schema(new, assume_valid=True))
    lines = [f"{one.type.name}: {one.description}" for one in found]
    before, after = _scopes(old), _scopes(new)
    for field, scopes in before.items():
        if field in after:
            lines += scopes_changed(field, scopes, after[field])
    return sorted(set(lines))


def _scopes(text: str) -> dict[str, list[list[str]] | None]:
    """Return the scopes of each field, by type and name; None for a field that asks for none."""
    found: dict[str, list[list[str]] | None] = {}
    for definition in parse(text).definitions:
        if isinstance(definition, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
            for field in definition.fields or ():
                found[f"{definition.name.value}.{field.name.value}"] = _of(field)
    return found


def _of(field: FieldDefinitionNode) -> list[list[str]] | None:
    for directive in field.directives or ():
        if directive.name.value == "requiresScopes":
            (argument,) = directive.arguments or ()
            if isinstance(argument.value, ListValueNode):
                return [
                    [scope.value for scope in each.values if isinstance(scope, StringValueNode)]
                    for each in argument.value.values
                    if isinstance(each, ListValueNode)
                ]
    return None
