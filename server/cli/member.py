"""``spacekey member``: list, add, change and remove a workspace's members and invitations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from spacekey.domain.refusal import Refusal

from . import _complete
from ._consent import DryRun as Hits
from ._consent import ask_first, show_change
from ._output import Facts, Format, Listing, show_once, show_one, shown
from ._run import (
    Account,
    AsArray,
    AsJson,
    AsLines,
    DryRun,
    Email,
    Failure,
    Limit,
    NoWait,
    Wide,
    WorkspaceName,
    Yes,
    confirmed,
    operator,
    run,
)

if TYPE_CHECKING:
    from spacekey.domain.page import Page, PageRequest
    from spacekey.models.tables.records import AnyInvitation, InvitationRecord
    from spacekey.models.tables.user import User
    from spacekey.models.tables.workspace import Workspace
    from spacekey.resolvers.members.members import Invited
    from spacekey.resolvers.system import System

MEMBER_DROP = ("created_at", "can_sign_in", "email_proven", "name", "role", "email")
INVITATION_DROP = ("created_at", "invited_by", "name", "expires_at", "role", "email")
INVITATION = (
    "No account has proven this address, so this is an invitation. Hand the code to the person: anyone who has it "
    "becomes a member. It is good once and for 7 days, and not shown again:"
)


def list_(
    workspace: WorkspaceName,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List a workspace's members."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(system: System) -> None:
        from spacekey.resolvers.workspaces.lists import member_list

        from ._lookup import every, workspace_called
        from ._output import member_facts

        found = await workspace_called(system, workspace)
        columns = ("email", "email_proven", "name", "role", "can_sign_in", "created_at", "user_id")
        with Listing(form, *columns, drop=MEMBER_DROP) as listing:
            async for member, user in every(lambda page: member_list(system, operator(), found.id, page)):
                if not listing.add(member_facts(member, user)):
                    return

    run(work)


def add(
    workspace: WorkspaceName,
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="An account's id (usr_…), or an e-mail address to invite.")
    ],
    role: Annotated[
        str, typer.Option("--role", autocompletion=_complete.roles, help="A role of the workspace, like 'viewer'.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="What the list of invitations calls an invited person.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add an account to a workspace: one named by its id, or the one that has proven the address.

    For any other address an invitation code is printed, once; anyone who has it can become the member.
    """

    async def work(system: System) -> tuple[Facts, str | None]:
        from spacekey.domain.ids import USER, id_prefix
        from spacekey.resolvers.members.members import Membership, add_account, add_member

        from ._lookup import account_called, proven_account, workspace_to_change
        from ._output import invited_facts, member_facts

        found = await workspace_to_change(system, workspace)
        made: Membership | Invited
        if id_prefix(account) == USER:
            user = await account_called(system, account)
            made = await add_account(system, operator(), found.id, user.id, role=role)
        else:
            await proven_account(system, account)
            made = await add_member(system, operator(), found.id, email=account, role=role, name=name)
        if isinstance(made, Membership):
            return member_facts(made.member, made.user), None
        return invited_facts(made.pending), made.invitation.reveal()

    facts, code = run(work)
    show_once(facts, code, INVITATION, as_json, field="invitation")


def role(
    workspace: WorkspaceName,
    account: Account,
    role: Annotated[str, typer.Argument(metavar="ROLE", autocompletion=_complete.roles, help="The new role.")],
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Give a member another role, with effect at once."""

    async def work(system: System) -> Facts | Hits:
        from spacekey.resolvers.members.members import change_member_role
        from spacekey.server.timestamps import written

        from ._lookup import workspace_to_change
        from ._output import member_facts

        home = await workspace_to_change(system, workspace)
        user = await member_called(system, home, account)
        hits = await ask_first(
            system,
            home.id,
            lambda rehearsed: change_member_role(rehearsed, operator(), home.id, user.id, role=role, wait=False),
            f"Give {user.id} the role '{role}'?",
            yes=yes,
            dry_run=dry_run,
        )
        if hits is not None:
            return hits
        made = await change_member_role(system, operator(), home.id, user.id, role=role, wait=not no_wait)
        return {**member_facts(made.member, made.user), "effective_at": written(made.effective_at)}

    show_change(run(work, takes_away=True), as_json)


def remove(
    workspace: WorkspaceName,
    account: Account,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Remove a member; the tokens they made stay, since tokens belong to the workspace."""

    async def work(system: System) -> Facts | Hits:
        from spacekey.resolvers.addresses import shown_account
        from spacekey.resolvers.members.members import remove_member
        from spacekey.server.timestamps import written

        from ._lookup import workspace_to_change
        from ._output import member_facts

        home = await workspace_to_change(system, workspace)
        user = await member_called(system, home, account)
        hits = await ask_first(
            system,
            home.id,
            lambda rehearsed: remove_member(rehearsed, operator(), home.id, user.id, wait=False),
            f"Remove {shown_account(user)}, {user.id}, from the workspace {home.id} '{home.name}'?",
            yes=yes,
            dry_run=dry_run,
            always=True,
        )
        if hits is not None:
            return hits
        gone = await remove_member(system, operator(), home.id, user.id, wait=not no_wait)
        return {**member_facts(gone.member, gone.user), "effective_at": written(gone.effective_at)}

    show_change(run(work, takes_away=True), as_json)


def invitations(
    workspace: WorkspaceName,
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


def withdraw(workspace: WorkspaceName, email: Email, yes: Yes = False, as_json: AsJson = False) -> None:
    """Withdraw an invitation that was not accepted yet; its code is no longer valid."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.members.invitations import withdraw_invitation

        from ._lookup import workspace_to_change
        from ._output import invitation_facts

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
    """Return the account that an argument names, if it is a member of the workspace.

    :raises Failure: it is not a member, or was not found; if there is an open invitation, says how to withdraw it.
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
