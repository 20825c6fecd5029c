"""``spacekey member``: people who were invited to a workspace and are no members yet."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from spacekey.domain.refusal import NotFound, Refusal

from .codes import Failure
from .confirm import confirmed
from .options import AsJson, Email, Limit, WorkspaceName, Yes
from .run import operator, run
from .show import Facts, Listing, show_one, shown

if TYPE_CHECKING:
    from spacekey.domain.page import Page, PageRequest
    from spacekey.models.user import Invitation, User
    from spacekey.models.workspace import Workspace
    from spacekey.resolvers.system import System

T = TypeVar("T")


def invitations(workspace: WorkspaceName, limit: Limit = None, as_json: AsJson = False) -> None:
    """List the invitations to a workspace that nobody has accepted yet, newest first; never their codes."""

    async def work(system: System) -> None:
        from .facts import invitation_facts
        from .find import every, workspace_called

        found = await workspace_called(system, workspace)
        columns = ("email", "role", "invited_by", "created_at", "expires_at", "id")
        with Listing(as_json, *columns, limit=limit) as listing:
            async for invitation, user in every(partial(_waiting, system, found)):
                if not listing.add(invitation_facts(invitation, user)):
                    return

    run(work)


def withdraw(workspace: WorkspaceName, email: Email, yes: Yes = False, as_json: AsJson = False) -> None:
    """Take back an invitation that nobody has accepted yet: its code is good for nothing from then on."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.invitations import withdraw_invitation

        from .facts import invitation_facts
        from .find import workspace_to_change

        home = await workspace_to_change(system, workspace)
        confirmed(f"Take back the invitation of {email} to the workspace {home.id} '{home.name}'?", yes=yes)
        found = await _invitation_of(system, home, email)
        if found is None:
            shows = f"'spacekey member invitations {workspace}' shows those that do."
            raise Failure(f"No invitation waits for {email}. {shows}")
        await withdraw_invitation(system, operator(), found[0].id)
        return invitation_facts(*found)

    show_one(run(work), as_json)


async def of_member(system: System, home: Workspace, email: str, change: Awaitable[T]) -> T:
    """The answer to a change of a member.

    :raises Failure: they are none, but invited; says how to take the invitation back.
    :raises Refusal: whatever else the change is refused with.
    """
    from spacekey.server.moments import written

    try:
        return await change
    except NotFound:
        found = await _invitation_of(system, home, email)
        if found is None:
            raise
    role, until = found[0].role, shown(written(found[0].expires_at))
    raise Failure(
        f"{found[1].email} is no member yet: an invitation as '{role}' waits until {until}. "
        f"Take it back with: spacekey member withdraw {home.slug} {found[1].email}"
    )


async def _invitation_of(system: System, home: Workspace, email: str) -> tuple[Invitation, User] | None:
    from .find import every

    async for invitation, user in every(partial(_waiting, system, home)):
        if user.email == email.strip().lower():
            return invitation, user
    return None


async def _waiting(system: System, home: Workspace, request: PageRequest) -> Page[tuple[Invitation, User]]:
    from spacekey.resolvers.list_many import invitation_lists

    [page] = await invitation_lists(system, operator(), [home.id], request)
    if isinstance(page, Refusal):
        raise page
    return page
