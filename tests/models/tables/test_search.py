"""Searching is alike on both databases: any part of a name is found, in any case and any Unicode form."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from spacekey.domain.page import PageRequest, TokenOrder
from spacekey.domain.refusal import InvalidInput
from spacekey.models.engine.store import Store
from spacekey.models.migrations.run import downgrade, upgrade
from spacekey.models.tables.search import folded, search_text
from spacekey.models.tables.token import Token
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import TokenSearch, token_list
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.lists import space_list
from spacekey.resolvers.workspaces.spaces import create_space
from support.world import OPERATOR, World, make_world

NAMES = ["Émile", "ÉMILE’S BÜRO", "Straße", "İstanbul", "ΣΊΣΥΦΟΣ", "50% off", "under_score", "ﬁle", "北京 worker", "ǅ"]
TYPED = [
    "É",
    "émile",
    "EMILE",
    "büro",
    "STRASSE",
    "straße",
    "σίσυφος",
    "istanbul",
    "%",
    "_",
    "50%",
    "FILE",
    "京",
    "ǆ",
    "x",
]


def variants(text: str) -> set[str]:
    """What people type or paste for the same text."""
    return {
        unicodedata.normalize("NFC", text),
        unicodedata.normalize("NFD", text),
        f" {text}\t",
        text.upper(),
        text.lower(),
    }


def expected(text: str) -> set[str]:
    return {name for name in NAMES if folded(text) in folded(name)}


async def tokens_found(world: World, workspace_id: str, text: str) -> set[str]:
    search = TokenSearch(text=text)
    page = await token_list(
        world.system,
        OPERATOR,
        workspace_id,
        search=search,
        order=TokenOrder.CREATED_AT,
        descending=False,
        request=PageRequest(100),
    )
    return {view.token.name for view in page.rows}


async def test_any_part_of_a_token_is_found_in_any_case_and_form(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled", plan="enterprise")
    kept = {}
    for name in NAMES:
        made = await create_token(world.system, OPERATOR, NewToken(workspace.id, name, grants=("jobs:read",)))
        kept[name] = search_text(name, "", made.view.token.prefix)
    for text in TYPED:
        for typed in variants(text):
            found = {name for name in NAMES if folded(typed) in kept[name]}
            assert await tokens_found(world, workspace.id, typed) == found, typed
            assert found >= expected(typed)
    assert await tokens_found(world, workspace.id, " ") == set(NAMES)
    with pytest.raises(InvalidInput):
        await tokens_found(world, workspace.id, "half \ud83d")


async def test_any_part_of_a_space_is_found_in_any_case_and_form(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("emit")
    for number, name in enumerate(NAMES):
        await create_space(world.system, OPERATOR, workspace.id, name=name, slug=f"s{number}")
    for text in TYPED:
        for typed in variants(text):
            page = await space_list(world.system, OPERATOR, workspace.id, PageRequest(100), typed)
            assert {space.name for space in page.rows} == expected(typed), typed


async def test_a_changed_token_is_found_by_what_it_is_now(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    made = await create_token(world.system, OPERATOR, NewToken(workspace.id, "Before", grants=("jobs:read",)))
    changes = replace(TokenChanges(), name="After", description="für Émile")
    await update_token(world.system, OPERATOR, made.view.token.id, changes)
    assert await tokens_found(world, workspace.id, "before") == set()
    for typed in ("AFTER", "FÜR ÉMILE", made.view.token.prefix.upper()):
        assert await tokens_found(world, workspace.id, typed) == {"After"}
    assert await tokens_found(world, workspace.id, "After\x1ffür") == {"After"}  # as it is kept
    assert await tokens_found(world, workspace.id, "AfterFür") == set()


async def test_rows_from_before_are_found_after_the_migration(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    await create_token(world.system, OPERATOR, NewToken(workspace.id, "Émile", grants=("jobs:read",)))
    await downgrade(store, "0004")
    await upgrade(store)
    assert await tokens_found(world, workspace.id, "ÉMILE") == {"Émile"}
    async with store.reading() as session:
        token = (await session.exec(select(Token))).one()
        kept, prefix = token.search_text, token.prefix
    assert kept == search_text("Émile", "", prefix)


@given(st.text(), st.text())
def test_folding_is_the_same_for_all_forms_of_a_text(one: str, other: str) -> None:
    assert folded(folded(one)) == folded(one)
    assert folded(unicodedata.normalize("NFD", one)) == folded(unicodedata.normalize("NFC", one))
    assert folded(one + other).startswith(folded(one)[:-1])
