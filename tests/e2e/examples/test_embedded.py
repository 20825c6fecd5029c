"""An application that gives its users API keys: on its own pages, by a portal session, and on a mounted dashboard."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Page, expect

from spacekey import Keys, Secret
from spacekey.examples.embedded.app import make_app
from spacekey.examples.embedded.people import demo_people
from spacekey.examples.embedded.portal import Portal
from spacekey.middleware.testing import undeclared_routes
from spacekey.models.engine.store import SQLITE
from spacekey.resolvers.portal_sessions import end_portal_sessions
from spacekey.resolvers.services import create_service
from spacekey.server.build import build_system
from spacekey.server.settings import Settings
from support.browser import chromium, chromium_path
from support.databases import sqlite_database
from support.postgres import in_a_thread
from support.running_app import running
from support.server import ANSWER_SECONDS_MAX, bearer, on_a_socket
from support.world import EXAMPLES, OPERATOR

WAIT_MS = 120_000
ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.org"
PASSWORD = "correct horse"
SHOWN = re.compile(r"<code id='secret'>(sp_live_\w+)</code>")


def app_on(database_url: str) -> FastAPI:
    """The application with its keys in a database."""
    return make_app(Keys(database_url, [EXAMPLES / "spooled.toml"]), demo_people())


@asynccontextmanager
async def browser_of(app: FastAPI, email: str) -> AsyncIterator[httpx.AsyncClient]:
    """A user of the application, signed in."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://harbor", follow_redirects=True) as client:
        fields = {"email": email, "password": PASSWORD}
        assert "Your API keys" in (await client.post("/sign-in", data=fields)).text
        yield client


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_each_user_has_keys_of_their_own_on_the_applications_own_page(database_url: str) -> None:
    app = app_on(database_url)
    assert undeclared_routes(app) == []
    async with (
        app.state.keys as keys,
        browser_of(app, ADA) as ada,
        browser_of(app, BOB) as bob,
        browser_of(app, EVE) as eve,
    ):
        made = await ada.post("/keys", data={"name": "<b>CI</b>"})
        assert made.headers["cache-control"] == "no-store"
        assert "&lt;b&gt;CI&lt;/b&gt;" in made.text
        secret = SHOWN.findall(made.text)[0]
        answer = await ada.get("/api/jobs", headers=bearer(secret))
        assert answer.json() == {"jobs": [], "user": "Ada"}
        assert (await ada.get("/api/jobs")).status_code == 401
        (key_id,) = re.findall(r"/keys/(key_\w+)/revoke", (await ada.get("/keys")).text)
        for other in (bob, eve):
            assert key_id not in (await other.get("/keys")).text
            assert (await other.post(f"/keys/{key_id}/revoke")).status_code == 404
        unnamed = await ada.post("/keys", data={"name": ""})
        assert (unnamed.status_code, "name: " in unnamed.text) == (400, True)
        assert secret not in (await ada.get("/keys")).text
        assert "Revoked." in (await ada.post(f"/keys/{key_id}/revoke")).text
        assert (await ada.get("/api/jobs", headers=bearer(secret))).status_code == 401
        await ada.post("/sign-out")
        assert "Your API keys" not in (await ada.get("/keys")).text
        tenant = await keys.workspaces.find(external_id="tenant-42")
        assert tenant is not None
        events = [(event.action, event.actor.id, event.actor.name) async for event in keys.audit.list(tenant)]
        assert ("token.create", "user-7", "Ada") in events
        assert ("token.revoke", "user-7", "Ada") in events
        assert {one.external_id async for one in keys.workspaces.list()} == {"tenant-42", "tenant-43"}


@pytest.mark.long
async def test_the_dashboard_below_a_path_of_the_application_knows_who_is_signed_in(
    tmp_path: Path, sqlite_template: Path
) -> None:
    app = app_on(sqlite_database(tmp_path, sqlite_template))
    with running(app) as harbor:
        async with chromium(found_chromium()) as browser:
            page = await (await browser.new_context()).new_page()
            page.set_default_timeout(WAIT_MS)
            await page.goto(f"{harbor}/dashboard/account")
            await page.get_by_role("link", name="Sign in").click()
            await expect(page).to_have_url(f"{harbor}/")
            await sign_in(page)
            await page.get_by_label("Name").fill("CI")
            await page.get_by_role("button", name="Create a key").click()
            await page.get_by_role("link", name="Dashboard").click()
            await page.get_by_role("link", name="tenant-42").click()
            await page.get_by_role("link", name="CI", exact=True).click()
            await expect(page.get_by_role("heading", name="CI")).to_be_visible()
            assert page.url.startswith(f"{harbor}/dashboard/token/key_")
            there = page.url
            await page.goto(harbor)
            await page.get_by_role("button", name="Sign out").click()
            await page.goto(there)
            await expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def found_chromium() -> str:
    """Where Chromium is; skips the test, loudly, where there is none."""
    path = chromium_path()
    if path is None:
        pytest.skip("NO CHROMIUM WAS FOUND: the embedded pages are not tested; install one or set CHROMIUM to its path")
    expect.set_options(timeout=WAIT_MS)
    return path


