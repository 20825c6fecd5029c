"""Workspaces full of tokens that are going to lose access, each in one way."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import sqlalchemy as sa

from spacekey.domain.ids import KEY, SPACE, WORKSPACE, new_id
from spacekey.domain.secret import mint
from spacekey.models.engine.store import Store
from spacekey.models.tables.token import Token
from spacekey.models.tables.workspace import Space, Workspace

from .clients import LEFT
from .environment import Environment, Takeaway, Victim, Way

COMMON = 64
"""Workspaces among which single tokens are spread, so that takeaways do not queue for one audit chain."""
TOGETHER = 3
BULK = 20
ROWS_AT_ONCE = 500
NOW = datetime(2026, 1, 1, tzinfo=UTC)

_TIMES = {
    Way.REVOKE: 60,
    Way.REVOKE_ITSELF: 6,
    Way.BULK_REVOKE: 8,
    Way.USER_GONE: 8,
    Way.DISABLE: 8,
    Way.DELETE: 8,
    Way.SCOPE_EDIT: 8,
    Way.ROTATE: 6,
    Way.SPACE_DELETED: 2,
    Way.POLICY: 2,
    Way.SUSPENDED: 2,
    Way.ROLE: 2,
    Way.DOWNGRADE: 2,
}
_WHOLE = {Way.POLICY, Way.SUSPENDED, Way.ROLE, Way.DOWNGRADE}
"""Those that take a workspace of their own, which an app bound to one workspace cannot follow."""
_IN_PROCESS = {Way.USER_GONE}
"""Those that are an application's own call, not one of the server's APIs."""
_KIND = {Way.ROLE: ("teamspace", "business", "ts"), Way.DOWNGRADE: ("guard", "paid", "eg")}
_SPOOLED = ("spooled", "enterprise", "sp")
_GRANTS = {"sp": ["jobs:read", LEFT], "ts": ["viewer"], "eg": ["sessions:read"]}
_PATHS = {"sp": "/jobs", "ts": "/documents", "eg": "/sessions"}


class Population:
    """Rows that are collected here and written at once; making 10,000 tokens by the resolvers takes minutes.

    :param one_workspace: everything lies in this one, because the verifying app's token sees no other.
    """

    def __init__(self, one_workspace: str | None = None) -> None:
        self.victims: list[Victim] = []
        self._rows: dict[type[Any], list[dict[str, Any]]] = {Workspace: [], Space: [], Token: []}
        self._one_workspace = one_workspace
        self._common = [one_workspace] if one_workspace else [self._workspace(_SPOOLED) for _ in range(COMMON)]

    def takeaways(self, count: int, random: Random) -> tuple[Takeaway, ...]:
        """So many, each way at least once when there are enough."""
        ways = [way for way in Way if self._one_workspace is None or way not in _WHOLE | _IN_PROCESS]
        drawn = random.choices(ways, [_TIMES[way] for way in ways], k=count)
        drawn[: len(ways)] = random.sample(ways, len(ways))[:count]
        return tuple(self._takeaway(way, random) for way in drawn)

    async def write(self, store: Store) -> None:
        """Into the database."""
        async with store.changing() as session:
            connection = await session.connection()
            for table, rows in self._rows.items():
                for batch in _batches(rows):
                    await connection.execute(sa.insert(table), batch)

    def _takeaway(self, way: Way, random: Random) -> Takeaway:
        kind = _KIND.get(way, _SPOOLED)
        workspace = self._workspace(kind) if way in _WHOLE else random.choice(self._common)
        space = self._space(workspace) if way is Way.SPACE_DELETED else None
        count = BULK if way in (Way.BULK_REVOKE, Way.USER_GONE) else TOGETHER if space or way in _WHOLE else 1
        owner = f"user-{secrets.token_hex(8)}" if way is Way.USER_GONE else None
        tokens = tuple(self._token(workspace, space, kind[2], owner) for _ in range(count))
        return Takeaway(way, workspace, space, tokens, owner)

    def _workspace(self, kind: tuple[str, str, str]) -> str:
        made = new_id(WORKSPACE, NOW, secrets.token_bytes)
        row = Workspace(id=made, name=made, slug=made.replace("_", "-"), product=kind[0], plan=kind[1], created_at=NOW)
        self._rows[Workspace].append(row.model_dump())
        return made

    def _space(self, workspace: str) -> str:
        made = new_id(SPACE, NOW, secrets.token_bytes)
        row = Space(id=made, workspace_id=workspace, name=made, slug=made.replace("_", "-"), created_at=NOW)
        self._rows[Space].append(row.model_dump())
        return made

    def _token(self, workspace: str, space: str | None, secret_prefix: str, owner: str | None = None) -> int:
        secret = mint(secret_prefix, "live", secrets.token_bytes)
        row = Token(
            id=new_id(KEY, NOW, secrets.token_bytes),
            digest=secret.digest(),
            prefix=secret.prefix,
            name="victim",
            kind="workspace" if space is None else "space",
            environment="live",
            workspace_id=workspace,
            space_id=space,
            grants=_GRANTS[secret_prefix],
            created_at=NOW,
            created_by_id="usr_x",
            created_by_name="owner",
            external_id=owner,
        )
        self._rows[Token].append(row.model_dump())
        self.victims.append(Victim(row.id, secret.reveal(), _PATHS[secret_prefix]))
        return len(self.victims) - 1


async def populate(
    store: Store, environment: Environment, count: int, seed: int, *, one_workspace: str | None = None
) -> Environment:
    """The environment with so many takeaways, whose tokens are in the store."""
    population = Population(one_workspace)
    takeaways = population.takeaways(count, Random(seed))
    await population.write(store)
    return replace(environment, takeaways=takeaways, victims=tuple(population.victims))


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]
