"""``spacekey space``: projects inside a workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from ._connection import connected
from ._options import AsArray, AsJson, AsLines, DryRun, Limit, NoWait, SpaceHome, SpaceName, Wide, Workspace, Yes
from .common.backend import Backend, Consent
from .common.consent import show_change
from .common.output import Format, Listing, show_one
from .common.run import USAGE, Failure


def list_(
    workspace: Workspace,
    external_id: Annotated[
        str | None, typer.Option("--external-id", help="Only with this id of your application's.")
    ] = None,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List a workspace's spaces."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(backend: Backend) -> None:
        with Listing(form, "slug", "name", "created_at", "id", drop=("created_at", "name")) as listing:
            await listing.add_all(backend.spaces.list(workspace, external_id))

    connected(work)


def show(space: SpaceName, workspace: SpaceHome = None, as_json: AsJson = False) -> None:
    """Show one space."""
    show_one(connected(lambda backend: backend.spaces.show(space, workspace)), as_json)


def create(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Its name in addresses, like 'production'.")],
    workspace: Workspace,
    name: Annotated[str | None, typer.Option("--name", help="Its name for people; the slug when left out.")] = None,
    external_id: Annotated[
        str | None,
        typer.Option("--external-id", help="The id that your application has for it; unique in the workspace."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a space in a workspace."""
    show_one(connected(lambda backend: backend.spaces.create(slug, workspace, name or slug, external_id)), as_json)


def edit(
    space: SpaceName,
    workspace: SpaceHome = None,
    name: Annotated[str | None, typer.Option("--name", help="Another name for people.")] = None,
    slug: Annotated[str | None, typer.Option("--slug", help="Another name in addresses.")] = None,
    external_id: Annotated[
        str | None, typer.Option("--external-id", help="Another id that your application has for it; '' clears it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Edit a space's names or external id; its tokens stay as they are."""
    changes: dict[str, str | None] = {
        key: value for key, value in (("name", name), ("slug", slug)) if value is not None
    }
    if external_id is not None:
        changes["external_id"] = external_id or None
    if not changes:
        raise Failure("Say what to change: --name, --slug or --external-id.", USAGE)
    show_one(connected(lambda backend: backend.spaces.edit(space, workspace, changes)), as_json)


def delete(
    space: SpaceName,
    workspace: SpaceHome = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Delete a space; its tokens are refused from then on."""
    consent = Consent(yes, dry_run, wait=not no_wait)
    show_change(connected(lambda backend: backend.spaces.delete(space, workspace, consent), takes_away=True), as_json)
