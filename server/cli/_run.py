"""From a command to the system: settings from the environment, a store that is ready, and everything closed again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .codes import REFUSED, UNAVAILABLE, Failure

if TYPE_CHECKING:
    from spacekey.models.engine.store import Store
    from spacekey.resolvers.access.caller import Operator
    from spacekey.resolvers.system import System
    from spacekey.server.settings import Settings

T = TypeVar("T")

MIGRATE = "Run: spacekey migrate"


def settings_now() -> Settings:
    """The settings in the environment.

    :raises ConfigurationError: naming the variable and what to write instead.
    """
    from spacekey.server.settings import Settings

    return Settings.from_environ(os.environ)


def operator() -> Operator:
    """Whoever runs the server, who may do everything."""
    from spacekey.resolvers.access.caller import Operator, RequestFacts

    return Operator(RequestFacts())


def run(work: Callable[[System], Awaitable[T]], *, migrated: bool = True, takes_away: bool = False) -> T:
    """Do ``work`` with the system the settings describe.

    :param migrated: refuse, before any work, a database that is not at this version's revision.
    :param takes_away: the work takes access away, so that what it does not find is said after T.
    :raises SpacekeyError: whatever work refuses, and :class:`Failure` for a database that is not ready.
    """
    settings = settings_now()

    async def within() -> T:
        from spacekey.models.changes import watched_changes
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
    """Do the work; a name that is not found may have been deleted a moment ago, by a command whose answer was lost."""
    try:
        return await work(system)
    except Failure as failure:
        if failure.code == REFUSED:
            from spacekey.resolvers.settle import settle_refused

            await settle_refused(system)
        raise


async def check_ready(store: Store) -> None:
    """Refuse a database that is not there, or whose schema is not this version's.

    :raises Failure: saying what to run.
    :raises Unavailable: the database does not answer.
    """
    from spacekey.models.migrations.run import current

    if is_missing(store):
        raise Failure(f"There is no database at '{store.url.database}' yet. {MIGRATE}", UNAVAILABLE)
    schema = await current(store)
    if schema.problem is not None:
        raise Failure(f"The database {schema.problem}. {sentence(schema.remedy)}", UNAVAILABLE)


def sentence(words: str) -> str:
    """The words as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


def is_missing(store: Store) -> bool:
    """Whether the database is an SQLite file that does not exist; asking SQLite would make an empty one."""
    from spacekey.models.engine.store import SQLITE

    return store.dialect == SQLITE and not Path(store.url.database or "").exists()
