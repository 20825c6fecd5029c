"""``spacekey token``: disable, enable, revoke, delete, rotate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ._output import Facts, show_once, show_one
from ._run import operator, run
from .confirm import confirmed
from .expiry import read_expiry
from .options import AsJson, NoWait, TokenId, Yes
from .token import ONCE

if TYPE_CHECKING:
    from spacekey.resolvers.system import System
    from spacekey.resolvers.tokens.update import Changed


def disable(token: TokenId, no_wait: NoWait = False, as_json: AsJson = False) -> None:
    """Refuse a token until it is enabled again."""
    from spacekey.resolvers.tokens.revoke import disable_token

    _change(token, lambda system, id_: disable_token(system, operator(), id_, wait=not no_wait), as_json)


def enable(token: TokenId, as_json: AsJson = False) -> None:
    """Accept a disabled token again."""
    from spacekey.resolvers.tokens.revoke import enable_token

    _change(token, lambda system, id_: enable_token(system, operator(), id_), as_json)


def revoke(
    token: TokenId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the list and the audit log.")] = None,
    yes: Yes = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """End a token for good; it stays in lists as revoked."""
    from spacekey.resolvers.tokens.revoke import revoke_token

    confirmed("Applications that use this token lose access at once, for good. Revoke it?", yes=yes)
    _change(token, lambda system, id_: revoke_token(system, operator(), id_, reason=reason, wait=not no_wait), as_json)


def delete(token: TokenId, yes: Yes = False, no_wait: NoWait = False, as_json: AsJson = False) -> None:
    """End a token and take it out of lists; the audit log keeps it."""
    from spacekey.resolvers.tokens.revoke import delete_token

    confirmed("Applications that use this token lose access at once, for good. Delete it?", yes=yes)
    _change(token, lambda system, id_: delete_token(system, operator(), id_, wait=not no_wait), as_json)


def rotate(
    token: TokenId,
    grace: Annotated[
        int | None, typer.Option("--grace", metavar="SECONDS", help="How long the old one stays good: 0 to 604800.")
    ] = None,
    retire_on_first_use: Annotated[
        bool, typer.Option("--retire-on-first-use", help="The new token's first use ends the old one earlier.")
    ] = False,
    expires: Annotated[str | None, typer.Option("--expires", help="The new token's; see 'token create'.")] = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Make a successor with the same grants and print its secret, once; the old token ends after a day."""

    async def work(system: System) -> tuple[Facts, str]:
        from spacekey.resolvers.tokens.rotate import GRACE_SECONDS_DEFAULT, rotate_token
        from spacekey.server.timestamps import written

        from ._lookup import token_id
        from .facts import token_facts

        issued = await rotate_token(
            system,
            operator(),
            token_id(token),
            grace_seconds=GRACE_SECONDS_DEFAULT if grace is None else grace,
            retire_on_first_use=retire_on_first_use,
            expires_at=read_expiry(expires, system.clock()),
            wait=not no_wait,
        )
        facts = {**token_facts(issued.view), "effective_at": written(issued.effective_at)}
        return facts, issued.secret.reveal()

    facts, secret = run(work, takes_away=True)
    show_once(facts, secret, ONCE, as_json)


def _change(token: str, change: Callable[[System, str], Awaitable[Changed]], as_json: bool) -> None:
    async def work(system: System) -> Facts:
        from spacekey.server.timestamps import written

        from ._lookup import token_id
        from .facts import token_facts

        changed = await change(system, token_id(token))
        return {**token_facts(changed.view), "effective_at": written(changed.effective_at)}

    show_one(run(work, takes_away=True), as_json)
