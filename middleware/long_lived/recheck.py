"""Connections that stay open are asked again who they are: one timer for all of them.

A WebSocket or a streaming response is let in on an answer and lives on after it. T, ``recheck_seconds``, is for how
long an answer may be used from then on, counted from before it was asked for: the rule of the caches, for connections.
Let s be the moment at which the last good answer about a connection's credentials was asked for or, until there is
one, at which the connection began to be watched. Then

1. between s + T/2 and s + 3T/4 the credentials are verified anew, once for all connections that share them;
2. "refused", or an answer that no longer satisfies what let the connection in, ends it at once;
3. after "cannot tell" they are verified again until s + T, and only if nobody can tell by then the connection is ended;
4. **from s + T on no message passes, in either direction,** before there is a new answer, however late the event loop
   or the machine may be; and without one the connection is ended by s + T + the deadline of a verification;
5. from an expiry date on no message passes either, and the connection is ended without asking anybody.

So when a change that takes access away has been acknowledged, nothing passes on the connections it concerns after T
more, and where the verifier answers they are closed by three quarters of T. (Steps are taken T/16 apart at the least.)
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from spacekey.domain.clock import MonotonicClock, WallClock, boot_clock, utc_now
from spacekey.domain.errors import ConfigurationError, SpacekeyError
from spacekey.domain.outcome import CannotTell, Outcome, Reason, Refused, Valid
from spacekey.domain.principal import Principal

RECHECK_SECONDS = 1.0
CHECKS_MAX = 32
STEP = 0.0625
"""The least time between two steps of the timer, in parts of T."""
AT_ONCE_MAX = 100
"""After so many connections others get a turn of the event loop."""
_GOLDEN = 0.6180339887498949


class Watch:
    """All long-lived connections of an app, and their timer, which runs while there are any.

    Used from several event loops (a test client makes one for each connection), it has a timer in each.

    :param recheck_seconds: T, see above.
    :param deadline_seconds: how long one verification may take.
    :param checks_max: how many verifications may wait for a verifier at the same time.
    :param clock: seconds, monotonic through suspension.
    :param now: wall time, for expiry.
    :raises ConfigurationError: for a number that is not above 0.
    """

    def __init__(
        self,
        recheck_seconds: float = RECHECK_SECONDS,
        *,
        deadline_seconds: float = 2.0,
        checks_max: int = CHECKS_MAX,
        clock: MonotonicClock = boot_clock,
        now: WallClock = utc_now,
    ) -> None:
        if not (recheck_seconds > 0 and deadline_seconds > 0 and checks_max > 0):
            raise ConfigurationError("recheck_seconds, deadline_seconds and checks_max: must be greater than 0")
        self.recheck_seconds = recheck_seconds
        self.deadline_seconds = deadline_seconds
        self.checks_max = checks_max
        self.clock = clock
        self.now = now
        self._rounds: dict[AbstractEventLoop, _Rounds] = {}

    def follow(self, connection: Connection, credential: Credential) -> Standing:
        """Watch a connection from now on, until it is ended or :meth:`leave` is called.

        :returns: what it stands on; messages pass only while that is ``good``, see :meth:`settled`.
        """
        loop = asyncio.get_running_loop()
        rounds = self._rounds.get(loop)
        if rounds is None:
            rounds = self._rounds[loop] = _Rounds(self, loop)
        return rounds.follow(connection, credential)

    def leave(self, connection: Connection, standing: Standing) -> None:
        """Watch a connection no longer. Doing it twice does nothing."""
        standing.connections.pop(connection, None)
        loop = asyncio.get_running_loop()
        rounds = self._rounds.get(loop)
        if rounds is not None and not standing.connections and rounds.drop(standing):
            del self._rounds[loop]

    async def settled(self, standing: Standing) -> None:
        """Wait until messages may pass again, or the standing is over, in which case they never will."""
        while not (standing.over or standing.good):
            rounds = self._rounds.get(asyncio.get_running_loop())
            if rounds is not None:
                rounds.hurry(standing)
            await standing.turn()

    @property
    def watched(self) -> int:
        """How many connections are being watched."""
        return sum(len(each.connections) for rounds in self._rounds.values() for each in rounds.standings.values())


class _Rounds:
    """The timer of one event loop: a handle while somebody is watched, and tasks only while somebody is asked."""

    def __init__(self, watch: Watch, loop: AbstractEventLoop) -> None:
        self.standings: dict[Hashable, Standing] = {}
        self._watch = watch
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._stepped_at = float("-inf")
        self._queue: deque[Standing] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._askers = 0
        self._joined = 0

    def follow(self, connection: Connection, credential: Credential) -> Standing:
        watch = self._watch
        standing = self.standings.get(credential.key)
        if standing is None:
            self._joined += 1
            phase = self._joined * _GOLDEN % 1  # evenly spread, whatever the number
            standing = Standing(credential, phase, watch.recheck_seconds, watch.clock, watch.now)
            self.standings[credential.key] = standing
        standing.connections[connection] = credential
        self._wake_by(standing.due)
        return standing

    def drop(self, standing: Standing) -> bool:
        """Forget what nobody stands on; whether nothing is left."""
        standing.finish()
        if self.standings.get(standing.credential.key) is standing:
            del self.standings[standing.credential.key]
        if self.standings:
            return False
        if self._timer is not None:
            self._timer.cancel()
        here = asyncio.current_task()
        for task in self._tasks:
            if task is not here:
                task.cancel()
        return True

    def hurry(self, standing: Standing) -> None:
        """Somebody waits: the clock is ahead of the timer."""
        if not standing.checking and not standing.over:
            standing.due = self._watch.clock()
            self._stepped_at = float("-inf")
            self._wake_by(standing.due)

    def _wake_by(self, due: float) -> None:
        """Have the timer run at ``due``, or as soon after it as steps may follow one another."""
        now = self._watch.clock()
        wait = max(due, self._stepped_at + STEP * self._watch.recheck_seconds) - now
        when = self._loop.time() + max(wait, 0.0)
        if self._timer is not None and not self._timer.cancelled():
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._step)

    def _step(self) -> None:
        """One run of the timer over everybody."""
        self._timer = None
        now = self._stepped_at = self._watch.clock()
        known: list[tuple[Standing, Outcome]] = []
        for standing in [each for each in self.standings.values() if each.due <= now]:
            if standing.expired:
                self._end(standing, REFUSED, Refused(Reason.EXPIRED, standing.credential.principal.id))
            elif standing.checking:
                self._end(standing, UNAVAILABLE, CannotTell("the verifier did not answer in time"))
            else:
                standing.begin_check(self._watch.deadline_seconds)
                outcome = standing.credential.peek()
                if outcome is None:
                    self._queue.append(standing)
                else:
                    known.append((standing, outcome))
        if known:
            self._start(self._conclude_all(known, now))
        for _ in range(min(len(self._queue), self._watch.checks_max - self._askers)):
            self._askers += 1
            self._start(self._ask_queued())
        if self.standings:
            self._wake_by(min(each.due for each in self.standings.values()))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_queued(self) -> None:
        """One of the askers: takes from the queue until it is empty."""
        try:
            while self._queue:
                standing = self._queue.popleft()
                if not standing.over:
                    asked = self._watch.clock()
                    await self._conclude(standing, await standing.credential.ask(), asked)
        finally:
            self._askers -= 1

    async def _conclude_all(self, known: list[tuple[Standing, Outcome]], asked: float) -> None:
        for number, (standing, outcome) in enumerate(known, 1):
            await self._conclude(standing, outcome, asked)
            if number % AT_ONCE_MAX == 0:
                await asyncio.sleep(0)

    async def _conclude(self, standing: Standing, outcome: Outcome, asked: float) -> None:
        """What an answer means for everybody who stands on it."""
        if isinstance(outcome, Valid):
            if self._watch.clock() >= asked + self._watch.recheck_seconds:
                outcome = CannotTell("the verification took longer than its answer may be relied on")
            elif not await self._all_considered(standing, outcome):
                outcome = CannotTell("nobody can tell whether a connection may go on")
        if standing.over:
            return
        if isinstance(outcome, Valid):
            standing.renew(outcome.principal, asked)
            self._wake_by(standing.due)
        elif not isinstance(outcome, CannotTell):
            self._end(standing, REFUSED, outcome)
        elif standing.postpone():
            self._wake_by(standing.due)
        else:
            self._end(standing, UNAVAILABLE, outcome)

    async def _all_considered(self, standing: Standing, valid: Valid) -> bool:
        """End the connections that the answer no longer satisfies; False when that cannot be told of one."""
        told = True
        for number, connection in enumerate(list(standing.connections), 1):
            ending = await connection.consider(valid)
            if ending is UNAVAILABLE:
                told = False
            elif ending is not None and connection in standing.connections:
                connection.end(ending, valid)
            if number % AT_ONCE_MAX == 0:
                await asyncio.sleep(0)
        return told

    def _end(self, standing: Standing, ending: Ending, outcome: Outcome) -> None:
        connections = list(standing.connections)
        self.drop(standing)
        for connection in connections:
            connection.end(ending, outcome)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection is ended, as a WebSocket close code and its reason.

    4401 and 4403 are of the private range (RFC 6455 §7.4.2); 1013, "Try Again Later", is in IANA's registry of
    WebSocket close codes.
    """

    code: int
    reason: str


REFUSED = Ending(4401, "Unauthorized")
LACKING = Ending(4403, "Forbidden")
UNAVAILABLE = Ending(1013, "Try again later")


class ConnectionEnded(SpacekeyError, OSError):
    """The connection was ended because its credentials are no longer good for it.

    An app meets it where it sends on such a connection. It is an OSError, as sending to a client that has gone is
    (ASGI 2.4), so that frameworks treat both alike: Starlette raises WebSocketDisconnect or ClientDisconnect.
    """


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
        self, credential: Credential, phase: float, recheck_seconds: float, clock: MonotonicClock, now: WallClock
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
