"""From settings to the parts of a server. Nothing connects yet; nothing is kept outside of what is returned."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

from spacekey.domain.catalog import Catalog
from spacekey.domain.catalog_file import load_catalogs
from spacekey.domain.clock import WallClock, utc_now
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.domain.suggest import known_instead
from spacekey.middleware.limits.anonymous import AnonymousBudget
from spacekey.middleware.limits.flood import RefusalFlood
from spacekey.middleware.limits.limiter import ObservedLimiter
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.middleware.verifiers.cached import VerifierObserver
from spacekey.models import token_queries
from spacekey.models.lookup import TokenLookup
from spacekey.models.postgres_lookup import PostgresLookup
from spacekey.models.sqlite_lookup import SqliteLookup
from spacekey.models.store import SQLITE, Store
from spacekey.resolvers.attempts import Attempts
from spacekey.resolvers.keep_usage import StoreUsage
from spacekey.resolvers.passwords import Passwords
from spacekey.resolvers.refusal_log import RefusalLog
from spacekey.resolvers.system import System, WorkspaceCreation
from spacekey.resolvers.verify import StoreVerifier

from .introspectors import check_catalogs
from .limits import build_limiter
from .metrics import Metrics
from .observed_lookup import ObservedLookup
from .parts import Parts
from .session_flood import SessionFlood
from .settings import Settings


def default_staleness(store: Store) -> float:
    """T in seconds where the database holds no other: SQLite is read at every verification, PostgreSQL's is cached."""
    return 0.0 if store.dialect == SQLITE else 1.0


def build_system(settings: Settings) -> System:
    """The system with its store and catalogs.

    :raises ConfigurationError: a catalog is wrong, the database is a folder, or its folder cannot be made.
    """
    catalogs = load_catalogs(settings.catalogs)
    creation = workspace_creation(settings, catalogs)
    store = Store(settings.database_url)
    _make_folder(store)
    return System(
        store=store,
        catalogs=catalogs,
        clock=utc_now,
        entropy=secrets.token_bytes,
        passwords=Passwords(),
        attempts=Attempts(),
        sleep=asyncio.sleep,
        default_staleness_seconds=default_staleness(store),
        workspace_creation=creation,
    )


def workspace_creation(settings: Settings, catalogs: Collection[str]) -> WorkspaceCreation:
    """Return who may make workspaces by the settings.

    :param catalogs: the loaded catalogs' names.
    :raises ConfigurationError: a catalog that people may make workspaces of is not loaded.
    """
    for name in settings.workspace_catalogs:
        if name not in catalogs:
            raise ConfigurationError(
                f"SPACEKEY_WORKSPACE_CATALOGS: the catalog '{name}' is not loaded.{known_instead(name, catalogs)}"
            )
    return WorkspaceCreation(
        by_members=settings.workspace_creation == "members",
        owned_max=settings.workspaces_owned_max,
        catalogs=frozenset(settings.workspace_catalogs) or None,
    )


def build_parts(settings: Settings, system: System | None = None) -> Parts:
    """Everything a server needs. ``system`` is given by tests that bring their own clock."""
    system = system if system is not None else build_system(settings)
    check_catalogs(settings.introspectors, system.catalogs)
    metrics = Metrics()
    refusals = RefusalLog(system)
    limiter = build_limiter(settings, metrics)
    usage = UsageCollector(StoreUsage(system.store, system.clock), now=system.clock)
    metrics.follow(usage)
    metrics.follow_refusals(refusals)
    return Parts(
        settings=settings,
        system=system,
        verifier=build_verifier(
            system.store, system.catalogs, system.clock, system.default_staleness_seconds, observer=metrics
        ),
        refusals=refusals,
        usage=usage,
        metrics=metrics,
        limits=ObservedLimiter(limiter, metrics),
        budgets=limiter,
        flood=RefusalFlood(),
        sessions=SessionFlood(),
        anonymous=AnonymousBudget(Limit(settings.anonymous_cpu_ms, settings.anonymous_cpu_ms_burst)),
    )


def build_verifier(
    store: Store,
    catalogs: Mapping[str, Catalog],
    clock: WallClock,
    staleness_seconds: float,
    *,
    observer: VerifierObserver | None = None,
    check_schema: bool = False,
) -> StoreVerifier:
    """A verifier that asks the store at every call.

    :param staleness_seconds: T where the database holds no other; the same as those who take access away wait for.
    :param observer: told of every read.
    :param check_schema: for a process that has not looked at the database's schema: another one cannot tell.
    """
    lookup = build_lookup(store, check_schema=check_schema)
    if observer is not None:
        lookup = ObservedLookup(lookup, observer, staleness_seconds)
    return StoreVerifier(lookup, catalogs, clock, first_use_recorder(store, clock), staleness_seconds)


def build_lookup(store: Store, *, check_schema: bool = False) -> TokenLookup:
    """The hot lookup on the store's database, with connections of its own."""
    if store.dialect == SQLITE:
        return SqliteLookup(store.url.database or "", check_schema=check_schema)
    return PostgresLookup(store.url, check_schema=check_schema)


def first_use_recorder(store: Store, clock: WallClock) -> Callable[[str], Awaitable[None]]:
    """What writes down the first use of a successor that ends its predecessor by it."""

    async def record(token_id: str) -> None:
        async with store.changing() as session:
            await token_queries.record_first_use(session, token_id, clock())

    return record


def _make_folder(store: Store) -> None:
    if store.dialect != SQLITE or store.url.database is None:
        return
    file = Path(store.url.database).expanduser()
    if file.is_dir():
        raise ConfigurationError(f"SPACEKEY_DATABASE_URL: '{file}' is a folder; name a file in it, like spacekey.db")
    folder = file.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is in it concerns nobody else on the machine
    except OSError as error:
        raise ConfigurationError(
            f"SPACEKEY_DATABASE_URL: the folder '{folder}' cannot be made: {error.strerror}; choose another"
        ) from error
