"""A mail server over real SMTP that keeps what it is given, and takes nothing while it is told not to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from threading import Event
from typing import Any

from aiosmtpd.controller import Controller

LINK = re.compile(r"https?://\S+")


@dataclass
class Mailbox:
    """Everything that was mailed, oldest first. ``refuses`` is an answer that it gives instead of taking mail."""

    url: str = ""
    mails: list[tuple[str, Any]] = field(default_factory=list)
    refuses: str | None = None
    arrived: Event = field(default_factory=Event)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a mail."""
        if self.refuses is not None:
            return self.refuses
        message = message_from_bytes(envelope.content, policy=default)
        self.mails.extend((one, message) for one in envelope.rcpt_tos)
        self.arrived.set()
        return "250 OK"

    def links(self, to: str) -> list[str]:
        """The links in the mails to an address, oldest first."""
        return [LINK.findall(message.get_content())[0] for one, message in self.mails if one == to]


class FreePort(Controller):
    """Controller that connects to the port that it was given, to see whether it is up."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """The mail server on a free port of this machine."""
    box = Mailbox()
    controller = FreePort(box, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        box.url = f"smtp://127.0.0.1:{controller.port}"
        yield box
    finally:
        controller.stop()
