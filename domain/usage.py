"""Usage of tokens that a process counted, on its way into the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Requests of one token within one UTC hour.

    :param at: the last of them; the counts belong to its hour.
    :param ip: where that one came from; empty if it is not known.
    :param allowed: requests that were admitted.
    :param denied: requests of a valid token that lacked a scope, and of a token that is no longer valid.
    :param limited: requests over the token's limit (429).
    :param scopes: the scopes that admitted requests.
    :param used: whether the token was valid at ``at``. A request with a token that is no longer valid is not a use of
        it.
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
        """All requests, however they ended."""
        return self.allowed + self.denied + self.limited


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """Rows that are counted once, however often they are sent.

    A reporter numbers its batches upwards and sends one at a time; a number at or below one that was stored is known
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

    def of_issuer(self, issuer: str) -> UsageCounter:
        """Return the counter for tokens of one issuer of a chain; by default the same one for all.

        :param issuer: as in :class:`~spacekey.domain.principal.Principal`.
        """
        del issuer
        return self

    def allowed(self, token_id: str, client: tuple[str, int] | None, scopes: frozenset[str] = frozenset()) -> None:
        """Count a request that was admitted by these scopes."""
        ...

    def denied(self, token_id: str, client: tuple[str, int] | None) -> None:
        """Count a request whose token is valid but lacks a scope."""
        ...

    def limited(self, token_id: str, client: tuple[str, int] | None) -> None:
        """Count a request whose token is valid but over its limit."""
        ...

    def refused(self, token_id: str) -> None:
        """Count a request with a known token that is no longer valid: a denial, and not a use."""
        ...

    def seen(self, token_id: str) -> None:
        """Record that the token was valid in a request that is counted elsewhere."""
        ...


class UsageSink(Protocol):
    """Destination of batches: the store, or a remote Spacekey."""

    async def send(self, batch: UsageBatch) -> int | None:
        """Store a batch, all of it or nothing, except for rows that can never be stored.

        :returns: how many requests were in such rows, if any; they are counted nowhere.
        :raises ServiceUnavailable: if it may or may not have been stored; the same batch must be sent again.
        :raises SpacekeyError: if it will never be stored.
        """
        ...

    async def aclose(self) -> None:
        """Close what the sink opened itself."""
        ...
