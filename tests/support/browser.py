"""Chromium for the dashboard's tests and screenshots: the one Playwright brought, or the system's."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from .world import PASSWORD

QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium_path() -> str | None:
    """Where a Chromium is, None when there is none. ``CHROMIUM`` in the environment says where first."""
    for found in (os.environ.get("CHROMIUM"), *(shutil.which(name) for name in NAMES)):
        if found and Path(found).exists():
            return found
    return None


@asynccontextmanager
async def chromium(path: str, *arguments: str) -> AsyncIterator[Browser]:
    """A headless browser that talks to the server under test and to nothing else."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*QUIET, *arguments])
        try:
            yield browser
        finally:
            await browser.close()


async def sign_in(page: Page, url: str, email: str = "owner@example.com") -> None:
    """Sign in at an address, and wait for what it shows."""
    await page.goto(url)
    await page.get_by_label("Sign-in name").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Sign in").wait_for(state="detached")
    await settled(page)


async def settled(page: Page) -> None:
    """Wait until the page shows something and nothing is under way."""
    await page.locator("h1").wait_for()
    await page.locator("[aria-busy=true]").wait_for(state="detached")
