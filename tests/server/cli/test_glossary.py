"""docs/reference/glossary.md: each thing has the name of the table in every interface, and no other."""

from __future__ import annotations

import dataclasses
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType

import spacekey
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.refusal import Forbidden
from spacekey.schema.errors import error_of
from support.cli import Cli, command_tree
from support.databases import sqlite_database
from support.documents.openapi import api_document
from support.pages import ROOT
from support.schema import spacekey_schema

PAGE = ROOT / "docs" / "reference" / "glossary.md"
INTERFACES = ("graphql", "rest", "command line", "introspection", "python")
FORMER = {
    *("catalog", "catalogs", "brand", "introspector", "introspectors", "retiresAt", "retires_at", "limited", "tokenId"),
    *("tokensMax", "myRole", "limit_key", "staleness", "Refusal", "Needs", "oneRole", "lifetimeSecondsMax"),
}
"""Earlier names of things in the table, and of what else was renamed."""


def rows() -> list[tuple[str, ...]]:
    table = PAGE.read_text(encoding="utf-8").partition("## Names in the interfaces")[2]
    found = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines() if "`" in line]
    return [row for row in found if len(row) == len(INTERFACES) + 1]


@pytest.fixture(scope="module")
def names(demo_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, frozenset[str]]:
    """The names that each interface has."""
    cli = Cli({"SPACEKEY_DATABASE_URL": sqlite_database(tmp_path_factory.mktemp("glossary"), demo_template)})
    return {
        "graphql": frozenset(graphql_names()),
        "rest": frozenset(rest_names(api_document())),
        "command line": frozenset(command_line_names(cli)),
        "introspection": frozenset(introspection_names()),
        "python": frozenset(python_names()),
    }


def graphql_names() -> Iterator[str]:
    for kind in spacekey_schema()._schema.type_map.values():
        if kind.name.startswith("__"):
            continue
        yield kind.name
        if isinstance(kind, GraphQLEnumType):
            yield from kind.values
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in kind.fields.items():
                yield name
                yield from field.args
        elif isinstance(kind, GraphQLInputObjectType):
            yield from kind.fields
    error = error_of(Forbidden({"tokens:read"}))
    assert error is not None
    yield from error.extensions or {}


def rest_names(document: Any) -> Iterator[str]:
    """Property names, parameter names, ends of paths, and values that strings may have."""
    if isinstance(document, list):
        for one in document:
            yield from rest_names(one)
        return
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        if key == "properties":
            yield from value
        elif key == "paths":
            yield from (f"/{path.rpartition('/')[2]}" for path in value)
        elif key == "enum":
            yield from (str(one) for one in value)
        elif key == "name" and "in" in document:
            yield value
        if key not in {"example", "examples"}:
            yield from rest_names(value)


def introspection_names() -> Iterator[str]:
    paths = api_document()["paths"]
    found = {path: methods["post"] for path, methods in paths.items() if path.endswith(("/introspect", "/revoke"))}
    for path, operation in found.items():
        yield f"/{path.rpartition('/')[2]}"
        for text in (operation, *(_referred(one) for one in re.findall(r"#/components/schemas/(\w+)", str(operation)))):
            yield from rest_names(text)


def _referred(name: str) -> Any:
    return api_document()["components"]["schemas"][name]


def command_line_names(cli: Cli) -> Iterator[str]:
    root = command_tree()
    for group, command in root.commands.items():
        for name, leaf in getattr(command, "commands", {"": command}).items():
            yield f"{group} {name}".strip()
            for parameter in leaf.params:
                yield from parameter.opts
    made = cli.one("token", "create", "One", "-w", "spooled-demo", "-g", "jobs:read")
    shown = [made, cli.one("workspace", "show", "spooled-demo"), *cli.lines("token", "list", "-w", "spooled-demo")]
    with closing(sqlite3.connect(str(cli.settings["SPACEKEY_DATABASE_URL"]).partition("///")[2])) as database:
        hour = datetime.now(UTC).strftime("%Y-%m-%d %H:00:00.000000")
        values = (made["id"], hour, 1, 1, 1)
        database.execute(
            "INSERT INTO spacekey_usage_hours (token_id, hour, allowed, denied, limited) VALUES (?, ?, ?, ?, ?)", values
        )
        database.commit()
    days = cli.lines("usage", "show", made["id"])
    assert len(days) == 1
    shown += days
    for facts in shown:
        yield from facts
        yield from (str(value) for key, value in facts.items() if key == "kind")


def python_names() -> Iterator[str]:
    yield from spacekey.__all__
    yield from (one.name for one in dataclasses.fields(Principal))
    yield from (f"Kind.{one.name}" for one in Kind)


@pytest.mark.parametrize("interface", INTERFACES)
def test_everything_is_called_as_the_table_says(interface: str, names: Mapping[str, frozenset[str]]) -> None:
    place = INTERFACES.index(interface) + 1
    wanted = {name for row in rows() for name in re.findall(r"`([^`]+)`", row[place])}
    assert len(wanted) >= 4
    assert wanted - names[interface] == set()


@pytest.mark.parametrize("interface", INTERFACES)
def test_nothing_has_an_earlier_name(interface: str, names: Mapping[str, frozenset[str]]) -> None:
    assert FORMER & names[interface] == set()
