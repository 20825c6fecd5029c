"""gql and ariadne-codegen against ``spacekey serve``: all that tokens go through."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gql import Client
from gql.transport.httpx import HTTPXTransport
from graphql import DocumentNode, OperationDefinitionNode, parse, print_ast

from spacekey.schema.export import SCHEMA_FILE

from .conftest import HERE, Target

pytestmark = pytest.mark.long

STEP_SECONDS_MAX = 300
OPERATIONS = HERE / "operations.graphql"


def documents() -> dict[str, str]:
    """The suite's operations by name."""
    document: DocumentNode = parse(OPERATIONS.read_text("utf-8"))
    return {
        one.name.value: print_ast(one)
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode) and one.name is not None
    }


def check(done: dict[str, Any]) -> None:
    """The steps came to what they should."""
    ids = [one["id"] for one in done["created"]]
    assert (done["pages"], done["names"]) == ([2, 2, 1], ["one", "three", "two", "zero", "zero reads"])
    assert done["rotatedFrom"] == ids[0]
    assert (done["revoked"], done["deleted"]) == ("REVOKED", ids[1])


def test_gql_lists_pages_creates_rotates_revokes_and_deletes(target: Target) -> None:
    """With the schema fetched by introspection, so that every document is validated by the client first."""
    from gql import gql

    transport = HTTPXTransport(url=target.url, headers={"Authorization": f"Bearer {target.secret}"}, trust_env=False)
    asked = {name: gql(text) for name, text in documents().items()}
    with Client(transport=transport, fetch_schema_from_transport=True) as session:

        def ask(name: str, **variables: Any) -> Any:
            query = asked[name]
            query.variable_values = variables
            return session.execute(query)

        made = [
            ask("CreateToken", input={"ownerId": target.workspace, "name": name, "grants": ["jobs:read"]})
            for name in ("one", "two", "three")
        ]
        created = [one["createToken"]["token"] for one in made]
        names, pages, after, more = [], [], None, True
        while more:
            tokens = ask("ListTokens", workspace=target.workspace, first=2, after=after)["workspace"]["tokens"]
            pages.append(len(tokens["edges"]))
            names += [one["node"]["name"] for one in tokens["edges"]]
            after, more = tokens["pageInfo"]["endCursor"], tokens["pageInfo"]["hasNextPage"]
        rotated = ask("RotateToken", input={"id": created[0]["id"], "graceSeconds": 0})["rotateToken"]
        revoked = ask("RevokeToken", input={"id": created[1]["id"]})["revokeToken"]
        deleted = ask("DeleteToken", input={"id": created[1]["id"]})["deleteToken"]
    check(
        {
            "created": created,
            "pages": pages,
            "names": names,
            "rotatedFrom": rotated["token"]["rotatedFrom"]["id"],
            "revoked": revoked["token"]["status"],
            "deleted": deleted["deletedTokenId"],
        }
    )


def test_ariadne_codegen_lists_pages_creates_rotates_revokes_and_deletes(
    ariadne_environment: Path, target: Target, tmp_path: Path
) -> None:
    """A client generated from the printed schema and the suite's operations, with types for all of them."""
    shutil.copy(SCHEMA_FILE, tmp_path / "schema.graphql")
    shutil.copy(OPERATIONS, tmp_path / "operations.graphql")
    shutil.copy(HERE / "generated_client.py", tmp_path / "generated_client.py")
    (tmp_path / "ariadne.toml").write_text(
        '[tool.ariadne-codegen]\nschema_path = "schema.graphql"\nqueries_path = "operations.graphql"\n'
        'target_package_name = "spacekey_client"\nasync_client = false\n',
        "utf-8",
    )
    programs = ariadne_environment / "bin"
    _run(tmp_path, str(programs / "ariadne-codegen"), "client", "--config", "ariadne.toml")
    arguments = (target.url, target.secret, target.workspace)
    check(json.loads(_run(tmp_path, str(programs / "python"), "generated_client.py", *arguments)))


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=STEP_SECONDS_MAX, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout
