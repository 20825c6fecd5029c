"""An database verifier that is closed while its store is held up ends all the same, and says what is not written."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from spacekey.domain.authentication import Rejected
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import POSTGRESQL
from spacekey.server import database_verifier
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products
from support.server import served


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
