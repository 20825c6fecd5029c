"""``spacekey login`` and ``logout``: which server commands speak to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ._options import AsJson
from .common.output import Facts, say, show_one
from .common.run import Failure, read_secret

if TYPE_CHECKING:
    from .remote.login import Server


def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server's address, like https://keys.example.com.")],
    as_json: AsJson = False,
) -> None:
    """Use a server from now on, with a token of yours. Its secret is asked for, or read from standard input.

    Workspaces, spaces, members, roles, tokens, the audit log and usage are then the server's, as far as the token's
    scopes go. The login is kept in a file that only you may read.
    """
    import asyncio

    from .remote.login import Server, checked_secret, checked_url, keep

    address = checked_url(url, "URL")
    server = Server(address, checked_secret(read_secret(), "standard input"))
    facts = asyncio.run(_caller(server))
    file = keep(server, os.environ)
    say(f"Logged in; kept in {file}. 'spacekey logout' removes it.")
    show_one({"url": address, **facts}, as_json)


async def _caller(server: Server) -> Facts:
    """Return who the server says that the caller is.

    :raises Failure: it does not accept the token.
    """
    from .remote import documents
    from .remote.client import Client

    async with Client(server) as client:
        me = (await client.query(documents.ME))["me"]
    if me is None:
        raise Failure(f"{server.url} does not accept the token.")
    return {"kind": me["kind"].lower(), "scopes": me["scopes"]}


def logout(as_json: AsJson = False) -> None:
    """Forget the server and the token's secret. The token itself stays valid; 'token revoke' ends it."""
    from .remote.login import forget

    gone = forget(os.environ)
    if not gone:
        say("There is no login.")
    show_one({"logged_out": gone}, as_json)
