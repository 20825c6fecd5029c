"""Options and arguments that several commands have."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from spacekey.domain.clock import EXAMPLE_MOMENT

from . import _complete

WORKSPACE_VARIABLE = "SPACEKEY_WORKSPACE"
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsArray: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON array.")]
AsLines: TypeAlias = Annotated[bool, typer.Option("--jsonl", help="Print JSON Lines: one object a line.")]
Wide: TypeAlias = Annotated[bool, typer.Option("--wide", help="Print all columns, whole, however long the lines are.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Only print what would stop working; change nothing.")
]
NoWait: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--no-wait", hidden=True, help="Answer before the change holds everywhere; effective_at says when it does."
    ),
]
WorkspaceName: TypeAlias = Annotated[
    str, typer.Argument(metavar="WORKSPACE", help="A workspace's slug or id.", autocompletion=_complete.workspaces)
]
Workspace: TypeAlias = Annotated[
    str,
    typer.Option(
        "--workspace",
        "-w",
        metavar="WORKSPACE",
        envvar=WORKSPACE_VARIABLE,
        autocompletion=_complete.workspaces,
        help="The workspace: its slug or id.",
    ),
]
AnyWorkspace: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="WORKSPACE",
        envvar=WORKSPACE_VARIABLE,
        autocompletion=_complete.workspaces,
        help="Only this workspace: its slug or id; all if left out.",
    ),
]
SpaceHome: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="WORKSPACE",
        envvar=WORKSPACE_VARIABLE,
        autocompletion=_complete.workspaces,
        help="The space's workspace: its slug or id; an id of a space needs none.",
    ),
]
SpaceName: TypeAlias = Annotated[
    str, typer.Argument(metavar="SPACE", help="A space's slug in the workspace, or its id (space_…).")
]
GRANT_HELP = "A scope, shorthand or role; several by commas, or repeated."
Email: TypeAlias = Annotated[
    str, typer.Argument(metavar="EMAIL", help="The e-mail address that the invitation was made for.")
]
Account: TypeAlias = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="An account's id (usr_…), or the address it has proven.")
]
TokenId: TypeAlias = Annotated[str, typer.Argument(metavar="TOKEN", help="A token's id (key_…), never its secret.")]
Limit: TypeAlias = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most this many; by default 100 in a table, all with --json.")
]
EXPIRES_HELP = (
    "When it ends: 90d, 2w, 1y, 12h, 30min, a date like 2030-01-31 (the end of that day, UTC), a time like "
    f"{EXAMPLE_MOMENT}, or never; left out: the workspace's policy."
)
