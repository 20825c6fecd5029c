"""``Keys``: issue and manage the tokens of an application's users from inside the application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from spacekey.domain.clock import WallClock, utc_now
from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.extras import extra
from spacekey.domain.product import Product
from spacekey.domain.product_file import load_product, together
from spacekey.middleware.argument_checks import check_environment
from spacekey.middleware.verifiers.cached import VerifierObserver

with extra("spacekey[server]"):
    from spacekey.server.build import build_parts, embedded_system

from spacekey.server.database_verifier import DatabaseVerifier, verifier_on
from spacekey.server.settings import Settings

from .inside import Inside
from .portal_sessions import PortalSessions
from .reports import Audit, Usage
from .tokens import Tokens
from .workspaces import Spaces, Workspaces

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp

    from spacekey.server.identity import Identity

    from .mounted import MountedApp


class Keys:
    """Tokens for the users of an application, issued and managed in its own process.

    Create it once, together with the app, inside or outside the event loop; it connects at the first use. An SQLite
    file is made and migrated then. PostgreSQL must have been migrated, by ``spacekey migrate`` or :meth:`migrate`::

        keys = Keys("postgresql://app@host/app", products=["product.toml"], schema="spacekey")
        app = FastAPI(middleware=[Middleware(TokenMiddleware, verifier=keys.verifier)])

        tenant = await keys.workspaces.ensure(external_id="tenant-42", plan="pro")
        issued = await keys.tokens.create(tenant, name="CI", grants=["jobs:read"], external_id="user-7")
        print(issued.secret.reveal())

    Refusals are raised: ``NotFound``, ``InvalidInput``, ``Conflict``, ``PlanLimit``, ``ScopeNotAllowed``, all of them
    ``UserError``, with a ``code`` and words for people. ``ServiceUnavailable`` is a database that does not answer.

    :param database_url: as in ``SPACEKEY_DATABASE_URL``; for PostgreSQL, the primary's.
    :param products: the product files, or products that were loaded already. Workspaces of other products do not exist
        for it.
    :param schema: the PostgreSQL schema of Spacekey's tables, as in ``SPACEKEY_DATABASE_SCHEMA``.
    :param environment: of :attr:`verifier`, as for ``DatabaseVerifier``.
    :param collect_usage: of :attr:`verifier`, as for ``DatabaseVerifier``.
    :param observer: of :attr:`verifier`, as for ``DatabaseVerifier``.
    :param clock: wall time; another one in tests.
    :raises ConfigurationError: the URL, the schema, a product or the environment is invalid.
    """

    def __init__(
        self,
        database_url: str,
        products: Iterable[Path | str | Product],
        *,
        schema: str | None = None,
        environment: str | None = None,
        collect_usage: bool = True,
        observer: VerifierObserver | None = None,
        clock: WallClock = utc_now,
    ) -> None:
        check_environment(environment)
        self._inside = Inside(embedded_system(database_url, _loaded(products), schema=schema, clock=clock))
        self._environment = environment
        self._collect_usage = collect_usage
        self._observer = observer
        self._apps: list[MountedApp] = []
        self.workspaces = Workspaces(self._inside)
        """The tenants of the loaded products."""
        self.spaces = Spaces(self._inside)
        """The projects inside a workspace."""
        self.tokens = Tokens(self._inside)
        """The tokens of a workspace."""
        self.portal_sessions = PortalSessions(self._inside)
        """Bearers for your users, for pages of yours that call the APIs."""
        self.usage = Usage(self._inside)
        """How much they are used."""
        self.audit = Audit(self._inside)
        """What was done in a workspace."""

    @cached_property
    def verifier(self) -> DatabaseVerifier:
        """The verifier of these tokens, for ``TokenMiddleware``, on the same engine.

        ``TokenMiddleware`` closes it with the app, and with it the connections of these keys.
        """
        return verifier_on(
            self._inside.unprepared,
            environment=self._environment,
            collect_usage=self._collect_usage,
            observer=self._observer,
            closing=self._stop_apps,
        )

    def app(
        self,
        *,
        identity: Identity | None = None,
        public_url: str | None = None,
        cors_origins: Iterable[str] = (),
    ) -> ASGIApp:
        """Return the dashboard and the APIs as an ASGI app, to be mounted at any path, over the same engine.

        It starts with its first request, because a mounted app is not told when its server starts, and ends when these
        keys are closed. With :meth:`lifespan` it starts and ends with your app. ::

            app.mount("/keys", keys.app(identity=HostSession(read)))

        :param identity: where its people come from, such as ``HostSession`` for those who are signed in to your app;
            None for accounts of its own with passwords.
        :param public_url: the address of the mount in browsers, as in ``SPACEKEY_PUBLIC_URL``; by default taken from
            each request.
        :param cors_origins: as in ``SPACEKEY_CORS_ORIGINS``, for pages that call the APIs from another origin.
        :raises ConfigurationError: if an argument cannot be used.
        """
        # An application without the dashboard need not load GraphQL.
        from spacekey.server.app import build_app

        from .mounted import MountedApp

        system = self._inside.unprepared
        settings = Settings(
            database_url=system.store.url.render_as_string(hide_password=False),
            database_schema=system.store.schema,
            public_url=public_url,
            cors_origins=tuple(cors_origins),
        )

        def build() -> Starlette:
            return build_app(settings, parts=build_parts(settings, system, identity=identity))

        made = MountedApp(build)
        self._apps.append(made)
        return made

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Start with your app and close with it: ``FastAPI(lifespan=keys.lifespan)``.

        :param _app: your app, which Starlette passes.
        :raises ConfigurationError: PostgreSQL has another version's schema; says what to do.
        :raises ServiceUnavailable: the database does not answer.
        """
        async with self:
            for one in self._apps:
                await one.start()
            yield

    async def migrate(self) -> None:
        """Apply all missing migrations, or none; for PostgreSQL, as ``spacekey migrate`` does.

        Two processes may call it at once. An earlier version of the application does not start any more then.

        :raises ConfigurationError: if the schema is newer than this program, or not one of Spacekey's.
        :raises ServiceUnavailable: if the database does not answer, or is in use for too long.
        """
        await self._inside.migrate()

    async def aclose(self) -> None:
        """Write pending usage and refusals, for a bounded time, and close all connections."""
        if "verifier" in vars(self):
            await self.verifier.aclose()  # closes the store too
        else:
            await close_in_turn(self._stop_apps, self._inside.unprepared.store.aclose)

    async def _stop_apps(self) -> None:
        await close_in_turn(*(one.stop for one in self._apps))

    async def __aenter__(self) -> Self:
        """Check the database, and migrate it if it is SQLite.

        :raises ConfigurationError: PostgreSQL has another version's schema; says what to do.
        :raises ServiceUnavailable: the database does not answer.
        """
        await self._inside.system()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self.aclose()


def _loaded(products: Iterable[Path | str | Product]) -> Mapping[str, Product]:
    if isinstance(products, str | Path):
        raise ConfigurationError(f"products={str(products)!r}: write a list of files, ['{products}']")
    loaded = [one if isinstance(one, Product) else load_product(Path(one)) for one in products]
    if not loaded:
        raise ConfigurationError("products: name at least one product file")
    return together([(one.name, one) for one in loaded])
