"""Build the parts of a server from its settings, and check the database's schema before it serves.

Building opens no connection and keeps no state outside of what is returned."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from spacekey.domain.bounds import MemoryPlaces
from spacekey.domain.clock import WallClock, utc_now
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.domain.product import Product
from spacekey.domain.product_file import load_products
from spacekey.domain.suggest import known_instead
from spacekey.middleware.limits.anonymous import AnonymousBudget
from spacekey.middleware.limits.flood import RefusalFlood
from spacekey.middleware.limits.limiter import ObservedLimiter
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.middleware.verifiers.cached import VerifierObserver
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.lookup.facts import TokenLookup
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.models.lookup.sqlite import SqliteLookup
from spacekey.models.migrations import run as migrate
from spacekey.models.queries import tokens as token_queries
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.resolvers.outbox import Outbox
from spacekey.resolvers.passwords.hashing import Passwords
from spacekey.resolvers.system import System, WorkspaceCreation
from spacekey.resolvers.throttle import Attempts
from spacekey.resolvers.tokens.usage import StoreUsage
from spacekey.resolvers.tokens.verify import LookupVerifier

from .context import Parts
from .identity.from_settings import identity_of
from .identity.protocol import Identity
from .limits import SessionFlood, build_limiter
from .metrics import Metrics, ObservedLookup
from .settings import Settings
from .shared_memory import SharedArrivals, SharedLimiter, SharedMemory, SharedRemembered, SharedWork


def default_staleness(store: Store) -> float:
    """Return the default of T in seconds: 0 for SQLite, which every verification reads, else that of cached answers."""
    return 0.0 if store.dialect == SQLITE else 1.0


@dataclass(frozen=True, slots=True)
class Among:
    """What one of several workers shares with the others.

    :param memory: accounts, places and digests.
    :param metrics: the folder for counters; see :func:`~spacekey.server.metrics.share_metrics`.
    :param warns: whether this worker logs the warnings of the start.
    """

    memory: SharedMemory
    metrics: Path
    warns: bool


def build_system(settings: Settings, memory: SharedMemory | None = None) -> System:
    """Return the system with its store and products.

    :param memory: memory that several workers share; None for a single process.
    :raises ConfigurationError: a product is invalid, or the database is a folder.
    """
    products = load_products(settings.products)
    creation = workspace_creation(settings, products)
    store = Store(settings.database_url, schema=settings.database_schema)
    _check_file(store)
    return System(
        store=store,
        products=products,
        clock=utc_now,
        entropy=secrets.token_bytes,
        passwords=Passwords() if memory is None else _shared_passwords(memory),
        attempts=Attempts() if memory is None else Attempts(arrivals=SharedArrivals(memory.table("attempts"))),
        sleep=asyncio.sleep,
        default_staleness_seconds=default_staleness(store),
        workspace_creation=creation,
        places=MemoryPlaces() if memory is None else memory.places,
        outbox=None if settings.smtp_url is None else Outbox(),
        portal_origins=portal_origins(settings),
    )


def embedded_system(
    database_url: str, products: Mapping[str, Product], *, schema: str | None, clock: WallClock
) -> System:
    """Return the system of an application that has Spacekey in its own process.

    :param schema: the PostgreSQL schema of the tables; None for wherever the connection finds them.
    :raises ConfigurationError: the URL or the schema is invalid.
    """
    store = Store(database_url, schema=schema)
    return System(
        store=store,
        products=products,
        clock=clock,
        entropy=secrets.token_bytes,
        passwords=Passwords(),
        attempts=Attempts(),
        sleep=asyncio.sleep,
        default_staleness_seconds=default_staleness(store),
    )


def _shared_passwords(memory: SharedMemory) -> Passwords:
    return Passwords(places=memory.places, known=SharedRemembered(memory.table("networks")))


def workspace_creation(settings: Settings, products: Collection[str]) -> WorkspaceCreation:
    """Return who may create workspaces, by the settings.

    :param products: the loaded products' names.
    :raises ConfigurationError: a product that members may create workspaces of is not loaded.
    """
    for name in settings.workspace_products:
        if name not in products:
            raise ConfigurationError(
                f"SPACEKEY_WORKSPACE_PRODUCTS: the product '{name}' is not loaded.{known_instead(name, products)}"
            )
    return WorkspaceCreation(
        by_members=settings.workspace_creation == "members",
        owned_max=settings.workspaces_owned_max,
        products=frozenset(settings.workspace_products) or None,
    )


def portal_origins(settings: Settings) -> frozenset[str]:
    """Return the origins of the pages that may use a portal session: those of the setting, and the server's own."""
    own = () if settings.public is None else (settings.public.origin,)
    return frozenset((*settings.cors_origins, *own))


