"""``spacekey invitation``: invitations to a workspace that were not accepted yet."""

from __future__ import annotations

from ._connection import connected
from ._options import AsArray, AsJson, AsLines, Email, Limit, Wide, Workspace, Yes
from .common.backend import Backend, Consent
from .common.output import Format, Listing, show_one

COLUMNS = ("email", "name", "role", "invited_by", "created_at", "expires_at", "id")
DROP = ("created_at", "invited_by", "name", "expires_at", "role", "email")


def list_(
    workspace: Workspace,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List the invitations to a workspace that were not accepted yet, newest first; never their codes."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(backend: Backend) -> None:
        with Listing(form, *COLUMNS, drop=DROP) as listing:
            await listing.add_all(backend.members.invitations(workspace))

    connected(work)


def withdraw(email: Email, workspace: Workspace, yes: Yes = False, as_json: AsJson = False) -> None:
    """Withdraw an invitation that was not accepted yet; its code is no longer valid."""
    show_one(connected(lambda backend: backend.members.withdraw(email, workspace, Consent(yes))), as_json)
