"""A retry after a lost answer is told "gone" or "changed already" no sooner than the first try would have been."""

from __future__ import annotations

import base64
import importlib
import inspect
import pkgutil
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, GraphQLUnionType, get_named_type

from spacekey import resolvers
from spacekey.domain.clock import utc_now
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.ids import INVITATION, KEY, SPACE, USER, WORKSPACE, new_id
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.refusal import Conflict, NotFound
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.domain.secret import Secret, mint
from spacekey.models.engine.store import Store
from spacekey.models.queries.settings import write_setting
from spacekey.models.tables.setting import STALENESS_WAIT
from spacekey.resolvers import staleness as settle
from spacekey.resolvers.members.members import change_member_role, remove_member
from spacekey.resolvers.staleness import WAITING_BY_ADDRESS_MAX, WAITING_MAX
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import (
    delete_token,
    disable_token,
    enable_token,
    revoke_own,
    revoke_secret,
    revoke_token,
    revoke_tokens,
)
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.spaces import delete_space
from spacekey.schema.build import build_schema
from support.authorization.table import ROOT_FIELDS, On
from support.cli import Cli, command_tree
from support.server import Served, bearer, served
from support.world import FACTS, OPERATOR, World, make_world

T = 7.25
KINDS = {On.WORKSPACE: WORKSPACE, On.SPACE: SPACE, On.TOKEN: KEY, On.MEMBER: WORKSPACE, On.INVITATION: INVITATION}


def unknown(world: World, kind: str) -> str:
    return new_id(kind, world.clock(), world.system.entropy)


@pytest.fixture
async def world(store: Store) -> World:
    return make_world(store, staleness_seconds=T)


@asynccontextmanager
async def served_with_t(database_url: str) -> AsyncIterator[Served]:
    """A server whose database says T, also on SQLite."""
    async with served(database_url) as server:
        async with server.world.system.store.changing() as session:
            await write_setting(session, STALENESS_WAIT, T)
        server.world.naps.clear()
        yield server


def with_wait() -> dict[str, Callable[..., Any]]:
    """Every resolver that a caller may ask not to wait: those are what takes access away. Private parts are theirs."""
    found: dict[str, Callable[..., Any]] = {}
    for module in pkgutil.walk_packages(resolvers.__path__, "spacekey.resolvers."):
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            if name.startswith("_"):
                continue
            if function.__module__ == module.name and {"wait", "system", "caller"} <= set(
                inspect.signature(function).parameters
            ):
                found[f"{module.name}.{name}"] = function
    return found


def test_every_resolver_that_takes_access_away_is_marked() -> None:
    found = with_wait()
    assert len(found) >= 13
    unmarked = [name for name, function in found.items() if function.__code__.co_filename != settle.__file__]
    assert unmarked == []


async def gone(world: World) -> dict[str, Callable[[bool], Awaitable[Any]]]:
    """What can be tried again after it has been done, each as a call that is refused the second time."""
    system = world.system
    workspace, doomed = await world.workspace("spooled"), await world.workspace("spooled")
    space = await world.space(workspace)
    await world.member(workspace, "owner")
    member = await world.member(workspace, "member")
    deleted, rotated, revoked, own = [await a_token(world, workspace.id) for _ in range(4)]
    await delete_token(system, OPERATOR, deleted[0])
    await rotate_token(system, OPERATOR, rotated[0], grace_seconds=0)
    await revoke_token(system, OPERATOR, revoked[0])
    await delete_space(system, OPERATOR, space.id)
    await remove_member(system, OPERATOR, workspace.id, member.id)
    await delete_workspace(system, OPERATOR, doomed.id)
    await delete_token(system, OPERATOR, own[0])
    return {
        "deleted token": lambda wait: delete_token(system, OPERATOR, deleted[0], wait=wait),
        "revoking a deleted token": lambda wait: revoke_token(system, OPERATOR, deleted[0], wait=wait),
        "revoking several": lambda wait: revoke_tokens(system, OPERATOR, [revoked[0], deleted[0]], wait=wait),
        "disabling a revoked token": lambda wait: disable_token(system, OPERATOR, revoked[0], wait=wait),
        "rotated without grace": lambda wait: rotate_token(system, OPERATOR, rotated[0], grace_seconds=0, wait=wait),
        "by its secret": lambda wait: revoke_secret(system, OPERATOR, own[1], wait=wait),
        "deleted space": lambda wait: delete_space(system, OPERATOR, space.id, wait=wait),
        "removed member": lambda wait: remove_member(system, OPERATOR, workspace.id, member.id, wait=wait),
        "role of a removed member": lambda wait: change_member_role(
            system, OPERATOR, workspace.id, member.id, role="member", wait=wait
        ),
        "deleted workspace": lambda wait: delete_workspace(system, OPERATOR, doomed.id, wait=wait),
    }


