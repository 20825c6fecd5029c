"""Protect an app that shares Spacekey's database, without a server in between."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spacekey.domain.catalog_file import load_catalogs
from spacekey.domain.clock import Clock, utc_now
from spacekey.domain.outcome import Verdict
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.models.store import Store

from .build import build_verifier


class EmbeddedVerifier:
    """A verifier with a store of its own, closed together."""

    def __init__(self, verifier: Verifier, store: Store) -> None:
        self._verifier = verifier
        self._store = store

    async def verify(self, secret: Secret) -> Verdict:
        """Ask the store. See :class:`spacekey.domain.verifier.Verifier`."""
        return await self._verifier.verify(secret)

    async def aclose(self) -> None:
        """Give back all connections."""
        await self._verifier.aclose()
        await self._store.aclose()


def store_verifier(database_url: str, catalogs: Iterable[Path | str], *, clock: Clock = utc_now) -> EmbeddedVerifier:
    """A verifier over the database that a Spacekey server or command line manages.

    Made once, when the app is: nothing connects until the first verification, and it may be made outside the event
    loop. Every verification reads the database, so a revoked token is refused from the moment its revocation was
    answered; a database that is missing, locked or not migrated gives "cannot tell" (503), never an acceptance.
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
    return EmbeddedVerifier(build_verifier(store, loaded, clock), store)
