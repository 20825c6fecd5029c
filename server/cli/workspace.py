"""``spacekey workspace``: tenants, their plans, limits and suspension."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

import typer

from spacekey.domain.unset import UNSET

from . import _complete
from ._connection import connected
from ._options import AsArray, AsJson, AsLines, DryRun, Limit, NoWait, Wide, WorkspaceName, Yes
from .common.backend import Backend, Consent
from .common.backend import DryRun as Hits
from .common.consent import show_change
from .common.output import Facts, Format, Listing, show_once, show_one
from .common.run import USAGE, Failure, read_lifetime, scope_names
from .member import INVITATION

WithExternalId: TypeAlias = Annotated[
    str | None, typer.Option("--external-id", help="Only with this id of your application's, at most one a product.")
]


def list_(
    external_id: WithExternalId = None,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List all workspaces."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(backend: Backend) -> None:
        columns = ("slug", "name", "product", "plan", "status", "created_at", "id")
        with Listing(form, *columns, drop=("created_at", "plan", "product", "status", "name")) as listing:
            await listing.add_all(backend.workspaces.list(external_id))

    connected(work)


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
    external_id: Annotated[
        str | None,
        typer.Option("--external-id", help="The id that your application has for its tenant; unique in the product."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a workspace."""

    fields = {
        "name": name,
        "plan": plan,
        "owner": owner,
        "take_resting_slug": take_resting_slug,
        "external_id": external_id,
    }
    facts, code = connected(lambda backend: backend.workspaces.create(slug, product, fields))
    if code is None:
        show_one(facts, as_json)
    else:
        show_once(facts, code, INVITATION, as_json, field="invitation")


def show(workspace: WorkspaceName, as_json: AsJson = False) -> None:
    """Show one workspace: plan, limit, policy."""
    show_one(connected(lambda backend: backend.workspaces.show(workspace)), as_json)


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
    external_id: Annotated[
        str | None,
        typer.Option("--external-id", help="Another id that your application has for its tenant; '' clears it."),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Edit a workspace's names, plan, rate limit or policy; what is left out stays as it is.

    The plan, the limit and allowed scopes change existing tokens at once, lifetimes those that are made or edited
    from then on.
    """
    if allow and allow_all:
        raise Failure("Give --allow or --allow-all, not both.", USAGE)
    own = (per_minute is not None, burst is not None)
    if own[0] != own[1] or (plan_limit and any(own)):
        raise Failure("Give --per-minute and --burst, or --plan-limit alone.", USAGE)
    given: dict[str, object] = {
        "name": UNSET if name is None else name,
        "slug": UNSET if slug is None else slug,
        "plan": UNSET if plan is None else plan,
        "per_minute": per_minute if plan_limit or all(own) else UNSET,
        "burst": burst if plan_limit or all(own) else UNSET,
        "lifetime_seconds_max": read_lifetime("lifetime_seconds_max", lifetime_max),
        "lifetime_seconds_default": read_lifetime("lifetime_seconds_default", lifetime_default),
        "expiry_required": UNSET if expiry_required is None else expiry_required,
        "scopes_allowed": None if allow_all else scope_names(allow) if allow else UNSET,
        "external_id": UNSET if external_id is None else external_id or None,
    }
    changes = {key: value for key, value in given.items() if value is not UNSET}
    if not changes:
        options = "--name, --slug, --plan, --per-minute and --burst, --plan-limit, --lifetime-max, --lifetime-default"
        raise Failure(
            f"Say what to change: {options}, --expiry-required, --expiry-optional, --allow, --allow-all, or "
            "--external-id.",
            USAGE,
        )
    consent = Consent(yes, dry_run, wait=not no_wait)
    _show_edited(lambda backend: backend.workspaces.edit(workspace, changes, "Edit it?", consent), as_json)


def suspend(
    workspace: WorkspaceName,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Refuse all of a workspace's tokens until it is resumed."""
    consent = Consent(yes, dry_run, wait=not no_wait)
    question = "All of its tokens stop working at once. Suspend it?"
    _show_edited(
        lambda backend: backend.workspaces.edit(workspace, {"suspended": True}, question, consent, always=True), as_json
    )


def resume(workspace: WorkspaceName, as_json: AsJson = False) -> None:
    """Accept a suspended workspace's tokens again."""
    _show_edited(lambda backend: backend.workspaces.edit(workspace, {"suspended": False}, None, Consent()), as_json)


def delete(
    workspace: WorkspaceName,
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Delete a workspace; its tokens are refused and its members lose access from then on, for good."""
    consent = Consent(yes, dry_run, wait=not no_wait)
    _show_edited(lambda backend: backend.workspaces.delete(workspace, consent), as_json)


def _show_edited(change: Callable[[Backend], Awaitable[Facts | Hits]], as_json: bool) -> None:
    show_change(connected(change, takes_away=True), as_json)
