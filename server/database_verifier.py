"""Verifier and usage sink for an app that shares Spacekey's database, without a server in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from spacekey.domain.authentication import Authenticated, Unavailable, Verdict
from spacekey.domain.clock import WallClock, utc_now
from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.extras import extra
from spacekey.domain.product_file import load_products
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.argument_checks import check_environment
from spacekey.middleware.auth.client import required_environment, sender
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.middleware.verifiers.cached import CachedVerifier, ObservedCache, Reading, VerifierObserver

with extra("spacekey[server]"):
    from spacekey.models.engine.store import SQLITE, Store

from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.introspect import in_environment
from spacekey.resolvers.tokens.usage import StoreUsage
from spacekey.resolvers.tokens.verify import LookupVerifier

from .build import build_verifier, embedded_system

TOKENS_MAX = 1_000
"""How many tokens are read by one statement."""

LAST_WRITES_SECONDS = 5.0
"""How long closing waits for refusals that are not written yet; usage has its own time. The rest is lost."""

log = logging.getLogger("spacekey.refusals")


class DatabaseVerifier(Verifier):
    """Verifier over the database that a Spacekey server or the command line manages.

    Create it once, together with the app, inside or outside the event loop; it connects with the first verification. On
    SQLite every verification reads the database. On PostgreSQL an answer is cached for the revocation delay at most,
    and a revocation waits as long before it is answered. So on both, a revoked token is refused from the moment its
    revocation was answered (docs/explanation/revocation.md). A database that is missing, locked, not migrated or newer
    than this program gives ``Unavailable`` (503), never an acceptance. ``TokenMiddleware`` closes it with the app::

        verifier = DatabaseVerifier("sqlite:///data/spacekey.db", ["examples/emit.toml"])
        app = Starlette(routes=…, middleware=[Middleware(TokenMiddleware, verifier=verifier)])

    :param database_url: as in ``SPACEKEY_DATABASE_URL``; for PostgreSQL, the primary's.
    :param products: the product files of the workspaces whose tokens are to be accepted.
    :param schema: the PostgreSQL schema of Spacekey's tables, as in ``SPACEKEY_DATABASE_SCHEMA``.
    :param environment: this app's environment, ``live`` or ``test``. Tokens of another one are refused and their
        owner sees it in the audit log, which ``TokenMiddleware(environment=…)`` alone cannot. None accepts all.
    :param collect_usage: whether ``TokenMiddleware`` counts requests into this database, in batches every few seconds
        (``usage``). Closing the verifier writes the last one.
    :param observer: notified of hits, misses and reads, such as ``AppMetrics``; see docs/how-to/metrics.md.
    :param clock: wall time, for expiry; another one in tests.
    :raises ConfigurationError: the URL, a product file or the environment is invalid.
    """

    def __init__(
        self,
        database_url: str,
        products: Iterable[Path | str],
        *,
        schema: str | None = None,
        environment: str | None = None,
        collect_usage: bool = True,
        observer: VerifierObserver | None = None,
        clock: WallClock = utc_now,
    ) -> None:
        if isinstance(products, str | Path):
            raise ConfigurationError(f"products={str(products)!r}: write a list of files, ['{products}']")
        loaded = load_products([Path(path) for path in products])
        system = embedded_system(database_url, loaded, schema=schema, clock=clock)
        self._set_up(system, environment=environment, collect_usage=collect_usage, observer=observer)

    def _set_up(
        self, system: System, *, environment: str | None, collect_usage: bool, observer: VerifierObserver | None
    ) -> None:
        check_environment(environment)
        self._closing: Callable[[], Awaitable[None]] | None = None
        self._system, store, clock = system, system.store, system.clock
        self._asking = build_verifier(
            store, system.products, clock, system.default_staleness_seconds, observer=observer, check_schema=True
        )
        kept = StoreUsage(store, clock)
        self.usage: UsageCollector | None = (
            UsageCollector(kept, now=None if clock is utc_now else clock) if collect_usage else None
        )
        """Collector with which ``TokenMiddleware`` counts requests."""
        self._cache = (
            None if store.dialect == SQLITE else cached(self._asking, clock, observer, environment=environment)
        )
        self._environment = environment
        self._refusals = RefusalLog(self._system)
        self._writing: asyncio.Task[None] | None = None
        self.batch_max = TOKENS_MAX
        self.key_formats = self._asking.key_formats
        self.known_scopes = self._asking.known_scopes
        """All scopes that a token can hold. ``TokenMiddleware`` does not start with a rule that names another one."""

    peek_checks_form = True  # as its cache does

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return the cached verdict; None if :meth:`verify` must be called.

        A refusal that belongs in the audit log is left to :meth:`verify`, which knows the client.
        """
        verdict = None if self._cache is None else self._cache.peek(authorization)
        if verdict is None or isinstance(verdict, Unavailable):
            return verdict
        held = in_environment(verdict, self._environment)
        return held if isinstance(held, Authenticated) or held.token_id is None else None

    async def verify(self, secret: Secret) -> Verdict:
        """Ask the store. See :class:`spacekey.domain.verifier.Verifier`."""
        self._begin_writing()
        if self._cache is not None:
            return self._noted(await self._cache.verify(secret))
        reading = await self._asking.use(secret, self._environment, required_environment())
        return self._noted(reading.verdict)

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Ask the store once for all tokens. See :class:`spacekey.domain.verifier.Verifier`.

        Refusals are not written into the owner's audit log, since no client has just sent the token.
        """
        self._begin_writing()
        if self._cache is not None:
            verdicts = await self._cache.verify_many(secrets)
        else:
            readings = await self._asking.use_many(secrets, self._environment, required_environment())
            verdicts = [reading.verdict for reading in readings]
        return [one if isinstance(one, Unavailable) else in_environment(one, self._environment) for one in verdicts]

    def _begin_writing(self) -> None:
        if self._writing is None:
            self._writing = asyncio.create_task(self._refusals.run())

    async def aclose(self) -> None:
        """Write pending usage and refusals, for a bounded time, and close all connections."""
        await close_in_turn(
            *(() if self._closing is None else (self._closing,)),
            *(() if self.usage is None else (self.usage.aclose,)),
            self._write_last,
            *(() if self._cache is None else (self._cache.aclose,)),
            self._asking.aclose,
            self._system.store.aclose,
        )

    async def _write_last(self) -> None:
        if self._writing is None:
            return
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WRITES_SECONDS):
                    await self._refusals.flush()
        finally:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._refusals.waiting:
            log.error("refusals of %d tokens are not written: the store is held up", self._refusals.waiting)

    def _noted(self, verdict: Verdict) -> Verdict:
        if isinstance(verdict, Unavailable):
            return verdict
        held = in_environment(verdict, self._environment)
        if not isinstance(held, Authenticated) and held.token_id is not None:
            by = sender()
            self._refusals.note(held, RequestFacts(by.ip, by.user_agent, by.request_id))
        return held


def verifier_on(
    system: System,
    *,
    environment: str | None = None,
    collect_usage: bool = True,
    observer: VerifierObserver | None = None,
    closing: Callable[[], Awaitable[None]] | None = None,
) -> DatabaseVerifier:
    """Return a verifier on a system's store and products. Closing it closes the store.

    :param closing: is called first when it is closed.

    The other arguments are those of :class:`DatabaseVerifier`.
    """
    made = DatabaseVerifier.__new__(DatabaseVerifier)
    made._set_up(system, environment=environment, collect_usage=collect_usage, observer=observer)
    made._closing = closing
    return made


def store_usage(database_url: str, *, schema: str | None = None, clock: WallClock = utc_now) -> StoreUsage:
    """Return a sink over such a database, for a ``UsageCollector`` used with another verifier than the store's own::

        usage = UsageCollector(store_usage("sqlite:///data/spacekey.db"))
        TokenMiddleware(app, verifier=VerifierChain({"sp": …, "other": …}), usage=usage)

    Closing the collector closes the sink. Usage of tokens that are not in the database is discarded.

    :param database_url: as in ``SPACEKEY_DATABASE_URL``.
    :param schema: as in ``SPACEKEY_DATABASE_SCHEMA``.
    :param clock: wall time, for tests.
    :raises ConfigurationError: the URL or the schema is invalid.
    """
    return StoreUsage(Store(database_url, schema=schema), clock, owned=True)


def cached(
    verifier: LookupVerifier,
    clock: WallClock,
    observer: VerifierObserver | None = None,
    *,
    environment: str | None = None,
) -> CachedVerifier:
    """Return the verifier behind the process's one bounded cache; T comes with every answer of the store.

    :param observer: notified of hits and misses. The verifier's lookup notifies it of reads.
    """

    async def read(secret: Secret) -> Reading:
        reading = await verifier.use(secret, environment, required_environment())
        return Reading(reading.verdict, reading.max_age_seconds)

    async def read_many(secrets: Sequence[Secret]) -> list[Reading]:
        readings = await verifier.use_many(secrets, environment, required_environment())
        return [Reading(reading.verdict, reading.max_age_seconds) for reading in readings]

    if observer is None:
        return CachedVerifier(
            read, now=clock, read_many=read_many, batch_max=TOKENS_MAX, key_formats=verifier.key_formats
        )
    return ObservedCache(
        read, observer, now=clock, read_many=read_many, batch_max=TOKENS_MAX, key_formats=verifier.key_formats
    )
