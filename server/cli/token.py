"""``spacekey token``: find and issue tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spacekey.domain.token_state import Status

from ._output import Facts, Listing, show_once, show_one
from ._run import operator, run
from .expiry import HELP as EXPIRES_HELP
from .expiry import read_expiry
from .options import AsJson, Limit, TokenId, WorkspaceName

if TYPE_CHECKING:
    from spacekey.resolvers.system import System

ONCE = "The secret, shown this once and never again:"
COLUMNS = ("name", "prefix", "grants", "status", "last_used_at", "expires_at", "id")


def list_(
    workspace: WorkspaceName,
    space: Annotated[str | None, typer.Option("--space", help="Only this space's: its slug or id.")] = None,
    status: Annotated[list[Status] | None, typer.Option("--status", help="Only these; may be repeated.")] = None,
    environment: Annotated[str | None, typer.Option("--environment", help="Only live, or only test.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Part of the name, description or prefix.")] = None,
    expiring: Annotated[
        int | None, typer.Option("--expiring", metavar="DAYS", help="Ending within so many days.")
    ] = None,
    created_by: Annotated[
        str | None, typer.Option("--created-by", metavar="ID", help="Made by this person or token (usr_…, key_…).")
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List a workspace's tokens, newest first."""

    async def work(system: System) -> None:
        from spacekey.domain.page import TokenOrder
        from spacekey.resolvers.tokens.list import TokenSearch, token_list

        from ._lookup import every, space_called, workspace_called
        from .facts import token_facts

        home = await workspace_called(system, workspace)
        space_id = None if space is None else (await space_called(system, space, home)).id
        search = TokenSearch(
            statuses=frozenset(status) if status else None,
            environment=environment,
            text=text,
            expiring_days=expiring,
            created_by=created_by,
        )
        with Listing(as_json, *COLUMNS, limit=limit) as listing:
            async for view in every(
                lambda page: token_list(
                    system,
                    operator(),
                    home.id,
                    search=search,
                    order=TokenOrder.CREATED_AT,
                    descending=True,
                    request=page,
                    space_id=space_id,
                )
            ):
                if not listing.add(token_facts(view)):
                    return

    run(work)


def create(
    workspace: WorkspaceName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, like 'Production server'.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", "-s", help="A scope, shorthand or role; may be repeated.")
    ] = None,
    preset: Annotated[str | None, typer.Option("--preset", help="Adds the scopes of a preset, one by one.")] = None,
    space: Annotated[str | None, typer.Option("--space", help="Makes it a token of this space: slug or id.")] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", help="live or test; the catalog's first when left out.")
    ] = None,
    expires: Annotated[str | None, typer.Option("--expires", help=EXPIRES_HELP)] = None,
    description: Annotated[str, typer.Option("--description", help="A note for people.")] = "",
    as_json: AsJson = False,
) -> None:
    """Create a token and print its secret, once: alone on standard output, or with --json as a field."""

    async def work(system: System) -> tuple[Facts, str]:
        from spacekey.resolvers.tokens.create import NewToken, create_token

        from ._lookup import space_called, workspace_to_change
        from .facts import token_facts

        home = await workspace_to_change(system, workspace)
        new = NewToken(
            workspace_id=home.id,
            name=name,
            grants=tuple(scope or ()),
            space_id=None if space is None else (await space_called(system, space, home)).id,
            preset=preset,
            description=description,
            environment=environment,
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
        from .facts import token_facts

        return token_facts(await token_view(system, operator(), token_id(token)))

    show_one(run(work), as_json)