async def a_token(world: World, workspace_id: str) -> tuple[str, Secret]:
    issued = await create_token(world.system, OPERATOR, NewToken(workspace_id, "a token", ("jobs:read",)))
    return issued.view.token.id, issued.secret


async def test_what_is_gone_or_changed_already_is_said_after_t(world: World) -> None:
    for name, again in (await gone(world)).items():
        for wait in (True, False):
            world.naps.clear()
            with pytest.raises((NotFound, Conflict)):
                await again(wait)
            assert world.naps == [T], name


async def test_what_is_another_s_or_was_never_there_takes_as_long(world: World) -> None:
    own, foreign = await world.workspace("spooled"), await world.workspace("spooled")
    caller = await world.member(own, "owner")
    foreign_id, _ = await a_token(world, foreign.id)
    for token_id in (foreign_id, unknown(world, KEY), "nonsense"):
        world.naps.clear()
        with pytest.raises(NotFound):
            await revoke_token(world.system, caller, token_id)
        assert world.naps == [T]


async def test_one_caller_has_a_bound_and_nothing_is_changed_beyond_it(world: World) -> None:
    workspace = await world.workspace("spooled")
    caller = await world.member(workspace, "owner")
    other = await world.member(workspace, "owner")
    token_id, _ = await a_token(world, workspace.id)
    places = world.system.places
    taken = [places.take(f"waiting {caller.id}", WAITING_MAX) for _ in range(WAITING_MAX)]
    with pytest.raises(ServiceUnavailable) as refused:
        await revoke_token(world.system, caller, token_id)
    assert not refused.value.may_have_changed
    assert (await revoke_token(world.system, other, token_id)).view.token.revoked_at is not None
    release = taken.pop()
    assert release is not None
    release()
    with pytest.raises(NotFound):
        await delete_token(world.system, caller, unknown(world, KEY))
    assert places.take(f"waiting {caller.id}", WAITING_MAX) is not None, "the place was not given back"
    assert places.take(f"waiting {caller.id}", WAITING_MAX) is None
    assert places.take(f"waiting {other.id}", 1) is not None, "the place was not given back"


async def test_one_address_has_a_bound_for_tokens_that_revoke_themselves(world: World) -> None:
    secret = mint("sp", "live", world.system.entropy)
    for _ in range(WAITING_BY_ADDRESS_MAX):
        assert world.system.places.take(f"waiting address {FACTS.ip}", WAITING_BY_ADDRESS_MAX) is not None
    with pytest.raises(ServiceUnavailable):
        await revoke_own(world.system, FACTS, secret)


def takes_away(schema: GraphQLSchema) -> list[str]:
    """The mutations one of whose answers has ``effectiveAt`` and whose input has ``wait``."""
    mutation = schema.mutation_type
    assert mutation is not None
    found = []
    for name, field in mutation.fields.items():
        answer = get_named_type(field.type)
        inputs = field.args.get("input")
        members = answer.types if isinstance(answer, GraphQLUnionType) else [answer]
        told = any("effectiveAt" in one.fields for one in members if isinstance(one, GraphQLObjectType))
        if told and inputs is not None and "wait" in get_named_type(inputs.type).fields:
            found.append(name)
    return found


