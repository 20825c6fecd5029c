"""Workspaces whose product this process does not know."""

from __future__ import annotations

from spacekey.models.queries import workspaces as workspace_queries

from .system import System


async def missing_catalogs(system: System) -> dict[str, int]:
    """The catalogs that are not loaded here though workspaces belong to them, with how many do.

    Whoever uses one of their tokens here is answered that nobody can tell.
    """
    async with system.store.reading() as session:
        needed = await workspace_queries.catalogs_in_use(session)
    return {name: workspaces for name, workspaces in needed.items() if name not in system.catalogs}
