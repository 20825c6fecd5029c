"""What the four products say of their pages, sentence by sentence, each with what a reader sees in the browser.

A sentence is quoted from the product's own documentation. ``see`` does what the sentence says, and looks. The sentences
of a product are walked in their order, by one person, in one browser.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from playwright.async_api import Locator, Page, expect

from .conftest import Visitor

SECRET = re.compile(r"[a-z]+_(?:live|test)_[0-9A-Za-z]{38}")
STATUS = """async (secret) => (await fetch("/api/v1/self", { credentials: "omit",
    headers: { Authorization: `Bearer ${secret}` } })).status"""


@dataclass
class Walk:
    """A reader on their way through a product's pages. ``secrets`` are those that were shown, by the token's name."""

    visitor: Visitor
    product: str
    secrets: dict[str, str] = field(default_factory=dict)
    made: str = ""

    @property
    def page(self) -> Page:
        """The page that the reader looks at."""
        return self.visitor.page

    @property
    def workspace(self) -> str:
        """The id of the product's workspace."""
        return self.visitor.dashboard.world.workspaces[self.product]

    @property
    def dialog(self) -> Locator:
        """The dialog that is open."""
        return self.page.locator("dialog")

    @property
    def table(self) -> Locator:
        """The table of tokens."""
        return self.page.locator(".tokens-table")

    def row(self, name: str) -> Locator:
        """The first row of a token of this name."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=name, exact=True)).first

    async def show_list(self) -> None:
        """Open the list of the workspace's tokens unless it is there, by its entry in the navigation."""
        if await self.page.locator("dialog").count() == 0 and await self.table.count() == 0:
            await self.page.locator("nav.sections li:has(.icon) a").first.click()
        await expect(self.table).to_be_visible()

    async def open_form(self) -> None:
        """Open the form of a new token unless it is open."""
        if await self.dialog.count() == 0:
            await self.page.locator("[data-shortcut=c]").click()
        await expect(self.dialog).to_be_visible()

    async def cancel(self) -> None:
        """Close the dialog that is open."""
        await self.dialog.get_by_role("button", name="Cancel").click()
        await expect(self.dialog).to_have_count(0)

    async def create(self, name: str) -> None:
        """Send the form with this name, which shows the secret."""
        await self.dialog.locator("input[name=name]").fill(name)
        await self.dialog.locator("[type=submit]").click()
        shown = self.dialog.locator("textarea.secret")
        await expect(shown).to_be_visible()
        self.secrets[name] = await shown.input_value()
        assert SECRET.fullmatch(self.secrets[name])

    async def close_secret(self) -> None:
        """Copy the secret and close its dialog."""
        await self.dialog.locator(".secret-row button").click()
        await self.dialog.get_by_role("button", name="Done").click()
        await expect(self.dialog).to_have_count(0)

    async def status(self, name: str) -> int:
        """The status with which the API answers a program that has this token."""
        self.visitor.excused.add("401 (Unauthorized)")
        answer: int = await self.page.evaluate(STATUS, self.secrets[name])
        return answer

    async def empty_place(self) -> str:
        """Return the path of a list without tokens."""
        world = self.visitor.dashboard.world
        if self.product == "guard":
            return f"/workspace/{world.workspaces['unpaid']}/access-tokens"
        if self.product == "spooled":
            return f"/space/{world.spaces['spooled']}/tokens"
        create = """mutation ($input: CreateSpaceInput!) { createSpace(input: $input) {
            ... on CreateSpaceSuccess { space { id } } } }"""
        if not self.made:
            asked = {"workspaceId": self.workspace, "name": "Quiet", "slug": "quiet"}
            answer = await self.visitor.ask(create, input=asked)
            self.made = f"/space/{answer['data']['createSpace']['space']['id']}/tokens"
        return self.made

    async def columns(self) -> list[str]:
        """The titles of the table's columns, in order."""
        titles = await self.table.get_by_role("columnheader").all_inner_texts()
        return [re.sub(r"\s*[↕↑↓]$", "", one) for one in titles]


See = Callable[[Walk], Awaitable[None]]


@dataclass(frozen=True)
class Sentence:
    """A sentence of a product's documentation, and what a reader does and sees."""

    says: str
    see: See


def text(shown: str, *, where: str = "body") -> See:
    """See this text."""

    async def see(walk: Walk) -> None:
        await expect(walk.page.locator(where).first).to_contain_text(shown)

    return see


def column(title: str) -> See:
    """See a column of this title in the list."""

    async def see(walk: Walk) -> None:
        await walk.show_list()
        assert title in await walk.columns()

    return see


def in_form(*shown: str) -> See:
    """See these texts in the form of a new token."""

    async def see(walk: Walk) -> None:
        await walk.open_form()
        for one in shown:
            await expect(walk.dialog).to_contain_text(one)

    return see


def chip(title: str, *scopes: str) -> See:
    """Choose a use case, and see that it is chosen and what it comes to."""

    async def see(walk: Walk) -> None:
        await walk.open_form()
        button = walk.dialog.get_by_role("button", name=title)
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", "true")
        summary = await walk.dialog.locator(".summary").inner_text()
        assert set(summary.partition(":")[2].replace(",", " ").split()) == set(scopes)

    return see


def practice(shown: str) -> See:
    """See this advice where there are no tokens yet: in a space that is new."""

    async def see(walk: Walk) -> None:
        await walk.visitor.go(await walk.empty_place())
        await expect(walk.page.locator(".empty")).to_contain_text(shown)

    return see


def row_class(name: str, kind: str) -> See:
    """See the row of a token drawn as one in this state."""

    async def see(walk: Walk) -> None:
        await walk.show_list()
        await expect(walk.row(name)).to_have_class(re.compile(f"row-{kind}"))

    return see


def badge(name: str, word: str, colour: str) -> See:
    """See the status of a token as a word in this colour."""

    async def see(walk: Walk) -> None:
        await walk.show_list()
        shown = walk.row(name).locator(f".badge.{colour}")
        await expect(shown).to_contain_text(word)

    return see


async def to_the_list(walk: Walk) -> None:
    """Leave what is open and see the list again."""
    await walk.visitor.go(f"/workspace/{walk.workspace}/access-tokens")
    await expect(walk.table).to_be_visible()


async def copied(walk: Walk) -> str:
    """What the clipboard holds."""
    held: str = await walk.page.evaluate("navigator.clipboard.readText()")
    return held


async def act(walk: Walk, name: str, action: str) -> None:
    """Choose an action by its button in the row."""
    await walk.row(name).locator(f"[data-action={action}]").click()
