"""``spacekey token edit``: what is left out stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spacekey.domain.unset import UNSET

from ._output import Facts, show_one
from ._run import operator, run
from .codes import USAGE, Failure
from .expiry import read_expiry
from .options import AsJson, NoWait, TokenId

if TYPE_CHECKING:
    from spacekey.resolvers.system import System


def edit(
    token: TokenId,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="Another note; '' clears it.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", "-s", help="A scope, shorthand or role, instead of all it has; may be repeated."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="When it ends instead: 90d, 12h, a time, or never; see 'create'.")
    ] = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Edit a token's name, description, scopes or expiry; its secret stays the same."""
    if name is None and description is None and not scope and expires is None:
        raise Failure("Say what to change: --name, --description, --scope or --expires.", USAGE)

    async def work(system: System) -> Facts:
        from spacekey.resolvers.tokens.update import TokenChanges, update_token
        from spacekey.server.timestamps import written

        from ._lookup import token_id
        from .facts import token_facts

        changes = TokenChanges(
            name=UNSET if name is None else name,
            description=UNSET if description is None else description,
            grants=tuple(scope) if scope else UNSET,
            expires_at=read_expiry(expires, system.clock()),
        )
        changed = await update_token(system, operator(), token_id(token), changes, wait=not no_wait)
        return {**token_facts(changed.view), "effective_at": written(changed.effective_at)}

    show_one(run(work, takes_away=True), as_json)
