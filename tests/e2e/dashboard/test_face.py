"""How a product's face reaches the browser: its logo and colour, a server with one product, keys of the whole page."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from spacekey.domain.product_file import load_product
from spacekey.server.app import build_app
from spacekey.server.settings import Settings, packaged_products

from .conftest import NewVisitor

IN_A_BROWSER = pytest.mark.asyncio(loop_scope="session")
GUARD = next(path for path in packaged_products() if path.name == "guard.toml")


def client(tmp_path: Path, *products: Path) -> httpx.AsyncClient:
    """A server with these products, asked directly."""
    app = build_app(Settings(database_url=f"sqlite:///{tmp_path}/x.db", products=products or packaged_products()))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


async def test_a_server_with_one_product_says_so_in_its_page(tmp_path: Path) -> None:
    async with client(tmp_path, GUARD) as opened:
        page = (await opened.get("/")).text
    found = re.search(r'<meta name="product" content="([^"]*)">', page)
    assert found is not None
    product = json.loads(unescape(found[1]))
    assert product["title"] == "Guard"
    assert product["presentation"]["accent"]["light"] == "#0f766e"
    assert {"name": "tokens.createSubmit", "text": "Create"} in product["presentation"]["texts"]


async def test_a_server_with_several_products_is_none_of_theirs(tmp_path: Path) -> None:
    async with client(tmp_path) as opened:
        assert 'name="product"' not in (await opened.get("/")).text


async def test_a_logo_is_sent_as_a_file_that_runs_nothing(tmp_path: Path) -> None:
    logo = load_product(GUARD).presentation.logo
    assert logo is not None
    async with client(tmp_path) as opened:
        answer = await opened.get(f"/assets/{logo.name}")
        assert answer.content == logo.content
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert "immutable" in answer.headers["cache-control"]
        assert (await opened.get("/assets/logo.0000000000000000.svg")).status_code == 404


@pytest.mark.long
@IN_A_BROWSER
async def test_a_products_colour_and_name_go_with_its_pages(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    accent = "getComputedStyle(document.documentElement).getPropertyValue('--accent-light')"
    await owner.sign_in(path=f"/workspace/{world.workspaces['guard']}/members")
    await expect(page.locator("header .brand")).to_have_text("Guard")
    assert await page.evaluate(accent) == "#0f766e"
    await page.locator("header .brand").click()
    await expect(page.locator("header .brand")).to_have_text("Spacekey")
    assert await page.evaluate(accent) == "#4338ca"


@pytest.mark.long
@IN_A_BROWSER
async def test_slash_searches_and_c_creates_but_not_while_something_is_typed(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['crowded']}/access-tokens")
    await page.locator("h1").click()
    await page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Search")
    await expect(search).to_be_focused()
    await page.keyboard.type("c/c")
    await expect(search).to_have_value("c/c")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.locator("h1").click()
    await page.keyboard.press("c")
    await expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.long
@IN_A_BROWSER
async def test_what_a_page_reads_is_compressed_and_what_a_change_answers_is_not(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['crowded']}/access-tokens")
    script = """async (query) => (await fetch("/graphql", { method: "POST", body: JSON.stringify({ query }),
        headers: { "Content-Type": "application/json" } })).headers.get("content-encoding")"""
    long = "{ products { scopes { name description } roles { name scopes } } }"
    assert await page.evaluate(script, f"query {long}") == "gzip"
    assert await page.evaluate(script, f"query Read {long} mutation Change {{ __typename }}") is None