async def sign_in(page: Page) -> None:
    """Sign in to the application as Ada."""
    await page.get_by_label("Address").fill(ADA)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Your API keys").wait_for()


@contextmanager
def two_origins(database_url: str) -> Iterator[tuple[str, str, Settings]]:
    """The application and a Spacekey on its database, on two ports: their addresses, and the server's settings."""
    app = app_on(database_url)
    with running(app) as harbor:
        settings = Settings(database_url=database_url, cors_origins=(harbor,), log_level="error")
        credentials: list[Secret] = []

        async def create() -> None:
            system = build_system(settings)
            scopes = ("operator:portal_sessions",)
            credentials.append((await create_service(system, OPERATOR, "harbor", "spooled", scopes)).secret)
            await system.store.aclose()

        in_a_thread(create)
        with on_a_socket(settings) as spacekey:
            app.state.portal = Portal(spacekey, credentials[0], harbor)
            yield harbor, spacekey, settings


async def create_in(page: Page, name: str) -> str:
    """Create a key on the live page; its secret."""
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Create a key").click()
    status = page.get_by_role("status")
    await expect(status).to_contain_text("not shown again")
    return (await status.inner_text()).rpartition(" ")[2]


async def jobs_at(harbor: str, secret: str) -> httpx.Response:
    """The application's answer to a program with a key."""
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS_MAX) as client:
        return await client.get(f"{harbor}/api/jobs", headers=bearer(secret))


@pytest.mark.long
async def test_a_page_of_another_origin_speaks_to_graphql_with_a_portal_session(
    tmp_path: Path, sqlite_template: Path
) -> None:
    with two_origins(sqlite_database(tmp_path, sqlite_template)) as (harbor, spacekey, settings):
        async with chromium(found_chromium()) as browser:
            page = await (await browser.new_context()).new_page()
            page.set_default_timeout(WAIT_MS)
            complaints: list[str] = []
            sent: list[tuple[str, str | None]] = []
            page.on("console", lambda one: complaints.append(one.text) if one.type in ("error", "warning") else None)
            page.on("request", lambda one: sent.append((one.url, one.headers.get("cookie"))))
            await page.goto(harbor)
            await sign_in(page)
            await page.get_by_role("link", name="The same, live").click()
            secret = await create_in(page, "From the page")
            await expect(page.get_by_role("listitem")).to_contain_text("From the page")
            assert (await jobs_at(harbor, secret)).json()["user"] == "Ada"
            assert any(url == f"{spacekey}/graphql" for url, _ in sent)
            assert all(cookie is None for url, cookie in sent if url.startswith(spacekey))
            await page.get_by_role("button", name="Create a key").click()
            await expect(page.get_by_role("status")).not_to_have_text("")
            assert complaints == []

            async def end() -> None:
                system = build_system(settings)
                await end_portal_sessions(system, OPERATOR, workspace_id, "user-7")
                await system.store.aclose()

            workspace_id = await page.locator("form[data-workspace]").get_attribute("data-workspace") or ""
            in_a_thread(end)
            await page.get_by_role("button", name="Revoke From the page").click()  # with a session that is opened again
            await expect(page.get_by_role("status")).to_have_text("Revoked.")
            assert (await jobs_at(harbor, secret)).status_code == 401
            foreign = await (await browser.new_context()).new_page()
            await foreign.goto(
                f"{harbor.replace('127.0.0.1', 'localhost')}/"
            )  # another origin, which has no permission
            script = """async (url) => { try { await fetch(url, { method: "POST", body: "{}",
                headers: { Authorization: "Bearer x", "Content-Type": "application/json" } }); return "read"; }
                catch { return "kept away"; } }"""
            assert await foreign.evaluate(script, f"{spacekey}/graphql") == "kept away"


@pytest.mark.long
async def test_spacekeys_element_shows_a_users_keys_on_the_applications_page(
    tmp_path: Path, sqlite_template: Path
) -> None:
    with two_origins(sqlite_database(tmp_path, sqlite_template)) as (harbor, _spacekey, _settings):
        async with chromium(found_chromium()) as browser:
            page = await (await browser.new_context()).new_page()
            page.set_default_timeout(WAIT_MS)
            complaints: list[str] = []
            page.on("console", lambda one: complaints.append(one.text) if one.type in ("error", "warning") else None)
            await page.goto(harbor)
            await sign_in(page)
            await page.get_by_role("link", name="The same, by an element").click()
            await page.locator("[data-shortcut=c]").click()
            await page.get_by_role("textbox", name="Name").fill("By the element")
            await page.get_by_role("checkbox", name="jobs:read").check()
            await page.locator("dialog [type=submit]").click()
            secret = await page.locator("textarea.secret").input_value()
            await page.get_by_role("button", name="Done").click()
            await page.get_by_role("button", name="Close without copying").click()
            await expect(page.get_by_text("By the element was created.")).to_be_visible()
            assert (await jobs_at(harbor, secret)).json()["user"] == "Ada"
            assert complaints == []
