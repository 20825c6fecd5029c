"""The demo: everything of the four systems at once, made once."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

import pytest

from spacekey.domain.refusal import InvalidInput
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.accounts.sessions import sign_in
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.passwords.hashing import Passwords
from spacekey.resolvers.system import System
from spacekey.resolvers.throttle import Attempts
from spacekey.resolvers.workspaces.spaces import delete_space
from spacekey.server.demo import Demo, make_demo
from support.world import FACTS, OPERATOR, PASSWORD, StoppedClock, example_products


def system_on(store: Store) -> System:
    """A system of the four products on a store."""
    return System(
        store=store,
        products=example_products(),
        clock=StoppedClock(),
        entropy=secrets.token_bytes,
        passwords=Passwords(),
        attempts=Attempts(),
        sleep=asyncio.sleep,
        default_staleness_seconds=0.0,
    )


async def events(system: System) -> int:
    """How many things the audit log knows of."""
    return sum(report.events for report in await verify_chains(system))


def by_product(demo: Demo) -> dict[str, list[str]]:
    """Which spaces each product's workspace has."""
    return {one.workspace.product: [space.slug for space in one.spaces] for one in demo.workspaces}


def alone(store: Store, product: str) -> System:
    """A system that knows one product only."""
    whole = system_on(store)
    return replace(whole, products={product: whole.products[product]})


async def test_each_product_gets_a_workspace_whose_plan_allows_tokens(store: Store) -> None:
    system = system_on(store)
    demo = await make_demo(system, OPERATOR)
    assert by_product(demo) == {
        "emit": ["production", "staging"],
        "guard": [],
        "spooled": ["production", "staging"],
        "teamspace": [],
    }
    for one in demo.workspaces:
        assert system.products[one.workspace.product].plans[one.workspace.plan].tokens_max != 0
    assert {one.workspace.plan for one in demo.workspaces if one.workspace.product == "guard"} == {"paid"}


async def test_running_again_changes_nothing_and_shows_no_secret(store: Store) -> None:
    system = system_on(store)
    first = (await make_demo(system, OPERATOR)).facts()
    before = await events(system)
    again = (await make_demo(system, OPERATOR)).facts()
    assert await events(system) == before
    assert (first["changed"], again["changed"]) == (True, False)
    assert (again["owner"]["password"], again["token"]["secret"]) == (None, None)
    assert [one["id"] for one in again["workspaces"]] == [one["id"] for one in first["workspaces"]]
    assert [one["spaces"] for one in again["workspaces"]] == [one["spaces"] for one in first["workspaces"]]


async def test_the_owner_signs_in_with_the_password_that_was_made(store: Store) -> None:
    system = system_on(store)
    password = (await make_demo(system, OPERATOR)).owner.password
    assert password is not None
    signed_in = await sign_in(system, FACTS, email="owner@example.com", password=password.reveal())
    assert signed_in.user.email == "owner@example.com"


async def test_a_given_owner_gets_the_given_password_and_it_is_not_shown(store: Store) -> None:
    system = system_on(store)
    demo = await make_demo(system, OPERATOR, owner_email="Ada@Example.com", owner_password=Secret(PASSWORD))
    assert PASSWORD not in str(demo.facts())
    assert (await sign_in(system, RequestFacts(), email="ada@example.com", password=PASSWORD)).user.name


async def test_a_weak_password_is_refused_by_the_variables_name_and_nothing_is_made(store: Store) -> None:
    system = system_on(store)
    with pytest.raises(InvalidInput, match=r"SPACEKEY_OWNER_PASSWORD: Use 15 to 256 characters"):
        await make_demo(system, OPERATOR, owner_password=Secret("short"))
    assert await events(system) == 0


async def test_a_second_owner_joins_the_workspaces_that_are_there(store: Store) -> None:
    system = system_on(store)
    await make_demo(system, OPERATOR)
    other = await make_demo(system, OPERATOR, owner_email="ada@example.com")
    assert other.owner.is_new
    assert not any(one.is_new for one in other.workspaces)
    before = await events(system)
    assert not (await make_demo(system, OPERATOR, owner_email="ada@example.com")).facts()["changed"]
    assert await events(system) == before


async def test_what_people_changed_stays_changed(store: Store) -> None:
    system = system_on(store)
    demo = await make_demo(system, OPERATOR)
    emit = next(one for one in demo.workspaces if one.workspace.product == "emit")
    await delete_space(system, OPERATOR, emit.spaces[0].id)
    assert by_product(await make_demo(system, OPERATOR))["emit"] == ["staging"]


async def test_no_secret_shows_in_the_repr(store: Store) -> None:
    demo = await make_demo(system_on(store), OPERATOR)
    assert demo.token.issued is not None
    assert demo.owner.password is not None
    assert demo.token.issued.secret.reveal() not in repr(demo)
    assert demo.owner.password.reveal() not in repr(demo)


async def test_products_without_workspace_tokens_get_a_space_token_to_try(store: Store) -> None:
    demo = await make_demo(alone(store, "emit"), OPERATOR)
    assert demo.token.issued is not None
    assert demo.token.issued.view.token.space_id == demo.workspaces[0].spaces[0].id


async def test_products_whose_tokens_hold_a_role_get_the_strongest_and_try_the_weakest(store: Store) -> None:
    demo = await make_demo(alone(store, "teamspace"), OPERATOR)
    assert demo.token.issued is not None
    assert demo.token.issued.view.token.grants == ["owner"]
    assert demo.token.scope == "viewer"