async def test_every_mutation_that_takes_access_away_waits_before_it_says_not_found(world: World) -> None:
    schema = build_schema()
    mutations = takes_away(schema._schema)
    assert {"deleteToken", "revokeTokens", "deleteSpace", "removeMember", "deleteWorkspace"} <= set(mutations)
    workspace = await world.workspace("spooled")
    owner = await world.member(workspace, "owner")
    principal = Principal(
        owner.id, Kind.MEMBER, world.system.products["spooled"].known_scopes | frozenset(MANAGEMENT_SCOPES), "owner"
    )
    for name in mutations:
        operation = ROOT_FIELDS[f"Mutation.{name}"]
        words = {"given": "jobs:read", "granted": "jobs:read", "role": "member", "slug": "x"}
        variables = {"id": unknown(world, KINDS[operation.on]), "user": unknown(world, USER)}
        world.naps.clear()
        document = operation.document % words
        given = {key: value for key, value in variables.items() if f"${key}" in document}
        answer = await world.ask(schema, document, principal=principal, variables=given)
        assert answer["data"][name]["__typename"] == "NotFound", answer
        assert world.naps == [T], name


async def test_every_route_that_takes_access_away_waits_before_it_says_not_found(database_url: str) -> None:
    async with served_with_t(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:revoke", "tokens:update", "tokens:create", "jobs:read")
        key = f"/api/v1/api-keys/{unknown(server.world, KEY)}"
        known = f"/api/v1/api-keys/{(await server.token(workspace.id, 'jobs:read'))[0]}"
        stale = bearer(own) | {"If-Match": '"nope"'}
        other = mint("sp", "live", server.world.system.entropy).reveal()
        requests: dict[str, tuple[int, Any]] = {
            "delete": (404, lambda: server.client.delete(key, headers=bearer(own))),
            "delete, no wait": (404, lambda: server.client.delete(f"{key}?wait=false", headers=bearer(own))),
            "change": (404, lambda: server.client.patch(key, json={"permissions": []}, headers=bearer(own))),
            "rotate": (404, lambda: server.client.post(f"{key}/rotate", json={}, headers=bearer(own))),
            "delete, if": (412, lambda: server.client.delete(known, headers=stale)),
            "delete, if, no wait": (412, lambda: server.client.delete(f"{known}?wait=false", headers=stale)),
            "change, if": (412, lambda: server.client.patch(known, json={"permissions": []}, headers=stale)),
            "rotate, if": (412, lambda: server.client.post(f"{known}/rotate", json={}, headers=stale)),
            "revoke, if": (412, lambda: server.client.post(f"{known}/revoke", headers=stale)),
            "revoke": (200, lambda: server.client.post("/api/v1/revoke", data={"token": other}, headers=bearer(own))),
        }
        for name, (status, ask) in requests.items():
            server.world.naps.clear()
            answer = await ask()
            assert answer.status_code == status, (name, answer.text)
            assert server.world.naps == [T], name


STATES: dict[str, Callable[[System, str], Awaitable[object]] | None] = {
    "active": None,
    "revoked": lambda system, token_id: revoke_token(system, OPERATOR, token_id),
    "deleted": lambda system, token_id: delete_token(system, OPERATOR, token_id),
    "disabled": lambda system, token_id: disable_token(system, OPERATOR, token_id),
    "rotated": lambda system, token_id: rotate_token(system, OPERATOR, token_id, grace_seconds=0),
}


@pytest.mark.parametrize("state", [*STATES, "unknown", "malformed"])
async def test_a_token_that_revokes_itself_is_answered_200_after_t_in_any_state(database_url: str, state: str) -> None:
    async with served_with_t(database_url) as server:
        system = server.world.system
        workspace = await server.world.workspace("spooled")
        for way in ("bearer", "basic", "form"):
            token_id, secret = await server.token(workspace.id, "jobs:read")
            change = STATES.get(state)
            if change is not None:
                await change(system, token_id)
            if state == "unknown":
                secret = mint("sp", "live", system.entropy).reveal()
            elif state == "malformed":
                secret = "sp_live_nonsense"
            for _ in range(2):
                server.world.naps.clear()
                answer = await post_revoke(server, way, token_id, secret)
                assert (answer.status_code, answer.content) == (200, b""), (way, answer.text)
                assert server.world.naps == [T], way
            if state == "disabled":
                with pytest.raises(Conflict):  # it was revoked, and its owner cannot bring it back
                    await enable_token(system, OPERATOR, token_id)


async def post_revoke(server: Served, way: str, token_id: str, secret: str) -> Any:
    data = {"token": secret}
    if way == "form":
        return await server.client.post("/api/v1/revoke", data={**data, "client_id": token_id, "client_secret": secret})
    header = bearer(secret)
    if way == "basic":
        header = {"Authorization": f"Basic {base64.b64encode(f'{token_id}:{secret}'.encode()).decode()}"}
    return await server.client.post("/api/v1/revoke", data=data, headers=header)


async def test_a_refused_token_that_revokes_another_is_refused(database_url: str) -> None:
    async with served_with_t(database_url) as server:
        workspace = await server.world.workspace("spooled")
        gone_id, own = await server.token(workspace.id, "tokens:revoke")
        other_id, other = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, gone_id)
        answer = await server.client.post("/api/v1/revoke", data={"token": other}, headers=bearer(own))
        assert answer.status_code == 401
        assert (await enable_token(server.world.system, OPERATOR, other_id)).view.token.revoked_at is None


