"""What ``spacekey check`` looks at: the settings, the products, and the database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from spacekey.domain.errors import ConfigurationError, ProductError, ServiceUnavailable
from spacekey.domain.page import PageRequest
from spacekey.domain.product_file import load_product, load_products
from spacekey.domain.scope import advice_on
from spacekey.models.migrations.run import current
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.resolvers.accounts.renaming import lost_names
from spacekey.resolvers.services import services_by_product
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.verify import NO_DIGEST
from spacekey.server.build import build_lookup, build_system
from spacekey.server.settings import FILE_SUFFIX, Settings

from .output import Facts
from .run import is_missing, sentence, settings_now

DATABASE_URL = "SPACEKEY_DATABASE_URL"
BASICS = (DATABASE_URL, "SPACEKEY_DATABASE_SCHEMA", "SPACEKEY_PRODUCTS")
"""Settings without which neither products nor the database can be checked."""
CLOCK_TOLERANCE = timedelta(seconds=5)
NAMES_SHOWN = 10
STYLE_HELP = "It works as it is; docs/reference/scopes.md says what to know about such names."


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check: ok, warning, wrong or skipped; ``remedy`` says what to do about it."""

    what: str
    result: str
    detail: str
    remedy: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether the operator has to do something."""
        return self.result == "wrong"

    def facts(self) -> Facts:
        """Return the finding as JSON values."""
        return {"what": self.what, "result": self.result, "detail": self.detail, "remedy": self.remedy or None}


def findings_of(products: list[Path] | None) -> list[Finding]:
    """Return what every check found.

    :param products: check only these files; None for everything there is.
    """
    if products:
        return product_findings(products)
    settings, found = _settings()
    if settings is None:
        return [*found, skipped("products and database", "their settings are wrong")]
    found += product_findings(settings.products)
    return found + asyncio.run(_database(settings, is_complete=not any(one.is_wrong for one in found)))


def _settings() -> tuple[Settings | None, list[Finding]]:
    """Return the settings, or if some are wrong those of products and database alone; None if they are wrong, too."""
    try:
        return settings_now(), [ok("settings", "every SPACEKEY_… variable can be used")]
    except ConfigurationError as error:
        found = [wrong("settings", str(one), "Correct the variable.") for one in error.each()]
    theirs = {name: value for name, value in os.environ.items() if name.removesuffix(FILE_SUFFIX) in BASICS}
    try:
        return Settings.from_environ(theirs), found
    except ConfigurationError:
        return None, found


async def _database(settings: Settings, *, is_complete: bool) -> list[Finding]:
    """Check the database.

    :param is_complete: whether everything else is right; else what depends on products is left out.
    """
    basics = Settings(database_url=settings.database_url, database_schema=settings.database_schema)
    found = []
    try:
        system = build_system(settings if is_complete else basics)
    except ConfigurationError as error:
        if str(error).startswith(DATABASE_URL):
            return [wrong("database", str(error), f"Correct {DATABASE_URL}.")]
        found, is_complete = [wrong("settings", str(error), "Correct the variable.")], False
        system = build_system(basics)
    try:
        return found + await database_findings(system, is_complete=is_complete)
    finally:
        await system.store.aclose()


def ok(what: str, detail: str) -> Finding:
    """Return a finding of a check that passed."""
    return Finding(what, "ok", detail)


def warning(what: str, detail: str, remedy: str) -> Finding:
    """Return a finding of what works and may mislead."""
    return Finding(what, "warning", detail, remedy)


def wrong(what: str, detail: str, remedy: str) -> Finding:
    """Return a finding of a check that failed."""
    return Finding(what, "wrong", detail, remedy)


def skipped(what: str, why: str) -> Finding:
    """Return a finding of a check that could not run, because another one failed."""
    return Finding(what, "skipped", why)


def product_findings(paths: Iterable[Path]) -> list[Finding]:
    """Check each product file, then all valid ones together."""
    found, good = [], []
    for path in paths:
        try:
            product = load_product(path)
        except ProductError as error:
            faults = [one for one in error.each() if isinstance(one, ProductError)]
            found += [wrong(f"product {path.name}", f"{path}: {one.key}", one.remedy) for one in faults]
            continue
        good.append(path)
        count = f"{len(product.scopes)} scopes, {len(product.roles)} roles, {len(product.plans)} plans"
        found.append(ok(f"product {path.name}", f"'{product.name}': {count}"))
        unusual = advice_on([*product.scopes, *product.shorthands])
        if unusual:
            more = f" And {len(unusual) - NAMES_SHOWN} more." if len(unusual) > NAMES_SHOWN else ""
            found.append(warning(f"scopes of {path.name}", " ".join(unusual[:NAMES_SHOWN]) + more, STYLE_HELP))
    try:
        load_products(good)
    except ProductError as error:
        found.append(wrong("products together", f"{error.file}: {error.key}", error.remedy))
    return found


async def database_findings(system: System, *, is_complete: bool = True) -> list[Finding]:
    """Check that the database answers, its revision, and that its contents fit the products and the clock.

    :param is_complete: whether the system has all products; else its contents are not compared with them.
    """
    store = system.store
    if is_missing(store):
        return [wrong("database", f"there is no file '{store.url.database}'", "Run: spacekey migrate")]
    try:
        schema = await current(store)
        if schema.problem is not None:
            return [wrong("database", f"it {schema.problem}", sentence(schema.remedy))]
        await store.ping()
        lookup = build_lookup(store)
        try:
            await lookup.by_digest(NO_DIGEST)
        finally:
            await lookup.aclose()
        return [
            ok("database", f"{store.dialect} answers, can be written to and is at revision {schema.revision}"),
            *await _failover(system),
            *(await _contents(system) if is_complete else [skipped("workspaces", "other things are wrong")]),
            await _clock(system),
        ]
    except ServiceUnavailable as error:
        what, _, remedy = str(error).partition("; ")
        return [wrong("database", what, sentence(remedy))]


async def _contents(system: System) -> list[Finding]:
    """Check that what the database holds is known to the products."""
    return [await _workspaces(system), *await _services(system), await _names(system)]


async def _failover(system: System) -> list[Finding]:
    """Check what promoting a standby would do to revocations; return no finding if there is no standby."""
    failover = await system.store.failover()
    if failover == "asynchronous":
        return [
            wrong(
                "failover",
                "replication is asynchronous: promoting a standby can bring back tokens whose revocation was answered",
                "Set synchronous_standby_names, and fence the old primary; see Revocation in the docs.",
            )
        ]
    return [] if failover is None else [ok("failover", "commits wait for a standby")]


async def _workspaces(system: System) -> Finding:
    async with system.store.reading() as session:
        workspaces = await workspace_queries.all_workspaces(session)
    lost = sorted({one.product for one in workspaces if one.product not in system.products})
    if lost:
        return wrong(
            "workspaces",
            f"some belong to products that are not loaded: {', '.join(lost)}",
            "Add their files to SPACEKEY_PRODUCTS.",
        )
    planless = [one.slug for one in workspaces if one.plan not in system.products[one.product].plans]
    if planless:
        return wrong(
            "workspaces",
            f"these have a plan their product no longer has: {', '.join(planless[:10])}",
            "Choose another: spacekey workspace edit WORKSPACE --plan PLAN",
        )
    return ok("workspaces", f"{len(workspaces)}, each with a loaded product and a plan it has")


async def _services(system: System) -> list[Finding]:
    """Check that the product of every service is loaded; return no finding if there are no services."""
    found = await services_by_product(system)
    lost = [name for name in found if name not in system.products]
    if lost:
        return [
            wrong(
                "services",
                f"some are for products that are not loaded: {', '.join(lost)}",
                "Add their files to SPACEKEY_PRODUCTS, or revoke the services.",
            )
        ]
    return [ok("services", f"{sum(found.values())}, each for a loaded product")] if found else []


async def _names(system: System) -> Finding:
    """Check for held names that no product has: a renamed or removed one silently grants nothing any more."""
    lost = await lost_names(system)
    if not lost:
        return ok("grants", "all names that tokens, members and invitations hold are in their products")
    shown = "; ".join(one.described() for one in lost[:NAMES_SHOWN])
    more = f"; and {len(lost) - NAMES_SHOWN} more names" if len(lost) > NAMES_SHOWN else ""
    return wrong(
        "grants",
        f"held, but not in the product: {shown}{more}",
        "Put the name back into the product, or move its holders: spacekey scope rename OLD --to NEW --product PRODUCT",
    )


async def _clock(system: System) -> Finding:
    """Check that the clock is not behind the audit log: a clock set back would make expired tokens valid again."""
    page = await system.store.read(partial(audit_queries.audit_page, chain=SYSTEM_CHAIN, request=PageRequest(1)))
    now = system.clock()
    if page.rows and page.rows[0].at > now + CLOCK_TOLERANCE:
        behind = int((page.rows[0].at - now).total_seconds())
        return wrong(
            "clock",
            f"it is {behind} s behind the newest event in the audit log",
            "Set this machine's clock, best by NTP: expiry dates depend on it.",
        )
    return ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC, not behind the audit log")
