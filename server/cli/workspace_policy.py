"""``spacekey workspace policy``: what a workspace asks of its tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from spacekey.domain.unset import UNSET

from .codes import USAGE, Failure
from .expiry import read_lifetime
from .options import AsJson, NoWait, WorkspaceName
from .workspace import change_workspace

_LIFETIME = "90d, 12h or 30m, or none"


def policy(
    workspace: WorkspaceName,
    lifetime_max: Annotated[
        str | None, typer.Option("--lifetime-max", help=f"The longest a new token may live: {_LIFETIME}.")
    ] = None,
    lifetime_default: Annotated[
        str | None, typer.Option("--lifetime-default", help=f"Where nobody says how long: {_LIFETIME}.")
    ] = None,
    expiry_required: Annotated[
        bool | None, typer.Option("--expiry-required/--expiry-optional", help="Whether every new token must end.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", "-s", help="The only scopes tokens may have; may be repeated.")
    ] = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="Tokens may have any scope again.")] = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Set how long tokens may live and which scopes they may have; what is left out stays as it is.

    Scopes change for existing tokens at once, lifetimes for those that are made or edited from then on.
    """
    from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges

    if scope and all_scopes:
        raise Failure("Give --scope or --all-scopes, not both.", USAGE)
    if lifetime_max is None and lifetime_default is None and expiry_required is None and not scope and not all_scopes:
        options = "--lifetime-max, --lifetime-default, --expiry-required, --expiry-optional, --scope or --all-scopes"
        raise Failure(f"Say what to change: {options}.", USAGE)
    changes = WorkspaceChanges(
        lifetime_seconds_max=read_lifetime("lifetime_seconds_max", lifetime_max),
        lifetime_seconds_default=read_lifetime("lifetime_seconds_default", lifetime_default),
        expiry_required=UNSET if expiry_required is None else expiry_required,
        scopes_allowed=None if all_scopes else tuple(scope) if scope else UNSET,
    )
    change_workspace(workspace, changes, no_wait=no_wait, as_json=as_json)
