"""``spacekey usage``: how much tokens are used."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from . import _complete
from ._connection import connected
from ._options import WORKSPACE_VARIABLE, AsArray, AsLines, Wide, Workspace
from .common.backend import Backend
from .common.names import token_id
from .common.output import Format, Listing
from .common.run import USAGE, Failure

Days: TypeAlias = Annotated[int, typer.Option("--days", help="How many days back, including today: 1 to 366.")]
COLUMNS = ("name", "prefix", "requests", "allowed", "denied", "rate_limited", "id")
DROP = ("denied", "rate_limited", "allowed", "prefix", "name")


def show(
    token: Annotated[
        str | None,
        typer.Argument(metavar="TOKEN", help="A token's id (key_…); without it all tokens of the workspace."),
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option(
            "--workspace",
            "-w",
            metavar="WORKSPACE",
            envvar=WORKSPACE_VARIABLE,
            autocompletion=_complete.workspaces,
            help="The workspace: its slug or id; not read if a token is named.",
        ),
    ] = None,
    days: Days = 30,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """Show the requests of a token or a workspace by day, oldest first; days without requests are left out."""
    form = Format(as_json, as_lines, wide)
    named = None if token is None else token_id(token)

    async def work(backend: Backend) -> None:
        if named is not None:
            found = await backend.usage.of_token(named, days)
        elif workspace is not None:
            found = await backend.usage.of_workspace(workspace, days)
        else:
            raise Failure("Say whose usage: a token's id, or -w WORKSPACE.", USAGE)
        with Listing(form, "day", "allowed", "denied", "rate_limited") as listing:
            for one in found:
                listing.add(one)

    connected(work)


def list_(
    workspace: Workspace,
    days: Days = 30,
    most: Annotated[int, typer.Option("--limit", min=1, max=100, help="At most this many tokens.")] = 20,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List the tokens of a workspace with the most requests, the busiest first."""
    form = Format(as_json, as_lines, wide)

    async def work(backend: Backend) -> None:
        with Listing(form, *COLUMNS, drop=DROP) as listing:
            for one in await backend.usage.busiest(workspace, days, most):
                listing.add(one)

    connected(work)
