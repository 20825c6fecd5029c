"""Workspaces and spaces over REST: what a client needs to name where a key is to be created, within its authority."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from spacekey.resolvers.members.members import add_member
from support.server import Served, bearer, fault_of, served
from support.world import OPERATOR


async def every(server: Served, path: str, who: dict[str, str], name: str) -> list[Any]:
    """All rows of a list, by its links."""
    rows: list[Any] = []
    for _ in range(10):
        answer = await server.client.get(path, headers=who)
        assert answer.status_code == 200, answer.text
        rows += answer.json()[name]
        if not answer.json()["has_more"]:
            return rows
        path = urljoin(path, answer.links["next"]["url"])
    raise AssertionError(f"{path} does not end")


async def test_a_person_finds_the_workspaces_and_spaces_that_are_theirs_and_no_others(database_url: str) -> None:
    async with served(database_url) as server:
        own = [await server.world.workspace("spooled", slug=f"w{number}") for number in range(3)]
        foreign = await server.world.workspace("spooled", slug="foreign")
        person = await server.world.member(own[0], "owner", "ann@example.com")
        for workspace in own[1:]:
            await add_member(server.world.system, OPERATOR, workspace.id, email=person.name, role="owner")
        spaces = [(await server.world.space(own[0], f"s{number}")).id for number in range(3)]
        await server.world.space(foreign)
        who = await server.cookie("ann@example.com")
        found = await every(server, "/api/v1/workspaces?limit=2", who, "workspaces")
        assert [one["id"] for one in found] == [workspace.id for workspace in own]
        listed = await every(server, f"/api/v1/spaces?limit=2&workspace_id={found[0]['id']}", who, "spaces")
        assert [one["id"] for one in listed] == spaces
        created = await server.client.post(
            "/api/v1/api-keys",
            json={"name": "k", "permissions": ["jobs:read"], "space_id": listed[0]["id"]},
            headers=who,
        )
        assert created.status_code == 201, created.text
        assert (await server.client.get(f"/api/v1/spaces?workspace_id={foreign.id}", headers=who)).status_code == 404
        without = await server.client.get("/api/v1/spaces", headers=who)
        assert (without.status_code, fault_of(without)) == (422, "workspace_id")


async def test_a_token_finds_its_own_workspace_and_a_space_token_its_own_space(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        one, two = await server.world.space(workspace, "one"), await server.world.space(workspace, "two")
        _, whole = await server.token(workspace.id, "workspace:read", "spaces:read")
        _, part = await server.token(workspace.id, "spaces:read", space_id=one.id)
        assert [row["id"] for row in await every(server, "/api/v1/workspaces", bearer(whole), "workspaces")] == [
            workspace.id
        ]
        assert {row["id"] for row in await every(server, "/api/v1/spaces", bearer(whole), "spaces")} == {one.id, two.id}
        assert [row["id"] for row in await every(server, "/api/v1/spaces", bearer(part), "spaces")] == [one.id]
        assert (await server.client.get("/api/v1/workspaces", headers=bearer(part))).status_code == 403
