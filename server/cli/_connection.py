"""Connection of a command to what answers it: the database that the settings name, or a server."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from .common.run import REFUSED, UNAVAILABLE, USAGE, Failure, is_missing, sentence, settings_now

if TYPE_CHECKING:
    from spacekey.models.engine.store import Store
    from spacekey.resolvers.system import System

    from .common.backend import Backend
    from .remote.login import Server

T = TypeVar("T")


def connected(work: Callable[[Backend], Awaitable[T]], *, takes_away: bool = False) -> T:
    """Run ``work`` with the server that was logged in to, or with the database that the settings name.

    :param takes_away: whether the work takes access away, so that "not found" is answered after T.
    :raises SpacekeyError: any that ``work`` raises.
    """
    from .remote.login import server_now

    server = server_now(os.environ)
    if server is not None:
        return _on_server(server, work)

    async def within(system: System) -> T:
        from .local.backend import LocalBackend

        return await work(LocalBackend(system))

    return run(within, takes_away=takes_away)


def check_local() -> None:
    """Check that commands work on a database here, not on a server.

    :raises Failure: they speak to a server.
    """
    from .remote.login import DATABASE_VARIABLE, server_now

    if os.environ.get(DATABASE_VARIABLE, "").strip():
        return
    server = server_now(os.environ)
    if server is not None:
        raise Failure(
            f"This command needs the database, and commands speak to {server.url}. Run it where the database is, with "
            f"{DATABASE_VARIABLE} set; or forget the server: spacekey logout",
            USAGE,
        )


def run(work: Callable[[System], Awaitable[T]], *, migrated: bool = True, takes_away: bool = False) -> T:
    """Run ``work`` with the system that the settings describe.

    :param migrated: whether to refuse a database that is not at this version's revision.
    :param takes_away: whether the work takes access away, so that "not found" is answered after T.
    :raises Failure: the database is not ready.
    :raises SpacekeyError: any that ``work`` raises.
    """
    import asyncio

    check_local()
    settings = settings_now()

    async def within() -> T:
        from spacekey.models.engine.store import watched_changes
        from spacekey.server.build import build_system

        system = build_system(settings)
        try:
            with watched_changes():
                if migrated:
                    await check_ready(system.store)
                return await _settled(system, work) if takes_away else await work(system)
        finally:
            await system.store.aclose()

    return asyncio.run(within())


async def _settled(system: System, work: Callable[[System], Awaitable[T]]) -> T:
    """Run the work. "Not found" waits for T: an earlier command, whose answer was lost, may have deleted the object."""
    try:
        return await work(system)
    except Failure as failure:
        if failure.code == REFUSED:
            from spacekey.resolvers.staleness import settle_refused

            await settle_refused(system)
        raise


async def check_ready(store: Store) -> None:
    """Check that the database exists and has this version's schema.

    :raises Failure: otherwise; says what to run.
    :raises ServiceUnavailable: the database does not answer.
    """
    from spacekey.models.migrations.run import current

    if is_missing(store):
        advice = "If it is elsewhere, set SPACEKEY_DATABASE_URL; to create it, run: spacekey migrate"
        raise Failure(f"There is no database at '{store.url.database}' yet. {advice}", UNAVAILABLE)
    schema = await current(store)
    if schema.problem is not None:
        raise Failure(f"The database {schema.problem}. {sentence(schema.remedy)}", UNAVAILABLE)


def _on_server(server: Server, work: Callable[[Backend], Awaitable[T]]) -> T:
    import asyncio

    async def within() -> T:
        from .remote.backend import RemoteBackend
        from .remote.client import Client

        async with Client(server) as client:
            return await work(RemoteBackend(client))

    return asyncio.run(within())
