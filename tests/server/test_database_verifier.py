"""One line protects an app over the same database."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from spacekey import TokenMiddleware, requires
from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.page import AuditFilter, page_request
from spacekey.domain.secret import Secret, mint
from spacekey.middleware.auth.client import SentBy
from spacekey.middleware.testing import undeclared_routes
from spacekey.models.engine.store import POSTGRESQL
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.workspaces.lists import audit_list
from spacekey.server import database_verifier
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products
from support.asgi_calls import http_scope
from support.server import bearer, served
from support.world import OPERATOR


@requires("jobs:read")
async def jobs(request: Request) -> JSONResponse:
    return JSONResponse({"token": request.user.id})


async def test_tokens_the_server_made_open_an_app_over_the_same_database(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        _, poor = await server.token(workspace.id, "jobs:write")
        verifier = DatabaseVerifier(database_url, packaged_products(), clock=server.world.clock)
        app = Starlette(routes=[Route("/jobs", jobs)], middleware=[Middleware(TokenMiddleware, verifier=verifier)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            assert (await client.get("/jobs", headers=bearer(secret))).json() == {"token": token_id}
            assert (await client.get("/jobs", headers=bearer(poor))).status_code == 403
            assert (await client.get("/jobs")).status_code == 401
        assert (await token_view(server.world.system, OPERATOR, token_id)).token.last_used_at is None
        await verifier.aclose()
        assert (await token_view(server.world.system, OPERATOR, token_id)).token.last_used_at == server.world.clock()


async def test_a_database_that_is_not_there_cannot_tell(tmp_path: Path) -> None:
    verifier = DatabaseVerifier(f"sqlite:///{tmp_path}/missing.db", packaged_products())
    assert isinstance(await verifier.verify(mint("sp", "live", lambda count: bytes(range(count)))), Unavailable)
    assert not (tmp_path / "missing.db").exists()
    await verifier.aclose()


def test_a_wrong_url_or_product_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        DatabaseVerifier("nonsense", packaged_products())
    with pytest.raises(ConfigurationError, match=r"missing\.toml"):
        DatabaseVerifier("sqlite:///x.db", [tmp_path / "missing.toml"])
    with pytest.raises(ConfigurationError, match=r"\['one\.toml'\]"):
        DatabaseVerifier("sqlite:///x.db", "one.toml")
    with pytest.raises(ConfigurationError, match="write 'live' or 'test'"):
        DatabaseVerifier("sqlite:///x.db", packaged_products(), environment="prod")


@pytest.mark.parametrize(("scope", "starts"), [("jobs:reed", False), ("jobs:read", True), ("tokens:read", True)])
async def test_a_rule_with_a_scope_that_no_product_has_stops_the_start(
    database_url: str, scope: str, starts: bool
) -> None:
    verifier = DatabaseVerifier(database_url, packaged_products())
    routes = [Route("/jobs", requires(scope)(jobs))]
    app = Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=verifier)])
    with nullcontext() if starts else pytest.raises(ConfigurationError, match=r"Did you mean 'jobs:read'"):
        undeclared_routes(app)
    await verifier.aclose()


async def test_the_owner_is_told_of_a_token_in_the_wrong_environment(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        here, there = (
            DatabaseVerifier(database_url, packaged_products(), environment=one, clock=server.world.clock)
            for one in ("live", "test")
        )
        assert isinstance(await here.verify(Secret(secret)), Authenticated)
        assert await there.verify(Secret(secret)) == Rejected(Reason.ENVIRONMENT, token_id)
        await here.aclose()
        await there.aclose()
        page = await audit_list(
            server.world.system,
            OPERATOR,
            workspace.id,
            page_request(1, None, None, None),
            AuditFilter(target_id=token_id),
        )
        told = [(one.action, one.outcome, one.after) for one in page.rows]
        assert told == [("token.refused", "alert", {"reason": "environment", "environment": "live"})]


async def test_a_token_that_expires_while_a_cache_knows_it_is_told_with_who_sent_it(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read", expires_in=timedelta(hours=1))
        verifier = DatabaseVerifier(database_url, packaged_products(), clock=server.world.clock)
        assert isinstance(await verifier.verify(Secret(secret)), Authenticated)
        server.world.clock.forward(hours=2)
        with SentBy(http_scope("GET", "/", [(b"user-agent", b"curl/8")])):
            assert verifier.peek(Secret(secret).bearer()) is None
            assert await verifier.verify(Secret(secret)) == Rejected(Reason.EXPIRED, token_id)
        await verifier.aclose()
        page = await audit_list(
            server.world.system,
            OPERATOR,
            workspace.id,
            page_request(1, None, None, None),
            AuditFilter(target_id=token_id),
        )
        assert [(one.action, one.ip, one.user_agent) for one in page.rows] == [("token.refused", "127.0.0.1", "curl/8")]


# An database verifier that is closed while its store is held up ends all the same, and says what is not written.


@pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
async def test_closing_is_bounded_as_a_whole_and_tells_what_was_not_written(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each write that meets a lock fails by itself after some seconds; many of them must not add up."""
    monkeypatch.setattr(database_verifier, "LAST_WRITES_SECONDS", 0.1)
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled", plan="enterprise")
        verifier = DatabaseVerifier(database_url, packaged_products(), environment="test", clock=server.world.clock)
        async with server.world.system.store.changing() as session:
            tokens = [await server.token(workspace.id, "jobs:read") for _ in range(15)]
            await (await session.connection()).execute(text("LOCK TABLE spacekey_audit_events"))
            for _, secret in tokens:
                assert isinstance(await verifier.verify(Secret(secret)), Rejected)
            async with asyncio.timeout(30):  # one write is given up after 3
                await verifier.aclose()
        assert "refusals of 15 tokens are not written" in caplog.text
