"""Who may make workspaces: the operator, and people as far as the settings let them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.refusal import Forbidden, InvalidInput, UserError
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.system import System, WorkspaceCreation
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.workspaces import creatable_products, create_workspace, create_workspace_for
from spacekey.server.build import workspace_creation
from spacekey.server.settings import Settings
from support.world import OPERATOR, example_products, make_world


async def made(system: System, caller: MemberCaller, slug: str, product: str = "spooled") -> Workspace:
    return await create_workspace(system, caller, name=slug, slug=slug, product=product)


async def test_as_shipped_only_the_operator_makes_workspaces(store: Store) -> None:
    shipped = workspace_creation(Settings(), example_products())
    world = make_world(store)
    system = replace(world.system, workspace_creation=shipped)
    ada = await world.user("ada@example.com")
    with pytest.raises(Forbidden, match="Only the operator"):
        await made(system, ada, "mine")
    assert creatable_products(system) == []
    await create_workspace_for(system, OPERATOR, name="theirs", slug="theirs", product="spooled", owner=ada.id)


async def test_a_person_owns_as_many_as_the_settings_say_however_they_ask(store: Store) -> None:
    world = make_world(store)
    system = replace(world.system, workspace_creation=WorkspaceCreation(by_members=True, owned_max=2))
    ada, bob = await world.user("ada@example.com"), await world.user("bob@example.com")
    asked = [made(system, ada, f"ada-{number}") for number in range(6)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    owned = [one for one in answers if isinstance(one, Workspace)]
    assert len(owned) == 2
    assert all(isinstance(one, Workspace | UserError) for one in answers)
    assert "You own 2 workspaces already" in str(next(one for one in answers if isinstance(one, Forbidden)))
    await made(system, bob, "bob-1")  # counted for each person
    await delete_workspace(system, OPERATOR, owned[0].id)
    await made(system, ada, "ada-again")  # deleted ones do not count
    with pytest.raises(Forbidden):
        await made(system, ada, "ada-once-more")
    await create_workspace_for(system, OPERATOR, name="o", slug="o", product="spooled", owner=ada.id)


async def test_people_make_workspaces_of_the_named_products_only(store: Store) -> None:
    world = make_world(store)
    creation = WorkspaceCreation(by_members=True, products=frozenset({"emit"}))
    system = replace(world.system, workspace_creation=creation)
    ada = await world.user("ada@example.com")
    assert creatable_products(system) == ["emit"]
    await made(system, ada, "one", "emit")
    for product in ("spooled", "nothing"):
        with pytest.raises(InvalidInput) as caught:
            await made(system, ada, "two", product)
        assert caught.value.field == "product"


def test_the_settings_say_who_may() -> None:
    settings = Settings(workspace_creation="members", workspaces_owned_max=7, workspace_products=("emit",))
    expected = WorkspaceCreation(by_members=True, owned_max=7, products=frozenset({"emit"}))
    assert workspace_creation(settings, example_products()) == expected
    with pytest.raises(ConfigurationError, match=r"SPACEKEY_WORKSPACE_PRODUCTS: the product 'emti' is not loaded"):
        workspace_creation(Settings(workspace_products=("emti",)), example_products())
