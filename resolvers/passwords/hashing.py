"""Password hashing with Argon2id off the event loop, behind a short queue that is fair to networks.

The rules follow NIST SP 800-63B-4 §3.1.1: at least 15 characters, a blocklist, no composition rules, Unicode NFKC.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from spacekey.domain.bounds import MemoryPlaces, MemoryRemembered, Places, Release, Remembered
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import InputCode, InvalidInput

from .strength import left_over

LENGTH_MIN = 15
LENGTH_MAX = 256
AT_ONCE = 2
CHARACTERS_MIN = 5
LEFT_OVER_MIN = 8
"""Minimum number of characters left without common words and patterns.

It is the length that NIST asks of a password used with a second factor (SP 800-63B-4 §3.1.1.2): common words beside it
add as little as a second factor that every attacker has.
"""

SERVICE = "spacekey"


WAITING_MAX = 24
"""Maximum number of waiting hashes; more are answered 503. At 0.1 s per hash the last one waits about a second."""

STRANGERS_WAITING_MAX = 16
"""Maximum number of waiting hashes from networks without a recent sign-in."""

NETWORK_WAITING_MAX = 4
"""Maximum number of waiting hashes from one network."""

NETWORKS_KNOWN_MAX = 10_000
RETRY_AFTER_SECONDS = 2

LOOK_SECONDS = 0.01
"""Interval in seconds at which a process checks for turns released by other processes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Origin of a password to hash or check, which decides its place in the queue.

    :param network: the network of the request. Requests from unknown networks (``""``) share one; None means no network
        at all, which has no bound of its own.
    :param signed_in: whether the caller is signed in already.
    """

    network: str | None
    signed_in: bool = False


COMMAND_LINE = Turn(network=None, signed_in=True)
"""Turn of the operator on the machine itself; never used for a request from a network."""


class Passwords:
    """Hashes and checks passwords. Each hash takes tens of milliseconds and 64 MiB, so few run at once.

    Others wait in a bounded queue and are refused at once if it is full. Callers who are signed in, or whose network
    has a recent sign-in, go first; within both groups the networks take turns. So a flood of strangers delays mainly
    itself.

    Processes that share ``places`` run no more hashes together than one process would, and share the bound on the
    queue. Each serves its own queue.

    :param waiting_max, strangers_waiting_max, network_waiting_max: bounds of the queue; see the constants.
    :param places: bounds on running and waiting hashes; None for this process alone.
    :param known: the networks with a recent sign-in; None for this process's memory.
    """

    def __init__(
        self,
        hasher: PasswordHasher | None = None,
        *,
        waiting_max: int = WAITING_MAX,
        strangers_waiting_max: int = STRANGERS_WAITING_MAX,
        network_waiting_max: int = NETWORK_WAITING_MAX,
        places: Places | None = None,
        known: Remembered | None = None,
    ) -> None:
        self._hasher = hasher or PasswordHasher()
        self._waiting_max = waiting_max
        self._strangers_waiting_max = strangers_waiting_max
        self._network_waiting_max = network_waiting_max
        self._places = places or MemoryPlaces()
        self._known = known or MemoryRemembered(NETWORKS_KNOWN_MAX)
        self._first = _Line()
        self._strangers = _Line()
        self._looking: asyncio.Task[None] | None = None

    @cached_property
    def _dummy(self) -> str:
        return self._hasher.hash("a password nobody has, hashed so that unknown users cost the same")

    async def hash(self, password: str, turn: Turn) -> str:
        """Return the Argon2id string to store.

        :raises ServiceUnavailable: if too many hashes are waiting.
        """
        async with self._in_turn(turn):
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def matches(self, stored: str | None, password: str, turn: Turn) -> bool:
        """Return whether the password is the stored one. Without a stored hash, take as long and return False.

        :raises ServiceUnavailable: if too many hashes are waiting.
        """
        async with self._in_turn(turn):
            good = await asyncio.to_thread(self._verify, stored, _bytes(password))
        if good and stored is not None and turn.network:
            self._known.add(turn.network.encode())
        return good and stored is not None

    @asynccontextmanager
    async def _in_turn(self, turn: Turn) -> AsyncIterator[None]:
        waiting = len(self._first) + len(self._strangers)
        end = None if waiting else self._places.take("hashing", AT_ONCE)
        if end is None:
            end = await self._wait(turn)
        try:
            yield
        finally:
            self._pass_on(end)

    async def _wait(self, turn: Turn) -> Release:
        goes_first = turn.signed_in or (turn.network is not None and turn.network.encode() in self._known)
        line, name = (self._first, "first") if goes_first else (self._strangers, "strangers")
        bounds = [("passwords waiting", self._waiting_max)]
        if not goes_first:
            bounds.append(("strangers waiting", self._strangers_waiting_max))
        if turn.network is not None:
            bounds.append((f"{name} waiting from {turn.network}", self._network_waiting_max))
        taken: list[Release] = []
        for what, most in bounds:
            release = self._places.take(what, most)
            if release is None:
                _release(taken)
                raise ServiceUnavailable("too many passwords are waiting to be hashed", RETRY_AFTER_SECONDS)
            taken.append(release)
        place = line.join(turn.network, taken)
        if self._places.shared and self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            return await place
        except asyncio.CancelledError:
            if not line.leave(turn.network, place):
                self._pass_on(place.result())  # already called
            raise

    def _pass_on(self, end: Release) -> None:
        """Pass an ended turn to the next in the queue, or release it: always, if other processes wait too."""
        if self._places.shared or not (self._first.call(end) or self._strangers.call(end)):
            end()

    async def _look(self) -> None:
        """Take turns that other processes release, while this process has a queue."""
        try:
            while len(self._first) + len(self._strangers):
                end = self._places.take("hashing", AT_ONCE)
                if end is not None and not (self._first.call(end) or self._strangers.call(end)):
                    end()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._looking = None

    def is_outdated(self, stored: str) -> bool:
        """Return whether the hash was created with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str | None, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored if stored is not None else self._dummy, password)
        except (VerificationError, InvalidHashError):
            return False


