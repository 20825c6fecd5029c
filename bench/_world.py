"""What the served product is measured on: a workspace with tokens to list, and one to create tokens in."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle

from sqlalchemy import text

from spacekey.domain.ids import KEY, new_id
from spacekey.domain.principal import Limit
from spacekey.domain.secret import mint
from spacekey.models.migrations.run import upgrade
from spacekey.models.queries import tokens as token_queries
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.caller import Operator, RequestFacts
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.spaces import create_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, create_workspace, update_workspace
from spacekey.server.build import build_system
from spacekey.server.settings import Settings

TOKENS = 120
MANAGERS, CREATORS = 400, 60
REQUESTS_OF_ONE = 90
"""How many requests one caller sends before another takes over: fewer than a caller may send at once by default."""

MANAGES = ("tokens:read", "tokens:create", "tokens:introspect", "spaces:read", "workspace:read")
GRANTS = ("jobs:read", "jobs:write", "queues:read")
NEVER_REACHED = Limit(per_minute=2_000_000_000, burst=1_000_000)
"""A limit that the answers tell of."""


@dataclass(frozen=True, slots=True)
class World:
    """Ids, and secrets of tokens: of those who manage the listed workspace, one to introspect, and those who create.

    There are many callers, because a server with default settings bounds what each may send.
    """

    workspace_id: str
    managers: tuple[str, ...]
    shown: str
    creating_workspace_id: str
    creating_space_id: str
    creators: tuple[str, ...]


def in_turn(callers: tuple[str, ...], requests_of_one: int = REQUESTS_OF_ONE) -> Iterator[str]:
    """Callers without an end: one sends so many requests, then the next."""
    return (one for caller in cycle(callers) for one in (caller,) * requests_of_one)


async def fill(database_url: str) -> World:
    """Migrate an empty database and fill it. The callers' tokens are the oldest, outside the page of the newest 50."""
    system = build_system(Settings(database_url=database_url, log_level="error"))
    try:
        await upgrade(system.store)
        workspace_id, space_id = await _workspace(system, "listed")
        managers = await _alike(system, workspace_id, "manager", MANAGERS)
        shown = await _secret(system, workspace_id, "shown", GRANTS)
        odd = random.Random(20261129)
        for number in range(TOKENS):
            new = NewToken(
                workspace_id,
                f"Token {number}",
                tuple(odd.sample(GRANTS, 1 + number % 3)),
                space_id=space_id if number % 2 else None,
                description="Deploys the web shop from the build server" if number % 4 == 0 else "",
                expires_at=None if number % 3 else system.clock() + timedelta(days=30 + number),
            )
            await create_token(system, Operator(RequestFacts()), new)
        async with system.store.changing() as session:
            used = (
                "UPDATE spacekey_tokens SET last_used_at = created_at, last_used_ip = '192.0.2.7' WHERE name LIKE '%7'"
            )
            await (await session.connection()).execute(text(used))
        creating, creating_space = await _workspace(system, "creating")
        creators = await _alike(system, creating, "creator", CREATORS)
        return World(workspace_id, managers, shown, creating, creating_space, creators)
    finally:
        await system.store.aclose()


async def _workspace(system: System, slug: str) -> tuple[str, str]:
    """A workspace of a plan without a bound on tokens, and a space of it."""
    operator = Operator(RequestFacts())
    made = await create_workspace(system, operator, name=slug, slug=slug, product="spooled", plan="enterprise")
    changes = WorkspaceChanges(per_minute=NEVER_REACHED.per_minute, burst=NEVER_REACHED.burst)
    await update_workspace(system, operator, made.id, changes)
    space = await create_space(system, operator, made.id, name="Production", slug="production")
    return made.id, space.id


async def _secret(system: System, workspace_id: str, name: str, grants: tuple[str, ...]) -> str:
    issued = await create_token(system, Operator(RequestFacts()), NewToken(workspace_id, name, grants))
    return issued.secret.reveal()


async def _alike(system: System, workspace_id: str, name: str, count: int) -> tuple[str, ...]:
    """So many tokens that may manage others, all alike."""
    first = await create_token(system, Operator(RequestFacts()), NewToken(workspace_id, name, (*MANAGES, *GRANTS)))
    made = [mint("sp", "live", secrets.token_bytes) for _ in range(count - 1)]
    async with system.store.changing() as session:
        model = await token_queries.token_by_id(session, first.view.token.id)
        if model is None:
            raise RuntimeError("the token that was just made is not there")
        facts = model.model_dump()
        for one in made:
            own = {"id": new_id(KEY, system.clock(), system.entropy), "digest": one.digest(), "prefix": one.prefix}
            session.add(Token(**{**facts, **own}))
    return (first.secret.reveal(), *(one.reveal() for one in made))
