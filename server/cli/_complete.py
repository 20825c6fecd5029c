"""Completion of values: workspaces from the database, and names from the loaded products. It never fails loudly."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacekey.domain.product import Product
    from spacekey.models.engine.store import Store

    from .remote.login import Server

COMPLETED_MAX = 200


def workspaces(incomplete: str) -> list[str]:
    """Return the slugs of workspaces that begin with the text."""

    def asked() -> list[str]:
        import asyncio

        from .remote.login import server_now

        server = server_now(os.environ)
        if server is not None:
            return asyncio.run(_slugs_on(server, incomplete))
        from spacekey.models.engine.store import SQLITE, Store
        from spacekey.server.settings import Settings

        settings = Settings.from_environ(os.environ)
        store = Store(settings.database_url, schema=settings.database_schema)
        if store.dialect == SQLITE and not Path(store.url.database or "").exists():
            return []  # connecting would create it
        return asyncio.run(_slugs(store, incomplete))

    return _quietly(asked)


async def _slugs_on(server: Server, incomplete: str) -> list[str]:
    from .remote.backend import RemoteBackend
    from .remote.client import Client

    found: list[str] = []
    async with Client(server) as client:
        async for one in RemoteBackend(client).workspaces.list():
            if one["slug"].startswith(incomplete):
                found.append(one["slug"])
            if len(found) == COMPLETED_MAX:
                break
    return found


async def _slugs(store: Store, incomplete: str) -> list[str]:
    from spacekey.domain.page import PAGE_SIZE_MAX, PageRequest
    from spacekey.models.queries.workspaces import workspace_page

    found: list[str] = []
    try:
        after = None
        while len(found) < COMPLETED_MAX:
            request = PageRequest(PAGE_SIZE_MAX, after=after)
            page = await store.read(partial(workspace_page, request=request))
            found += [one.slug for one in page.rows if one.slug.startswith(incomplete)]
            if not page.has_next:
                break
            after = page.cursors[-1]
    finally:
        await store.aclose()
    return found


def products(incomplete: str) -> list[str]:
    """Return the names of loaded products that begin with the text."""
    return _from_products(incomplete, lambda product: [product.name])


def roles(incomplete: str) -> list[str]:
    """Return the names of the loaded products' roles that begin with the text."""
    return _from_products(incomplete, lambda product: product.roles)


def presets(incomplete: str) -> list[str]:
    """Return the names of the loaded products' presets that begin with the text."""
    return _from_products(incomplete, lambda product: product.presets)


def plans(incomplete: str) -> list[str]:
    """Return the names of the loaded products' plans that begin with the text."""
    return _from_products(incomplete, lambda product: product.plans)


def scopes(incomplete: str) -> list[str]:
    """Return the loaded products' scopes and shorthands that begin with the text."""
    return _from_products(incomplete, lambda product: [*product.known_scopes, *product.shorthands])


def actions(incomplete: str) -> list[str]:
    """Return the actions of the audit log that begin with the text."""

    def asked() -> list[str]:
        from spacekey.resolvers.audit.log import ACTIONS

        return [one for one in ACTIONS if one.startswith(incomplete)]

    return _quietly(asked)


def _from_products(incomplete: str, names: Callable[[Product], Iterable[str]]) -> list[str]:
    def asked() -> list[str]:
        from spacekey.domain.product_file import load_products
        from spacekey.server.settings import Settings

        loaded = load_products(Settings.from_environ(os.environ).products).values()
        return [name for product in loaded for name in names(product) if name.startswith(incomplete)]

    return _quietly(asked)


def _quietly(asked: Callable[[], Iterable[str]]) -> list[str]:
    """Return what was found, in order; nothing if it cannot be found: a shell shows errors inside the typed line."""
    try:
        with redirect_stderr(io.StringIO()):
            return sorted(set(asked()))[:COMPLETED_MAX]
    except Exception:  # noqa: BLE001 - whatever is wrong, the command itself will say it
        return []
