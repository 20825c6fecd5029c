"""``spacekey config``: values that all processes on a database share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ._connection import run
from ._options import AsJson, DryRun, Yes
from .common.output import Facts, say, show_one
from .common.run import confirmed, operator

if TYPE_CHECKING:
    from spacekey.resolvers.system import System


def get(as_json: AsJson = False) -> None:
    """Show the revocation delay, in seconds: how long a revoked token may work, and revoking takes."""
    show_one(run(_facts), as_json)


def set_(
    seconds: Annotated[
        float,
        typer.Option("--revocation-delay", metavar="SECONDS", help="0.1 to 60, or 0, which turns caching off."),
    ],
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Set the revocation delay for all processes on this database; lowering it takes as long as the old one."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.staleness import check_staleness, current_staleness, set_staleness

        check_staleness(seconds)
        before = await current_staleness(system)
        if dry_run:
            say("Nothing was changed. This is what would happen:")
            return {"dry_run": True, "revocation_delay_before": before, "revocation_delay": seconds}
        if seconds != before:
            lasts = f"A revoked token may work for up to {seconds:g} s instead of {before:g} s"
            costs = "each use of a token reads the database" if seconds == 0 else "caches keep tokens for as long"
            confirmed(f"{lasts}, and revoking takes as long; {costs}. Set it?", yes=yes)
        await set_staleness(system, operator(), seconds)
        return await _facts(system)

    show_one(run(work), as_json)


async def _facts(system: System) -> Facts:
    from spacekey.resolvers.staleness import current_staleness

    return {"revocation_delay": await current_staleness(system)}
