"""The printed schema is the one that is served, and describes all that it offers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from graphql import (
    FieldDefinitionNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    is_specified_directive,
    is_specified_scalar_type,
    parse,
    print_ast,
)

from spacekey.schema.export import COMMAND, SCHEMA_FILE, printed_schema
from support.schema import spacekey_schema

ODD_WORDS = re.compile(r"\b(nobody|somebody|anybody|whoever|anew)\b", re.IGNORECASE)


def test_the_printed_schema_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == printed_schema(), f"the schema has changed; run: {COMMAND}"


def described() -> Iterator[tuple[str, str | None]]:
    """Return each element of the printed schema by its coordinate, with its description."""
    schema = build_schema(printed_schema())
    for one in schema.type_map.values():
        if one.name.startswith("__") or is_specified_scalar_type(one):
            continue
        yield one.name, one.description
        if isinstance(one, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in one.fields.items():
                yield f"{one.name}.{name}", field.description
                for argument, found in field.args.items():
                    yield f"{one.name}.{name}({argument}:)", found.description
        elif isinstance(one, GraphQLInputObjectType):
            for name, given in one.fields.items():
                yield f"{one.name}.{name}", given.description
        elif isinstance(one, GraphQLEnumType):
            for name, value in one.values.items():
                yield f"{one.name}.{name}", value.description
    for directive in schema.directives:
        if not is_specified_directive(directive):
            yield f"@{directive.name}", directive.description


def test_everything_in_the_schema_has_a_description() -> None:
    missing = [coordinate for coordinate, description in described() if not (description or "").strip()]
    assert not missing


def test_descriptions_are_sentences_in_plain_words() -> None:
    odd = [
        f"{coordinate}: {text}"
        for coordinate, text in described()
        if text and (not text[0].isupper() or text[-1] not in ".?" or ODD_WORDS.search(text))
    ]
    assert not odd


def test_introspection_shows_the_descriptions_that_are_printed() -> None:
    answer = spacekey_schema().execute_sync(
        "{ __schema { types { name description fields { name description args { name description } } "
        "inputFields { name description } enumValues { name description } } } }"
    )
    assert answer.data is not None
    served: dict[str, str | None] = {}
    for one in answer.data["__schema"]["types"]:
        served[one["name"]] = one["description"]
        for member in (*(one["fields"] or ()), *(one["inputFields"] or ()), *(one["enumValues"] or ())):
            served[f"{one['name']}.{member['name']}"] = member["description"]
            for argument in member.get("args", ()):
                served[f"{one['name']}.{member['name']}({argument['name']}:)"] = argument["description"]
    printed = {coordinate: text for coordinate, text in described() if not coordinate.startswith("@")}
    assert {coordinate: served[coordinate] for coordinate in printed} == printed


def test_a_field_that_requires_scopes_names_them() -> None:
    """GraphiQL and most generators show descriptions, and no directives."""
    found = 0
    for one in parse(printed_schema()).definitions:
        for field in getattr(one, "fields", None) or ():
            for directive in field.directives or ():
                if isinstance(field, FieldDefinitionNode) and directive.name.value == "requiresScopes":
                    found += 1
                    scopes = re.findall(r'"([a-z]+:[a-z]+)"', print_ast(directive))
                    text = field.description.value if field.description else ""
                    assert ("Requires the scope" if scopes else "Requires credentials.") in text, field.name.value
                    assert all(f"`{scope}`" in text for scope in scopes), (field.name.value, text)
    assert found >= 40
