"""Verify the tokens of open connections again, with one timer for all of them.

A WebSocket or a streaming response is admitted on a verdict and outlives it. T, ``recheck_seconds``, is how long a
verdict may be relied on, counted from before it was asked for: the rule of the caches, for connections. Let s be the
moment at which the last valid verdict on a connection's credentials was asked for; the first is the one that admitted
it, which may be older than T when the connection begins to be watched. Then

1. between s + T/2 and s + 3T/4 the credentials are verified again, once for all connections that share them, and
   together with others that are due if the verifier can answer about many at once;
2. "refused", or a verdict that no longer satisfies what admitted the connection, ends it at once;
3. after "cannot tell" they are verified again until s + T; the connection is ended only if there is no verdict by then;
4. **from s + T on no message passes, in either direction,** before there is a new verdict, however late the event loop
   or the machine may be; and without one the connection is ended by s + T + the deadline of a verification;
5. from an expiry date on no message passes either, and the connection is ended without another verification.

So after a change that takes access away has been acknowledged, nothing passes on the connections it concerns after T
more, and if the verifier answers they are closed by three quarters of T. (Steps are at least T/16 apart.)
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, Protocol

from spacekey.domain.authentication import Authenticated, AuthenticationResult, Reason, Rejected, Unavailable
from spacekey.domain.clock import MonotonicClock, WallClock, boot_clock, utc_now
from spacekey.domain.errors import ConfigurationError, SpacekeyError
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import TIMEOUT_SECONDS

RECHECK_SECONDS = 1.0
CHECKS_MAX = 32
STEP = 0.0625
"""The least time between two steps of the timer, in parts of T."""
AT_ONCE_MAX = 100
"""After so many connections, other tasks get a turn of the event loop."""
_GOLDEN = 0.6180339887498949


class Rechecker:
    """All long-lived connections of an app, and their timer, which runs while there are any.

    If used from several event loops (a test client makes one for each connection), it has a timer in each.

    :param recheck_seconds: T, see above.
    :param timeout: seconds that one verification may take.
    :param checks_max: how many verifications may wait for a verifier at the same time.
    :param clock: seconds, monotonic through suspension.
    :param now: wall time, for expiry.
    :raises ConfigurationError: for a number that is not above 0.
    """

    def __init__(
        self,
        recheck_seconds: float = RECHECK_SECONDS,
        *,
        timeout: float = TIMEOUT_SECONDS,
        checks_max: int = CHECKS_MAX,
        clock: MonotonicClock = boot_clock,
        now: WallClock = utc_now,
    ) -> None:
        if not (recheck_seconds > 0 and timeout > 0 and checks_max > 0):
            raise ConfigurationError("recheck_seconds, timeout and checks_max: must be greater than 0")
        self.recheck_seconds = recheck_seconds
        self.timeout = timeout
        self.checks_max = checks_max
        self.clock = clock
        self.now = now
        self._schedules: dict[AbstractEventLoop, _Schedule] = {}

    def follow(self, connection: Connection, credential: Credential) -> WatchedToken:
        """Watch a connection from now on, until it is ended or :meth:`leave` is called.

        :returns: its token; messages pass only while that ``is_valid``, see :meth:`wait_until_valid`.
        """
        loop = asyncio.get_running_loop()
        schedule = self._schedules.get(loop)
        if schedule is None:
            schedule = self._schedules[loop] = _Schedule(self, loop)
        return schedule.follow(connection, credential)

    def leave(self, connection: Connection, token: WatchedToken) -> None:
        """Stop watching a connection. A second call does nothing."""
        token.connections.pop(connection, None)
        loop = asyncio.get_running_loop()
        schedule = self._schedules.get(loop)
        if schedule is not None and not token.connections and schedule.drop(token):
            del self._schedules[loop]

    async def wait_until_valid(self, token: WatchedToken) -> None:
        """Wait until messages may pass again, or until the token is over and they never will."""
        while not (token.is_over or token.is_valid):
            schedule = self._schedules.get(asyncio.get_running_loop())
            if schedule is not None:
                schedule.recheck_now(token)
            await token.changed()

    @property
    def watched(self) -> int:
        """The number of connections that are watched."""
        return sum(len(each.connections) for schedule in self._schedules.values() for each in schedule.tokens.values())


class _Schedule:
    """The timer of one event loop: a handle while there are connections, and tasks only during verifications."""

    def __init__(self, rechecker: Rechecker, loop: AbstractEventLoop) -> None:
        self.tokens: dict[Hashable, WatchedToken] = {}
        self._rechecker = rechecker
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._stepped_at = float("-inf")
        self._queue: deque[WatchedToken] = deque()
        self._batches: deque[list[WatchedToken]] = deque()
        self._due: list[tuple[float, int, WatchedToken]] = []
        self._entries = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._askers = 0
        self._joined = 0
        self._untold: deque[Credential] = deque()
        self._telling: asyncio.Task[None] | None = None

    def follow(self, connection: Connection, credential: Credential) -> WatchedToken:
        rechecker = self._rechecker
        token = self.tokens.get(credential.key)
        if token is None:
            self._joined += 1
            phase = self._joined * _GOLDEN % 1  # evenly spread, whatever the number
            token = WatchedToken(credential, phase, rechecker.recheck_seconds, rechecker.clock, rechecker.now)
            self.tokens[credential.key] = token
            self._schedule(token)
        else:
            token.joined += 1
            if token.last is None or credential.principal != token.last.principal:
                token.last = None  # this connection was admitted under another verdict than the others, maybe an older
                if credential.asked is not None and token.rely_less(credential.asked):
                    self._schedule(token)
        token.connections[connection] = credential
        return token

    def drop(self, token: WatchedToken) -> bool:
        """Forget a token without connections; whether none is left."""
        token.finish()
        if self.tokens.get(token.credential.key) is token:
            del self.tokens[token.credential.key]
        if self.tokens:
            return False
        if self._timer is not None:
            self._timer.cancel()
        here = asyncio.current_task()
        for task in self._tasks:
            if task is not here:
                task.cancel()
        return True

    def recheck_now(self, token: WatchedToken) -> None:
        """Verify at the next step, since a message waits: the clock is ahead of the timer."""
        if not token.checking and not token.is_over:
            token.due = self._rechecker.clock()
            self._stepped_at = float("-inf")
            self._schedule(token)
            self._wake_by(token.due)  # the clock may be ahead of older entries as well

    def _schedule(self, token: WatchedToken) -> None:
        """Have a step taken when the token is due. An earlier entry of the heap, if any, is then skipped."""
        self._entries += 1  # breaks ties, so that tokens are never compared
        token.entry = self._entries
        heappush(self._due, (token.due, token.entry, token))
        if self._due[0][1] == token.entry:
            self._wake_by(token.due)

    def _pop_due(self, now: float) -> list[WatchedToken]:
        """Take the tokens that are due by now out of the heap."""
        due: list[WatchedToken] = []
        while self._due and self._due[0][0] <= now:
            _, entry, token = heappop(self._due)
            if token.entry == entry and not token.is_over:
                due.append(token)
        return due

    def _next_due(self) -> float | None:
        """Return when the next token is due, and drop what is out of date."""
        while self._due:
            due, entry, token = self._due[0]
            if token.entry == entry and not token.is_over:
                return due
            heappop(self._due)
        return None

    def _wake_by(self, due: float) -> None:
        """Have the timer run at ``due``, or as soon after it as the next step may be taken."""
        now = self._rechecker.clock()
        wait = max(due, self._stepped_at + STEP * self._rechecker.recheck_seconds) - now
        when = self._loop.time() + max(wait, 0.0)
        if self._timer is not None and not self._timer.cancelled():
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._step)

    def _step(self) -> None:
        """Begin to verify the tokens that are due."""
        self._timer = None
        now = self._stepped_at = self._rechecker.clock()
        known: list[tuple[WatchedToken, AuthenticationResult]] = []
        together: dict[int, list[WatchedToken]] = {}
        for token in self._pop_due(now):
            if token.is_expired:
                principal = token.credential.principal
                self._end(token, UNAUTHORIZED, Rejected(Reason.EXPIRED, principal.id, principal.issuer))
            elif token.checking:
                self._end(token, UNAVAILABLE, Unavailable("the verifier did not answer in time"))
            else:
                token.begin_check(self._rechecker.timeout)
                self._schedule(token)
                credential = token.credential
                if credential.is_batched:
                    together.setdefault(id(credential.group), []).append(token)
                elif (outcome := credential.peek()) is not None:
                    known.append((token, outcome))
                else:
                    self._queue.append(token)
        if known:
            self._start(self._conclude_all(known, now))
        for tokens in together.values():
            group = tokens[0].credential.group
            most = 1 if group is None else group.batch_max
            self._batches += [tokens[first : first + most] for first in range(0, len(tokens), most)]
        for _ in range(min(len(self._queue) + len(self._batches), self._rechecker.checks_max - self._askers)):
            self._askers += 1
            self._start(self._ask_queued())
        due = self._next_due()
        if due is not None:
            self._wake_by(due)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_queued(self) -> None:
        """Verify tokens from the queues until they are empty."""
        try:
            while self._batches or self._queue:
                if self._batches:
                    await self._ask_together(self._batches.popleft())
                    continue
                token = self._queue.popleft()
                if not token.is_over:
                    asked = self._rechecker.clock()
                    await self._conclude(token, await token.credential.ask(), asked)
        finally:
            self._askers -= 1

    async def _ask_together(self, tokens: list[WatchedToken]) -> None:
        """Verify tokens of one group by one question."""
        tokens = [token for token in tokens if not token.is_over]
        group = tokens[0].credential.group if tokens else None
        if group is None:
            return
        secrets = [token.credential.secret for token in tokens]
        asked = self._rechecker.clock()
        outcomes = await group.authenticate_many([secret for secret in secrets if secret is not None])
        refused = [token for token, one in zip(tokens, outcomes, strict=True) if isinstance(one, Rejected)]
        await self._conclude_all(list(zip(tokens, outcomes, strict=True)), asked)
        self._untold += [token.credential for token in refused]
        if self._untold and self._telling is None:
            self._telling = self._loop.create_task(self._tell())

    async def _tell(self) -> None:
        """Verify what was refused once more by itself, when its connections are closed.

        A question about many secrets tells the verifier of no client; so its owner hears of the client.
        """
        try:
            while self._untold:
                await self._untold.popleft().ask()
        finally:
            self._telling = None

    async def _conclude_all(self, known: list[tuple[WatchedToken, AuthenticationResult]], asked: float) -> None:
        for number, (token, outcome) in enumerate(known, 1):
            await self._conclude(token, outcome, asked)
            if number % AT_ONCE_MAX == 0:
                await asyncio.sleep(0)

    async def _conclude(self, token: WatchedToken, outcome: AuthenticationResult, asked: float) -> None:
        """Apply a verdict to all connections of the token."""
        joined = token.joined
        if isinstance(outcome, Authenticated):
            if self._rechecker.clock() >= asked + self._rechecker.recheck_seconds:
                outcome = Unavailable("the verification took longer than its answer may be relied on")
            elif not token.has_reviewed(outcome) and not await self._all_reviewed(token, outcome):
                outcome = Unavailable("it is unknown whether a connection may go on")
        if token.is_over:
            return
        if isinstance(outcome, Authenticated):
            token.renew(outcome.principal, asked)
            token.last = outcome if token.joined == joined else None  # one that joined meanwhile was not reviewed
            self._schedule(token)
        elif not isinstance(outcome, Unavailable):
            self._end(token, UNAUTHORIZED, outcome)
        elif token.postpone():
            self._schedule(token)
        else:
            self._end(token, UNAVAILABLE, outcome)

    async def _all_reviewed(self, token: WatchedToken, valid: Authenticated) -> bool:
        """End the connections that the verdict no longer satisfies; False if that cannot be told for one of them."""
        told = True
        for number, connection in enumerate(list(token.connections), 1):
            if connection not in token.connections:
                continue  # it has left, or shows other credentials
            ending = await connection.review(valid)
            if ending is UNAVAILABLE:
                told = False
            elif ending is not None and connection in token.connections:
                connection.end(ending, valid)
            if number % AT_ONCE_MAX == 0:
                await asyncio.sleep(0)
        return told

    def _end(self, token: WatchedToken, ending: CloseReason, outcome: AuthenticationResult) -> None:
        connections = list(token.connections)
        self.drop(token)
        for connection in connections:
            connection.end(ending, outcome)


@dataclass(frozen=True, slots=True)
class CloseReason:
    """Why a connection is ended, as a WebSocket close code and its reason.

    4401 and 4403 are of the private range (RFC 6455 §7.4.2); 1013, "Try Again Later", is in IANA's registry of
    WebSocket close codes.
    """

    code: int
    reason: str


UNAUTHORIZED = CloseReason(4401, "Unauthorized")
FORBIDDEN = CloseReason(4403, "Forbidden")
UNAVAILABLE = CloseReason(1013, "Try again later")


class ConnectionEnded(SpacekeyError, OSError):
    """The connection was ended because its credentials are no longer valid for it.

    Raised where an app sends on such a connection. It is an OSError, as for a client that has disconnected (ASGI 2.4),
    so that frameworks treat both alike: Starlette raises WebSocketDisconnect or ClientDisconnect.
    """


FIRST = 0.5
"""The earliest moment of a new verification, in parts of T after the last valid verdict was asked for."""
SPREAD = 0.25
"""The part of T over which the verifications of many connections are spread, so that they never come all at once."""
FIRST_TOGETHER, SPREAD_TOGETHER = 0.625, 0.125
"""The same for credentials that are verified together: later, since they need not be spread as widely."""
RETRY = 0.125
"""How long after "cannot tell" to verify again, in parts of T."""


class Group(Protocol):
    """What verifies many secrets by one question."""

    @property
    def batch_max(self) -> int:
        """How many that may be; 1 if it cannot."""
        ...

    async def authenticate_many(self, secrets: Sequence[Secret]) -> Sequence[AuthenticationResult]:
        """Return the outcome for each secret, within its deadline. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential of a connection.

    :param key: equal for connections that are verified together.
    :param ask: verifies, within its deadline; never raises.
    :param peek: returns the verdict if it is known without waiting, else None; never raises.
    :param principal: its principal so far.
    :param secret: what is verified, if a verdict decides by itself whether the connection may go on: an equal one then
        needs no other decision. None if that depends on more.
    :param group: verifies many secrets by one question; None if each is verified by ``ask``.
    :param asked: when the verdict that gave the principal was asked for, as a reading of the rechecker's clock; None
        for now.
    """

    key: Hashable
    ask: Callable[[], Awaitable[AuthenticationResult]]
    peek: Callable[[], AuthenticationResult | None]
    principal: Principal
    secret: Secret | None = None
    group: Group | None = None
    asked: float | None = None

    @property
    def is_batched(self) -> bool:
        """Whether it is verified together with others."""
        return self.secret is not None and self.group is not None and self.group.batch_max > 1


class Connection(Protocol):
    """One open connection, as the rechecker sees it."""

    async def review(self, valid: Authenticated) -> CloseReason | None:
        """Return why it may not go on under this verdict; UNAVAILABLE if that cannot be told. Never raises."""
        ...

    def end(self, ending: CloseReason, outcome: AuthenticationResult) -> None:
        """End it. Returns at once and never raises."""
        ...


class WatchedToken:
    """The connections of one credential, and until when they may go on. Moments are readings of the clock, in seconds.

    :param phase: 0 to 1, where in the spread this credential's verifications are.
    """

    def __init__(
        self, credential: Credential, phase: float, recheck_seconds: float, clock: MonotonicClock, now: WallClock
    ) -> None:
        self.credential = credential
        self.connections: dict[Connection, Credential] = {}
        """Each with its credential, the oldest first."""
        self.is_over = False
        self.checking = False
        self.last: Authenticated | None = None
        """The last valid verdict, under which every connection was found to go on; None if there is none yet."""
        self.joined = 0
        """How many connections have joined the first one."""
        self.review_always = False
        """Whether more than the verdict decides about one of the connections."""
        self.entry = 0
        """The token's entry in the schedule; earlier ones are out of date."""
        self.due = 0.0
        """When the next step is due; during a verification, when to stop waiting for it."""
        self.until = 0.0
        """The moment from which no message may pass."""
        self.relied_until = 0.0
        """The same by the verdict's age alone."""
        self._expires_at: datetime | None = None
        first, spread = (FIRST_TOGETHER, SPREAD_TOGETHER) if credential.is_batched else (FIRST, SPREAD)
        self._interval = (first + spread * phase) * recheck_seconds
        self._recheck_seconds = recheck_seconds
        self._clock = clock
        self._now = now
        self._changed_event = asyncio.Event()
        self.renew(credential.principal, clock() if credential.asked is None else credential.asked)

    def renew(self, principal: Principal, asked: float) -> None:
        """Take a valid verdict that was asked for at the moment ``asked``: messages pass again."""
        self.checking = False
        self._expires_at = principal.expires_at
        self.relied_until = asked + self._recheck_seconds
        self.until = min(self.relied_until, self._expiry())
        self.due = min(asked + self._interval, self.until)
        self._signal_change()

    def rely_less(self, asked: float) -> bool:
        """Rely on no verdict for longer than on one that was asked for at ``asked``; whether a check is due earlier."""
        relied_until = asked + self._recheck_seconds
        if relied_until >= self.relied_until:
            return False
        self.relied_until = relied_until
        self.until = min(self.until, relied_until)
        if self.checking or self.due <= self.until:
            return False
        self.due = self.until
        return True

    def begin_check(self, seconds: float) -> None:
        """Begin a verification, for the oldest connection. It may take its deadline, even if that is longer than T."""
        self.credential = next(iter(self.connections.values()), self.credential)
        self.checking = True
        self.due = max(self.relied_until, self._clock()) + seconds

    def has_reviewed(self, valid: Authenticated) -> bool:
        """Return whether all connections were found to go on under this very verdict, and nothing else matters."""
        last = self.last
        if last is None or self.review_always or self.credential.secret is None:
            return False
        return last is valid or last == valid

    def postpone(self) -> bool:
        """Take "cannot tell". False if the last valid verdict is too old to go on with."""
        now = self._clock()
        self.checking = False
        self.due = min(now + RETRY * self._recheck_seconds, self.until)
        return now < self.relied_until

    def finish(self) -> None:
        """Take leave of the last connection; messages that wait find that the token is over."""
        self.is_over = True
        self._signal_change()

    @property
    def is_expired(self) -> bool:
        """Whether the credential has expired."""
        return self._expires_at is not None and self._expires_at <= self._now()

    @property
    def is_valid(self) -> bool:
        """Whether messages may pass at this moment."""
        return self._clock() < self.until

    async def changed(self) -> None:
        """Wait until there is a new verdict, or the token is over."""
        await self._changed_event.wait()

    def _signal_change(self) -> None:
        self._changed_event.set()
        self._changed_event = asyncio.Event()

    def _expiry(self) -> float:
        """Return the expiry date as a reading of the clock; it is read again with every verdict."""
        if self._expires_at is None:
            return float("inf")
        return self._clock() + (self._expires_at - self._now()).total_seconds()
