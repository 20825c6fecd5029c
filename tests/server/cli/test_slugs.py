"""A slug that one workspace gave up never leads an operator's command to another one."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from spacekey.domain.clock import utc_now
from spacekey.domain.refusal import Conflict, InvalidInput, UserError
from spacekey.models.engine.store import Store
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.resolvers.access.caller import Caller, MemberCaller, Operator
from spacekey.resolvers.workspaces.workspaces import (
    RESERVED_SLUGS,
    SLUG_REST,
    WorkspaceChanges,
    create_workspace,
    update_workspace,
)
from spacekey.server.cli.app import build_app
from support.cli import Cli, command_tree
from support.snapshot import snapshot
from support.world import FACTS, OPERATOR, World, make_world

PLACES = {"WORKSPACE", "CHAIN…"}
"""What arguments and options are called that hold a workspace's slug."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "workspace show": ("acme",),
    "workspace edit": ("acme", "--expiry-required"),
    "workspace suspend": ("acme", "--yes"),
    "workspace resume": ("acme",),
    "workspace delete": ("acme", "--yes"),
    "space list": ("-w", "acme"),
    "space show": ("main", "-w", "acme"),
    "space edit": ("main", "-w", "acme", "--name", "Other"),
    "space create": ("fresh", "-w", "acme"),
    "space delete": ("main", "-w", "acme", "--yes"),
    "member list": ("-w", "acme"),
    "member show": ("bob@example.com", "-w", "acme"),
    "member add": ("eve@example.com", "-w", "acme", "--role", "viewer"),
    "member set-role": ("bob@example.com", "-w", "acme", "--role", "viewer"),
    "member remove": ("bob@example.com", "-w", "acme", "--yes"),
    "invitation list": ("-w", "acme"),
    "invitation withdraw": ("eve@example.com", "-w", "acme", "--yes"),
    "token list": ("-w", "acme"),
    "token count": ("-w", "acme"),
    "token quota": ("-w", "acme"),
    "token inactive": ("-w", "acme"),
    "token create": ("Bot", "-w", "acme", "-g", "full_access"),
    "token import": ("-", "-w", "acme", "--format", "legacy"),
    "role list": ("-w", "acme"),
    "role set": ("reviewer", "-w", "acme", "-g", "jobs:read"),
    "role delete": ("admin", "-w", "acme", "--yes"),
    "usage show": ("-w", "acme"),
    "usage list": ("-w", "acme"),
    "audit list": ("-w", "acme"),
    "audit verify": ("acme",),
    "audit export": ("-w", "acme"),
}
"""Every command that takes a workspace → arguments that name it by its old slug."""

READS = {
    "workspace show",
    "space list",
    "space show",
    "member show",
    "role list",
    "usage show",
    "usage list",
    "member list",
    "invitation list",
    "token list",
    "token count",
    "token quota",
    "token inactive",
    "audit list",
    "audit verify",
    "audit export",
}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something itself, by its words."""
    commands = getattr(command, "commands", None)
    if commands is None:
        yield " ".join(path), command
    else:
        for name, one in commands.items():
            yield from leaves(one, (*path, name))


def test_every_command_that_takes_a_workspace_is_tried_here() -> None:
    taking = {
        path
        for path, command in leaves(command_tree())
        for one in command.params
        if str(getattr(one, "metavar", "")) in PLACES
    }
    assert taking == set(COMMANDS)


@pytest.fixture(params=["renamed", "deleted"])
def left(cli: Cli, request: pytest.FixtureRequest) -> Cli:
    """A workspace of Ada's that was called acme, and one of Bob's that asked for its slug."""
    for name in ("ada", "bob"):
        cli("user", "create", f"{name}@example.com", "--password-stdin", stdin="seven wooden boats at noon\n")
    for slug, owner in (("acme", "ada"), ("other", "bob")):
        cli("workspace", "create", slug, "--product", "guard", "--plan", "paid", "--owner", f"{owner}@example.com")
    if request.param == "renamed":
        rename(cli, "acme", "acme-two")
    else:
        cli("workspace", "delete", "acme", "--yes")
    with pytest.raises(Conflict, match="is taken"):
        rename(cli, "other", "acme", by_owner=True)
    return cli


def rename(cli: Cli, old: str, new: str, *, by_owner: bool = False) -> None:
    """As the mutation does, by the operator or by the workspace's owner."""

    async def work() -> None:
        store = Store(cli.settings["SPACEKEY_DATABASE_URL"])
        world = make_world(store)
        world.clock.now = utc_now()
        try:
            async with store.reading() as session:
                found = await workspace_queries.workspace_by_slug(session, old)
                assert found is not None
                owners = await workspace_queries.owners_of(session, found.id, "owner", 1)
            caller: Caller = MemberCaller(owners[0].id, owners[0].name, FACTS) if by_owner else OPERATOR
            await update_workspace(world.system, caller, found.id, WorkspaceChanges(slug=new))
        finally:
            await store.aclose()

    asyncio.run(work())


def state(cli: Cli) -> object:
    async def work() -> object:
        store = Store(cli.settings["SPACEKEY_DATABASE_URL"])
        try:
            return await snapshot(store)
        finally:
            await store.aclose()

    return asyncio.run(work())


