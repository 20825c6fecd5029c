"""Eight processes write to one SQLite file and verify on it: no acknowledgement is lost, and "locked" is an answer."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from support.databases import sqlite_database

from .event_log import entries, hold
from .processes import process_group
from .servers import a_workspace

pytestmark = pytest.mark.long

WORKERS = 8
SECONDS_SHORT = 15.0
SECONDS_LONG = 180.0


async def test_eight_processes_share_a_file_and_lose_nothing(sqlite_template: Path, tmp_path: Path, long: bool) -> None:
    url = sqlite_database(tmp_path, sqlite_template)
    workspace_id = await a_workspace(url)
    seconds = SECONDS_LONG if long else SECONDS_SHORT
    names = [f"worker-{number}" for number in range(WORKERS)]
    common = ["chaos.sqlite_work:main", url, workspace_id, str(tmp_path), str(seconds), str(WORKERS)]
    with process_group(tmp_path, {name: [*common, str(at)] for at, name in enumerate(names)}, {}) as members:
        for name in names:
            members.start(name)
        codes = [await asyncio.to_thread(members.join, name, seconds) for name in names]
        said = {name: members.log(name).read_text() for name in names}
    assert codes == [0] * WORKERS, said
    assert not any("Traceback" in text for text in said.values()), said
    acknowledged = [entry for at in range(WORKERS) for entry in entries(tmp_path / f"event_log-{at}")[0]]
    findings = await hold(url, acknowledged)
    counted = sum((Counter(json.loads((tmp_path / f"counted-{at}").read_text())) for at in range(WORKERS)), Counter())
    print(f"\n{WORKERS} processes, {seconds:.0f} s, {len(acknowledged)} acknowledged: {dict(counted)}")
    assert findings.nothing, findings
    assert min(counted[what] for what in ("issued", "rotated", "revoked", "verified", "verified next client")) > 0
