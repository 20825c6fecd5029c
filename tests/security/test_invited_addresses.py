"""An invitation to an address gives membership in the inviting workspace, and nothing that others give that address.

Through the command line and the server's own socket, as the operator and the people would do it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spacekey.server.settings import Settings
from support.cli import Cli
from support.databases import sqlite_database
from support.people import Person, accept_invitation, sign_in
from support.server import on_a_socket
from support.world import PASSWORD

CTO = "cto@acme.example"
BOB = "bob@rival.example"


@pytest.fixture
def cli(sqlite_template: Path, tmp_path: Path) -> Cli:
    """On a database with Bob, who owns a workspace of his own."""
    made = Cli({"SPACEKEY_DATABASE_URL": sqlite_database(tmp_path, sqlite_template)})
    made("user", "create", BOB, "--password-stdin", stdin=f"{PASSWORD}\n")
    made("workspace", "create", "rival", "--product", "emit", "--owner", BOB)
    return made


@pytest.fixture
def url(cli: Cli) -> Iterator[str]:
    """The server's address."""
    with on_a_socket(Settings(database_url=cli.settings["SPACEKEY_DATABASE_URL"], log_level="error")) as address:
        yield address


def workspaces(person: Person) -> list[str]:
    """The slugs of what this person belongs to."""
    found = person.ask("{ me { scopes } workspaces { nodes { slug } } }")
    return [one["slug"] for one in found["workspaces"]["nodes"]]


def invite(person: Person, slug: str, email: str, role: str = "viewer") -> str:
    """A code of this person's workspace."""
    nodes = person.ask("{ workspaces { nodes { id slug } } }")["workspaces"]["nodes"]
    home = next(one["id"] for one in nodes if one["slug"] == slug)
    added = person.change(
        "addMember", "AddMemberInput", "AddMemberSuccess { invitationCode }", workspaceId=home, email=email, role=role
    )
    return str(added["invitationCode"])


OPERATORS_COMMANDS = {
    "workspace create": ["workspace", "create", "acme", "--product", "emit", "--owner", CTO],
    "member add": ["member", "add", CTO, "-w", "acme", "--role", "owner"],
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("command", OPERATORS_COMMANDS)
@pytest.mark.parametrize("accepted_first", [False, True])
def test_who_was_invited_by_an_address_gets_nothing_that_the_operator_gives_it(
    cli: Cli, url: str, command: str, accepted_first: bool
) -> None:
    if command == "member add":
        cli("workspace", "create", "acme", "--product", "emit")
    with sign_in(url, BOB, PASSWORD) as bob:
        code = invite(bob, "rival", CTO)
        squatter = accept_invitation(url, code, "seven little boats on a lake") if accepted_first else None
        cli(*OPERATORS_COMMANDS[command])
        squatter = squatter or accept_invitation(url, code, "seven little boats on a lake")
        with squatter:
            assert workspaces(squatter) == ["rival"]
        assert workspaces(bob) == ["rival"]
    assert cli.lines("member", "list", "-w", "acme") == []
