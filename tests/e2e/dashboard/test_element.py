"""``<spacekey-tokens>`` in pages of a host's on another origin, under a strict policy, in a real browser."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from playwright.async_api import Request as Sent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacekey.resolvers.portal_sessions import NewPortalSession, end_portal_sessions, open_portal_session
from spacekey.resolvers.workspaces.spaces import create_space
from spacekey.resolvers.workspaces.workspaces import create_workspace
from spacekey.server.build import build_system, prepare_store
from spacekey.server.http.element import PATH
from spacekey.server.settings import Settings
from support.pages import ROOT, blocks_of
from support.postgres import in_a_thread
from support.running_app import running
from support.server import on_a_socket
from support.world import OPERATOR

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

WAIT_MS = 120_000
TABS_MAX = 60
READS = ("jobs:read", "queues:read", "workspace:read", "tokens:read")
ALL = (*READS, "tokens:create", "tokens:update", "tokens:disable", "tokens:revoke", "tokens:delete")
KINDS = {"all": ALL, "reads": READS, "no-workspace": ("jobs:read", "tokens:read")}
DEEP_FOCUS = """() => { let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return at?.getAttribute("aria-label") ?? at?.labels?.[0]?.textContent ?? at?.textContent ?? ""; }"""
WITH_CALLBACK = """
for (const one of document.querySelectorAll("spacekey-tokens")) one.getSession = async () => {
  const answer = await fetch(`/session?as=${one.id}&kind=${one.dataset.kind}`, { method: "POST" });
  if (!answer.ok) throw new Error("signed out here");
  return (await answer.json()).secret;
};
"""
EVENTS = """
window.heard = [];
for (const type of ["created", "rotated", "updated", "disabled", "enabled", "revoked", "deleted", "session-ended"])
  document.addEventListener(type, (event) => heard.push({ type, id: event.target.id, detail: event.detail }));
"""


@dataclass
class Host:
    """An application with pages of its own, and the Spacekey that it uses."""

    url: str
    spacekey: str
    settings: Settings
    workspace_id: str
    space_id: str
    pages: dict[str, str]
    refuses: set[str] = field(default_factory=set)

    def end_sessions(self, person: str) -> None:
        """End a person's sessions, as when the host has signed them out everywhere."""

        async def end() -> None:
            system = build_system(self.settings)
            await end_portal_sessions(system, OPERATOR, self.workspace_id, person)
            await system.store.aclose()

        in_a_thread(end)


@dataclass
class Shown:
    """A page of the host's in a browser, and what it said and sent meanwhile."""

    host: Host
    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[Sent] = field(default_factory=list)

    async def heard(self) -> list[dict[str, Any]]:
        """The events that the page was told of."""
        events: list[dict[str, Any]] = await self.page.evaluate("window.heard")
        return events

    async def tab_to(self, name: str) -> None:
        """Press Tab until what has this name has the focus."""
        for _ in range(TABS_MAX):
            if (await self.page.evaluate(DEEP_FOCUS)).strip().startswith(name):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"{name} cannot be reached by the keyboard")

    async def tab_to_item(self, name: str) -> None:
        """Press the arrow until this item of the open menu has the focus."""
        for _ in range(TABS_MAX):
            if (await self.page.evaluate(DEEP_FOCUS)).strip() == name:
                return
            await self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{name} is not in the menu")

    async def press(self, name: str) -> None:
        """Reach a control by the keyboard and press it."""
        await self.tab_to(name)
        await self.page.keyboard.press("Enter")

    async def faults(self) -> list[str]:
        """What axe-core finds."""
        results = await Axe().run(self.page, options={"resultTypes": ["violations"]})
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
            for one in results.response["violations"]
            for node in one["nodes"]
        ]


