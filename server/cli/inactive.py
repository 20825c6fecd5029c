"""``spacekey token inactive``: what can be taken away, and what should be rotated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from spacekey.domain.token_state import Status

from ._output import Facts, Listing, say
from ._run import operator, run
from .options import AsJson, Limit

if TYPE_CHECKING:
    from spacekey.models.tables.records import AnyWorkspace
    from spacekey.resolvers.inactive import Activity
    from spacekey.resolvers.system import System

INACTIVE_COLUMNS = ("workspace", "name", "prefix", "finding", "last_used_at", "unused_scopes", "age_days", "id")


def inactive(
    workspace: Annotated[
        str | None, typer.Argument(metavar="WORKSPACE", help="A workspace's slug or id; all of them when left out.")
    ] = None,
    days: Annotated[int, typer.Option("--days", help="Unused for at least so many days.")] = 90,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List active tokens that nobody has used for a while, or not with all their scopes; unused ones come first."""

    async def work(system: System) -> None:
        from spacekey.resolvers.inactive import ROTATE_AFTER_DAYS, checked_span

        span, old = checked_span(days), 0
        with Listing(as_json, *INACTIVE_COLUMNS, limit=limit) as listing:
            async for home in _workspaces(system, workspace):
                async for activity in _active(system, home.id, span):
                    old += activity.due_for_rotation
                    if activity.finding is not None and not listing.add(_facts(home, activity)):
                        return
        if old:
            say(
                f"{old} active {'token is' if old == 1 else 'tokens are'} {ROTATE_AFTER_DAYS} days old or more. "
                "Rotate with: spacekey token rotate TOKEN"
            )

    run(work)


async def _workspaces(system: System, name: str | None) -> AsyncIterator[AnyWorkspace]:
    from ._lookup import every_workspace, workspace_called

    if name is not None:
        yield await workspace_called(system, name)
        return
    async for one in every_workspace(system):
        yield one


async def _active(system: System, workspace_id: str, span: timedelta) -> AsyncIterator[Activity]:
    """One workspace's active tokens, those unused for longest first."""
    from spacekey.domain.page import PAGE_SIZE_MAX, PageRequest, TokenOrder
    from spacekey.resolvers.inactive import activity_of
    from spacekey.resolvers.tokens.list import TokenSearch, token_list

    search = TokenSearch(statuses=frozenset((Status.ACTIVE,)))
    caller, order, after = operator(), TokenOrder.LAST_USED_AT, None
    while True:
        request = PageRequest(PAGE_SIZE_MAX, after=after)
        page = await token_list(
            system, caller, workspace_id, search=search, order=order, descending=False, request=request
        )
        for activity in await activity_of(system, page.rows, span):
            yield activity
        if not page.has_next:
            return
        after = page.cursors[-1]


def _facts(home: AnyWorkspace, activity: Activity) -> Facts:
    from .facts import token_facts

    return {
        **token_facts(activity.view),
        "workspace": home.slug,
        "finding": activity.finding,
        "unused_scopes": list(activity.unused_scopes),
        "age_days": activity.age_days,
    }
