"""``spacekey workspace``: tenants, their plans, limits and suspension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spacekey.domain.unset import UNSET

from . import _complete
from ._consent import DryRun as Hits
from ._consent import ask_first, show_change
from ._output import Facts, Format, Listing, show_once, show_one
from ._run import (
    USAGE,
    AsArray,
    AsJson,
    AsLines,
    DryRun,
    Failure,
    Limit,
    NoWait,
    Wide,
    WorkspaceName,
    Yes,
    operator,
    read_lifetime,
    run,
    scope_names,
)
from .member import INVITATION

if TYPE_CHECKING:
    from spacekey.resolvers.system import System
    from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges


def list_(
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List all workspaces."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(system: System) -> None:
        from ._lookup import every_workspace
        from ._output import workspace_facts

        columns = ("slug", "name", "product", "plan", "status", "created_at", "id")
        with Listing(form, *columns, drop=("created_at", "plan", "product", "status", "name")) as listing:
            async for workspace in every_workspace(system):
                if not listing.add(workspace_facts(workspace)):
                    return

    run(work)


def create(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Its name in addresses, like 'acme'.")],
    product: Annotated[
        str,
        typer.Option(
            "--product",
            autocompletion=_complete.products,
            help="Which product's tokens it has: a loaded product's name.",
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", help="Its name for people; the slug when left out.")] = None,
    plan: Annotated[
        str | None,
        typer.Option("--plan", autocompletion=_complete.plans, help="The product's default plan when left out."),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            "--owner",
            metavar="ACCOUNT",
            help="Its first owner: an account's id (usr_…), or an e-mail address. If no account has proven the "
            "address, an invitation code is printed, once.",
        ),
    ] = None,
    take_resting_slug: Annotated[
        bool,
        typer.Option("--take-resting-slug", help="Take a slug that another workspace gave up in the last 90 days."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create a workspace."""

    async def work(system: System) -> tuple[Facts, str | None]:
        from spacekey.domain.ids import USER, id_prefix
        from spacekey.resolvers.workspaces.workspaces import create_workspace, create_workspace_for

        from ._lookup import account_called, proven_account
        from ._output import invitation_facts, workspace_facts

        called, chosen = name or slug, {"slug": slug, "product": product}
        if owner is None:
            made = await create_workspace(
                system, operator(), name=called, plan=plan, take_resting_slug=take_resting_slug, **chosen
            )
            return workspace_facts(made), None
        await (account_called if id_prefix(owner) == USER else proven_account)(system, owner)
        new = await create_workspace_for(
            system, operator(), name=called, plan=plan, owner=owner, take_resting_slug=take_resting_slug, **chosen
        )
        shown = workspace_facts(new.workspace)
        if new.invited is None:
            return {**shown, "owner_id": new.owner.id if new.owner else None}, None
        invited = invitation_facts(new.invited.pending)["email"]
        return {**shown, "owner_id": None, "invited": invited}, new.invited.invitation.reveal()

    facts, code = run(work)
    if code is None:
        show_one(facts, as_json)
    else:
        show_once(facts, code, INVITATION, as_json, field="invitation")


def show(workspace: WorkspaceName, as_json: AsJson = False) -> None:
    """Show one workspace: plan, limit, policy."""

    async def work(system: System) -> Facts:
        from ._lookup import workspace_called
        from ._output import workspace_facts

        return workspace_facts(await workspace_called(system, workspace))

    show_one(run(work), as_json)


_LIFETIME = "90d, 2w, 1y, 12h or 30min, or none"


