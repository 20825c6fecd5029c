"""``spacekey space``: projects inside a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ._consent import DryRun as Hits
from ._consent import ask_first, show_change
from ._output import Facts, Format, Listing, show_one
from ._run import (
    AsArray,
    AsJson,
    AsLines,
    DryRun,
    Limit,
    NoWait,
    SpaceHome,
    SpaceName,
    Wide,
    Workspace,
    Yes,
    operator,
    run,
)

if TYPE_CHECKING:
    from spacekey.resolvers.system import System


def list_(
    workspace: Workspace,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List a workspace's spaces."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(system: System) -> None:
        from spacekey.resolvers.workspaces.lists import space_list

        from ._lookup import every, workspace_called
        from ._output import space_facts

        found = await workspace_called(system, workspace)
        with Listing(form, "slug", "name", "created_at", "id", drop=("created_at", "name")) as listing:
            async for space in every(lambda page: space_list(system, operator(), found.id, page)):
                if not listing.add(space_facts(space)):
                    return

    run(work)


def create(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Its name in addresses, like 'production'.")],
    workspace: Workspace,
    name: Annotated[str | None, typer.Option("--name", help="Its name for people; the slug when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create a space in a workspace."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.workspaces.spaces import create_space

        from ._lookup import workspace_to_change
        from ._output import space_facts

        home = await workspace_to_change(system, workspace)
        return space_facts(await create_space(system, operator(), home.id, name=name or slug, slug=slug))

    show_one(run(work), as_json)


def delete(
    space: SpaceName,
    workspace: SpaceHome = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Delete a space; its tokens are refused from then on."""

    async def work(system: System) -> Facts | Hits:
        from spacekey.resolvers.workspaces.spaces import delete_space
        from spacekey.server.timestamps import written

        from ._lookup import space_to_change
        from ._output import space_facts

        found = await space_to_change(system, space, workspace)
        hits = await ask_first(
            system,
            found.workspace_id,
            lambda rehearsed: delete_space(rehearsed, operator(), found.id, wait=False),
            f"All tokens of the space {found.id} '{found.name}' stop working for good. Delete it?",
            yes=yes,
            dry_run=dry_run,
            always=True,
        )
        if hits is not None:
            return hits
        gone = await delete_space(system, operator(), found.id, wait=not no_wait)
        return {
            **space_facts(gone.space),
            "deleted_at": written(gone.space.deleted_at),
            "effective_at": written(gone.effective_at),
        }

    show_change(run(work, takes_away=True), as_json)
