"""The way from a request to the mail that it asks for: what a server knows about its mail server."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Outbox:
    """State of sending mail, shared by the resolvers, which ask for mail, and the server, which sends it.

    ``is_failing`` is true while the mail server does not take mail: what is asked for then waits.
    """

    def __init__(self) -> None:
        self.is_failing = False
        self._asked = asyncio.Event()

    def wake(self) -> None:
        """Tell that mail was asked for, after the transaction that did so."""
        self._asked.set()

    async def wait(self, seconds: float) -> None:
        """Return when mail was asked for, or after some seconds: other processes ask too."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), seconds)
        self._asked.clear()