COMMANDS: dict[str, tuple[str, ...]] = {
    "token disable": ("KEY",),
    "token revoke": ("KEY", "--yes"),
    "token delete": ("KEY", "--yes"),
    "token rotate": ("KEY",),
    "token edit": ("KEY", "--name", "N"),
    "user erase": ("USER", "--yes"),
    "space delete": ("gone", "-w", "acme", "--yes"),
    "member set-role": ("gone@example.com", "-w", "acme", "--role", "viewer"),
    "member remove": ("gone@example.com", "-w", "acme", "--yes"),
    "role set": ("gone", "-w", "nowhere", "--grant", "jobs:read", "--yes"),
    "role delete": ("gone", "-w", "acme", "--yes"),
    "workspace edit": ("gone", "--plan", "team"),
    "workspace suspend": ("gone", "--yes"),
    "workspace delete": ("gone", "--yes"),
}


def commands_with_wait() -> set[str]:
    groups: dict[str, Any] = getattr(command_tree(), "commands", {})
    return {
        f"{outer} {inner}"
        for outer, commands in groups.items()
        for inner, command in getattr(commands, "commands", {}).items()
        if any("--no-wait" in parameter.opts for parameter in command.params)
    }


def test_every_command_that_takes_access_away_waits_before_it_says_not_found(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commands_with_wait() == set(COMMANDS)
    cli = Cli({"SPACEKEY_DATABASE_URL": database_url})
    cli("workspace", "create", "acme", "--product", "emit")
    naps: list[System] = []

    async def noted(system: System) -> None:
        naps.append(system)

    monkeypatch.setattr(settle, "settle_refused", noted)
    for name, arguments in COMMANDS.items():
        naps.clear()
        kinds = {"KEY": KEY, "USER": USER}
        words = [new_id(kinds[one], utc_now(), secrets.token_bytes) if one in kinds else one for one in arguments]
        cli.error(*name.split(), *words)
        assert len(naps) == 1, name