def host_app(pages: dict[str, str], made: list[Host]) -> Starlette:
    """The application: its pages under a strict policy, its script, and the way to a portal session."""

    async def page(request: Request) -> Response:
        host = made[0]
        script, kind = request.query_params["script"], request.query_params["kind"]
        elements = "".join(
            f"<spacekey-tokens id='{one}' data-kind='{kind}'></spacekey-tokens>"
            for one in request.query_params["people"].split(",")
        )
        html = (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Host</title>"
            "<link rel='icon' href='data:,'><link rel='stylesheet' href='/host.css'></head>"
            f"<body><main><h1>Your keys</h1>{elements}</main>"
            f"<script type='module' src='/host.js?script={script}'></script>"
            f"<script type='module' src='{host.spacekey}{PATH}'></script></body></html>"
        )
        policy = (
            f"default-src 'none'; script-src 'self' {host.spacekey}; style-src 'self'; img-src data:; "
            f"connect-src 'self' {host.spacekey}; base-uri 'none'; form-action 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )
        return Response(html, headers={"Content-Security-Policy": policy}, media_type="text/html")

    async def guide(_request: Request) -> Response:
        (block,) = (one.text for one in blocks_of(ROOT / "docs/how-to/embed-the-key-page.md") if one.language == "html")
        return Response(block.replace("https://keys.example.com", made[0].spacekey), media_type="text/html")

    async def script(request: Request) -> Response:
        return Response(pages[request.query_params["script"]], media_type="text/javascript")

    async def style(_request: Request) -> Response:
        return Response(pages["style"], media_type="text/css")

    async def session(request: Request) -> Response:
        host = made[0]
        person = request.query_params.get("as", "reader of the guide")
        if person in host.refuses:
            return Response(status_code=401)
        system = build_system(host.settings)
        scopes = KINDS[request.query_params.get("kind", "all")]
        new = NewPortalSession(host.workspace_id, person, person.title(), (host.url,), scopes=scopes)
        opened = await open_portal_session(system, OPERATOR, new)
        await system.store.aclose()
        return JSONResponse({"secret": opened.secret.reveal()})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/host.js", script),
            Route("/host.css", style),
            Route("/session", session, methods=["POST"]),
            Route("/guide", guide),
            Route("/keys/session", session, methods=["POST"]),
        ]
    )


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, chromium_executable: str) -> Iterator[Host]:
    """The application and its Spacekey, on two ports."""
    folder = tmp_path_factory.mktemp("element")
    pages = {
        "style": "",
        "callback": EVENTS + WITH_CALLBACK,
        "events": EVENTS,
    }
    made: list[Host] = []
    with running(host_app(pages, made)) as url:
        settings = Settings(database_url=f"sqlite:///{folder}/spacekey.db", cors_origins=(url,), log_level="error")
        ids: list[str] = []

        async def fill() -> None:
            system = build_system(settings)
            await prepare_store(system.store)
            tenant = await create_workspace(
                system, OPERATOR, name="Tenant", slug="tenant", product="spooled", plan="enterprise"
            )
            space = await create_space(system, OPERATOR, tenant.id, name="Shop", slug="shop")
            ids.extend((tenant.id, space.id))
            await system.store.aclose()

        in_a_thread(fill)
        with on_a_socket(settings) as spacekey:
            made.append(Host(url, spacekey, settings, ids[0], ids[1], pages))
            yield made[0]


@asynccontextmanager
async def shown(
    browser: Browser, host: Host, *people: str, kind: str = "all", script: str = "callback", **options: Any
) -> AsyncIterator[Shown]:
    """A page with these elements. It has complained about nothing at the end, and no cookie has left for Spacekey."""
    context = await browser.new_context(**{"locale": "en-GB", "timezone_id": "Europe/Berlin", **options})
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    result = Shown(host, page)

    def note(request: Sent) -> None:
        result.requests.append(request)

    page.on("pageerror", lambda error: result.complaints.append(str(error)))
    page.on("console", lambda one: result.complaints.append(one.text) if one.type in ("error", "warning") else None)
    page.on("request", note)
    # Cookies know no ports: Spacekey would be sent this one with every request that takes cookies along.
    await context.add_cookies([{"name": "of-the-host", "value": "1", "url": host.url}])
    await page.goto(f"{host.url}/?people={','.join(people)}&kind={kind}&script={script}")
    yield result
    assert await page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    asked = [one for one in result.requests if one.url.startswith(host.spacekey)]
    assert asked
    assert [one.url for one in asked if "cookie" in await one.all_headers()] == []
    excused = ("401", "signed out here")  # the browser's line for each 401, and the host's own error
    assert [one for one in result.complaints if not any(part in one for part in excused)] == []
    await context.close()


