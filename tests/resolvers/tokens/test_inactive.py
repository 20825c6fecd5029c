"""What is not used is found: tokens, and scopes of tokens that are."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spacekey.domain.refusal import InvalidInput
from spacekey.domain.usage import TokenUse, UsageBatch
from spacekey.models.engine.store import Store
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_views
from spacekey.resolvers.tokens.usage import Finding, StoreUsage, activity_of, checked_span
from support.world import OPERATOR, make_world

SPAN = timedelta(days=90)


async def test_never_used_not_used_and_not_with_all_scopes_are_told_apart(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled", plan="enterprise")

    async def token(name: str) -> str:
        issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, name, ("jobs:read", "jobs:write")))
        return issued.view.token.id

    numbers = iter(range(1, 100))

    async def use(token_id: str, *scopes: str) -> None:
        row = TokenUse(token_id, world.clock.now, allowed=1, scopes=scopes)
        await StoreUsage(store, world.clock).send(UsageBatch("r", next(numbers), (row,)))

    never, once, partly, wholly = [await token(name) for name in ("never", "once", "partly", "wholly")]
    world.clock.forward(days=1)
    for token_id in (once, partly, wholly):
        await use(token_id, "jobs:read", "jobs:write")
    world.clock.forward(days=91)
    young = await token("young")
    await use(partly, "jobs:read")
    await use(wholly, "jobs:read", "jobs:write")

    order = [never, once, partly, wholly, young]
    views = await token_views(world.system, OPERATOR, order)
    found = await activity_of(world.system, [views[token_id] for token_id in order], SPAN)
    both = ("jobs:read", "jobs:write")
    assert [(one.finding, one.unused_scopes, one.age_days, one.due_for_rotation) for one in found] == [
        (Finding.NEVER_USED, both, 92, True),
        (Finding.UNUSED, both, 92, True),
        (Finding.UNUSED_SCOPES, ("jobs:write",), 92, True),
        (None, (), 92, True),
        (None, (), 0, False),
    ]


@pytest.mark.parametrize("days", [-1, 3_661, 10**12])
def test_a_time_that_cannot_be_looked_back_on_is_refused(days: int) -> None:
    with pytest.raises(InvalidInput, match="Give 0 to"):
        checked_span(days)
