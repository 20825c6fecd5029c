"""Mail over real SMTP: sent from the queue, tried again while the mail server is down, and said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlmodel import select

from spacekey.domain.public_url import PublicUrl
from spacekey.models.engine.store import Store
from spacekey.models.tables.mail import WaitingMail
from spacekey.resolvers.accounts.links import ask_for_password_link, set_password_by_link
from spacekey.resolvers.outbox import Outbox
from spacekey.resolvers.throttle import Attempts
from spacekey.server.mail import Mailer
from spacekey.server.smtp import MailServer
from support.servers.mailbox import Mailbox, mail_server
from support.world import FACTS, World, make_world

pytestmark = pytest.mark.long

ADA = "ada@acme.example"
ANOTHER = "eleven copper kettles in a row"


@pytest.fixture
def box(database_kind: str) -> Iterator[Mailbox]:
    with mail_server() as started:
        yield started


@asynccontextmanager
async def mailing(store: Store, url: str) -> AsyncIterator[tuple[World, Mailer]]:
    world = make_world(store)
    outbox = Outbox()
    world.system = replace(world.system, outbox=outbox, attempts=Attempts(burst=1_000))
    await world.user(ADA)
    public = PublicUrl("https://keys.example", "/keys")
    yield world, Mailer(world.system, MailServer.parse(url), "keys@keys.example", public, outbox)


def failing(world: World) -> bool | None:
    """Whether the mail server is known not to take mail."""
    return None if world.system.outbox is None else world.system.outbox.is_failing


async def waiting(store: Store) -> list[WaitingMail]:
    async with store.reading() as session:
        return list((await session.exec(select(WaitingMail))).all())


async def test_a_link_is_mailed_and_works(store: Store, box: Mailbox) -> None:
    async with mailing(store, box.url) as (world, mailer):
        await ask_for_password_link(world.system, FACTS, email=ADA)
        await ask_for_password_link(world.system, FACTS, email="unknown@acme.example")
        await mailer.send_due()
        assert await waiting(store) == []
        ((to, message),) = box.mails
        assert (to, message["From"], message["To"]) == (ADA, "keys@keys.example", ADA)
        assert message["Auto-Submitted"] == "auto-generated"
        (link,) = box.links(ADA)
        assert link.startswith("https://keys.example/keys/password#")
        await set_password_by_link(world.system, FACTS, link=link.partition("#")[2], password=ANOTHER)


async def test_mail_waits_while_the_mail_server_is_down_and_that_is_said(
    store: Store, box: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="spacekey")
    async with mailing(store, box.url) as (world, mailer):
        box.refuses = "451 try again later"
        await ask_for_password_link(world.system, FACTS, email=ADA)
        assert await mailer.send_due() == 0
        assert failing(world) is True
        assert "does not take mail" in caplog.text
        assert ADA not in caplog.text
        box.refuses = None
        assert await mailer.send_due() == 0, "not before its pause is over"
        world.clock.forward(seconds=30)
        assert await mailer.send_due() == 1
        assert failing(world) is False
        assert len(box.links(ADA)) == 1
        assert await waiting(store) == []
        assert box.links(ADA)[0].partition("#")[2] not in caplog.text


async def test_a_mail_server_that_cannot_be_reached_loses_nothing(store: Store) -> None:
    with mail_server() as gone:
        url = gone.url
    async with mailing(store, url) as (world, mailer):
        await ask_for_password_link(world.system, FACTS, email=ADA)
        for _ in range(3):
            await mailer.send_due()
            world.clock.forward(hours=1)
        assert [one.tries for one in await waiting(store)] == [3]
        world.clock.forward(days=3)
        await mailer.send_due()
        assert await waiting(store) == [], "given up after two days, since it can be asked for again"


async def test_an_address_that_is_refused_for_good_is_not_tried_again(
    store: Store, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_server: object, _session: object, _envelope: object, _address: str, _options: object) -> str:
        return "550 no such user"

    monkeypatch.setattr(Mailbox, "handle_RCPT", staticmethod(refused), raising=False)
    async with mailing(store, box.url) as (world, mailer):
        await ask_for_password_link(world.system, FACTS, email=ADA)
        assert await mailer.send_due() == 1
        assert await waiting(store) == []


async def test_several_processes_send_a_mail_once(store: Store, box: Mailbox) -> None:
    async with mailing(store, box.url) as (world, mailer):
        await ask_for_password_link(world.system, FACTS, email=ADA)
        other = Mailer(world.system, MailServer.parse(box.url), "keys@keys.example", PublicUrl("https://x"), Outbox())
        await asyncio.gather(mailer.send_due(), other.send_due())
        assert len(box.mails) == 1


async def test_the_server_sends_what_is_asked_for_at_once(store: Store, box: Mailbox) -> None:
    async with mailing(store, box.url) as (world, mailer):
        running = asyncio.create_task(mailer.run())
        try:
            await ask_for_password_link(world.system, FACTS, email=ADA)
            await asyncio.wait_for(asyncio.to_thread(box.arrived.wait, 60), 60)
            assert len(box.mails) == 1
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
