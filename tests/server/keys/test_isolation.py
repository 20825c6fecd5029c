"""What is not an application's own, or not the tenant's or user's that a call names, looks as if it did not exist."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from spacekey import ALL, Actor, Keys, NotFound
from spacekey.domain.principal import Limit
from spacekey.keys import Policy
from spacekey.models.engine.store import Store

from .conftest import KeysOf

ADA = Actor("user-7", "Ada")
PLANS = {"spooled": "pro", "emit": "team"}
UNKNOWN = {"workspace": "ws_00000000000000000000000000", "space": "space_" + "0" * 26, "token": "key_" + "0" * 26}
TABLES = ("portal_sessions", "workspaces", "spaces", "tokens", "audit_events", "members", "released_slugs")


@dataclass(frozen=True)
class Aim:
    """What a call is aimed at: ids, and the user of the application whose tokens it names."""

    workspace: Any
    space: str
    token: str
    external_id: str | None = None


Call = Callable[[Keys, Aim], Awaitable[Any] | AsyncIterator[Any]]

OF_WORKSPACES: dict[str, Call] = {
    "workspaces.get": lambda keys, to: keys.workspaces.get(to.workspace),
    "workspaces.update": lambda keys, to: keys.workspaces.update(to.workspace, name="taken", plan="pro", actor=ADA),
    "workspaces.update (policy)": lambda keys, to: keys.workspaces.update(to.workspace, policy=Policy(1), limit=None),
    "workspaces.update (limit)": lambda keys, to: keys.workspaces.update(to.workspace, limit=Limit(1, 1)),
    "workspaces.suspend": lambda keys, to: keys.workspaces.suspend(to.workspace),
    "workspaces.resume": lambda keys, to: keys.workspaces.resume(to.workspace),
    "workspaces.delete": lambda keys, to: keys.workspaces.delete(to.workspace),
    "spaces.ensure": lambda keys, to: keys.spaces.ensure(to.workspace, external_id="p-1"),
    "spaces.ensure (new)": lambda keys, to: keys.spaces.ensure(to.workspace, external_id="p-9"),
    "spaces.find": lambda keys, to: keys.spaces.find(to.workspace, external_id="p-1"),
    "spaces.list": lambda keys, to: keys.spaces.list(to.workspace),
    "tokens.create": lambda keys, to: keys.tokens.create(to.workspace, name="x", grants=["jobs:read"]),
    "tokens.import_": lambda keys, to: keys.tokens.import_(
        to.workspace, [{"hash": "0" * 64, "name": "x", "grants": ["jobs:read"]}], key_format="unkey"
    ),
    "tokens.list": lambda keys, to: keys.tokens.list(to.workspace),
    "tokens.list (of a user)": lambda keys, to: keys.tokens.list(to.workspace, external_id="user-7"),
    "tokens.revoke_all": lambda keys, to: keys.tokens.revoke_all(to.workspace, external_id="user-7"),
    "portal_sessions.create": lambda keys, to: keys.portal_sessions.create(
        to.workspace, person=ADA, origins=["https://app.example.com"]
    ),
    "portal_sessions.end": lambda keys, to: keys.portal_sessions.end(to.workspace, person="user-7"),
    "usage.of_workspace": lambda keys, to: keys.usage.of_workspace(to.workspace),
    "usage.busiest": lambda keys, to: keys.usage.busiest(to.workspace),
    "usage.quota": lambda keys, to: keys.usage.quota(to.workspace),
    "audit.list": lambda keys, to: keys.audit.list(to.workspace),
}
OF_SPACES: dict[str, Call] = {
    "spaces.get": lambda keys, to: keys.spaces.get(to.workspace, to.space),
    "spaces.update": lambda keys, to: keys.spaces.update(to.workspace, to.space, name="taken"),
    "spaces.delete": lambda keys, to: keys.spaces.delete(to.workspace, to.space),
    "tokens.create (in a space)": lambda keys, to: keys.tokens.create(
        to.workspace, name="x", grants=["jobs:read"], space=to.space
    ),
}
OF_TOKENS: dict[str, Call] = {
    "tokens.get": lambda keys, to: keys.tokens.get(to.workspace, to.token, external_id=to.external_id),
    "tokens.update": lambda keys, to: keys.tokens.update(
        to.workspace, to.token, name="taken", metadata={"a": 1}, external_id=to.external_id
    ),
    "tokens.update (grants)": lambda keys, to: keys.tokens.update(
        to.workspace, to.token, grants=["jobs:write"], expires_in=timedelta(days=1), external_id=to.external_id
    ),
    "tokens.disable": lambda keys, to: keys.tokens.disable(to.workspace, to.token, external_id=to.external_id),
    "tokens.enable": lambda keys, to: keys.tokens.enable(to.workspace, to.token, external_id=to.external_id),
    "tokens.rotate": lambda keys, to: keys.tokens.rotate(to.workspace, to.token, external_id=to.external_id),
    "tokens.revoke": lambda keys, to: keys.tokens.revoke(to.workspace, to.token, external_id=to.external_id),
    "tokens.delete": lambda keys, to: keys.tokens.delete(to.workspace, to.token, external_id=to.external_id),
    "usage.of_token": lambda keys, to: keys.usage.of_token(to.workspace, to.token, external_id=to.external_id),
    "usage.unused_scopes": lambda keys, to: keys.usage.unused_scopes(
        to.workspace, to.token, external_id=to.external_id
    ),
}
REACH_NO_OTHERS = {"workspaces.ensure", "workspaces.find", "workspaces.list"}
"""Calls that name no workspace, which have tests of their own below."""


def test_every_method_is_in_one_of_the_tables(keys: Keys) -> None:
    methods = {
        f"{part}.{name}"
        for part in ("workspaces", "spaces", "tokens", "portal_sessions", "usage", "audit")
        for name, _ in inspect.getmembers(getattr(keys, part), inspect.ismethod)
        if not name.startswith("_")
    }
    tested = {name.partition(" ")[0] for name in (*OF_WORKSPACES, *OF_SPACES, *OF_TOKENS)}
    assert methods == tested | REACH_NO_OTHERS


@dataclass(frozen=True)
class Town:
    """An application's keys of one product; and what is in reach of them, of another tenant, and of another product."""

    keys: Keys
    own: Aim
    neighbour: Aim
    other_product: Aim
    deleted: Aim


