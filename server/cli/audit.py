"""``spacekey audit``: read, check and export the audit log."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from .codes import Failure
from .options import AsJson, Limit
from .run import run
from .show import Listing, json_text, say

if TYPE_CHECKING:
    from spacekey.resolvers.system import System

Chain: TypeAlias = Annotated[
    str, typer.Argument(metavar="CHAIN", help="A workspace's slug or id, or 'system' for sign-ins and users.")
]


def list_(
    chain: Chain,
    target: Annotated[str | None, typer.Option("--target", help="Only what was done to this id.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this, like token.revoke.")] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List what happened, newest first."""

    async def work(system: System) -> None:
        from functools import partial

        from spacekey.models.audit_queries import audit_page
        from spacekey.resolvers.audit import event_facts

        from .find import every

        name = await _chain_called(system, chain)
        columns = ("sequence", "at", "action", "outcome", "actor", "credential", "target_id", "ip")
        async with system.store.reading() as session:
            fetch = partial(audit_page, session, name, target_id=target, action=action)
            with Listing(as_json, *columns, limit=limit) as listing:
                async for event in every(fetch):
                    if not listing.add(event_facts(event)):
                        return

    run(work)


def verify(
    chains: Annotated[
        list[str] | None,
        typer.Argument(metavar="CHAIN…", help="Workspaces' slugs or ids, or 'system'; all when left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the hash chains; exits with 1 when one does not fit, naming the first bad event."""

    async def work(system: System) -> int:
        from spacekey.resolvers.audit import verify_chains

        names = [await _chain_called(system, one) for one in chains] if chains else None
        broken = 0
        with Listing(as_json, "chain", "events", "result", "broken_at", "problem", "erased") as listing:
            for report in await verify_chains(system, names):
                broken += report.broken_at is not None
                listing.add(
                    {
                        "chain": report.chain,
                        "events": report.events,
                        "result": "ok" if report.broken_at is None else "broken",
                        "broken_at": report.broken_at,
                        "problem": report.problem,
                        "erased": report.erased,
                    }
                )
        return broken

    broken = run(work)
    if broken:
        raise Failure(
            f"{broken} of the chains do not fit: rows were changed, removed or added by something else than Spacekey. "
            "Keep the database as it is and compare it with an earlier export or backup."
        )


def export(chain: Chain) -> None:
    """Print a whole chain as NDJSON, oldest first, one event a line."""

    async def work(system: System) -> int:
        from spacekey.resolvers.audit import export_chain

        count = 0
        async for line in export_chain(system, await _chain_called(system, chain)):
            sys.stdout.write((line if line.isascii() else json_text(json.loads(line))) + "\n")
            count += 1
        return count

    say(f"{run(work)} events.")


async def _chain_called(system: System, name: str) -> str:
    from spacekey.models.audit import SYSTEM_CHAIN

    from .find import workspace_called

    return SYSTEM_CHAIN if name == SYSTEM_CHAIN else (await workspace_called(system, name)).id
