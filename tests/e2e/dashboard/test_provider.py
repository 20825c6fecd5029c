"""Signing in at an identity provider that knows nothing of Spacekey, in a real browser, and out again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from oidc_provider_mock import User, run_server_in_thread
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from spacekey.domain.secret import Secret
from spacekey.server.settings import Settings
from support.server import on_a_socket

pytestmark = [
    pytest.mark.long,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the provider's own use of authlib
]

ADA = User(sub="ada-1", claims={"name": "Ada Lovelace", "email": "ada@acme.example", "email_verified": True})


@pytest.fixture(scope="module")
def here(chromium_executable: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose people come from a provider."""
    folder = tmp_path_factory.mktemp("provider")
    with run_server_in_thread(user_claims=[ADA], require_nonce=True) as provider:

        def settings(address: str) -> Settings:
            return Settings(
                database_url=f"sqlite:///{folder}/spacekey.db",
                log_level="error",
                public_url=address,
                oidc_issuer=f"http://localhost:{provider.server_port}",
                oidc_client_id="spacekey",
                oidc_client_secret=Secret("of the tests"),
                oidc_domains=("acme.example",),
                oidc_title="Acme",
            )

        with on_a_socket(settings) as address:
            yield address


async def opened(browser: Browser, here: str) -> tuple[Page, list[str]]:
    """A page of a browser of its own, and what it complains about on our pages."""
    page = await (await browser.new_context()).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and page.url.startswith(here):
            complaints.append(message.text)

    page.on("console", note)
    return page, complaints


async def test_a_person_signs_in_at_the_provider_and_out_there_too(browser: Browser, here: str) -> None:
    page, complaints = await opened(browser, here)
    await page.goto(f"{here}/account")
    button = page.get_by_role("link", name="Sign in with Acme")
    await expect(button).to_be_visible()
    await expect(page.get_by_label("Password")).to_be_visible()
    await button.click()
    await page.get_by_role("button", name=ADA.sub).click()
    await expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    assert page.url == f"{here}/account"
    await expect(page.get_by_text("Your email address is verified")).to_be_visible()
    assert complaints == []
    await page.get_by_role("button", name="Account of ada@acme.example").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await page.wait_for_url("**/oauth2/end_session*")
    assert "post_logout_redirect_uri" in page.url
    await page.goto(f"{here}/account")
    await expect(button).to_be_visible()
    await page.context.close()


async def test_who_declines_is_told_so_and_led_back(browser: Browser, here: str) -> None:
    page, _ = await opened(browser, here)
    await page.goto(here)
    await page.get_by_role("link", name="Sign in with Acme").click()
    await page.get_by_role("button", name="Deny").click()
    await expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    await page.get_by_role("link", name="Back to sign in").click()
    await expect(page.get_by_role("link", name="Sign in with Acme")).to_be_visible()
    await page.context.close()
