"""``spacekey member``: who belongs to a workspace, and in which role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ._output import Facts, Listing, show_once, show_one
from ._run import operator, run
from .confirm import confirmed
from .invitation import member_called
from .options import Account, AsJson, Limit, NoWait, WorkspaceName, Yes

if TYPE_CHECKING:
    from spacekey.resolvers.members.members import Invited
    from spacekey.resolvers.system import System

INVITATION = (
    "No account has proven this address, so this is an invitation. Hand the code to the person: whoever presents it "
    "becomes a member. It is good once and for 7 days, and not shown again:"
)


def list_(workspace: WorkspaceName, limit: Limit = None, as_json: AsJson = False) -> None:
    """List a workspace's members."""

    async def work(system: System) -> None:
        from spacekey.resolvers.list_others import member_list

        from ._lookup import every, workspace_called
        from .facts import member_facts

        found = await workspace_called(system, workspace)
        columns = ("email", "email_proven", "name", "role", "can_sign_in", "created_at", "user_id")
        with Listing(as_json, *columns, limit=limit) as listing:
            async for member, user in every(lambda page: member_list(system, operator(), found.id, page)):
                if not listing.add(member_facts(member, user)):
                    return

    run(work)


def add(
    workspace: WorkspaceName,
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="An account's id (usr_…), or an e-mail address to invite.")
    ],
    role: Annotated[str, typer.Option("--role", help="A role of the workspace, like 'viewer'.")],
    name: Annotated[
        str | None, typer.Option("--name", help="What the list of invitations calls an invited person.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add an account to a workspace: one named by its id, or the one that has proven the address.

    For any other address an invitation code is printed, once; whoever presents it becomes the member.
    """

    async def work(system: System) -> tuple[Facts, str | None]:
        from spacekey.domain.ids import USER, id_prefix
        from spacekey.resolvers.members.members import Membership, add_account, add_member

        from ._lookup import account_called, proven_account, workspace_to_change
        from .facts import invited_facts, member_facts

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
    role: Annotated[str, typer.Argument(metavar="ROLE", help="The new role.")],
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Give a member another role, with effect at once."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.members.members import change_member_role
        from spacekey.server.timestamps import written

        from ._lookup import workspace_to_change
        from .facts import member_facts

        home = await workspace_to_change(system, workspace)
        user = await member_called(system, home, account)
        made = await change_member_role(system, operator(), home.id, user.id, role=role, wait=not no_wait)
        return {**member_facts(made.member, made.user), "effective_at": written(made.effective_at)}

    show_one(run(work, takes_away=True), as_json)


def remove(
    workspace: WorkspaceName, account: Account, yes: Yes = False, no_wait: NoWait = False, as_json: AsJson = False
) -> None:
    """Remove a member; the tokens they made stay, since tokens belong to the workspace."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.addresses import shown_account
        from spacekey.resolvers.members.members import remove_member
        from spacekey.server.timestamps import written

        from ._lookup import workspace_to_change
        from .facts import member_facts

        home = await workspace_to_change(system, workspace)
        user = await member_called(system, home, account)
        confirmed(f"Remove {shown_account(user)}, {user.id}, from the workspace {home.id} '{home.name}'?", yes=yes)
        gone = await remove_member(system, operator(), home.id, user.id, wait=not no_wait)
        return {**member_facts(gone.member, gone.user), "effective_at": written(gone.effective_at)}

    show_one(run(work, takes_away=True), as_json)
