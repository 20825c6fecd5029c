"""Links by mail, opened in a real browser: a forgotten password, an address that is proven, an invitation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, expect

from spacekey.resolvers.accounts.users import create_user
from spacekey.resolvers.members.members import add_account, add_member
from spacekey.resolvers.workspaces.workspaces import create_workspace
from spacekey.server.build import build_system, prepare_store
from spacekey.server.settings import Settings
from support.postgres import in_a_thread
from support.server import on_a_socket
from support.servers.mailbox import Mailbox, mail_server
from support.world import OPERATOR, PASSWORD

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

ADA, EVE, ZOE = "ada@acme.example", "eve@acme.example", "zoe@acme.example"
ANOTHER = "eleven copper kettles in a row"


@dataclass
class Mailing:
    """A server that sends mail, and where the mail arrives."""

    url: str
    box: Mailbox

    async def link(self, to: str, place: int) -> str:
        """The link in a mail to an address, once it has come."""
        async with asyncio.timeout(120):
            while len(self.box.links(to)) <= place:
                self.box.arrived.clear()
                if len(self.box.links(to)) <= place:
                    await asyncio.to_thread(self.box.arrived.wait, 5)
        return self.box.links(to)[place]


@pytest.fixture(scope="module")
def here(chromium_executable: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailing]:
    folder = tmp_path_factory.mktemp("mail")
    with mail_server() as box:

        def settings(address: str) -> Settings:
            return Settings(
                database_url=f"sqlite:///{folder}/spacekey.db",
                log_level="error",
                public_url=address,
                smtp_url=box.url,
                mail_from="keys@acme.example",
            )

        async def fill() -> None:
            system = build_system(settings("http://127.0.0.1:1"))
            await prepare_store(system.store)
            ada = await create_user(system, OPERATOR, email=ADA, name="Ada", password=PASSWORD)
            workspace = await create_workspace(
                system, OPERATOR, name="Acme", slug="acme", product="teamspace", plan="business"
            )
            await add_account(system, OPERATOR, workspace.id, ada.id, role="owner")
            await add_member(system, OPERATOR, workspace.id, email=ZOE, role="viewer")
            await system.store.aclose()

        in_a_thread(fill)
        with on_a_socket(settings) as url:
            yield Mailing(url, box)


async def opened(browser: Browser) -> Page:
    return await (await browser.new_context()).new_page()


async def sign_in(page: Page, email: str, password: str) -> None:
    await page.get_by_label("Sign-in name").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Sign in").wait_for(state="detached")


async def test_a_forgotten_password_is_replaced(browser: Browser, here: Mailing) -> None:
    page = await opened(browser)
    await page.goto(here.url)
    await page.get_by_role("link", name="Forgot your password?").click()
    for address in ("unknown@acme.example", ADA):
        await page.goto(f"{here.url}/password")
        await page.get_by_label("Email address").fill(address)
        await page.get_by_role("button", name="Send a link").click()
        await expect(page.get_by_text(f"If an account has verified {address}, a link is on its way")).to_be_visible()
    link = await here.link(ADA, 0)
    await page.goto(link)
    await page.reload()  # the secret is out of the address bar, and so is lost
    await expect(page.get_by_label("Email address")).to_be_visible()
    await page.goto("about:blank")
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Reset your password")).to_be_visible()
    assert "#" not in page.url
    await page.get_by_label("New password").fill(ANOTHER)
    await page.get_by_label("Repeat the password").fill(ANOTHER)
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_text(f"Sign in as {ADA}")).to_be_visible()
    await sign_in(page, ADA, ANOTHER)
    await page.context.close()


async def test_an_invitation_by_mail_proves_the_address(browser: Browser, here: Mailing) -> None:
    page = await opened(browser)
    await page.goto(await here.link(ZOE, 0))
    code = await page.get_by_label("Invitation code").input_value()
    assert len(code) == 43
    assert code not in page.url
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_label("Repeat the password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account and join").click()
    await expect(page.get_by_role("heading", name="Workspaces")).to_be_visible()
    await page.goto(f"{here.url}/account")
    await expect(page.get_by_text("Your email address is verified")).to_be_visible()
    # another address is a claim, until the link that is mailed there is opened
    await page.get_by_label("Email address").fill(EVE)
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="Send a verification link").click()
    await expect(page.get_by_text(f"We sent a link to {EVE}")).to_be_visible()
    link = await here.link(EVE, 0)
    stranger = await opened(browser)
    await stranger.goto(link)
    await expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
    await stranger.context.close()
    await page.goto("about:blank")
    await page.goto(link)
    await page.get_by_role("button", name=f"Verify {EVE}").click()
    await expect(page.get_by_text("Your email address is verified", exact=False).first).to_be_visible()
    await page.context.close()
