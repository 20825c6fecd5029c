"""Sending mail: a queue in the database, tried again while the mail server is down.

A mail is written again with each try, because its link's secret is kept nowhere. A mail server that took a letter and
whose answer was lost may therefore deliver two; only the link in the last one counts.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import aiosmtplib

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.public_url import PublicUrl
from spacekey.models.queries import mails as mail_queries
from spacekey.models.tables.mail import WaitingMail
from spacekey.resolvers.accounts.links import INVITATION, Letter, write_link_mail
from spacekey.resolvers.members.invitations import write_invitation_mail
from spacekey.resolvers.outbox import Outbox
from spacekey.resolvers.system import System

from .settings import Settings
from .smtp import MailServer

POLL_SECONDS = 5.0
AT_ONCE_MAX = 20
FIRST_PAUSE = timedelta(seconds=30)
PAUSE_MAX = timedelta(hours=1)
TRIED_FOR = timedelta(days=2)
"""How long a mail is tried. What it was about can be asked for again."""

log = logging.getLogger("spacekey.mail")


class Mailer:
    """Sends the mail that waits in the database.

    :param sender: the address that letters come from.
    :param public: where the links in them lead.
    """

    def __init__(self, system: System, server: MailServer, sender: str, public: PublicUrl, outbox: Outbox) -> None:
        self._system = system
        self._server = server
        self._sender = sender
        self._public = public
        self._outbox = outbox

    async def run(self) -> None:
        """Send what waits, until cancelled."""
        while True:
            try:
                while await self.send_due():
                    pass
            except ServiceUnavailable as error:
                log.error("mail waits, because the database does not answer: %s", error)
            await self._outbox.wait(POLL_SECONDS)

    async def send_due(self) -> int:
        """Try the mails that are due, at most :data:`AT_ONCE_MAX`, and return how many are done with.

        :raises ServiceUnavailable: if the database does not answer.
        """
        async with self._system.store.reading() as session:
            due = await mail_queries.due_mails(session, self._system.clock(), AT_ONCE_MAX)
        done = 0
        for mail in due:
            taken, letter = await self._written(mail)
            if not taken or (letter is not None and not await self._handed_over(mail, letter)):
                continue
            async with self._system.store.changing() as session:
                await mail_queries.delete_mails(session, [mail.about], mail.kind)
            done += 1
        return done

    async def _written(self, mail: WaitingMail) -> tuple[bool, Letter | None]:
        """Return whether this process tries the mail, and the letter; None if there is no address any more."""
        system = self._system
        async with system.store.changing() as session:
            pause = min(FIRST_PAUSE * 2**mail.tries, PAUSE_MAX)
            if not await mail_queries.take_mail(session, mail, system.clock() + pause):
                return False, None
            if system.clock() >= mail.created_at + TRIED_FOR:
                log.error("a mail (%s) could not be sent for %s and is given up", mail.kind, TRIED_FOR)
                return True, None
            write = write_invitation_mail if mail.kind == INVITATION else write_link_mail
            return True, await write(session, system, mail)

    async def _handed_over(self, mail: WaitingMail, letter: Letter) -> bool:
        """Return whether the mail server took the letter, or said that it never will."""
        server = self._server
        try:
            await server.send(self._message(letter))
        except aiosmtplib.SMTPRecipientsRefused as error:
            lasting = all(500 <= one.code < 600 for one in error.recipients)
            log.error(
                "the mail server refused an address (%s), mail is %s", mail.kind, "dropped" if lasting else "kept"
            )
            return lasting
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            self._outbox.is_failing = True
            log.error(
                "the mail server %s:%d does not take mail (%s), which waits and is tried again: %s",
                server.host,
                server.port,
                mail.kind,
                type(error).__name__,
            )
            return False
        self._outbox.is_failing = False
        return True

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = letter.to
        message["Subject"] = letter.subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2] or None)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"{letter.before}\n\n{self._public.url(letter.link)}\n\n{letter.after}\n")
        return message


def mailer_of(settings: Settings, system: System) -> Mailer | None:
    """Return what sends mail for a server; None without a mail server."""
    public = settings.public
    if settings.smtp_url is None or settings.mail_from is None or public is None or system.outbox is None:
        return None
    return Mailer(system, MailServer.parse(settings.smtp_url), settings.mail_from, public, system.outbox)
