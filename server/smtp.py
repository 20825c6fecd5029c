"""The mail server that letters are handed to, and how a setting names it."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret

SEND_SECONDS_MAX = 30.0
_WRITE = "write smtp://user:password@host:587, or smtps://user:password@host:465"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Mail server that letters are handed to.

    :param is_tls: whether the connection is TLS from its first byte; else ``STARTTLS`` follows.
    :param needs_tls: whether mail is never sent without TLS. It is false for this machine itself, and where the
        operator said so.
    """

    host: str
    port: int
    user: str | None
    password: Secret | None
    is_tls: bool
    needs_tls: bool

    @classmethod
    def parse(cls, url: str) -> MailServer:
        """Return the mail server that ``smtp://user:password@host:587`` or ``smtps://…`` stands for.

        :raises ConfigurationError: saying what to write, without the password.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ConfigurationError(_WRITE) from None
        tls = parts.scheme == "smtps"
        if parts.scheme not in ("smtp", "smtps") or not host or parts.path.strip("/") or parts.fragment:
            raise ConfigurationError(_WRITE)
        if parts.query not in ("", "tls=off") or (tls and parts.query):
            raise ConfigurationError(f"the only parameter is tls=off, for smtp://; {_WRITE}")
        if (parts.username is None) != (parts.password is None):
            raise ConfigurationError(f"write both user and password, or neither; {_WRITE}")
        if parts.query and parts.username is not None:
            raise ConfigurationError("tls=off would send the password for all to read; leave one of them out")
        local = host in ("localhost", "127.0.0.1", "::1")
        return cls(
            host=host,
            port=port or (465 if tls else 587),
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else Secret(unquote(parts.password)),
            is_tls=tls,
            needs_tls=not parts.query and not (local and parts.username is None),
        )

    async def send(self, message: EmailMessage) -> None:
        """Hand a message over.

        :raises aiosmtplib.SMTPException: if the server refuses it.
        :raises OSError: if the server cannot be reached.
        """
        await aiosmtplib.send(
            message,
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=None if self.password is None else self.password.reveal(),
            use_tls=self.is_tls,
            start_tls=False if self.is_tls else (True if self.needs_tls else None),
            timeout=SEND_SECONDS_MAX,
        )
