"""Members' passwords: Argon2id off the event loop, behind a short queue that is fair to networks.

Rules follow NIST SP 800-63B-4 §3.1.1: at least 15 characters, a blocklist, no composition rules, Unicode NFKC.
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

from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import InvalidInput

from .password_cover import left_over

LENGTH_MIN = 15
LENGTH_MAX = 256
AT_ONCE = 2
CHARACTERS_MIN = 5
LEFT_OVER_MIN = 8
"""What must be left without common words and patterns: the length NIST asks of a password that is not alone
(SP 800-63B-4 §3.1.1.2). Common words beside it are worth as little as a second factor that everybody has."""

SERVICE = "spacekey"


WAITING_MAX = 24
"""How many may wait to be hashed; more are answered 503. At 0.1 s a hash the last one waits for about a second."""

STRANGERS_WAITING_MAX = 16
"""How many of them may be from networks from which no one has signed in lately."""

NETWORK_WAITING_MAX = 4
"""How many of them may be from one network."""

NETWORKS_KNOWN_MAX = 10_000
RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Turn:
    """For whom a password is hashed or checked.

    :param network: where the request comes from. Those whose network is not known, ``""``, count as one; None is no
        network at all, and has no bound of its own.
    :param signed_in: whether the caller is signed in already.
    """

    network: str | None
    signed_in: bool = False


COMMAND_LINE = Turn(network=None, signed_in=True)
"""For the operator on the machine itself, and never for what came over a network."""


class Passwords:
    """Hashes and checks passwords. Each hash takes tens of milliseconds and 64 MiB, so few run at once.

    More wait, but only so many: whoever would wait too long is told so at once. Those who are signed in, or come from
    a network from which someone signed in lately, go first; within both groups the networks take turns. So a crowd of
    strangers makes each other wait, and hardly anyone else.

    :param waiting_max, strangers_waiting_max, network_waiting_max: bounds on those who wait; see the constants.
    """

    def __init__(
        self,
        hasher: PasswordHasher | None = None,
        *,
        waiting_max: int = WAITING_MAX,
        strangers_waiting_max: int = STRANGERS_WAITING_MAX,
        network_waiting_max: int = NETWORK_WAITING_MAX,
    ) -> None:
        self._hasher = hasher or PasswordHasher()
        self._waiting_max = waiting_max
        self._strangers_waiting_max = strangers_waiting_max
        self._network_waiting_max = network_waiting_max
        self._running = 0
        self._first = _Line()
        self._strangers = _Line()
        self._known: OrderedDict[str, None] = OrderedDict()

    @cached_property
    def _dummy(self) -> str:
        return self._hasher.hash("a password nobody has, hashed so that unknown users cost the same")

    async def hash(self, password: str, turn: Turn) -> str:
        """Return the Argon2id string to store.

        :raises Unavailable: too many are waiting.
        """
        async with self._in_turn(turn):
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def matches(self, stored: str | None, password: str, turn: Turn) -> bool:
        """Tell whether the password is the stored one. Without a stored hash it takes as long and answers no.

        :raises Unavailable: too many are waiting.
        """
        async with self._in_turn(turn):
            good = await asyncio.to_thread(self._verify, stored, _bytes(password))
        if good and stored is not None and turn.network:
            self._known[turn.network] = None
            self._known.move_to_end(turn.network)
            if len(self._known) > NETWORKS_KNOWN_MAX:
                self._known.popitem(last=False)
        return good and stored is not None

    @asynccontextmanager
    async def _in_turn(self, turn: Turn) -> AsyncIterator[None]:
        if self._running < AT_ONCE:  # whoever ends a turn gives it to one who waits, so no one does
            self._running += 1
        else:
            await self._wait(turn)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, turn: Turn) -> None:
        goes_first = turn.signed_in or turn.network in self._known
        line = self._first if goes_first else self._strangers
        if (
            len(self._first) + len(self._strangers) >= self._waiting_max
            or (not goes_first and len(line) >= self._strangers_waiting_max)
            or (turn.network is not None and line.of(turn.network) >= self._network_waiting_max)
        ):
            raise Unavailable("too many passwords wait to be hashed", RETRY_AFTER_SECONDS)
        place = line.join(turn.network)
        try:
            await place
        except asyncio.CancelledError:
            if not line.leave(turn.network, place):
                self._pass_on()  # the turn had come already
            raise

    def _pass_on(self) -> None:
        """Give the turn that has ended to the next who waits, if there is one."""
        if not (self._first.call() or self._strangers.call()):
            self._running -= 1

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str | None, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored if stored is not None else self._dummy, password)
        except (VerificationError, InvalidHashError):
            return False


class _Line:
    """Those who wait, by network; the networks are called in turn."""

    def __init__(self) -> None:
        self._places: OrderedDict[str | None, deque[asyncio.Future[None]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def of(self, network: str | None) -> int:
        """How many of this network wait."""
        return len(self._places.get(network, ()))

    def join(self, network: str | None) -> asyncio.Future[None]:
        """A place at the end of the network's line; it is done when the turn has come."""
        place = asyncio.get_running_loop().create_future()
        self._places.setdefault(network, deque()).append(place)
        return place

    def leave(self, network: str | None, place: asyncio.Future[None]) -> bool:
        """Give up a place; False when its turn has come already."""
        places = self._places.get(network)
        if places is None or place not in places:
            return False
        places.remove(place)
        if not places:
            del self._places[network]
        return True

    def call(self) -> bool:
        """Call the first of the network whose turn it is; False when no one waits."""
        if not self._places:
            return False
        network, places = next(iter(self._places.items()))
        place = places.popleft()
        self._places.move_to_end(network)
        if not places:
            del self._places[network]
        if not place.done():
            place.set_result(None)
            return True
        return self.call()  # this one was cancelled, and has not noticed yet


async def check_password(field: str, password: str, *, about: Iterable[str] = ()) -> None:
    """Refuse passwords that are too short, too long, or mostly made of what is guessed first.

    A long one takes tens of milliseconds, which are a thread's.

    :param about: names and addresses of the owner and of the service, which are guessed first too.
    :raises InvalidInput: with what to do.
    """
    text = _normal(password)
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX:
        raise InvalidInput(field, f"Use {LENGTH_MIN} to {LENGTH_MAX} characters; several words make a good password.")
    if len(set("".join(text.casefold().split()))) < CHARACTERS_MIN:
        raise InvalidInput(field, "This password repeats too few characters. Use several words.")
    if await asyncio.to_thread(left_over, text, (SERVICE, *about)) < LEFT_OVER_MIN:
        raise InvalidInput(
            field,
            "This password is mostly made of what is guessed first: common words, rows of keys, sequences, dates, "
            "repetitions, or names of yours or of this service. Add several words that have nothing to do with them.",
        )


def _bytes(password: str) -> bytes:
    # JSON can carry half of a surrogate pair; it is a wrong password like any other, not a fault.
    return _normal(password).encode("utf-8", "surrogatepass")


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password[: LENGTH_MAX * 4])
