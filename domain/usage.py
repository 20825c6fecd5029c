"""What a process counted about its tokens, on its way into the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TokenUse:
    """One token's requests within one UTC hour.

    :param at: the last of them; the counts belong to its hour.
    :param ip: where that one came from; empty where nobody can tell.
    :param allowed: requests that were let through.
    :param denied: requests of a good token that lacked a scope, and of one that is not good any more.
    :param limited: requests over the token's limit (429).
    :param scopes: the scopes that let requests through.
    :param used: whether the token was good at ``at``. Knocking with a dead token is not a use of it.
    """

    token_id: str
    at: datetime
    ip: str = ""
    allowed: int = 0
    denied: int = 0
    limited: int = 0
    scopes: tuple[str, ...] = ()
    used: bool = True

    @property
    def requests(self) -> int:
        """All of them, whatever came of them."""
        return self.allowed + self.denied + self.limited


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """Rows that are counted once, however often they are sent.

    A reporter numbers its batches upwards and sends one at a time; a number at or below one that was kept is known
    already and adds nothing.

    :param reporter: one collector's name, random.
    """

    reporter: str
    number: int
    uses: tuple[TokenUse, ...]


class UsageCounter(Protocol):
    """Counts requests by token. Its methods return at once and never raise.

    ``client`` is ``scope["client"]`` as ASGI has it: address and port, or None.
    """

    def allowed(self, token_id: str, client: tuple[str, int] | None, scopes: frozenset[str] = frozenset()) -> None:
        """Count a request that was let through by these scopes."""
        ...

    def denied(self, token_id: str, client: tuple[str, int] | None) -> None:
        """Count a request whose token is good and lacks a scope."""
        ...

    def limited(self, token_id: str, client: tuple[str, int] | None) -> None:
        """Count a request whose token is good and over its limit."""
        ...

    def refused(self, token_id: str) -> None:
        """Count a request with a known token that is no longer good: a denial, and no use."""
        ...

    def seen(self, token_id: str) -> None:
        """Note that the token was good in a request that is counted elsewhere."""
        ...


class UsageSink(Protocol):
    """Where batches go: the store, or a remote Spacekey."""

    async def send(self, batch: UsageBatch) -> int | None:
        """Keep a batch, all of it or nothing, but for rows that can never be kept.

        :returns: how many requests were in such rows, if any: nobody counts them any more.
        :raises Unavailable: it may or may not have been kept; the same batch must be sent again.
        :raises SpacekeyError: it will never be kept.
        """
        ...

    async def aclose(self) -> None:
        """Give back what the sink opened itself."""
        ...
