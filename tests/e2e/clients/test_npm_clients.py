"""Relay, Apollo Client, urql and graphql-codegen's client preset against ``spacekey serve``, through a token's life."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import (
    FieldNode,
    GraphQLInterfaceType,
    GraphQLUnionType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    visit,
)

from support.schema import spacekey_schema

from .conftest import Target

pytestmark = pytest.mark.long

SCHEMA = spacekey_schema()._schema
STEP_SECONDS_MAX = 300
BUILDS = {
    "relayTokens.js": [["node_modules/.bin/relay-compiler", "relay.config.json"]],
    "typed.js": [
        ["node_modules/.bin/graphql-codegen", "--config", "codegen.config.cjs"],
        ["node_modules/.bin/tsc", "--project", "tsconfig.json"],
    ],
}
"""What is to be done before a client runs."""
CLIENTS = ("relayTokens.js", "apollo.mjs", "urql.mjs", "typed.js")
KEEPING_RECORDS = ("relayTokens.js", "apollo.mjs")
"""Clients with a store of objects by their ids."""
ADDING_TYPENAME = ("relayTokens.js", "apollo.mjs", "urql.mjs")


def run(folder: Path, *command: str) -> str:
    """Run a program in the clients' folder and return what it wrote."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=STEP_SECONDS_MAX, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def run_client(folder: Path, client: str, target: Target) -> dict[str, Any]:
    """Build a client and run its steps."""
    for command in BUILDS.get(client, ()):
        run(folder, *command)
    result: dict[str, Any] = json.loads(run(folder, "node", client, target.url, target.secret, target.workspace))
    return result


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_lists_pages_creates_rotates_revokes_and_deletes(
    client: str, npm_folder: Path, target: Target
) -> None:
    done = run_client(npm_folder, client, target)
    assert [one["status"] for one in done["created"]] == ["ACTIVE"] * 3
    assert all(one["secret"] for one in done["created"])
    assert (done["pages"], done["names"]) == ([2, 2, 1], ["one", "three", "two", "zero", "zero reads"])
    ids = [one["id"] for one in done["created"]]
    assert done["rotated"]["from"] == ids[0]
    assert done["rotated"]["id"] not in ids
    assert (done["revoked"], done["deleted"]) == ("REVOKED", ids[1])
    assert (done["found"]["id"], done["found"]["name"]) == (ids[1], "two")
    assert "no such" in done["again"].lower()
    assert done["complaints"] == [], "the library warned: Relay does where two types have one id"
    assert {one["method"] for one in done["sent"]} == {"POST"}
    if client in KEEPING_RECORDS:
        assert done["kept"] == {"had": True, "now": False}, "the deleted token is dropped by its own id"
    if client in ADDING_TYPENAME:
        check_typenames({json.loads(one["body"])["query"] for one in done["sent"]}, target, ids[0])


def abstract_without_typename(document: str) -> list[str]:
    """The fields of a document whose value may have several types, and which do not ask for its type."""
    found = []
    info = TypeInfo(SCHEMA)

    class Look(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            named = None if info.get_type() is None else get_named_type(info.get_type())
            if isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
                selections = node.selection_set.selections if node.selection_set is not None else ()
                if not any(isinstance(one, FieldNode) and one.name.value == "__typename" for one in selections):
                    found.append(node.name.value)

    visit(parse(document), TypeInfoVisitor(info, Look()))
    return found


def check_typenames(documents: set[str], target: Target, token_id: str) -> None:
    """What the client really sends asks for the type behind every interface and union.

    A caller who lacks the scopes of some of the possible types is answered all the same.
    """
    assert len(documents) == 6
    assert [abstract_without_typename(one) for one in documents] == [[]] * 6
    [node] = [one for one in documents if "node(" in one]
    answer = _asked(replace(target, secret=target.reading), node, token_id)
    assert "errors" not in answer
    assert answer["data"]["node"]["__typename"] == "Token"


def _asked(target: Target, document: str, token_id: str) -> dict[str, Any]:
    answer = httpx.post(
        target.url,
        json={"query": document, "variables": {"id": token_id}},
        headers={"Authorization": f"Bearer {target.secret}"},
        trust_env=False,
        timeout=30,
    )
    found: dict[str, Any] = answer.json()
    return found
