"""Spacekey's own passwords: people sign in on the dashboard, and a cookie keeps their session."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from spacekey.resolvers.accounts.outside import Person

from .protocol import Identity


class Passwords(Identity):
    """Accounts of Spacekey's own, which sign in by a name and a password. This is the default."""

    with_each_request = False
    takes_passwords = True

    async def person(self, connection: HTTPConnection) -> Person | None:
        """Return None: people do not come from outside."""
        return None