class _Line:
    """Queue by network, served in turns. Whatever an entry holds while waiting is released when it leaves the queue."""

    def __init__(self) -> None:
        self._places: OrderedDict[str | None, deque[_Waiting]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def join(self, network: str | None, held: list[Release]) -> asyncio.Future[Release]:
        """Join the end of the network's queue. The future's result, set when the turn comes, ends the turn."""
        place: asyncio.Future[Release] = asyncio.get_running_loop().create_future()
        self._places.setdefault(network, deque()).append(_Waiting(place, held))
        return place

    def leave(self, network: str | None, place: asyncio.Future[Release]) -> bool:
        """Leave the queue; return False if the turn has already come."""
        waiting = self._places.get(network, deque())
        for one in waiting:
            if one.place is place:
                waiting.remove(one)
                if not waiting:
                    del self._places[network]
                _release(one.held)
                return True
        return False

    def call(self, end: Release) -> bool:
        """Give the turn to the first of the next network; return False if the queue is empty."""
        if not self._places:
            return False
        network, waiting = next(iter(self._places.items()))
        one = waiting.popleft()
        self._places.move_to_end(network)
        if not waiting:
            del self._places[network]
        _release(one.held)
        if not one.place.done():
            one.place.set_result(end)
            return True
        return self.call(end)  # cancelled, but its task has not run since


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    place: asyncio.Future[Release]
    held: list[Release]


def _release(held: list[Release]) -> None:
    for release in held:
        release()
    held.clear()


async def check_password(field: str, password: str, *, about: Iterable[str] = ()) -> None:
    """Raise if a password is too short, too long, or consists mostly of what attackers guess first.

    A long password takes tens of milliseconds, so call this in a thread.

    :param about: names and addresses of the owner and of the service, which are guessed first too.
    :raises InvalidInput: with the remedy.
    """
    text = _normal(password)
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX:
        code = InputCode.TOO_SHORT if len(text) < LENGTH_MIN else InputCode.TOO_LONG
        reason = f"Use {LENGTH_MIN} to {LENGTH_MAX} characters; several words make a good password."
        raise InvalidInput(field, reason, code)
    if len(set("".join(text.casefold().split()))) < CHARACTERS_MIN:
        raise InvalidInput(
            field, "This password has too few different characters. Use several words.", InputCode.TOO_WEAK
        )
    if await asyncio.to_thread(left_over, text, (SERVICE, *about)) < LEFT_OVER_MIN:
        raise InvalidInput(
            field,
            "This password consists mostly of parts that are guessed first: common words, rows of keys, sequences, "
            "dates, repetitions, or names of yours or of this service. Add several unrelated words.",
            InputCode.TOO_WEAK,
        )


def _bytes(password: str) -> bytes:
    # JSON can carry half of a surrogate pair; treat it as a wrong password, not as an error.
    return _normal(password).encode("utf-8", "surrogatepass")


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password[: LENGTH_MAX * 4])