def test_the_next_command_reaches_no_other_workspace(left: Cli) -> None:
    before = state(left)
    for command, arguments in COMMANDS.items():
        said = left.error(*command.split(), *arguments)
        assert "No workspace is called 'acme' any more: ws_" in said, command
        assert state(left) == before, command


@pytest.mark.long
def test_what_changes_a_workspace_says_first_which_one_and_whose_and_takes_an_id(cli: Cli, tmp_path: Path) -> None:
    cli("user", "create", "ada@example.com", "--password-stdin", stdin="seven wooden boats at noon\n")
    cli("user", "create", "bob@example.com", "--password-stdin", stdin="seven wooden boats at noon\n")
    made = cli.one(
        "workspace", "create", "acme", "--product", "spooled", "--name", "Acme Ltd", "--owner", "ada@example.com"
    )
    cli("member", "add", "bob@example.com", "-w", "acme", "--role", "member")
    cli("space", "create", "main", "-w", "acme")
    file = Path(cli.settings["SPACEKEY_DATABASE_URL"].partition("///")[2])
    before = state(cli)
    for number, command in enumerate(sorted(set(COMMANDS) - READS)):
        copy = tmp_path / f"copy-{number}.db"
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        there = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{copy}"})
        arguments = [one.replace("acme", made["id"]) for one in COMMANDS[command]]
        if "--yes" in arguments:
            # Said before it is asked, and nothing is done without an answer.
            refused = there(*command.split(), *(one for one in arguments if one != "--yes"), code=2)
            assert_named(refused.stderr, made["id"], command)
            assert state(there) == before, command
        assert_named(said_by(there, *command.split(), *arguments), made["id"], command)


def assert_named(said: str, workspace_id: str, command: str) -> None:
    first = f"Workspace {workspace_id} 'Acme Ltd' (slug acme), owned by ada@example.com (usr_"
    assert said.startswith(first), f"{command}: {said}"


def said_by(cli: Cli, *arguments: str) -> str:
    """What a command says, whether it comes to anything or is refused for a reason of its own."""
    clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("SPACEKEY_")}
    return CliRunner().invoke(build_app(), list(arguments), env={**clean, **cli.settings}).stderr


async def test_a_slug_rests_for_others_and_not_for_its_own_workspace(store: Store) -> None:
    world = make_world(store)
    one = await world.workspace("guard", slug="acme")
    two = await world.workspace("guard", slug="other")

    async def renamed(workspace_id: str, slug: str) -> str:
        changes = WorkspaceChanges(slug=slug)
        return (await update_workspace(world.system, OPERATOR, workspace_id, changes)).workspace.slug

    assert await renamed(one.id, "acme-two") == "acme-two"
    with pytest.raises(Conflict, match=f"belonged to the workspace {one.id} and rests until 2026-08-30"):
        await renamed(two.id, "acme")
    assert await renamed(one.id, "acme") == "acme"
    assert await renamed(one.id, "acme-two") == "acme-two"
    world.clock.forward(seconds=SLUG_REST.total_seconds() - 1)
    with pytest.raises(Conflict, match="rests"):
        await renamed(two.id, "acme")
    world.clock.forward(seconds=1)
    assert await renamed(two.id, "acme") == "acme"
    with pytest.raises(Conflict, match="is taken"):
        await renamed(one.id, "acme")
    # What the second one gave up rests for the first one too: it was the last to have it.
    assert await renamed(two.id, "third") == "third"
    with pytest.raises(Conflict, match=f"belonged to the workspace {two.id}"):
        await renamed(one.id, "acme")


async def test_the_operator_alone_takes_a_resting_slug_and_says_so(store: Store) -> None:
    world = make_world(store)
    one = await world.workspace("guard", slug="acme")
    await update_workspace(world.system, OPERATOR, one.id, WorkspaceChanges(slug="acme-two"))
    stranger = await world.user("eve@example.com")
    callers: tuple[MemberCaller | Operator, ...] = (OPERATOR, stranger)
    for caller in callers:
        with pytest.raises(Conflict):
            await create_workspace(world.system, caller, name="New", slug="acme", product="guard")
    with pytest.raises(Conflict, match="is taken"):
        await create_workspace(world.system, stranger, name="New", slug="acme", product="guard", take_resting_slug=True)
    made = await create_workspace(
        world.system, OPERATOR, name="New", slug="acme", product="guard", take_resting_slug=True
    )
    assert made.slug == "acme"


async def test_reserved_words_are_no_slugs_of_new_workspaces(store: Store) -> None:
    world: World = make_world(store)
    before = await snapshot(store)
    for slug in sorted(RESERVED_SLUGS):
        with pytest.raises(InvalidInput, match="reserved"):
            await create_workspace(world.system, OPERATOR, name="New", slug=slug, product="guard")
    assert await snapshot(store) == before
    one = await world.workspace("guard")
    for slug in ("system", "admin"):
        with pytest.raises(UserError, match="reserved"):
            await update_workspace(world.system, OPERATOR, one.id, WorkspaceChanges(slug=slug))
