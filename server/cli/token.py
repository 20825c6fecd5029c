"""``spacekey token``: list, create, show, edit, disable, revoke, delete and rotate tokens, and find inactive ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from spacekey.domain.token_state import Status
from spacekey.domain.unset import UNSET
from spacekey.server.timestamps import written

from . import _complete
from ._consent import DryRun as Hits
from ._consent import ask_first, show_change
from ._output import Facts, Format, Listing, say, show_once, show_one, shown
from ._run import (
    EXPIRES_HELP,
    GRANT_HELP,
    USAGE,
    AnyWorkspace,
    AsArray,
    AsJson,
    AsLines,
    DryRun,
    Failure,
    Limit,
    NoWait,
    TokenId,
    Wide,
    Workspace,
    Yes,
    operator,
    read_expiry,
    run,
    scope_names,
)

if TYPE_CHECKING:
    from spacekey.models.tables.records import AnyWorkspace as AnyWorkspaceRow
    from spacekey.resolvers.system import System
    from spacekey.resolvers.tokens.create import Issued
    from spacekey.resolvers.tokens.update import Changed
    from spacekey.resolvers.tokens.usage import Activity
    from spacekey.resolvers.tokens.view import TokenView

ONCE = "The secret, shown this once and never again:"
GRACE_ASKED_BELOW = 60
COLUMNS = ("name", "prefix", "grants", "status", "last_used_at", "expires_at", "id")
DROP = ("workspace", "last_used_at", "expires_at", "grants", "status", "prefix", "name")
INACTIVE_COLUMNS = ("workspace", "name", "prefix", "finding", "last_used_at", "unused_scopes", "age_days", "id")
INACTIVE_DROP = ("age_days", "last_used_at", "unused_scopes", "workspace", "finding", "prefix", "name")


def list_(
    workspace: AnyWorkspace = None,
    space: Annotated[str | None, typer.Option("--space", help="Only this space's: its slug or id.")] = None,
    status: Annotated[
        list[Status] | None, typer.Option("--status", case_sensitive=False, help="Only these; may be repeated.")
    ] = None,
    environment: Annotated[str | None, typer.Option("--environment", help="Only live, or only test.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Part of the name, description or prefix.")] = None,
    expiring: Annotated[
        int | None, typer.Option("--expiring", metavar="DAYS", help="Ending within so many days.")
    ] = None,
    created_by: Annotated[
        str | None, typer.Option("--created-by", metavar="ID", help="Made by this person or token (usr_…, key_…).")
    ] = None,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List the tokens of a workspace, newest first, or of all workspaces, one after the other."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(system: System) -> None:
        from spacekey.domain.page import TokenOrder
        from spacekey.resolvers.tokens.list import TokenSearch, token_list

        from ._lookup import actor_id, every, space_called, workspace_called
        from ._output import token_facts

        chosen = None if workspace is None else await workspace_called(system, workspace)
        place = None if space is None else await space_called(system, space, chosen)
        homes = _workspaces(system, workspace if place is None else place.workspace_id)
        search = TokenSearch(
            statuses=frozenset(status) if status else None,
            environment=environment and environment.lower(),
            text=text,
            expiring_days=expiring,
            created_by=None if created_by is None else actor_id("created_by", created_by),
        )

        def tokens_of(home: AnyWorkspaceRow) -> AsyncIterator[TokenView]:
            return every(
                lambda page: token_list(
                    system,
                    operator(),
                    home.id,
                    search=search,
                    order=TokenOrder.CREATED_AT,
                    descending=True,
                    request=page,
                    space_id=None if place is None else place.id,
                )
            )

        columns = COLUMNS if workspace is not None else ("workspace", *COLUMNS)
        with Listing(form, *columns, drop=DROP) as listing:
            async for home in homes:
                async for view in tokens_of(home):
                    if not listing.add({**token_facts(view), "workspace": home.slug}):
                        return

    run(work)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, like 'Production server'.")],
    workspace: Workspace,
    grant: Annotated[
        list[str] | None,
        typer.Option("--grant", "-g", autocompletion=_complete.scopes, help=GRANT_HELP),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", autocompletion=_complete.presets, help="Grants the scopes of a preset, one by one."),
    ] = None,
    space: Annotated[str | None, typer.Option("--space", help="Makes it a token of this space: slug or id.")] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", help="live or test; the product's first when left out.")
    ] = None,
    expires: Annotated[str | None, typer.Option("--expires", help=EXPIRES_HELP)] = None,
    description: Annotated[str, typer.Option("--description", help="A note for people.")] = "",
    as_json: AsJson = False,
) -> None:
    """Create a token and print its secret, once: alone on standard output, or with --json as a field."""

    async def work(system: System) -> tuple[Facts, str]:
        from spacekey.resolvers.tokens.create import NewToken, create_token

        from ._lookup import space_called, workspace_to_change
        from ._output import token_facts

        home = await workspace_to_change(system, workspace)
        new = NewToken(
            workspace_id=home.id,
            name=name,
            grants=scope_names(grant),
            space_id=None if space is None else (await space_called(system, space, home)).id,
            preset=preset,
            description=description,
            environment=environment and environment.lower(),
            expires_at=read_expiry(expires, system.clock()),
        )
        issued = await create_token(system, operator(), new)
        return token_facts(issued.view), issued.secret.reveal()

    facts, secret = run(work)
    show_once(facts, secret, ONCE, as_json)


def show(token: TokenId, as_json: AsJson = False) -> None:
    """Show one token: everything but its secret, which is kept nowhere."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.tokens.list import token_view

        from ._lookup import token_id
        from ._output import token_facts

        return token_facts(await token_view(system, operator(), token_id(token)))

    show_one(run(work), as_json)


