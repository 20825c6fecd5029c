"""A visit that stays: its credentials are watched, with everything that it was found to satisfy when it came in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from starlette.types import Scope

from spacekey.domain.outcome import CannotTell, Outcome, Refused, Valid
from spacekey.domain.principal import Principal

from .ending import LACKING, REFUSED, UNAVAILABLE, Ending
from .line import HEED, Heed, Line
from .standing import Credential

if TYPE_CHECKING:
    from .gate import Gate
    from .visit import Visit

log = logging.getLogger("spacekey.middleware")

_BY_STATUS = {401: REFUSED, 503: UNAVAILABLE}


class Stay:
    """The visit of one open connection and its line.

    :param visit: who came in, through ``gate``.
    :param line: what passes between the server and the app.
    """

    def __init__(self, visit: Visit, gate: Gate, scope: Scope, line: Line) -> None:
        self.line = line
        self._visit = visit
        self._gate = gate
        self._scope = scope
        self._open = False

    def open(self) -> None:
        """From now on the connection lives on what it was let in for."""
        if not self._open:
            self._open = True
            self.follow()

    def follow(self) -> None:
        """Watch the credentials that count now: nobody's are not watched, and a visit may get others later."""
        outcome = self._visit.known
        if not self._open:
            return
        if isinstance(outcome, Valid):
            self.line.follow(self._credential(outcome.principal), self.consider, self.ended)
        elif outcome is None:
            self.line.unfollow()

    async def consider(self, valid: Valid) -> Ending | None:
        """Whether the visit may go on under a newer answer, whose principal it then has."""
        visit, before = self._visit, self._visit.known
        refusal = await visit.refusal_to_stay(valid.principal)
        if refusal is not None:
            return _BY_STATUS.get(refusal.status_code, LACKING)
        if before == valid:
            return None
        visit.renew(valid)
        heed: Heed | None = self._scope.get(HEED)
        return heed(before.principal, valid.principal) if heed is not None and isinstance(before, Valid) else None

    def ended(self, ending: Ending, outcome: Outcome) -> None:
        """Say why, where callers do not see it."""
        token_id = outcome.principal.id if isinstance(outcome, Valid) else None
        log.info("an open connection was ended with %d %s, token %s", ending.code, ending.reason, token_id)
        if isinstance(outcome, Refused | CannotTell):
            self._gate.observe(self._scope, outcome)

    def _credential(self, principal: Principal) -> Credential:
        gate, secret, spaces = self._gate, self._visit.secret, self._visit.spaces
        if secret is None:  # the fallback's business, which knows the connection and no secret
            return Credential(id(self), self._visit.fallback, _unknown, principal)
        # Where the app must be asked whose a space is, its answer concerns those who stand on that space alone.
        peek: Callable[[], Outcome | None] = _unknown if spaces else partial(gate.peek, secret)
        return Credential(
            (id(gate), secret.digest(), spaces), partial(gate.judge, self._scope, secret), peek, principal
        )


def _unknown() -> None:
    """Nothing is known without waiting."""
