"""Which faults happen, in which order and for how long: all of it follows from the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """What may go wrong."""

    STOP_POSTGRES = "PostgreSQL stopped at once and started"
    KILL_BACKEND = "backend killed -9, PostgreSQL recovers"
    SUSPEND_BACKENDS = "backends suspended"
    SUSPEND_POSTGRES = "PostgreSQL suspended"
    CLOSE_CONNECTIONS = "connections closed"
    EXHAUST_SLOTS = "connection slots exhausted"
    LOCK_TABLE = "tokens table locked"
    KILL_VERIFIER = "verifier killed -9 and restarted"
    KILL_MANAGER = "manager killed -9 and restarted"
    SUSPEND_VERIFIER = "verifier suspended"
    SUSPEND_MANAGER = "manager suspended"
    CROWD = "verifier's pool exhausted"


OF_POSTGRES = (
    Kind.STOP_POSTGRES,
    Kind.KILL_BACKEND,
    Kind.SUSPEND_BACKENDS,
    Kind.SUSPEND_POSTGRES,
    Kind.CLOSE_CONNECTIONS,
    Kind.EXHAUST_SLOTS,
    Kind.LOCK_TABLE,
)
OF_PROCESSES = (
    Kind.KILL_VERIFIER,
    Kind.KILL_MANAGER,
    Kind.SUSPEND_VERIFIER,
    Kind.SUSPEND_MANAGER,
    Kind.CROWD,
)
LASTS_SECONDS_MAX = 1.5


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    :param pause: after the fault before it, 0 to 1 of the longest.
    :param lasts_seconds: until it is set right again.
    :param draw: 0 to 1, decides whom it hits.
    """

    kind: Kind
    pause: float
    lasts_seconds: float
    draw: float


def plan(kinds: Sequence[Kind], seed: int) -> Iterator[Fault]:
    """Faults without end: round after round of all kinds, each round in another order."""
    random = Random(seed)
    while True:
        for kind in random.sample(kinds, len(kinds)):
            yield Fault(
                kind,
                pause=random.uniform(0.2, 1.0),
                lasts_seconds=random.uniform(0.1, LASTS_SECONDS_MAX),
                draw=random.random(),
            )
