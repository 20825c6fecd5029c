"""``spacekey member``: who belongs to a workspace, and in which role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .confirm import confirmed
from .invitation import of_member
from .options import AsJson, Email, Limit, NoWait, WorkspaceName, Yes
from .run import operator, run
from .show import Facts, Listing, show_once, show_one

if TYPE_CHECKING:
    from spacekey.resolvers.system import System

INVITATION = "An invitation code, good once and for 7 days, to become a member with; it is not shown again:"


def list_(workspace: WorkspaceName, limit: Limit = None, as_json: AsJson = False) -> None:
    """List a workspace's members."""

    async def work(system: System) -> None:
        from spacekey.resolvers.list_others import member_list

        from .facts import member_facts
        from .find import every, workspace_called

        found = await workspace_called(system, workspace)
        with Listing(as_json, "email", "name", "role", "can_sign_in", "created_at", "user_id", limit=limit) as listing:
            async for member, user in every(lambda page: member_list(system, operator(), found.id, page)):
                if not listing.add(member_facts(member, user)):
                    return

    run(work)


def add(
    workspace: WorkspaceName,
    email: Email,
    role: Annotated[str, typer.Option("--role", help="A role of the workspace, like 'viewer'.")],
    name: Annotated[str | None, typer.Option("--name", help="A new person's name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a person to a workspace; one without a password gets an invitation code, printed once, to accept first."""

    async def work(system: System) -> tuple[Facts, str | None]:
        from spacekey.resolvers.members import add_member

        from .facts import member_facts
        from .find import workspace_to_change

        found = await workspace_to_change(system, workspace)
        made = await add_member(system, operator(), found.id, email=email, role=role, name=name)
        code = None if made.invitation is None else made.invitation.reveal()
        return member_facts(made.member, made.user), code

    facts, code = run(work)
    show_once(facts, code, INVITATION, as_json, field="invitation")


def role(
    workspace: WorkspaceName,
    email: Email,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="The new role.")],
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Give a member another role, with effect at once."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.members import change_member_role
        from spacekey.server.moments import written

        from .facts import member_facts
        from .find import user_called, workspace_to_change

        home, user = await workspace_to_change(system, workspace), await user_called(system, email)
        change = change_member_role(system, operator(), home.id, user.id, role=role, wait=not no_wait)
        made = await of_member(system, home, user.email, change)
        return {**member_facts(made.member, made.user), "effective_at": written(made.effective_at)}

    show_one(run(work), as_json)


def remove(
    workspace: WorkspaceName, email: Email, yes: Yes = False, no_wait: NoWait = False, as_json: AsJson = False
) -> None:
    """Remove a member; the tokens they made stay, since tokens belong to the workspace."""

    async def work(system: System) -> Facts:
        from spacekey.resolvers.members import remove_member
        from spacekey.server.moments import written

        from .facts import member_facts
        from .find import user_called, workspace_to_change

        home, user = await workspace_to_change(system, workspace), await user_called(system, email)
        confirmed(f"Remove {user.email} ({user.id}) from the workspace {home.id} '{home.name}'?", yes=yes)
        change = remove_member(system, operator(), home.id, user.id, wait=not no_wait)
        gone = await of_member(system, home, user.email, change)
        return {**member_facts(gone.member, gone.user), "effective_at": written(gone.effective_at)}

    show_one(run(work), as_json)
