"""``spacekey invitation``: invitations to a workspace that were not accepted yet."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from spacekey.domain.refusal import Refusal

from ._output import Facts, Format, Listing, show_one
from ._run import AsArray, AsJson, AsLines, Email, Failure, Limit, Wide, Workspace, Yes, confirmed, operator, run

if TYPE_CHECKING:
    from spacekey.domain.page import Page, PageRequest
    from spacekey.models.tables.records import InvitationRecord
    from spacekey.models.tables.workspace import Workspace as Home
    from spacekey.resolvers.system import System

INVITATION_DROP = ("created_at", "invited_by", "name", "expires_at", "role", "email")


def list_(
    workspace: Workspace,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List the invitations to a workspace that were not accepted yet, newest first; never their codes."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(system: System) -> None:
        from ._lookup import every, workspace_called
        from ._output import invitation_facts

        found = await workspace_called(system, workspace)
        columns = ("email", "name", "role", "invited_by", "created_at", "expires_at", "id")
        with Listing(form, *columns, drop=INVITATION_DROP) as listing:
            async for invitation in every(partial(_waiting, system, found)):
                if not listing.add(invitation_facts(invitation)):
                    return

    run(work)


def withdraw(email: Email, workspace: Workspace, yes: Yes = False, as_json: AsJson = False) -> None:
    """Withdraw an invitation that was not accepted yet; its code is no longer valid."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.members.invitations import withdraw_invitation

        from ._lookup import workspace_to_change
        from ._output import invitation_facts

        home = await workspace_to_change(system, workspace)
        confirmed(f"Take back the invitation of {email} to the workspace {home.id} '{home.name}'?", yes=yes)
        found = await invitation_of(system, home, email)
        if found is None:
            shows = f"'spacekey invitation list -w {home.slug}' shows those that do."
            raise Failure(f"No invitation waits for {email}. {shows}")
        await withdraw_invitation(system, operator(), found.id)
        return invitation_facts(found)

    show_one(run(work), as_json)


async def invitation_of(system: System, home: Home, email: str) -> InvitationRecord | None:
    """Return the open invitation of this address to the workspace; None if there is none."""
    from spacekey.resolvers.addresses import clean_email

    from ._lookup import every

    address = clean_email("email", email)
    async for invitation in every(partial(_waiting, system, home)):
        if invitation.email == address:
            return invitation
    return None


async def _waiting(system: System, home: Home, request: PageRequest) -> Page[InvitationRecord]:
    from spacekey.resolvers.workspaces.lists import invitation_lists

    [page] = await invitation_lists(system, operator(), [home.id], request)
    if isinstance(page, Refusal):
        raise page
    return page
