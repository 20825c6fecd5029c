"""``spacekey member``: list, add, change and remove a workspace's members."""

from __future__ import annotations

from typing import Annotated

import typer

from . import _complete
from ._connection import connected
from ._options import Account, AsArray, AsJson, AsLines, DryRun, Limit, NoWait, Wide, Workspace, Yes
from .common.backend import Backend, Consent
from .common.consent import show_change
from .common.output import Format, Listing, show_once, show_one

COLUMNS = ("email", "email_proven", "name", "role", "can_sign_in", "created_at", "user_id")
DROP = ("created_at", "can_sign_in", "email_proven", "name", "role", "email")
INVITATION = (
    "No account has proven this address, so this is an invitation. Hand the code to the person: anyone who has it "
    "becomes a member. It can be used once, within 7 days, and is not shown again:"
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

    async def work(backend: Backend) -> None:
        with Listing(form, *COLUMNS, drop=DROP) as listing:
            await listing.add_all(backend.members.list(workspace))

    connected(work)


def show(account: Account, workspace: Workspace, as_json: AsJson = False) -> None:
    """Show one member."""
    show_one(connected(lambda backend: backend.members.show(account, workspace)), as_json)


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
    facts, code = connected(lambda backend: backend.members.add(account, workspace, role, name))
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
    consent = Consent(yes, dry_run, wait=not no_wait)
    show_change(
        connected(lambda backend: backend.members.set_role(account, workspace, role, consent), takes_away=True), as_json
    )


def remove(
    account: Account,
    workspace: Workspace,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Remove a member; the tokens they made stay, since tokens belong to the workspace."""
    consent = Consent(yes, dry_run, wait=not no_wait)
    show_change(
        connected(lambda backend: backend.members.remove(account, workspace, consent), takes_away=True), as_json
    )
