"""A Redis in virtual time that dies, comes back without its memory and loads a file: what the script does, in Python.

Only what a process can tell apart is modelled: a connection that is refused, one that turns out to be lost, a server
that is loading, and the script's three answers. The script itself runs on a real Redis in the tests beside this.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as LostConnection

SECOND_US = 1_000_000
LATENCY_SECONDS_MAX = 0.03


@dataclass
class Call:
    """One charge: when the server decided on it last, and whether the answer arrived."""

    decided_at: float = 0.0
    answered: bool = False


CALL: ContextVar[Call] = ContextVar("call")


class ModelledRedis:
    """One server for all. Its clock is the loop's, and starts are told in whole seconds of it, rounded down."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._full_at: dict[str, int] = {}
        self._ready_at = 0.0
        self.started_at: float | None = 0.0
        """None while it is down. Also what tells one run of the server from another."""

    def kill(self) -> None:
        """All connections are lost, and all memory."""
        self.started_at = None
        self._full_at.clear()

    def start(self, loading_seconds: float) -> None:
        """It accepts connections at once, and answers them after it has loaded."""
        self.started_at = _now()
        self._ready_at = _now() + loading_seconds

    async def network(self) -> None:
        """A question or an answer is under way."""
        await asyncio.sleep(self._chance.uniform(0.0, LATENCY_SECONDS_MAX))

    def run(self, key: str, interval: int, burst: int, cost: int, settle: int) -> list[int]:
        """The script, as ``redis_script`` has it.

        :raises BusyLoadingError: before the file is loaded.
        """
        assert self.started_at is not None
        if _now() < self._ready_at:
            raise BusyLoadingError("Redis is loading the dataset in memory")
        now, span = round(_now() * SECOND_US), interval * burst
        settled = (int(self.started_at) + 1) * SECOND_US + settle
        if now < settled:
            return [-1, settled - now]
        debt = max(0, settled + span - now, self._full_at.get(key, 0) - now)
        if debt + interval * cost > span:
            return [0, debt]
        self._full_at[key] = now + debt + interval * cost
        return [1, debt + interval * cost]


class ModelledClient:
    """One process' connections to it: what ``redis.asyncio.Redis`` is to the limiter."""

    def __init__(self, server: ModelledRedis) -> None:
        self._server = server
        self._idle: list[float | None] = []
        self.connection_pool = self

    def register_script(self, _: str) -> ModelledClient:
        """The script is known already."""
        return self

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Drop the connections nobody uses."""
        assert not inuse_connections
        self._idle.clear()

    async def aclose(self) -> None:
        """Nothing to give back."""

    async def __call__(self, keys: Sequence[str], args: Sequence[int]) -> list[int]:
        """Run the script on a connection that was idle, or on a new one.

        :raises LostConnection: when nobody listens, or the server was another one when the connection was made.
        :raises BusyLoadingError: before the file is loaded.
        """
        server, call = self._server, CALL.get(Call())
        connected_to = self._idle.pop() if self._idle else server.started_at
        if connected_to is None:
            raise LostConnection("refused")
        await server.network()
        if server.started_at != connected_to:
            raise LostConnection("lost before the question")
        call.decided_at = _now()
        answer = server.run(keys[0], *args)
        await server.network()
        if server.started_at != connected_to:
            raise LostConnection("lost before the answer")
        self._idle.append(connected_to)
        call.answered = answer[0] >= 0
        return answer


def _now() -> float:
    return asyncio.get_running_loop().time()