async def test_keys_are_managed_by_the_keyboard_alone_in_a_page_of_another_origin(browser: Browser, host: Host) -> None:
    async with shown(browser, host, "ada", permissions=["clipboard-read", "clipboard-write"]) as reader:
        page = reader.page
        await expect(page.get_by_text("No API keys yet")).to_be_visible()
        assert await reader.faults() == [], "no tokens"
        await reader.press("Create API key")
        await expect(page.get_by_role("dialog")).to_be_visible()
        assert await reader.faults() == [], "create"
        await page.keyboard.type("From the page")
        await reader.tab_to("jobs:read")
        await page.keyboard.press("Space")
        await reader.press("Create API key")
        await expect(page.get_by_role("heading", name="is ready")).to_be_visible()
        assert await reader.faults() == [], "secret"
        secret = await page.locator("textarea.secret").input_value()
        assert secret.startswith("sp_live_")
        await reader.press("Copy")
        assert await page.evaluate("navigator.clipboard.readText()") == secret
        await reader.press("Done")
        row = page.get_by_role("row", name="From the page")
        await expect(row).to_be_visible()
        assert await reader.faults() == [], "list"
        assert secret not in await page.evaluate("document.querySelector('spacekey-tokens').shadowRoot.innerHTML")
        await reader.press("Actions for From the page")
        await page.keyboard.press("ArrowDown")
        await reader.tab_to_item("Rotate")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Rotate From the page")).to_be_visible()
        await reader.press("Rotate API key")
        await expect(page.get_by_role("heading", name="is ready")).to_be_visible()
        rotated = await page.locator("textarea.secret").input_value()
        assert rotated != secret
        await reader.press("Copy")
        await reader.press("Done")
        await expect(page.get_by_role("row", name="From the page")).to_have_count(2)
        await page.get_by_role("button", name="Actions for From the page").first.focus()
        await page.keyboard.press("Enter")
        await reader.tab_to_item("Revoke")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Revoke From the page")).to_be_visible()
        await page.keyboard.press("Tab")
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        heard = await reader.heard()
        assert [one["type"] for one in heard] == ["created", "rotated", "revoked"]
        assert {one["detail"]["name"] for one in heard if "name" in one["detail"]} == {"From the page"}
        assert secret not in json.dumps(heard)
        assert rotated not in json.dumps(heard)


async def test_another_session_comes_from_the_page_and_what_was_typed_stays(browser: Browser, host: Host) -> None:
    async with shown(browser, host, "bob") as reader:
        page = reader.page
        await page.locator("[data-shortcut=c]").click()
        await page.get_by_role("textbox", name="Name").fill("Typed before")
        await page.get_by_role("checkbox", name="jobs:read").check()
        host.end_sessions("bob")
        await page.locator("dialog [type=submit]").click()
        await expect(page.get_by_role("heading", name="Typed before is ready")).to_be_visible()
        assert [one["type"] for one in await reader.heard()] == ["session-ended", "created"]


async def test_where_no_session_comes_the_element_says_so_and_goes_on_with_a_later_one(
    browser: Browser, host: Host
) -> None:
    async with shown(browser, host, "fay", script="events") as reader:
        page = reader.page
        await expect(page.get_by_text("Loading")).to_be_visible()
        give = """async () => { const answer = await fetch("/session?as=fay&kind=all", { method: "POST" });
            document.querySelector("spacekey-tokens").setAttribute("session", (await answer.json()).secret); }"""
        await page.evaluate(give)
        create = page.locator("[data-shortcut=c]")
        await expect(create).to_be_visible()
        assert await page.evaluate("document.querySelector('spacekey-tokens').hasAttribute('session')") is False
        await create.click()
        await page.get_by_role("textbox", name="Name").fill("Kept")
        await page.get_by_role("checkbox", name="jobs:read").check()
        host.end_sessions("fay")
        await page.locator("dialog [type=submit]").click()
        await expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
        assert [one["type"] for one in await reader.heard()] == ["session-ended"]
        await page.evaluate(give)
        await page.locator("dialog [type=submit]").click()
        await expect(page.get_by_role("heading", name="Kept is ready")).to_be_visible()


async def test_a_page_that_is_getting_a_session_is_waited_for(browser: Browser, host: Host) -> None:
    async with shown(browser, host, "gus", script="events") as reader:
        page = reader.page
        await page.evaluate("""async () => {
            const keys = document.querySelector("spacekey-tokens");
            const open = async () => {
              const answer = await fetch("/session?as=gus&kind=all", { method: "POST" });
              return (await answer.json()).secret;
            };
            keys.addEventListener("session-ended", (event) => {
              event.preventDefault();
              setTimeout(async () => { keys.session = await open(); }, 200);
            });
            keys.session = await open(); }""")
        await page.locator("[data-shortcut=c]").click()
        await page.get_by_role("textbox", name="Name").fill("Waited for")
        await page.get_by_role("checkbox", name="jobs:read").check()
        host.end_sessions("gus")
        await page.locator("dialog [type=submit]").click()
        await expect(page.get_by_role("heading", name="Waited for is ready")).to_be_visible()


