"""Apps that ask a database at every request: FastAPI's dependency with one SELECT, keyshield, and ours on SQLite."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import JSON, String, insert, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from spacekey import TokenMiddleware, requires
from spacekey.domain.clock import utc_now
from spacekey.domain.product_file import load_products
from spacekey.domain.secret import mint
from spacekey.models.engine.store import Store
from spacekey.models.lookup.sqlite import SqliteLookup
from spacekey.models.migrations.run import upgrade
from spacekey.resolvers.tokens.verify import LookupVerifier

from ._apps import SECRET, Contestant, fastapi_app, jobs, starlette_app
from ._turns import ROOT, borrow_from_tests

KEYSHIELD = "keyshield"
SLOW = {"requests": 10, "every": 5}
HASHING = {"requests": 1, "every": 25}
"""A slow hash at every request."""


class Base(DeclarativeBase):
    """Tables of an app that implements this itself."""


class Key(Base):
    """One table, one indexed column."""

    __tablename__ = "keys"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)


async def with_select(folder: Path, closing: AsyncExitStack, bare: str) -> Contestant:
    """FastAPI's documented way: HTTPBearer, a session a request, one SELECT by a unique index, on SQLite."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder / 'select.db'}")
    closing.push_async_callback(engine.dispose)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        row = {"digest": sha256(SECRET.reveal().encode()).hexdigest(), "scopes": ["jobs:read"]}
        await connection.execute(insert(Key), [row])
    sessions = async_sessionmaker(engine)

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    async def check(
        sent: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
        opened: Annotated[AsyncSession, Depends(session)],
    ) -> None:
        digest = sha256(sent.credentials.encode()).hexdigest()
        key = (await opened.execute(select(Key).where(Key.digest == digest))).scalar_one_or_none()
        if key is None or "jobs:read" not in key.scopes:
            raise HTTPException(403)

    # FastAPI reads annotations; these name what only exists in here.
    check.__annotations__ = {
        "sent": Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
        "opened": Annotated[AsyncSession, Depends(session)],
    }
    return Contestant("FastAPI HTTPBearer, one SELECT by SQLAlchemy on SQLite", fastapi_app(check), bare, **SLOW)  # type: ignore[arg-type]


async def with_store(folder: Path, closing: AsyncExitStack, bare: str) -> Contestant:
    """Ours, embedded: the whole statement at every request, nothing cached."""
    borrow_from_tests()
    from support.rows import a_space, a_token, a_workspace, add

    secret = mint("em", "live", lambda length: bytes(range(length)))
    store = Store(f"sqlite+aiosqlite:///{folder / 'spacekey.db'}")
    closing.push_async_callback(store.aclose)
    await upgrade(store)
    workspace = a_workspace(product="emit")
    space = a_space(workspace)
    await add(store, workspace, space)
    await add(store, a_token(workspace, space, digest=secret.digest(), grants=["jobs:read"]))

    async def first_use(_: str) -> None:
        return None

    lookup = SqliteLookup(folder / "spacekey.db")
    closing.push_async_callback(lookup.aclose)
    verifier = LookupVerifier(lookup, load_products([ROOT / "examples/emit.toml"]), utc_now, first_use)
    app = starlette_app(requires("jobs:read")(jobs), Middleware(TokenMiddleware, verifier=verifier))
    return Contestant("Spacekey, embedded on SQLite, no cache", app, bare, token=secret.reveal())


async def with_keyshield(folder: Path, closing: AsyncExitStack, bare: str) -> list[Contestant]:
    """keyshield as its documentation wires it, on SQLite, its artificial delays off: cached, and not.

    Empty when it is not installed (``pip install --group bench``).
    """
    if importlib.util.find_spec(KEYSHIELD) is None:
        return []
    api, sql, argon2, base, cached = (
        importlib.import_module(f"{KEYSHIELD}.{name}")
        for name in ("api", "repositories.sql", "hasher.argon2", "services.base", "services.cached")
    )
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder / 'keyshield.db'}")
    closing.push_async_callback(engine.dispose)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    hasher = argon2.Argon2ApiKeyHasher(pepper="a pepper of the bench")
    memory = importlib.import_module("aiocache").SimpleMemoryCache()
    undelayed = {"min_delay": 0.0, "max_delay": 0.0}

    def service(session: AsyncSession, *, cache: bool) -> Any:
        repository = sql.SqlAlchemyApiKeyRepository(session)
        if cache:
            return cached.CachedApiKeyService(repository, hasher, cache=memory, **undelayed)
        return base.ApiKeyService(repository, hasher, **undelayed)

    def app(*, cache: bool) -> Any:
        async def opened() -> AsyncIterator[Any]:
            async with sessions.begin() as session:
                yield service(session, cache=cache)

        return fastapi_app(api.create_depends_api_key(opened, required_scopes=["jobs:read"]))

    async with sessions.begin() as session:
        await sql.SqlAlchemyApiKeyRepository(session).ensure_table(engine)
    async with sessions.begin() as session:
        _, token = await service(session, cache=False).create(name="bench", scopes=["jobs:read"])
    return [
        Contestant("keyshield, cached, delays off, SQLite", app(cache=True), bare, token, **SLOW),
        Contestant("keyshield, not cached, delays off, SQLite", app(cache=False), bare, token, **HASHING),
    ]


@asynccontextmanager
async def stored(folder: Path, bare: str, bare_fastapi: str) -> AsyncIterator[list[Contestant]]:
    """All of them, on databases in this folder, until the block ends."""
    async with AsyncExitStack() as closing:
        yield [
            await with_store(folder, closing, bare),
            await with_select(folder, closing, bare_fastapi),
            *await with_keyshield(folder, closing, bare_fastapi),
        ]