def edit(
    workspace: WorkspaceName,
    name: Annotated[str | None, typer.Option("--name", help="Another name for people.")] = None,
    slug: Annotated[
        str | None, typer.Option("--slug", help="Another name in addresses; the old one rests for 90 days.")
    ] = None,
    plan: Annotated[
        str | None, typer.Option("--plan", autocompletion=_complete.plans, help="A plan of the workspace's product.")
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", help="Requests a minute for each token, instead of the plan's.")
    ] = None,
    burst: Annotated[int | None, typer.Option("--burst", help="How many of them at once.")] = None,
    plan_limit: Annotated[bool, typer.Option("--plan-limit", help="Go back to the plan's rate limit.")] = False,
    lifetime_max: Annotated[
        str | None, typer.Option("--lifetime-max", help=f"The longest a new token may live: {_LIFETIME}.")
    ] = None,
    lifetime_default: Annotated[
        str | None,
        typer.Option("--lifetime-default", help=f"Lifetime of tokens that are created without one: {_LIFETIME}."),
    ] = None,
    expiry_required: Annotated[
        bool | None, typer.Option("--expiry-required/--expiry-optional", help="Whether every new token must end.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            autocompletion=_complete.scopes,
            help="The only scopes tokens may have; several by commas, or repeated.",
        ),
    ] = None,
    allow_all: Annotated[bool, typer.Option("--allow-all", help="Tokens may have any scope again.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Edit a workspace's names, plan, rate limit or policy; what is left out stays as it is.

    The plan, the limit and allowed scopes change existing tokens at once, lifetimes those that are made or edited
    from then on.
    """
    from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges

    if allow and allow_all:
        raise Failure("Give --allow or --allow-all, not both.", USAGE)
    own = (per_minute is not None, burst is not None)
    if own[0] != own[1] or (plan_limit and any(own)):
        raise Failure("Give --per-minute and --burst, or --plan-limit alone.", USAGE)
    numbers = plan_limit or all(own)
    changes = WorkspaceChanges(
        name=UNSET if name is None else name,
        slug=UNSET if slug is None else slug,
        plan=UNSET if plan is None else plan,
        per_minute=per_minute if numbers else UNSET,
        burst=burst if numbers else UNSET,
        lifetime_seconds_max=read_lifetime("lifetime_seconds_max", lifetime_max),
        lifetime_seconds_default=read_lifetime("lifetime_seconds_default", lifetime_default),
        expiry_required=UNSET if expiry_required is None else expiry_required,
        scopes_allowed=None if allow_all else scope_names(allow) if allow else UNSET,
    )
    if changes == WorkspaceChanges():
        options = "--name, --slug, --plan, --per-minute and --burst, --plan-limit, --lifetime-max, --lifetime-default"
        raise Failure(
            f"Say what to change: {options}, --expiry-required, --expiry-optional, --allow or --allow-all.", USAGE
        )
    change_workspace(workspace, changes, "Edit it?", yes=yes, dry_run=dry_run, no_wait=no_wait, as_json=as_json)


def suspend(
    workspace: WorkspaceName,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Refuse all of a workspace's tokens until it is resumed."""
    from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges

    change_workspace(
        workspace,
        WorkspaceChanges(suspended=True),
        "All of its tokens stop working at once. Suspend it?",
        always=True,
        yes=yes,
        dry_run=dry_run,
        no_wait=no_wait,
        as_json=as_json,
    )


def resume(workspace: WorkspaceName, as_json: AsJson = False) -> None:
    """Accept a suspended workspace's tokens again."""
    from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges

    change_workspace(workspace, WorkspaceChanges(suspended=False), None, as_json=as_json)


def delete(
    workspace: WorkspaceName,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Delete a workspace; its tokens are refused and its members lose access from then on, for good."""

    async def work(system: System) -> Facts | Hits:
        from spacekey.resolvers.workspaces.delete import delete_workspace
        from spacekey.server.timestamps import written

        from ._lookup import workspace_to_change
        from ._output import workspace_facts

        found = await workspace_to_change(system, workspace)
        hits = await ask_first(
            system,
            found.id,
            lambda rehearsed: delete_workspace(rehearsed, operator(), found.id, wait=False),
            f"The workspace '{found.name}' ends for good, with all of its tokens and members. Delete it?",
            yes=yes,
            dry_run=dry_run,
            always=True,
        )
        if hits is not None:
            return hits
        gone = await delete_workspace(system, operator(), found.id, wait=not no_wait)
        return {**workspace_facts(gone.workspace), "effective_at": written(gone.effective_at)}

    show_change(run(work, takes_away=True), as_json)


def change_workspace(
    workspace: str,
    changes: WorkspaceChanges,
    question: str | None,
    *,
    as_json: bool,
    always: bool = False,
    yes: bool = False,
    dry_run: bool = False,
    no_wait: bool = False,
) -> None:
    """Make the changes and show the workspace as it is then.

    :param question: what to ask first, once it was said which workspace that is; None for a change that takes nothing.
    :param always: ask it although nothing works less afterwards.
    """

    async def work(system: System) -> Facts | Hits:
        from spacekey.resolvers.workspaces.workspaces import update_workspace
        from spacekey.server.timestamps import written

        from ._lookup import workspace_to_change
        from ._output import workspace_facts

        found = await workspace_to_change(system, workspace)
        if question is not None:
            hits = await ask_first(
                system,
                found.id,
                lambda rehearsed: update_workspace(rehearsed, operator(), found.id, changes, wait=False),
                question,
                always=always,
                yes=yes,
                dry_run=dry_run,
            )
            if hits is not None:
                return hits
        changed = await update_workspace(system, operator(), found.id, changes, wait=not no_wait)
        return {**workspace_facts(changed.workspace), "effective_at": written(changed.effective_at)}

    show_change(run(work, takes_away=True), as_json)