def edit(
    token: TokenId,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="Another note; '' clears it.")] = None,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            "--grant",
            "-g",
            autocompletion=_complete.scopes,
            help=f"{GRANT_HELP} Takes the place of all it was granted.",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="When it ends instead: 90d, a date, a time, or never; see 'create'.")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Edit a token's name, description, grants or expiry; its secret stays the same."""
    if name is None and description is None and not grant and expires is None:
        raise Failure("Say what to change: --name, --description, --grant or --expires.", USAGE)

    async def work(system: System) -> Facts | Hits:
        from spacekey.resolvers.tokens.list import token_view
        from spacekey.resolvers.tokens.update import TokenChanges, update_token

        from ._lookup import token_id

        id_ = token_id(token)
        changes = TokenChanges(
            name=UNSET if name is None else name,
            description=UNSET if description is None else description,
            grants=scope_names(grant) if grant else UNSET,
            expires_at=read_expiry(expires, system.clock()),
        )

        async def sooner(edited: Changed) -> str | None:
            now, then = (await token_view(system, operator(), id_)).token.expires_at, edited.view.token.expires_at
            if then is None or (now is not None and then >= now):
                return None
            return f"It ends {shown(written(then))} instead of {'never' if now is None else shown(written(now))}."

        if dry_run or grant or expires is not None:
            hits = await ask_first(
                system,
                id_,
                lambda rehearsed: update_token(rehearsed, operator(), id_, changes, wait=False),
                "Edit it?",
                yes=yes,
                dry_run=dry_run,
                note=sooner,
            )
            if hits is not None:
                return hits
        return _changed(await update_token(system, operator(), id_, changes, wait=not no_wait))

    show_change(run(work, takes_away=True), as_json)


def disable(
    token: TokenId, yes: Yes = False, dry_run: DryRun = False, no_wait: NoWait = False, as_json: AsJson = False
) -> None:
    """Refuse a token until it is enabled again."""
    from spacekey.resolvers.tokens.revoke import disable_token

    _end(
        token,
        lambda system, id_, wait: disable_token(system, operator(), id_, wait=wait),
        "Applications that use it lose access at once, until it is enabled again. Disable it?",
        Ending(yes, dry_run, no_wait, as_json),
    )


