"""``spacekey check``: what is wrong, before a user finds it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacekey.domain.errors import ConfigurationError

from ._output import Listing
from ._run import settings_now
from .codes import Failure
from .options import AsJson

if TYPE_CHECKING:
    from spacekey.server.settings import Settings

    from .checks import Finding


def check(
    catalogs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CATALOG.toml…", help="Check only these files; left out: everything there is."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check settings, catalogs, the database's revision and the clock; exits with 1 when something is wrong."""
    findings = _findings(catalogs)
    with Listing(as_json, "what", "result", "detail", "remedy", limit=len(findings)) as listing:
        for finding in findings:
            listing.add(finding.facts())
    wrong = sum(finding.is_wrong for finding in findings)
    if wrong:
        raise Failure(f"{wrong} of {len(findings)} checks found something wrong; do what the remedies say.")


def _findings(catalogs: list[Path] | None) -> list[Finding]:
    from .checks import catalog_findings, introspector_findings, ok, skipped, wrong

    if catalogs:
        return catalog_findings(catalogs)
    try:
        settings = settings_now()
    except ConfigurationError as error:
        return [wrong("settings", str(error), "Correct the variable."), skipped("database", "the settings are wrong")]
    files = catalog_findings(settings.catalogs)
    found = [ok("settings", "every SPACEKEY_… variable can be used"), *files]
    if any(one.is_wrong for one in files):
        return [*found, skipped("database", "a catalog is wrong")]
    return found + introspector_findings(settings) + asyncio.run(_database(settings))


async def _database(settings: Settings) -> list[Finding]:
    from spacekey.server.build import build_system

    from .checks import database_findings, wrong

    try:
        system = build_system(settings)
    except ConfigurationError as error:
        return [wrong("database", str(error), "Correct SPACEKEY_DATABASE_URL.")]
    try:
        return await database_findings(system)
    finally:
        await system.store.aclose()
