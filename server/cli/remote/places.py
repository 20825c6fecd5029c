"""Lookup of workspaces and spaces on a server, and consent to changes that it cannot rehearse."""

from __future__ import annotations

from typing import Any

from spacekey.domain.ids import SPACE, WORKSPACE, id_prefix
from spacekey.domain.suggest import did_you_mean
from spacekey.server.cli.common.backend import Consent
from spacekey.server.cli.common.output import say
from spacekey.server.cli.common.run import USAGE, Failure, confirmed

from . import documents
from .client import Client


async def workspace_called(client: Client, name: str) -> dict[str, Any]:
    """Return the workspace with this slug or id.

    :raises Failure: it was not found; names near matches.
    """
    by = "id" if id_prefix(name) == WORKSPACE else "slug"
    found = (await client.query(documents.FIND_WORKSPACE, **{by: name}))["workspace"]
    if found is not None:
        return dict(found)
    known = (await client.query(documents.SLUGS))["workspaces"]["nodes"]
    hint = did_you_mean(name, [one["slug"] for one in known]) or " 'spacekey workspace list' shows them."
    raise Failure(f"There is no workspace '{name}'.{hint}")


async def workspace_to_change(client: Client, name: str) -> dict[str, Any]:
    """Return the workspace with this slug or id, and print which one it is to standard error.

    :raises Failure: it was not found.
    """
    found = await workspace_called(client, name)
    say(f"Workspace {found['id']} '{found['name']}' (slug {found['slug']}).")
    return found


async def space_called(client: Client, name: str, workspace: dict[str, Any] | None) -> dict[str, Any]:
    """Return the space with this id, or with this slug in the workspace.

    :raises Failure: it was not found, or is a slug and no workspace was given.
    """
    found = None
    if id_prefix(name) == SPACE:
        found = (await client.query(documents.FIND_SPACE, id=name))["space"]
    elif workspace is None:
        raise Failure(f"SPACE: '{name}' is no id (space_…); name its workspace by -w to use its slug.", USAGE)
    else:
        async for one in client.pages(documents.SPACES, ("workspace", "spaces"), id=workspace["id"]):
            if one["slug"] == name:
                found = one
                break
    home = None if found is None else found["workspace"]
    # The workspace was read, so a space whose workspace cannot be read is in another one.
    if found is None or (workspace is not None and (home is None or home["id"] != workspace["id"])):
        where = "" if workspace is None else f" in the workspace '{workspace['slug']}'"
        shows = "" if workspace is None else f" -w {workspace['slug']}"
        raise Failure(f"There is no space '{name}'{where}. 'spacekey space list{shows}' shows them.")
    return dict(found)


def check_rehearsed(consent: Consent) -> None:
    """Check that no dry run is asked for, which only the database can make.

    :raises Failure: it is.
    """
    if consent.dry_run:
        raise Failure("--dry-run: a server cannot try a change out; do it where its database is.", USAGE)


def ask(question: str, consent: Consent) -> None:
    """Ask whether to make a change. Unlike the database, a server does not say beforehand what stops working.

    :raises Failure: standard input is no terminal, and consent was not given.
    """
    check_rehearsed(consent)
    confirmed(question, yes=consent.yes)


def only_on_the_database(what: str) -> Failure:
    """Return the error for what only the operator may do."""
    return Failure(f"{what}: only the operator may, with the command line where the database is.", USAGE)
