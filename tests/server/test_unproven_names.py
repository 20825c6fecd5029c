"""An address that nothing proves is marked beside the name, and the mark is part of no name and no id.

Programs compare what they are told with what they know. So whatever a person with an unproven address made is looked at
through every API, and the mark may stand only where text for people does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.actor import Actor, ActorKind
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.users import update_account
from spacekey.resolvers.addresses import UNPROVEN, plain_name, shown_account
from spacekey.resolvers.members.members import add_member
from support.cli import Cli
from support.rows import NOW, a_user
from support.server import served
from support.world import FACTS

EMAIL = "cto@acme.example"

MARKED = {"targetName", "target_name"}
"""Text about a person in the audit log, for people."""

EVERYTHING = """query ($id: ID!) {
  me { user { id name email emailProven signInName } }
  workspace(id: $id) {
    tokens { nodes { displayId name createdBy { kind actorId name unproven } } }
    members { nodes { id userId name email emailProven role } }
    invitations { nodes { id email name invitedBy { kind actorId name unproven } } }
    auditLog { nodes { action actor { kind actorId name unproven } credential targetId targetName targetFacts
      before after } }
  }
}"""


def texts(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in a JSON value, with the names that lead to it."""
    if isinstance(found, dict):
        for name, one in found.items():
            yield from texts(one, (*path, name))
    elif isinstance(found, list):
        for one in found:
            yield from texts(one, path)
    elif isinstance(found, str):
        yield path, found


def marked(found: Any) -> set[tuple[str, ...]]:
    """Where the mark stands, but for text that only people read."""
    return {path for path, text in texts(found) if UNPROVEN.strip() in text and path[-1] not in MARKED}


def actors(found: Any) -> list[tuple[str, Any]]:
    """The name and the mark of every person that a JSON value names as an actor."""
    if isinstance(found, list):
        return [pair for one in found for pair in actors(one)]
    if not isinstance(found, dict):
        return []
    if found.get("kind") in ("PERSON", "person") and "name" in found:
        return [(found["name"], found.get("unproven"))]
    return [pair for one in found.values() for pair in actors(one)]


async def test_the_mark_of_an_unproven_address_is_part_of_no_name_and_no_id(database_url: str) -> None:
    async with served(database_url) as server:
        world = server.world
        workspace = await world.workspace("teamspace")
        made = await world.member(workspace, "owner", "first@acme.example")
        user = await update_account(world.system, made, email=EMAIL)
        caller = MemberCaller(user.id, shown_account(user), FACTS)
        assert caller.name == EMAIL + UNPROVEN
        await add_member(world.system, caller, workspace.id, email="new@acme.example", role="viewer")
        headers = await server.cookie(user.sign_in_name or user.id)

        create = """mutation ($input: CreateTokenInput!) { createToken(input: $input) {
            ... on CreateTokenSuccess { secret token { id displayId createdBy { kind actorId name unproven } } } } }"""
        values = {"ownerId": workspace.id, "name": "CI", "grants": ["owner"]}
        posted = await server.client.post(
            "/graphql", json={"query": create, "variables": {"input": values}}, headers=headers
        )
        token = posted.json()["data"]["createToken"]["token"]
        assert token["displayId"] == f"{EMAIL}_{token['id']}"
        assert token["createdBy"] == {"kind": "PERSON", "actorId": user.id, "name": EMAIL, "unproven": True}

        asked = await server.client.post(
            "/graphql", json={"query": EVERYTHING, "variables": {"id": workspace.id}}, headers=headers
        )
        assert "errors" not in asked.json(), asked.text
        listed = await server.client.get(f"/api/v1/api-keys?workspace_id={workspace.id}", headers=headers)
        shown = await server.client.get(f"/api/v1/api-keys/{token['id']}", headers=headers)
        own = await server.client.get("/api/v1/self", headers=headers)
        assert own.json()["name"] == EMAIL
        for answer in (posted, asked, listed, shown, own):
            assert answer.status_code == 200, answer.text
            assert marked(answer.json()) == set(), answer.request.url
        for answer in (posted, asked, listed, shown):
            found = [one for one in actors(answer.json()) if one[0] == EMAIL]
            assert found, answer.request.url
            assert set(found) == {(EMAIL, True)}, answer.request.url

        cli = Cli({"SPACEKEY_DATABASE_URL": database_url})
        for command in (("token", "list"), ("member", "list")):
            lines = await asyncio.to_thread(cli.lines, *command, "-w", workspace.id)
            assert lines, command
            assert marked(lines) == set(), command
            assert {one for one in actors(lines) if one[0] == EMAIL} <= {(EMAIL, True)}
        assert marked(await asyncio.to_thread(cli.one, "token", "show", token["id"])) == set()

        exported = await asyncio.to_thread(cli, "audit", "export", "-w", workspace.id)
        records = [json.loads(line) for line in exported.stdout.splitlines()]
        assert marked(records) == {("actor", "name")}, "the record itself is told as it was hashed"


@given(name=st.text(max_size=30).map(lambda text: text + UNPROVEN), kind=st.sampled_from(ActorKind))
def test_only_a_person_is_marked_whatever_a_token_is_called(name: str, kind: ActorKind) -> None:
    plain, unproven = plain_name(Actor(kind, "id", name))
    assert (plain + (UNPROVEN if unproven else ""), unproven) == (name, kind is ActorKind.PERSON)


def test_a_proven_address_has_no_mark() -> None:
    for proven_at in (None, NOW):
        user = a_user(email=EMAIL, email_proven_at=proven_at)
        assert plain_name(MemberCaller(user.id, shown_account(user), FACTS).actor) == (EMAIL, proven_at is None)
