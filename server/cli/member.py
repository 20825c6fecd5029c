"""``spacekey member``: list, add, change and remove a workspace's members and invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import _complete
from ._consent import DryRun as Hits
from ._consent import ask_first, show_change
from ._output import Facts, Format, Listing, show_once, shown
from ._run import (
    Account,
    AsArray,
    AsJson,
    AsLines,
    DryRun,
    Failure,
    Limit,
    NoWait,
    Wide,
    Workspace,
    Yes,
    operator,
    run,
)

if TYPE_CHECKING:
    from spacekey.models.tables.records import AnyInvitation
    from spacekey.models.tables.user import User
    from spacekey.models.tables.workspace import Workspace as Home
    from spacekey.resolvers.members.members import Invited
    from spacekey.resolvers.system import System

MEMBER_DROP = ("created_at", "can_sign_in", "email_proven", "name", "role", "email")
INVITATION = (
    "No account has proven this address, so this is an invitation. Hand the code to the person: anyone who has it "
    "becomes a member. It is good once and for 7 days, and not shown again:"
)


def list_(
    workspace: Workspace,
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
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="An account's id (usr_…), or an e-mail address to invite.")
    ],
    workspace: Workspace,
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


def set_role(
    account: Account,
    workspace: Workspace,
    role: Annotated[str, typer.Option("--role", metavar="ROLE", autocompletion=_complete.roles, help="The new role.")],
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
    account: Account,
    workspace: Workspace,
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


async def member_called(system: System, home: Home, account: str) -> User:
    """Return the account that an argument names, if it is a member of the workspace.

    :raises Failure: it is not a member, or was not found; if there is an open invitation, says how to withdraw it.
    """
    from spacekey.domain.ids import USER, id_prefix
    from spacekey.models.queries import workspaces as workspace_queries

    from ._lookup import account_called, proven_account
    from .invitation import invitation_of

    waiting = None if id_prefix(account) == USER else await invitation_of(system, home, account)
    if waiting is not None and await proven_account(system, account) is None:
        raise Failure(_waits(home, waiting))
    found = await account_called(system, account)
    async with system.store.reading() as session:
        if await workspace_queries.member(session, home.id, found.id) is not None:
            return found
    if waiting is not None:
        raise Failure(_waits(home, waiting))
    raise Failure(
        f"The account {found.id} is no member of '{home.slug}'. 'spacekey member list -w {home.slug}' shows them."
    )


def _waits(home: Home, invitation: AnyInvitation) -> str:
    from spacekey.resolvers.addresses import shown_email
    from spacekey.server.timestamps import written

    email, until = shown_email(invitation.email), shown(written(invitation.expires_at))
    return (
        f"{email} is no member yet: an invitation as '{invitation.role}' waits until {until}. "
        f"Take it back with: spacekey invitation withdraw {email} -w {home.slug}"
    )
