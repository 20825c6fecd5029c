"""Workers that fork after the app was made: what each counts arrives, and what came before is counted once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spacekey.models.engine.store import Store
from spacekey.models.queries import usage as usage_queries
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.workspaces import create_workspace
from spacekey.server.build import build_system
from spacekey.server.settings import Settings
from support.programs import forking
from support.server import on_a_socket
from support.world import OPERATOR


@pytest.mark.long
@pytest.mark.parametrize("kind", ["store", "remote"])
def test_forked_workers_lose_nothing_and_count_the_past_once(tmp_path: Path, kind: str) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/x.db")
    with on_a_socket(settings) as url:
        token_id, own = asyncio.run(_made(settings))
        where = [settings.database_url] if kind == "store" else [url, own]
        command = [sys.executable, forking.__file__, token_id, kind, *where]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        assert asyncio.run(_counted(settings, token_id)) == forking.WORKERS * forking.EACH + forking.BEFORE


async def _made(settings: Settings) -> tuple[str, str]:
    """A token to be counted, and the app's own."""
    system = build_system(settings)
    home = await create_workspace(system, OPERATOR, name="Home", slug="home", product="spooled")
    counted, own = [
        await create_token(system, OPERATOR, NewToken(home.id, grant, (grant,)))
        for grant in ("jobs:read", "tokens:introspect")
    ]
    await system.store.aclose()
    return counted.view.token.id, own.secret.reveal()


async def _counted(settings: Settings, token_id: str) -> int:
    store = Store(settings.database_url)
    async with store.reading() as session:
        since = datetime.now(UTC) - timedelta(days=2)
        days = (await usage_queries.usage_by_day(session, [token_id], since)).get(token_id, [])
    await store.aclose()
    return sum(day.allowed for day in days)
