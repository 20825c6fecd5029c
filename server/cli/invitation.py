"""``spacekey member``: invitations to a workspace that were not accepted yet."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from spacekey.domain.refusal import Refusal

from ._output import Facts, Listing, show_one, shown
from ._run import operator, run
from .codes import Failure
from .confirm import confirmed
from .options import AsJson, Email, Limit, WorkspaceName, Yes

if TYPE_CHECKING:
    from spacekey.domain.page import Page, PageRequest
    from spacekey.models.tables.records import AnyInvitation, InvitationRecord
    from spacekey.models.tables.user import User
    from spacekey.models.tables.workspace import Workspace
    from spacekey.resolvers.system import System


def invitations(workspace: WorkspaceName, limit: Limit = None, as_json: AsJson = False) -> None:
    """List the invitations to a workspace that were not accepted yet, newest first; never their codes."""

    async def work(system: System) -> None:
        from ._lookup import every, workspace_called
        from .facts import invitation_facts

        found = await workspace_called(system, workspace)
        columns = ("email", "name", "role", "invited_by", "created_at", "expires_at", "id")
        with Listing(as_json, *columns, limit=limit) as listing:
            async for invitation in every(partial(_waiting, system, found)):
                if not listing.add(invitation_facts(invitation)):
                    return

    run(work)


def withdraw(workspace: WorkspaceName, email: Email, yes: Yes = False, as_json: AsJson = False) -> None:
    """Take back an invitation that was not accepted yet: its code is good for nothing from then on."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.invitations import withdraw_invitation

        from ._lookup import workspace_to_change
        from .facts import invitation_facts

        home = await workspace_to_change(system, workspace)
        confirmed(f"Take back the invitation of {email} to the workspace {home.id} '{home.name}'?", yes=yes)
        found = await _invitation_of(system, home, email)
        if found is None:
            shows = f"'spacekey member invitations {workspace}' shows those that do."
            raise Failure(f"No invitation waits for {email}. {shows}")
        await withdraw_invitation(system, operator(), found.id)
        return invitation_facts(found)

    show_one(run(work), as_json)


async def member_called(system: System, home: Workspace, account: str) -> User:
    """The account that an argument names, when it is a member of the workspace.

    :raises Failure: it is none, or there is no such account; where an invitation waits, says how to take it back.
    """
    from spacekey.domain.ids import USER, id_prefix
    from spacekey.models.queries import workspaces as workspace_queries

    from ._lookup import account_called, proven_account

    waiting = None if id_prefix(account) == USER else await _invitation_of(system, home, account)
    if waiting is not None and await proven_account(system, account) is None:
        raise Failure(_waits(home, waiting))
    found = await account_called(system, account)
    async with system.store.reading() as session:
        if await workspace_queries.member(session, home.id, found.id) is not None:
            return found
    if waiting is not None:
        raise Failure(_waits(home, waiting))
    raise Failure(
        f"The account {found.id} is no member of '{home.slug}'. 'spacekey member list {home.slug}' shows them."
    )


def _waits(home: Workspace, invitation: AnyInvitation) -> str:
    from spacekey.resolvers.addresses import shown_email
    from spacekey.server.timestamps import written

    email, until = shown_email(invitation.email), shown(written(invitation.expires_at))
    return (
        f"{email} is no member yet: an invitation as '{invitation.role}' waits until {until}. "
        f"Take it back with: spacekey member withdraw {home.slug} {email}"
    )


async def _invitation_of(system: System, home: Workspace, email: str) -> InvitationRecord | None:
    from spacekey.resolvers.addresses import clean_email

    from ._lookup import every

    address = clean_email("email", email)
    async for invitation in every(partial(_waiting, system, home)):
        if invitation.email == address:
            return invitation
    return None


async def _waiting(system: System, home: Workspace, request: PageRequest) -> Page[InvitationRecord]:
    from spacekey.resolvers.workspaces.lists import invitation_lists

    [page] = await invitation_lists(system, operator(), [home.id], request)
    if isinstance(page, Refusal):
        raise page
    return page
