"""Changes of spaces at the same time as others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import NotFound
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.authority import SessionAuthority, authority_in
from spacekey.resolvers.workspaces import spaces
from spacekey.resolvers.workspaces.spaces import delete_space, update_space
from support.world import OPERATOR, make_world

DELETE = "UPDATE spacekey_spaces SET deleted_at = created_at WHERE id = :id"


async def test_a_space_that_is_deleted_while_a_change_waits_for_its_turn_is_not_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(store)
    space = await world.space(await world.workspace("teamspace"))

    async def after_another(session: AsyncSession, *given: Any, **more: Any) -> SessionAuthority:
        held = await authority_in(session, *given, **more)
        await (await session.connection()).execute(text(DELETE), {"id": space.id})  # as a commit that it waited for
        return held

    monkeypatch.setattr(spaces, "authority_in", after_another)
    changes: list[Callable[..., Awaitable[object]]] = [partial(update_space, name="x"), delete_space]
    for change in changes:
        with pytest.raises(NotFound, match="space"):
            await change(world.system, OPERATOR, space.id)
