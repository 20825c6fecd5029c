"""``spacekey staleness``: T, how long a process may serve a verification from its cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ._output import Facts, show_one
from ._run import AsJson, operator, run

if TYPE_CHECKING:
    from spacekey.resolvers.system import System


def show(as_json: AsJson = False) -> None:
    """Show T as the database has it, in seconds."""
    show_one(run(_facts), as_json)


def change(
    seconds: Annotated[float, typer.Argument(metavar="SECONDS", help="0.1 to 60, or 0, which turns caching off.")],
    as_json: AsJson = False,
) -> None:
    """Set T for all processes on this database; lowering it takes as long as the old T."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.staleness import set_staleness

        await set_staleness(system, operator(), seconds)
        return await _facts(system)

    show_one(run(work), as_json)


async def _facts(system: System) -> Facts:
    from spacekey.resolvers.staleness import current_staleness

    return {"seconds": await current_staleness(system)}
