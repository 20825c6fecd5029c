"""The four products' flows in Firefox, by the keyboard alone: puppeteer-core drives it over WebDriver BiDi."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from support.npm import NpmMissing, npm_folder
from support.world import PASSWORD

from .conftest import Dashboard

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

SCRIPTS = Path(__file__).parent / "firefox"
NAMES = ("firefox-esr", "firefox")
SECONDS_MAX = 240
STEPS = ["signed in", "created and copied", "pasted", "searched", "rotated", "revoked"]
CHOICES = {"emit": "jobs:create", "spooled": "jobs:read", "teamspace": "viewer", "guard": "sessions:read"}


@pytest.fixture(scope="session")
def firefox() -> str:
    """Where Firefox is. ``FIREFOX`` in the environment says where first."""
    for found in (os.environ.get("FIREFOX"), *(shutil.which(name) for name in NAMES)):
        if found and Path(found).exists():
            return found
    pytest.skip("NO FIREFOX WAS FOUND: install firefox-esr, or set FIREFOX to its path")


@pytest.fixture(scope="session")
def firefox_scripts() -> Path:
    """A folder with the script and puppeteer-core."""
    try:
        return npm_folder(SCRIPTS, "firefox")
    except NpmMissing as missing:
        pytest.skip(f"FIREFOX NOT TRIED: {missing}")


@pytest.mark.timeout(SECONDS_MAX + 60)
@pytest.mark.parametrize("product", CHOICES)
async def test_a_products_flow_by_the_keyboard_alone(
    firefox: str, firefox_scripts: Path, dashboard: Dashboard, product: str
) -> None:
    world = dashboard.world
    path = f"/space/{world.spaces['emit']}/tokens" if product == "emit" else f"/workspace/{world.workspaces[product]}"
    facts = {
        "firefox": firefox,
        "url": dashboard.url,
        "path": path,
        "email": "owner@example.com",
        "password": PASSWORD,
        "choice": CHOICES[product],
    }
    running = await asyncio.create_subprocess_exec(
        *("node", "flow.mjs"),
        cwd=firefox_scripts,
        env={**os.environ, "FLOW": json.dumps(facts)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(running.communicate(), SECONDS_MAX)
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    lines = output.decode().splitlines()
    if any("INACTIVE WINDOW" in line for line in lines):
        pytest.skip(f"FIREFOX NOT TRIED TO THE END: its window lost the focus after {lines[:-1][: len(STEPS)]}")
    assert lines[: len(STEPS)] == STEPS, "\n".join(lines)
    assert running.returncode == 0, "\n".join(lines)
