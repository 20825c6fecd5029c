"""Log of refused tokens: events in the owner's audit log, written off the request path and at a bounded rate.

A client that keeps sending a dead token would otherwise fill the log: each process writes each (token, reason) at most
once per hour. Refusals that cannot be written because the store is down are only counted in the process's own log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.authentication import Reason, Rejected
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import UserError
from spacekey.models.queries import tokens as token_queries
from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.system import System

from .log import Attribution, Facts, record

log = logging.getLogger("spacekey.refusals")

ONCE_IN = timedelta(hours=1)
REMEMBERED_MAX = 10_000
WAITING_MAX = 1_000

OUTCOMES = {
    Reason.EXPIRED: "denied",
    Reason.DISABLED: "denied",
    Reason.REVOKED: "denied",
    Reason.SUSPENDED: "denied",
    Reason.ROTATED: "alert",
    Reason.ENVIRONMENT: "alert",
}
"""Reasons that an owner can act on. A rotated token that is still used, or a wrong environment, deserves an alert."""


@dataclass(frozen=True, slots=True)
class _Noted:
    token_id: str
    reason: Reason
    request: RequestFacts
    reported_by: Actor | None

    @property
    def key(self) -> tuple[str, Reason, str]:
        """Key that is written once per hour; with the service, so that one cannot suppress another's reports."""
        return self.token_id, self.reason, "" if self.reported_by is None else self.reported_by.id


class RefusalLog:
    """Collects refusals on the request path and writes them in a task of its own.

    :param remembered_max: the number of (token, reason, service) remembered; the oldest are forgotten first.
    :param waiting_max: the number of refusals that may wait to be written; more are dropped.
    """

    def __init__(self, system: System, *, remembered_max: int = REMEMBERED_MAX, waiting_max: int = WAITING_MAX) -> None:
        self.lost = 0
        """Number of refusals that were dropped or could not be written."""
        self._system = system
        self._remembered_max = remembered_max
        self._waiting_max = waiting_max
        self._noted: OrderedDict[tuple[str, Reason, str], datetime] = OrderedDict()
        self._waiting: deque[_Noted] = deque()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Number of refusals waiting to be written."""
        return len(self._waiting)

    def note(self, refused: Rejected, request: RequestFacts, *, reported_by: Actor | None = None) -> None:
        """Queue a refusal to be written. Returns at once and never raises.

        :param reported_by: the service that received the token, if address and user agent were reported by it and not
            observed by this process. The caller must check that the service may report on this token.
        """
        if refused.token_id is None or refused.reason not in OUTCOMES:
            return
        noted = _Noted(refused.token_id, refused.reason, request, reported_by)
        key, now = noted.key, self._system.clock()
        last = self._noted.get(key)
        if last is not None and now < last + ONCE_IN:
            return
        if len(self._waiting) >= self._waiting_max:
            self.lost += 1
            return
        self._noted[key] = now
        self._noted.move_to_end(key)
        if len(self._noted) > self._remembered_max:
            self._noted.popitem(last=False)
        self._waiting.append(noted)
        self._wake.set()

    async def run(self) -> None:
        """Write queued refusals until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write everything that is queued, and wait for what another task is writing."""
        async with self._writing:
            await self._write_waiting()

    async def _write_waiting(self) -> None:
        while self._waiting:
            noted = self._waiting.popleft()
            try:
                await self._write(noted)
            except (ServiceUnavailable, UserError) as error:
                # Forgotten, so that the next refusal is tried again.
                self._noted.pop(noted.key, None)
                self.lost += 1
                log.warning("could not write a refusal of %s to the audit log: %s", noted.token_id, error)
            except asyncio.CancelledError:
                self._waiting.appendleft(noted)
                raise
            except Exception:
                # A bug in writing one refusal must not end the task that writes them all.
                self.lost += 1
                log.exception("could not write a refusal of %s to the audit log", noted.token_id)

    async def _write(self, noted: _Noted) -> None:
        async with self._system.store.changing() as session:
            token = await token_queries.token_by_id(session, noted.token_id)
            if token is None:
                return
            await record(
                session,
                self._system,
                Attribution(Actor(ActorKind.TOKEN, token.id, token.name), token.id, noted.request),
                chain=token.workspace_id,
                action="token.refused",
                target_id=token.id,
                after={"reason": noted.reason.value, "environment": token.environment, **_reported(noted.reported_by)},
                outcome=OUTCOMES[noted.reason],
            )


def _reported(service: Actor | None) -> Facts:
    """Return the reporting service and the facts it reported; nothing for what this process observed itself."""
    if service is None:
        return {}
    by = {"kind": service.kind.value, "id": service.id, "name": service.name}
    return {"reported_by": by, "as_reported": ["ip", "user_agent"]}