def enable(token: TokenId, as_json: AsJson = False) -> None:
    """Accept a disabled token again."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.tokens.revoke import enable_token

        from ._lookup import token_id

        return _changed(await enable_token(system, operator(), token_id(token)))

    show_one(run(work, takes_away=True), as_json)


def revoke(
    token: TokenId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the list and the audit log.")] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """End a token for good; it stays in lists as revoked."""
    from spacekey.resolvers.tokens.revoke import revoke_token

    _end(
        token,
        lambda system, id_, wait: revoke_token(system, operator(), id_, reason=reason, wait=wait),
        "Applications that use it lose access at once, for good. Revoke it?",
        Ending(yes, dry_run, no_wait, as_json),
    )


def delete(
    token: TokenId, yes: Yes = False, dry_run: DryRun = False, no_wait: NoWait = False, as_json: AsJson = False
) -> None:
    """End a token and take it out of lists; the audit log keeps it."""
    from spacekey.resolvers.tokens.revoke import delete_token

    _end(
        token,
        lambda system, id_, wait: delete_token(system, operator(), id_, wait=wait),
        "Applications that use it lose access at once, for good. Delete it?",
        Ending(yes, dry_run, no_wait, as_json),
    )


def rotate(
    token: TokenId,
    grace: Annotated[
        int | None,
        typer.Option(
            "--grace",
            metavar="SECONDS",
            help="How long the old one stays good: 0 to 604800; asks first below 60.",
        ),
    ] = None,
    retire_on_first_use: Annotated[
        bool, typer.Option("--retire-on-first-use", help="The new token's first use ends the old one earlier.")
    ] = False,
    expires: Annotated[str | None, typer.Option("--expires", help="The new token's; see 'token create'.")] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Make a successor with the same grants and print its secret, once; the old token ends after a day."""

    async def work(system: System) -> tuple[Facts, str] | Hits:
        from spacekey.resolvers.tokens.list import token_view
        from spacekey.resolvers.tokens.rotate import GRACE_SECONDS_DEFAULT, rotate_token

        from ._lookup import token_id
        from ._output import token_facts

        id_, seconds = token_id(token), GRACE_SECONDS_DEFAULT if grace is None else grace

        async def rotated(used: System, *, wait: bool) -> Issued:
            return await rotate_token(
                used,
                operator(),
                id_,
                grace_seconds=seconds,
                retire_on_first_use=retire_on_first_use,
                expires_at=read_expiry(expires, system.clock()),
                wait=wait,
            )

        async def old(_: Issued) -> str | None:
            name = (await token_view(system, operator(), id_)).token.name
            return f"'{name}' ({id_}) ends {f'after {seconds} seconds' if seconds else 'at once'}."

        if dry_run or seconds < GRACE_ASKED_BELOW:
            hits = await ask_first(
                system,
                id_,
                lambda rehearsed: rotated(rehearsed, wait=False),
                "Applications need the new secret by then. Rotate it?",
                yes=yes,
                dry_run=dry_run,
                always=True,
                note=old,
            )
            if hits is not None:
                return hits
        issued = await rotated(system, wait=not no_wait)
        facts = {**token_facts(issued.view), "effective_at": written(issued.effective_at)}
        return facts, issued.secret.reveal()

    done = run(work, takes_away=True)
    if isinstance(done, tuple):
        show_once(*done, ONCE, as_json)
    else:
        show_change(done, as_json)


@dataclass(frozen=True, slots=True)
class Ending:
    """How to end a token: the options that the commands for it share."""

    yes: bool
    dry_run: bool
    no_wait: bool
    as_json: bool


def _end(token: str, change: Callable[[System, str, bool], Awaitable[Changed]], question: str, how: Ending) -> None:
    """Make a change that ends a token, once it was asked about."""

    async def work(system: System) -> Facts | Hits:
        from spacekey.resolvers.tokens.list import token_view

        from ._lookup import token_id

        id_ = token_id(token)

        async def named(_: Changed) -> str | None:
            view = await token_view(system, operator(), id_)
            return f"The token is '{view.token.name}' ({view.shown_prefix}, {view.status.value})."

        hits = await ask_first(
            system,
            id_,
            lambda rehearsed: change(rehearsed, id_, False),
            question,
            yes=how.yes,
            dry_run=how.dry_run,
            always=True,
            note=named,
        )
        return hits if hits is not None else _changed(await change(system, id_, not how.no_wait))

    show_change(run(work, takes_away=True), how.as_json)


def _changed(changed: Changed) -> Facts:
    from ._output import token_facts

    return {**token_facts(changed.view), "effective_at": written(changed.effective_at)}


def inactive(
    workspace: AnyWorkspace = None,
    days: Annotated[int, typer.Option("--days", help="Unused for at least so many days.")] = 90,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List active tokens that were not used recently, or not with all their scopes; unused ones come first."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(system: System) -> None:
        from spacekey.resolvers.tokens.usage import ROTATE_AFTER_DAYS, checked_span

        span, old = checked_span(days), 0
        with Listing(form, *INACTIVE_COLUMNS, drop=INACTIVE_DROP) as listing:
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


async def _workspaces(system: System, name: str | None) -> AsyncIterator[AnyWorkspaceRow]:
    from ._lookup import every_workspace, workspace_called

    if name is not None:
        yield await workspace_called(system, name)
        return
    async for one in every_workspace(system):
        yield one


async def _active(system: System, workspace_id: str, span: timedelta) -> AsyncIterator[Activity]:
    """Yield the active tokens of a workspace, those unused for longest first."""
    from spacekey.domain.page import PAGE_SIZE_MAX, PageRequest, TokenOrder
    from spacekey.resolvers.tokens.list import TokenSearch, token_list
    from spacekey.resolvers.tokens.usage import activity_of

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


def _facts(home: AnyWorkspaceRow, activity: Activity) -> Facts:
    from ._output import token_facts

    return {
        **token_facts(activity.view),
        "workspace": home.slug,
        "finding": activity.finding,
        "unused_scopes": list(activity.unused_scopes),
        "age_days": activity.age_days,
    }
