"""kill -9 at any step of issuing, rotating and revoking leaves what was acknowledged, and nothing by halves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from spacekey.models.engine.store import SQLITE
from support.databases import postgres_database, sqlite_database
from support.postgres import PostgresServer

from .event_log import entries, hold
from .killed_writers import LIVES
from .processes import process_group
from .servers import a_workspace

pytestmark = pytest.mark.long

RUNS_SHORT = 24
RUNS_LONG = 500
DURING_COMMIT = 0.25
"""The part of the runs that end while a commit runs, and how long after its beginning at most."""
COMMIT_SECONDS_MAX = 0.004
KILLED = -signal.SIGKILL


@pytest.fixture
def url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that keeps what it acknowledged."""
    if database_kind == SQLITE:
        yield sqlite_database(tmp_path, request.getfixturevalue("sqlite_template"))
        return
    server: PostgresServer = request.getfixturevalue("durable_postgres")
    with postgres_database(server) as made:
        yield made


async def test_a_process_killed_at_any_write_step_loses_no_acknowledged_change(
    url: str, tmp_path: Path, seed: int, long: bool
) -> None:
    random, runs = Random(seed), RUNS_LONG if long else RUNS_SHORT
    workspace_id = await a_workspace(url)
    killed = 0
    with process_group(
        tmp_path, {"writer": ["chaos.killed_writers:main", url, workspace_id, str(tmp_path)]}, {}
    ) as members:

        def run(step: int, delay_seconds: float = 0.0) -> int:
            members.start("writer", str(step), str(delay_seconds))
            return members.join("writer")

        assert await asyncio.to_thread(run, 0) == 0, members.log("writer").read_text()
        steps, commits = map(int, (tmp_path / "steps").read_text().split())
        assert commits == 3 * LIVES
        # Every step once, if there are runs enough; each run begins where the one before it left the database.
        order = random.sample(range(1, steps + 1), steps) * (runs // steps + 1)
        for step in order[:runs]:
            if random.random() < DURING_COMMIT:
                code = await asyncio.to_thread(run, -random.randint(1, commits), random.uniform(0, COMMIT_SECONDS_MAX))
                assert code in (0, KILLED), members.log("writer").read_text()
                killed += code == KILLED
            else:
                assert await asyncio.to_thread(run, step) == KILLED, members.log("writer").read_text()
                killed += 1
    acknowledged, _ = entries(tmp_path / "event_log")
    findings = await hold(url, acknowledged)
    print(f"\nseed {seed}: {runs} runs, {killed} killed at one of {steps} steps; {len(acknowledged)} acknowledged")
    assert findings.nothing, findings
    assert killed > runs / 2
    assert {entry["what"] for entry in acknowledged} == {"issued", "rotated", "revoked"}
    assert len(acknowledged) > runs / 2
