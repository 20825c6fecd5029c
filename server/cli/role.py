"""``spacekey role``: the roles of a workspace's members and tokens."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from . import _complete
from ._connection import connected
from ._options import AsArray, AsJson, AsLines, DryRun, Limit, NoWait, Wide, Workspace, Yes
from .common.backend import Backend, Consent
from .common.consent import show_change
from .common.output import Format, Listing
from .common.run import scope_names

RoleName: TypeAlias = Annotated[
    str, typer.Argument(metavar="ROLE", autocompletion=_complete.roles, help="The role's name, like 'reviewer'.")
]


def list_(
    workspace: Workspace,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List the roles that a workspace's members and tokens can hold."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(backend: Backend) -> None:
        with Listing(form, "name", "title", "grants", "description", drop=("description", "title")) as listing:
            await listing.add_all(backend.workspaces.roles(workspace))

    connected(work)


def set_(
    role: RoleName,
    workspace: Workspace,
    grant: Annotated[
        list[str],
        typer.Option(
            "--grant",
            "-g",
            autocompletion=_complete.scopes,
            help="A scope or shorthand that it consists of; several by commas, or repeated.",
        ),
    ],
    title: Annotated[str | None, typer.Option("--title", help="Its name for people; left out: as it was.")] = None,
    description: Annotated[
        str | None, typer.Option("--description", help="What it is for; left out: as it was.")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Add a role to a workspace or change one, with effect on members and tokens that hold it."""
    fields = {"grants": scope_names(grant), "title": title, "description": description}
    consent = Consent(yes, dry_run, wait=not no_wait)
    done = connected(lambda backend: backend.workspaces.set_role(workspace, role, fields, consent), takes_away=True)
    show_change(done, as_json)


def delete(
    role: RoleName,
    workspace: Workspace,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Delete a role of a workspace that no member, token or invitation holds."""
    consent = Consent(yes, dry_run, wait=not no_wait)
    done = connected(
        lambda backend: backend.workspaces.set_role(workspace, role, {"grants": None}, consent), takes_away=True
    )
    show_change(done, as_json)
