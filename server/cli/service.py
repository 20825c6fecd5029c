"""``spacekey service``: the operator's credentials for apps, such as those that verify a product's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import _complete
from ._connection import run
from ._options import AsArray, AsJson, AsLines, DryRun, Limit, Wide, Yes
from .common.backend import DryRun as Rehearsed
from .common.consent import show_change
from .common.output import Facts, Format, Listing, show_once
from .common.run import confirmed, operator, read_lifetime

if TYPE_CHECKING:
    from spacekey.models.tables.records import ServiceRecord
    from spacekey.resolvers.system import System

ONCE = "The secret, which is shown only once; give it to the app:"
COLUMNS = ("name", "product", "scopes", "status", "created_at", "id")
DROP = ("created_at", "scopes", "status")
ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="A service's name or id.")]


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The app: lower case letters, digits and hyphens.")],
    product: Annotated[
        str, typer.Option(autocompletion=_complete.products, help="The product whose workspaces the app works with.")
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="What the app may do; repeat it for several. Without it, the app verifies tokens (tokens:introspect).",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a credential for an app of yours and print its secret, once."""

    async def work(system: System) -> tuple[Facts, str]:
        from spacekey.domain.scope import INTROSPECT
        from spacekey.resolvers.services import create_service

        issued = await create_service(system, operator(), name, product, scope or (INTROSPECT,))
        return _facts(issued.service), issued.secret.reveal()

    facts, secret = run(work)
    show_once(facts, secret, ONCE, as_json)


def list_(limit: Limit = None, as_json: AsArray = False, as_lines: AsLines = False, wide: Wide = False) -> None:
    """List the services, revoked ones too, in the order of their creation."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(system: System) -> None:
        from spacekey.resolvers.services import list_services

        from .common.lookup import every

        with Listing(form, *COLUMNS, drop=DROP) as listing:
            async for one in every(lambda page: list_services(system, operator(), page)):
                if not listing.add(_facts(one)):
                    return

    run(work)


def rotate(
    service: ServiceName,
    grace: Annotated[
        str, typer.Option("--grace", help="How long the earlier secret keeps working: 1d, 12h, 30min, or none.")
    ] = "1d",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give a service another secret, shown once; the earlier one works until the grace period ends."""

    async def work(system: System) -> tuple[Facts, str] | Rehearsed:
        from spacekey.resolvers.services import named_service, rotate_service
        from spacekey.server.timestamps import written

        seconds = read_lifetime("grace", grace)
        found = await named_service(system, operator(), service)
        lasts = int(seconds) if isinstance(seconds, int) else 0
        ends = f"The earlier secret of '{found.name}' ({found.id}) ends {f'after {grace}' if lasts else 'at once'}."
        if dry_run:
            return Rehearsed({"dry_run": True, **_facts(found)}, (ends,))
        if lasts < GRACE_ASKED_BELOW:
            confirmed(f"{ends} The app needs the new secret by then. Rotate it?", yes=yes)
        issued = await rotate_service(system, operator(), service, grace_seconds=lasts)
        ended = issued.earlier_ends_at
        facts = {**_facts(issued.service), "earlier_ends_at": None if ended is None else written(ended)}
        return facts, issued.secret.reveal()

    done = run(work)
    if isinstance(done, tuple):
        show_once(*done, ONCE, as_json)
    else:
        show_change(done, as_json)


def revoke(service: ServiceName, yes: Yes = False, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Revoke a service: its app can do nothing from then on, and the portal sessions that it opened end."""

    async def work(system: System) -> Facts | Rehearsed:
        from spacekey.resolvers.services import named_service, revoke_service

        found = await named_service(system, operator(), service)
        ends = f"The app with the credential '{found.name}' ({found.id}) can do nothing from then on."
        if dry_run:
            return Rehearsed({"dry_run": True, **_facts(found)}, (ends,))
        confirmed(f"{ends} Revoke it?", yes=yes)
        return _facts(await revoke_service(system, operator(), service))

    show_change(run(work), as_json)


GRACE_ASKED_BELOW = 60
"""Below so many seconds a rotation asks first."""


def _facts(service: ServiceRecord) -> Facts:
    from spacekey.server.timestamps import written

    return {
        "id": service.id,
        "name": service.name,
        "product": service.product,
        "scopes": list(service.scopes),
        "status": "active" if service.revoked_at is None else "revoked",
        "created_at": written(service.created_at),
        "revoked_at": None if service.revoked_at is None else written(service.revoked_at),
    }
