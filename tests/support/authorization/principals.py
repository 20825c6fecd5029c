"""The principal a caller would have been admitted with."""

from __future__ import annotations

from spacekey.domain.authentication import Authenticated
from spacekey.domain.principal import Principal
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.sessions import session_outcome, sign_in
from support.world import FACTS, PASSWORD, World


async def principal_of(world: World, caller: MemberCaller) -> Principal:
    """A member's principal, through a real session."""
    opened = await sign_in(world.system, FACTS, email=caller.name, password=PASSWORD)
    verdict = await session_outcome(world.system, opened.secret)
    assert isinstance(verdict, Authenticated)
    return verdict.principal
