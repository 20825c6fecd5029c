"""``spacekey audit``: read, check and export the audit log."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from . import _complete
from ._connection import connected, run
from ._options import WORKSPACE_VARIABLE, AsArray, AsJson, AsLines, Limit, Wide
from .common.backend import Backend
from .common.names import actor_id
from .common.output import Facts, Format, Listing, json_text, say, show_one
from .common.run import USAGE, Failure, read_moment

if TYPE_CHECKING:
    from spacekey.resolvers.audit.chains import Head
    from spacekey.resolvers.system import System

HASH_BYTES = 32
WHOSE = "Say whose events: -w WORKSPACE, or --system for those of no workspace."
COLUMNS = ("sequence", "created_at", "action", "outcome", "actor", "credential", "target_id", "ip")
DROP = ("credential", "ip", "sequence", "outcome", "actor", "created_at", "action")

ChainHome: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="WORKSPACE",
        envvar=WORKSPACE_VARIABLE,
        autocompletion=_complete.workspaces,
        help="The workspace whose events these are: its slug or id.",
    ),
]
OfSystem: TypeAlias = Annotated[
    bool, typer.Option("--system", help="Events of no workspace, such as sign-ins and accounts.")
]


def list_(
    workspace: ChainHome = None,
    of_system: OfSystem = False,
    actor: Annotated[
        str | None, typer.Option("--actor", metavar="ID", help="Only what this person or token did (usr_…, key_…).")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", help="Only what was done to this id.")] = None,
    action: Annotated[
        str | None, typer.Option("--action", autocompletion=_complete.actions, help="Only this, like token.revoke.")
    ] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="Only success, denied or alert.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="From then on: 24h, 7d, a date or a time, in UTC.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help="Before then: 1h, a date or a time, in UTC.")
    ] = None,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List what happened, newest first."""
    form = Format(as_json, as_lines, wide, limit)

    if not of_system and workspace is None:
        raise Failure(WHOSE, USAGE)
    conditions: dict[str, object] = {
        "actor_id": None if actor is None else actor_id("actor", actor),
        "target_id": target,
        "action": action,
        "outcome": None if outcome is None else outcome.lower(),
        "created_after": read_moment("since", since),
        "created_before": read_moment("until", until),
    }
    asked = {name: value for name, value in conditions.items() if value is not None}
    chain = None if of_system else workspace

    async def work(backend: Backend) -> None:
        with Listing(form, *COLUMNS, drop=DROP) as listing:
            await listing.add_all(backend.audit.list(chain, asked))

    connected(work)


def verify(
    chains: Annotated[
        list[str] | None,
        typer.Argument(metavar="CHAIN…", help="Workspaces' slugs or ids, or 'system'; all when left out."),
    ] = None,
    expect: Annotated[
        Path | None,
        typer.Option(
            "--expect", metavar="FILE", help="Heads or an export that was kept elsewhere: all of it must fit."
        ),
    ] = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """Recompute the hash chains; exits with 1 when one does not fit, naming the first bad event."""
    form = Format(as_json, as_lines, wide)
    kept = None if expect is None else _kept_heads(expect)

    async def work(system: System) -> int:
        from spacekey.resolvers.audit.chains import verify_chains

        names = [await _chain_called(system, one) for one in chains] if chains else None
        broken = 0
        columns = ("chain", "events", "result", "broken_at", "problem", "erased")
        with Listing(form, *columns, drop=("erased", "problem", "broken_at", "events")) as listing:
            for report in await verify_chains(system, names, kept):
                if report.broken_at is not None:
                    broken += 1
                    say(f"{report.chain} is broken at {report.broken_at}: {report.problem}.")
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


def heads(as_json: AsArray = False, as_lines: AsLines = False, wide: Wide = False) -> None:
    """Show the last event of every chain; keep --json's output elsewhere and give it to 'audit verify --expect'."""
    form = Format(as_json, as_lines, wide)

    async def work(system: System) -> None:
        from spacekey.resolvers.audit.chains import audit_heads

        with Listing(form, "chain", "sequence", "hash", drop=("hash",)) as listing:
            for head in await audit_heads(system):
                listing.add({"chain": head.chain, "sequence": head.sequence, "hash": head.hash.hex()})

    run(work)


def checkpoint(as_json: AsJson = False) -> None:
    """Write the heads of all chains into the system's chain now; the server does it every few minutes."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.audit.chains import write_checkpoints

        return {"chains": await write_checkpoints(system)}

    show_one(run(work), as_json)


def _kept_heads(file: Path) -> list[Head]:
    """Return the heads in a file: objects with ``chain``, ``sequence`` and ``hash``, as a JSON array or one a line.

    :raises Failure: the file cannot be read, or a line is not a head; names the line.
    """
    from spacekey.resolvers.audit.chains import Head

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Failure(f"--expect: '{file}' cannot be read: {reason}.", USAGE) from None
    found = []
    for where, facts in _entries(text):
        try:
            chain, sequence, written = facts["chain"], facts["sequence"], bytes.fromhex(facts["hash"])
        except (ValueError, TypeError, KeyError):
            chain, sequence, written = None, None, b""
        if not (isinstance(chain, str) and type(sequence) is int and sequence >= 0 and len(written) == HASH_BYTES):
            raise Failure(
                f"--expect: {where} of '{file}' is no head; 'spacekey audit heads --json' prints them.", USAGE
            )
        found.append(Head(chain, sequence, written))
    if not found:
        raise Failure(f"--expect: '{file}' holds no head; 'spacekey audit heads --json' prints them.", USAGE)
    return found


def _entries(text: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of a JSON array, or of JSON Lines, each with its place; None for what is no JSON."""
    if text.lstrip().startswith("["):
        try:
            values = json.loads(text)
        except ValueError:
            values = [None]
        yield from ((f"entry {number}", value) for number, value in enumerate(values, 1))
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield f"line {number}", json.loads(line)
            except ValueError:
                yield f"line {number}", None


def export(
    workspace: ChainHome = None,
    of_system: OfSystem = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every chain, one after the other: the system's, then each workspace's.")
    ] = False,
) -> None:
    """Print a whole chain as NDJSON, oldest first, one event a line."""

    async def work(system: System) -> int:
        from spacekey.resolvers.audit.chains import all_chains
        from spacekey.resolvers.audit.log import export_chain

        names = await all_chains(system) if everything else [await _chain_of(system, workspace, of_system)]
        count = 0
        for name in names:
            async for line in export_chain(system, name):
                sys.stdout.write((line if line.isascii() else json_text(json.loads(line))) + "\n")
                count += 1
        return count

    say(f"{run(work)} events.")


async def _chain_of(system: System, workspace: str | None, of_system: bool) -> str:
    from spacekey.models.tables.audit import SYSTEM_CHAIN

    from .common.lookup import workspace_called

    if of_system:
        return SYSTEM_CHAIN
    if workspace is None:
        raise Failure(WHOSE, USAGE)
    return (await workspace_called(system, workspace)).id


async def _chain_called(system: System, name: str) -> str:
    from spacekey.models.tables.audit import SYSTEM_CHAIN

    from .common.lookup import workspace_called

    return SYSTEM_CHAIN if name == SYSTEM_CHAIN else (await workspace_called(system, name)).id
