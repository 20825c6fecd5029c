"""What open connections stand on: one credential, the last good answer about it, and until when that may be used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spacekey.domain.outcome import Outcome, Valid
from spacekey.domain.principal import Principal

from .clock import Clock, WallClock
from .ending import Ending

FIRST = 0.5
"""The earliest moment of a new verification, in parts of T after the last good answer was asked for."""
SPREAD = 0.25
"""Over how much more of T the verifications of many connections are spread, so that they never come all at once."""
RETRY = 0.125
"""How long after "cannot tell" to ask again."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a connection shows for itself.

    :param key: equal for connections that are verified together.
    :param ask: verifies, within its deadline; never raises.
    :param peek: the answer where it is known without waiting, else None; never raises.
    :param principal: whom it was found to be.
    """

    key: Hashable
    ask: Callable[[], Awaitable[Outcome]]
    peek: Callable[[], Outcome | None]
    principal: Principal


class Connection(Protocol):
    """One open connection, as the watch sees it."""

    async def consider(self, valid: Valid) -> Ending | None:
        """Whether it may go on under this answer; UNAVAILABLE says that it cannot be told. Never raises."""
        ...

    def end(self, ending: Ending, outcome: Outcome) -> None:
        """End it. Returns at once and never raises."""
        ...


class Standing:
    """The connections of one credential, and how they stand. Moments are readings of the watch's clock, in seconds.

    :param phase: 0 to 1, where in the spread this credential's verifications are.
    """

    def __init__(
        self, credential: Credential, phase: float, recheck_seconds: float, clock: Clock, now: WallClock
    ) -> None:
        self.credential = credential
        self.connections: dict[Connection, Credential] = {}
        """Each with what it showed, the longest here first."""
        self.over = False
        self.checking = False
        self.due = 0.0
        """When the next step is to be taken; while a check is under way, when to wait for it no longer."""
        self.until = 0.0
        """From when on no message may pass."""
        self.relied_until = 0.0
        """The same by the answer's age alone."""
        self._expires_at: datetime | None = None
        self._interval = (FIRST + SPREAD * phase) * recheck_seconds
        self._recheck_seconds = recheck_seconds
        self._clock = clock
        self._now = now
        self._turned = asyncio.Event()
        self.renew(credential.principal, clock())

    def renew(self, principal: Principal, asked: float) -> None:
        """There is a good answer, which was asked for at this moment: messages pass again."""
        self.checking = False
        self._expires_at = principal.expires_at
        self.relied_until = asked + self._recheck_seconds
        self.until = min(self.relied_until, self._expiry())
        self.due = min(asked + self._interval, self.until)
        self._turn()

    def begin_check(self, deadline_seconds: float) -> None:
        """A verification is asked for. It may take its deadline, also when that is longer than T.

        It is asked for by the connection that has stood here longest, and by none that has left.
        """
        self.credential = next(iter(self.connections.values()), self.credential)
        self.checking = True
        self.due = max(self.relied_until, self._clock()) + deadline_seconds

    def postpone(self) -> bool:
        """Nobody could tell. False when the last good answer is too old to go on with."""
        now = self._clock()
        self.checking = False
        self.due = min(now + RETRY * self._recheck_seconds, self.until)
        return now < self.relied_until

    def finish(self) -> None:
        """Nobody stands on this any more; whoever is held may go and see."""
        self.over = True
        self._turn()

    @property
    def expired(self) -> bool:
        """Whether the credential's own date has come."""
        return self._expires_at is not None and self._expires_at <= self._now()

    @property
    def good(self) -> bool:
        """Whether messages may pass at this moment."""
        return self._clock() < self.until

    async def turn(self) -> None:
        """Wait until there is a new answer, or no hope of one."""
        await self._turned.wait()

    def _turn(self) -> None:
        self._turned.set()
        self._turned = asyncio.Event()

    def _expiry(self) -> float:
        """The expiry date on the clock, as far as can be said now; it is looked at again with every answer."""
        if self._expires_at is None:
            return float("inf")
        return self._clock() + (self._expires_at - self._now()).total_seconds()
