"""Protect an app that shares Spacekey's database, without a server in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from spacekey.domain.catalog_file import load_catalogs
from spacekey.domain.clock import Clock, utc_now
from spacekey.domain.outcome import Valid, Verdict
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.cached import CachedVerifier, Reading
from spacekey.models.store import SQLITE, Store
from spacekey.resolvers.last_used import LastUsed
from spacekey.resolvers.verify import StoreVerifier

from .build import build_verifier, default_staleness


class EmbeddedVerifier:
    """A verifier with a store of its own, closed together."""

    def __init__(
        self, verifier: CachedVerifier | StoreVerifier, store: Store, clock: Clock, behind: Verifier | None = None
    ) -> None:
        self._verifier = verifier
        self._store = store
        self._behind = behind
        self._last_used = LastUsed(store, clock)
        self._writing: asyncio.Task[None] | None = None
        self._peek = verifier.peek if isinstance(verifier, CachedVerifier) else None

    def peek(self, secret: Secret) -> Verdict | None:
        """A warm answer, which needs no waiting; None when :meth:`verify` must be asked."""
        return None if self._peek is None else self._used(self._peek(secret))

    async def verify(self, secret: Secret) -> Verdict:
        """Ask the store. See :class:`spacekey.domain.verifier.Verifier`."""
        if self._writing is None:
            self._writing = asyncio.create_task(self._last_used.run(asyncio.sleep))
        verdict = await self._verifier.verify(secret)
        self._used(verdict)
        return verdict

    def _used(self, verdict: Verdict | None) -> Verdict | None:
        if isinstance(verdict, Valid):
            self._last_used.note(verdict.principal.id)
        return verdict

    async def aclose(self) -> None:
        """Write the last uses and give back all connections."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
            await self._last_used.flush()
        await self._verifier.aclose()
        if self._behind is not None:
            await self._behind.aclose()
        await self._store.aclose()


def store_verifier(database_url: str, catalogs: Iterable[Path | str], *, clock: Clock = utc_now) -> EmbeddedVerifier:
    """A verifier over the database that a Spacekey server or command line manages.

    Made once, when the app is: nothing connects until the first verification, and it may be made outside the event
    loop. On SQLite every verification reads the database. On PostgreSQL an answer is kept for T at most (DESIGN §7),
    and whoever takes access away waits for T: on both, a revoked token is refused from the moment its revocation was
    answered. A database that is missing, locked or not migrated gives "cannot tell" (503), never an acceptance.
    Close it with the app::

        verifier = store_verifier("sqlite:///data/spacekey.db", ["examples/emit.toml"])

        @asynccontextmanager
        async def lifespan(app):
            yield
            await verifier.aclose()

        app = Starlette(routes=…, lifespan=lifespan, middleware=[Middleware(TokenMiddleware, verifier=verifier)])

    :param database_url: as ``SPACEKEY_DATABASE_URL``; PostgreSQL's must lead to the primary.
    :param catalogs: the catalog files of the workspaces whose tokens are to be accepted.
    :raises ConfigurationError: a wrong URL or catalog file.
    """
    loaded = load_catalogs([Path(path) for path in catalogs])
    store = Store(database_url)
    verifier = build_verifier(store, loaded, clock, default_staleness(store))
    if store.dialect == SQLITE:
        return EmbeddedVerifier(verifier, store, clock)
    return EmbeddedVerifier(cached(verifier, clock), store, clock, verifier)


def cached(verifier: StoreVerifier, clock: Clock) -> CachedVerifier:
    """The one bounded cache of a process in front of its store; T comes with every reading."""

    async def read(secret: Secret) -> Reading:
        verdict, max_age_seconds = await verifier.read(secret)
        return Reading(verdict, max_age_seconds)

    return CachedVerifier(read, now=clock)