async def aim(keys: Keys, tenant: str, product: str) -> Aim:
    home = await keys.workspaces.ensure(external_id=tenant, product=product, plan=PLANS[product])
    space = await keys.spaces.ensure(home, external_id="p-1")
    grants = [next(iter(sorted(keys._inside.unprepared.products[product].scopes)))]
    place = space if product == "emit" else None
    issued = await keys.tokens.create(home, name=tenant, grants=grants, external_id="user-7", space=place)
    return Aim(home.id, space.id, issued.token.id)


@pytest.fixture
async def town(keys_of: KeysOf) -> Town:
    both = keys_of("spooled", "emit")
    own, neighbour = [await aim(both, tenant, "spooled") for tenant in ("tenant-1", "tenant-2")]
    other, deleted = await aim(both, "tenant-1", "emit"), await aim(both, "tenant-3", "spooled")
    await both.workspaces.delete(deleted.workspace)
    return Town(keys_of("spooled"), own, neighbour, other, deleted)


async def refused(store: Store, keys: Keys, call: Call, to: Aim) -> str:
    """What a call is refused with; nothing is changed by it."""
    before = await rows(store)
    with pytest.raises(NotFound) as caught:
        await outcome(call(keys, to))
    assert await rows(store) == before
    return str(caught.value)


async def outcome(result: Awaitable[Any] | AsyncIterator[Any]) -> object:
    return await result if isinstance(result, Awaitable) else [one async for one in result]


async def rows(store: Store) -> dict[str, list[str]]:
    async with store.reading() as session:
        connection = await session.connection()
        return {
            table: sorted(map(str, (await connection.execute(text(f"SELECT * FROM spacekey_{table}"))).all()))
            for table in TABLES
        }


async def test_a_workspace_that_is_not_its_own_does_not_exist(town: Town, store: Store) -> None:
    """Of another product, deleted, unknown and malformed: all are answered with the same words by each method."""
    foreign = (
        town.other_product,
        town.deleted,
        Aim(UNKNOWN["workspace"], UNKNOWN["space"], UNKNOWN["token"]),
        Aim("tenant-1", "p-1", "x"),
        Aim("", "", ""),
        Aim(town.own.token, town.own.workspace, town.own.space),
    )
    for name, call in (OF_WORKSPACES | OF_SPACES | OF_TOKENS).items():
        told = {await refused(store, town.keys, call, to) for to in foreign}
        assert len(told) == 1, name


async def test_what_another_tenant_has_is_not_reached_by_its_id(town: Town, store: Store) -> None:
    """A page takes an id from its address: with the tenant's own workspace it reaches no other tenant's."""
    own = town.own.workspace
    foreign = (
        town.neighbour,
        town.other_product,
        town.deleted,
        Aim(own, UNKNOWN["space"], UNKNOWN["token"]),
        Aim(own, "", ""),
    )
    for name, call in (OF_SPACES | OF_TOKENS).items():
        told = {await refused(store, town.keys, call, Aim(own, other.space, other.token)) for other in foreign}
        assert len(told) == 1, name


async def test_what_another_user_has_is_not_reached_by_its_id(town: Town, store: Store) -> None:
    own = town.own
    for call in OF_TOKENS.values():
        for other in ("user-8", "USER-7", "x"):
            await refused(store, town.keys, call, Aim(own.workspace, own.space, own.token, other))
    assert (await town.keys.tokens.get(own.workspace, own.token, external_id="user-7")).id == own.token


async def test_all_workspaces_are_those_of_the_loaded_products(town: Town, store: Store) -> None:
    for name, call in OF_TOKENS.items():
        if not name.startswith("usage."):  # usage is read of one workspace
            for other in (town.other_product, town.deleted):
                await refused(store, town.keys, call, Aim(ALL, other.space, other.token))
    assert (await town.keys.tokens.get(ALL, town.neighbour.token)).id == town.neighbour.token


async def test_lists_over_all_workspaces_leave_the_others_out(town: Town) -> None:
    own = {town.own.token, town.neighbour.token}
    assert {token.id async for token in town.keys.tokens.list(ALL)} == own
    assert {token.id async for token in town.keys.tokens.list(ALL, external_id="user-7")} == own
    assert {home.id async for home in town.keys.workspaces.list()} == {town.own.workspace, town.neighbour.workspace}
    assert await town.keys.workspaces.find(external_id="tenant-3") is None


async def test_a_user_who_has_gone_is_gone_in_the_tenant_that_was_named(town: Town) -> None:
    gone = await town.keys.tokens.revoke_all(town.own.workspace, external_id="user-7")
    assert gone.count == 1
    assert (await town.keys.tokens.get(town.own.workspace, town.own.token)).status == "revoked"
    assert (await town.keys.tokens.get(town.neighbour.workspace, town.neighbour.token)).status == "active"
    assert (await town.keys.tokens.revoke_all(ALL, external_id="user-7")).count == 1
    assert (await town.keys.tokens.get(town.neighbour.workspace, town.neighbour.token)).status == "revoked"