async def test_two_elements_on_a_page_share_nothing(browser: Browser, host: Host) -> None:
    async with shown(browser, host, "cleo", "dan") as reader:
        page = reader.page
        cleo, dan = page.locator("#cleo"), page.locator("#dan")
        for element, name in ((cleo, "Of Cleo"), (dan, "Of Dan")):
            await element.locator("[data-shortcut=c]").click()
            await element.get_by_role("textbox", name="Name").fill(name)
            await element.get_by_role("checkbox", name="jobs:read").check()
            await element.locator("dialog [type=submit]").click()
            await element.get_by_role("button", name="Done").click()
            await element.get_by_role("button", name="Close without copying").click()
            await expect(element.get_by_role("row", name=name)).to_be_visible()
        await expect(cleo.get_by_role("row", name="Of Dan")).to_have_count(0)
        assert await reader.faults() == []
        host.refuses.add("cleo")
        try:
            host.end_sessions("cleo")
            await cleo.get_by_label("Search").fill("Of")
            await expect(cleo.get_by_role("alert")).to_contain_text("Your session has ended")
            await dan.get_by_label("Search").fill("Of")
            await expect(dan.get_by_role("row", name="Of Dan")).to_be_visible()
            assert {one["id"] for one in await reader.heard() if one["type"] == "session-ended"} == {"cleo"}
        finally:
            host.refuses.clear()


async def test_who_may_not_create_sees_no_button_and_is_refused(browser: Browser, host: Host) -> None:
    async with shown(browser, host, "eve", kind="reads") as reader:
        page = reader.page
        await expect(page.get_by_text("doesn't allow you to create API keys")).to_be_visible()
        await expect(page.locator("[data-shortcut=c]")).to_have_count(0)
        answer = await page.evaluate(
            """async ([url, owner]) => {
            const open = await fetch("/session?as=eve&kind=reads", { method: "POST" });
            const answer = await fetch(`${url}/graphql`, { method: "POST", headers: {
                Authorization: `Bearer ${(await open.json()).secret}`, "Content-Type": "application/json" },
              body: JSON.stringify({ query: `mutation { createToken(input:
                { ownerId: "${owner}", name: "Forced", grants: ["jobs:read"] }) { __typename } }` }) });
            return answer.json(); }""",
            [host.spacekey, host.workspace_id],
        )
        assert answer["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"


async def test_a_session_that_lacks_a_scope_says_which(browser: Browser, host: Host) -> None:
    async with shown(browser, host, "eve", kind="no-workspace") as reader:
        await expect(reader.page.get_by_role("alert")).to_contain_text("workspace:read")


async def test_the_page_decides_colours_and_font_and_its_own_styles_stay_outside(browser: Browser, host: Host) -> None:
    host.pages["style"] = """
        * { letter-spacing: 9px; } button { display: none; } body { font-family: monospace; color-scheme: dark; }
        spacekey-tokens { --spacekey-accent-ground: rgb(0, 90, 40); --spacekey-radius: 0px; }"""
    try:
        async with shown(browser, host, "hal") as reader:
            button = reader.page.locator("[data-shortcut=c]")
            await expect(button).to_have_css("background-color", "rgb(0, 90, 40)")
            await expect(button).to_have_css("border-top-left-radius", "0px")
            await expect(button).to_have_css("letter-spacing", "normal")
            await expect(button).to_have_css("font-family", "monospace")
            ink = await reader.page.get_by_role("heading", name="No API keys").evaluate(
                "(one) => getComputedStyle(one).color"
            )
            assert ink == "rgb(236, 238, 244)"
    finally:
        host.pages["style"] = ""


async def test_the_page_of_the_guide_works(browser: Browser, host: Host) -> None:
    page = await browser.new_page()
    await page.goto(f"{host.url}/guide")
    button = page.locator("[data-shortcut=c]")
    await expect(button).to_have_css("background-color", "rgb(15, 92, 77)")
    await page.close()


async def test_an_element_that_leaves_takes_its_dialogs_along(browser: Browser, host: Host) -> None:
    async with shown(browser, host, "ida") as reader:
        page = reader.page
        await page.locator("[data-shortcut=c]").click()
        await page.evaluate("() => { const one = document.querySelector('spacekey-tokens'); one.before(one); }")
        await page.evaluate("() => { window.gone = document.querySelector('spacekey-tokens'); gone.remove(); }")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.evaluate("() => document.querySelector('main').append(gone)")
        await expect(page.locator("[data-shortcut=c]")).to_be_visible()