def build_parts(
    settings: Settings,
    system: System | None = None,
    among: Among | None = None,
    *,
    identity: Identity | None = None,
) -> Parts:
    """Return all parts of a server.

    :param system: the system to use, for tests with a clock of their own; built if None.
    :param among: what this process shares with other workers; None for a single process.
    :param identity: where people come from; None for what the settings say, which is Spacekey's own passwords by
        default.
    """
    memory = None if among is None else among.memory
    identity = identity if identity is not None else identity_of(settings)
    system = system if system is not None else build_system(settings, memory)
    outbox = Outbox() if settings.smtp_url is not None and system.outbox is None else system.outbox
    system = replace(system, takes_passwords=identity.takes_passwords, outbox=outbox)
    metrics = Metrics(None if among is None else among.metrics)
    refusals = RefusalLog(system)
    limiter = build_limiter(settings, metrics, memory)
    anonymous = Limit(settings.anonymous_cpu_ms, settings.anonymous_cpu_ms_burst)
    usage = UsageCollector(StoreUsage(system.store, system.clock), now=system.clock)
    metrics.follow(usage)
    metrics.follow_refusals(refusals)
    return Parts(
        settings=settings,
        system=system,
        verifier=build_verifier(
            system.store, system.products, system.clock, system.default_staleness_seconds, observer=metrics
        ),
        refusals=refusals,
        usage=usage,
        metrics=metrics,
        limits=ObservedLimiter(limiter, metrics),
        budgets=limiter,
        flood=_flood(memory, "tokens"),
        sessions=_session_flood(memory),
        anonymous=AnonymousBudget(
            anonymous, accounts=None if memory is None else SharedWork(memory.table("anonymous work"), anonymous)
        ),
        warns=among is None or among.warns,
        identity=identity,
    )


def _flood(memory: SharedMemory | None, what: str) -> RefusalFlood:
    if memory is None:
        return RefusalFlood()
    good = SharedRemembered(memory.table(f"good {what}"))
    return RefusalFlood(accounts=SharedLimiter(memory.table(f"refused {what}")), good=good)


def _session_flood(memory: SharedMemory | None) -> SessionFlood:
    flood = _flood(memory, "sessions")
    if memory is None:
        return SessionFlood(flood)
    return SessionFlood(flood, unknown=SharedRemembered(memory.table("unknown sessions")))


def build_verifier(
    store: Store,
    products: Mapping[str, Product],
    clock: WallClock,
    staleness_seconds: float,
    *,
    observer: VerifierObserver | None = None,
    check_schema: bool = False,
) -> LookupVerifier:
    """Return a verifier that asks the store at every call.

    :param staleness_seconds: T if the database holds none; the same value that revocations wait for.
    :param observer: notified of every read.
    :param check_schema: whether to check the database's schema first, in a process that has not done so. With another
        schema the verifier answers "cannot tell".
    """
    lookup = build_lookup(store, check_schema=check_schema)
    if observer is not None:
        lookup = ObservedLookup(lookup, observer, staleness_seconds)
    return LookupVerifier(lookup, products, clock, first_use_recorder(store, clock), staleness_seconds)


def build_lookup(store: Store, *, check_schema: bool = False) -> TokenLookup:
    """Return the token lookup on the store's database, with connections of its own."""
    if store.dialect == SQLITE:
        return SqliteLookup(store.url.database or "", check_schema=check_schema)
    return PostgresLookup(store.url, schema=store.schema, check_schema=check_schema)


def first_use_recorder(store: Store, clock: WallClock) -> Callable[[str], Awaitable[None]]:
    """Return a function that records the first use of a successor whose first use ends its predecessor."""

    async def record(token_id: str) -> None:
        async with store.changing() as session:
            await token_queries.record_first_use(session, token_id, clock())

    return record


def _check_file(store: Store) -> None:
    """Refuse a folder in place of an SQLite file. Nothing is created: a command that reads leaves nothing behind."""
    if store.dialect == SQLITE and store.url.database is not None:
        file = Path(store.url.database).expanduser()
        if file.is_dir():
            raise ConfigurationError(
                f"SPACEKEY_DATABASE_URL: '{file}' is a folder; name a file in it, like spacekey.db"
            )


def make_folder(store: Store) -> None:
    """Create the folder of an SQLite file.

    :raises ConfigurationError: if that is not possible.
    """
    if store.dialect != SQLITE or store.url.database is None:
        return
    folder = Path(store.url.database).expanduser().parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # no other user of the machine may read the database
    except OSError as error:
        raise ConfigurationError(
            f"SPACEKEY_DATABASE_URL: the folder '{folder}' cannot be made: {error.strerror}; choose another"
        ) from error


async def prepare_store(store: Store) -> None:
    """Make sure the tables are those of this version.

    SQLite is migrated. PostgreSQL is not, because it may serve processes of an earlier version: that is the
    operator's decision.

    :raises ConfigurationError: PostgreSQL's schema is older than this version's, or the schema of either database is
        newer or not one of Spacekey's; says what to do.
    :raises ServiceUnavailable: the database does not answer.
    """
    if store.dialect == SQLITE:
        make_folder(store)
        await migrate.upgrade(store)
        return
    await store.ping()
    schema = await migrate.current(store)
    if schema.problem is not None:
        raise ConfigurationError(f"SPACEKEY_DATABASE_URL: the database {schema.problem}; {schema.remedy}")
