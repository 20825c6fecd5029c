"""An app with fastapi-users: accounts in a database, sign-in by JWT and by cookie."""

import uuid
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, CookieTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import StaticPool

from spacekey import TokenMiddleware  # new
from spacekey.verifiers import MemoryVerifier  # new

SECRET = "a secret of the app's own, long enough for HS256"
engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = verification_token_secret = SECRET


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


async def manager(opened: Annotated[AsyncSession, Depends(session)]) -> UserManager:
    return UserManager(SQLAlchemyUserDatabase(opened, User))


def strategy() -> JWTStrategy[User, uuid.UUID]:
    return JWTStrategy(SECRET, 3600)


class UserRead(schemas.BaseUser[uuid.UUID]):
    pass


class UserCreate(schemas.BaseUserCreate):
    pass


by_jwt = AuthenticationBackend("jwt", BearerTransport("auth/jwt/login"), strategy)
by_cookie = AuthenticationBackend("cookie", CookieTransport(cookie_secure=False), strategy)
accounts = FastAPIUsers[User, uuid.UUID](manager, [by_jwt, by_cookie])
active = accounts.current_user(active=True)

app = FastAPI()
app.include_router(accounts.get_auth_router(by_jwt), prefix="/auth/jwt")
app.include_router(accounts.get_auth_router(by_cookie), prefix="/auth/cookie")
app.include_router(accounts.get_register_router(UserRead, UserCreate), prefix="/auth")
verifier = MemoryVerifier()  # new
rules = {("GET", "/export"): "export:read"}  # new
app.add_middleware(TokenMiddleware, verifier=verifier, rules=rules, undeclared="ignore")  # new


@app.get("/me")
async def me(user: Annotated[User, Depends(active)]) -> str:
    return user.email


@app.get("/export")
async def export() -> list[str]:
    return []


async def own_tests(client: httpx.AsyncClient) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    ada = {"email": "ada@example.com", "password": "seven boats"}
    form = {"username": ada["email"], "password": ada["password"]}
    assert (await client.post("/auth/register", json=ada)).status_code == 201
    assert (await client.post("/auth/register", json=ada)).json() == {"detail": "REGISTER_USER_ALREADY_EXISTS"}
    token = (await client.post("/auth/jwt/login", data=form)).json()["access_token"]
    assert (await client.get("/me", headers={"Authorization": f"Bearer {token}"})).json() == ada["email"]
    nothing = await client.get("/me")
    assert (nothing.status_code, nothing.json()) == (401, {"detail": "Unauthorized"})
    assert (await client.get("/me", headers={"Authorization": "Bearer x"})).json() == {"detail": "Unauthorized"}
    assert (await client.post("/auth/cookie/login", data=form)).status_code == 204
    assert (await client.get("/me")).json() == ada["email"]
    assert (await client.post("/auth/cookie/logout")).status_code == 204
    assert (await client.get("/me")).status_code == 401
    client.cookies.clear()


PROTECTED = ("GET", "/export", "export:read")
