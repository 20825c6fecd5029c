"""The race: tokens lose access while verifiers use them without a pause, and everything goes wrong that can."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import asyncpg

from spacekey.server.cli.common.run import UNAVAILABLE
from support.databases import postgres_database
from support.postgres import PostgresServer

from .environment import VERIFIERS, Environment
from .fault_injection import FaultInjector
from .final_checks import Aftermath, look_after
from .plan import OF_POSTGRES, OF_PROCESSES, Fault, Kind, plan
from .processes import Processes, process_group
from .servers import SERVER, prepare_environment, server_command, server_environ
from .shared_counters import Managed, SharedCounters, Used
from .verdict import Outcome, evaluate

LOOK_SECONDS = 0.1
START_SECONDS_MAX = 60.0
LINGER_SECONDS = 2.0
MANAGER = "managing"
MAY_END = {(MANAGER, 0), (SERVER, UNAVAILABLE)}
"""Which process may have ended by itself, and how: a server does not start without its database."""


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a race. It ends when all minima are reached.

    :param tokens_min: so many tokens have lost access by an answered takeaway.
    :param faults_min: every kind of fault has happened so often.
    :param seconds_max: it ends then whatever has happened.
    :param staleness_seconds: T.
    :param lanes: takeaways at a time.
    :param users: uses at a time, in each verifier.
    :param pause_tokens: the longest pause between two faults on one side (PostgreSQL or processes), counted in tokens
        that lose access meanwhile, so that a slow machine gets something done between faults; None: no faults.
    :param pause_seconds_max: whatever has happened in it, a pause takes no longer.
    :param tried_part: of the tokens, so many were accepted before the takeaway, and so many tried after the answer.
        Less in a short race, in which one takeaway of many tokens weighs much, and over HTTP, where few users ask.
    """

    tokens_min: int
    faults_min: int
    seconds_max: float
    staleness_seconds: float = 0.5
    lanes: int = 12
    users: int = 12
    pause_tokens: float | None = 4
    pause_seconds_max: float = 5.0
    tried_part: float = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a race.

    :param faults: how often each happened.
    :param ended: processes that ended without being asked to, with their exit codes.
    :param aftermath: what the database says when all is over.
    """

    seed: int
    size: Size
    seconds: float
    outcome: Outcome
    faults: dict[Kind, int]
    ended: dict[str, int]
    aftermath: Aftermath


async def race(
    postgres: PostgresServer,
    folder: Path,
    size: Size,
    seed: int,
    *,
    over_http: bool = False,
    stretch: float = 1.0,
    wait: bool = True,
) -> Result:
    """Run one race on a fresh database and evaluate it.

    :param over_http: remote verifiers and a managing client of one real server, instead of processes with a store.
    :param stretch: see :class:`Environment`; so is ``wait``.
    """
    began = time.monotonic()
    with postgres_database(postgres) as url:
        takeaways = size.tokens_min + 20 * size.lanes  # most take one token, some take twenty
        environment = await prepare_environment(
            url, size.staleness_seconds, size.lanes, takeaways, seed, over_http=over_http
        )
        environment = replace(environment, users=size.users, stretch=stretch, wait=wait)
        environment.write(folder)
        # Made here, so that no process finds a file that is not yet as long as it will be.
        managed, counters = environment.managed(folder), [environment.used(folder, at) for at in range(VERIFIERS)]
        names = [f"verifying-{number}" for number in range(VERIFIERS)]
        commands = {
            **({SERVER: server_command(environment)} if over_http else {}),
            **{name: ["chaos.verifying:main", str(folder), str(at)] for at, name in enumerate(names)},
            MANAGER: ["chaos.managing:main", str(folder)],
        }
        with process_group(folder, commands, server_environ(environment)) as members:
            for name in commands:
                members.start(name)
            await _begun(members, managed)
            alive = {name: partial(one.total, Used.TRIED) for name, one in zip(names, counters, strict=True)}
            alive[victim := SERVER if over_http else MANAGER] = partial(managed.total, Managed.ANSWERED)
            injector = FaultInjector(postgres, members, url, names, victim, alive)
            faults = await _until_enough(members, injector, size, seed, partial(_tokens_answered, environment, managed))
            ended = {name: code for name, code in members.ended.items() if (name, code) not in MAY_END}
        outcome = evaluate(environment, managed, counters)
        aftermath = await look_after(environment, managed)
    return Result(seed, size, time.monotonic() - began, outcome, faults, ended, aftermath)


async def _begun(members: Processes, managed: SharedCounters) -> None:
    """Until the first answer: before it the processes are only starting."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while not managed.total(Managed.ANSWERED):
        members.look()
        if members.ended or time.monotonic() > deadline:
            raise RuntimeError(f"the race did not begin: {members.ended}")
        await asyncio.sleep(LOOK_SECONDS)


def _tokens_answered(environment: Environment, managed: SharedCounters) -> int:
    return sum(
        len(takeaway.tokens)
        for number, takeaway in enumerate(environment.takeaways)
        if managed.get(number, Managed.ANSWERED)
    )


async def _until_enough(
    members: Processes, injector: FaultInjector, size: Size, seed: int, tokens_answered: Callable[[], int]
) -> dict[Kind, int]:
    """Faults on both sides, until enough has happened or the time is over; then some uses more."""
    happened: Counter[Kind] = Counter()
    deadline = time.monotonic() + size.seconds_max
    over = asyncio.Event()
    sides: Sequence[asyncio.Task[None]] = ()
    if size.pause_tokens is not None:
        sides = [
            asyncio.create_task(_inject(injector, plan(kinds, seed + at), size, tokens_answered, happened, over))
            for at, kinds in enumerate((OF_POSTGRES, OF_PROCESSES))
        ]
    rare = [kind for kind in Kind if sides]
    while time.monotonic() < deadline and not members.ended.keys() - {SERVER}:
        rare = [kind for kind in rare if happened[kind] < size.faults_min]
        if any(side.done() for side in sides) or (not rare and tokens_answered() >= size.tokens_min):
            break
        await asyncio.sleep(LOOK_SECONDS)
        members.look()
        if SERVER in members.ended:
            # It does not start while PostgreSQL is stopped, so it is started again, as a service manager would.
            members.start(SERVER)
    over.set()
    await asyncio.gather(*sides)
    await asyncio.sleep(LINGER_SECONDS)
    members.look()
    return dict(happened)


async def _inject(
    injector: FaultInjector,
    faults: Iterator[Fault],
    size: Size,
    tokens_answered: Callable[[], int],
    happened: Counter[Kind],
    over: asyncio.Event,
) -> None:
    for fault in faults:
        enough = tokens_answered() + fault.pause * (size.pause_tokens or 0)
        deadline = time.monotonic() + fault.pause * size.pause_seconds_max
        while not over.is_set() and tokens_answered() < enough and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        if over.is_set():
            return
        try:
            await injector.inject(fault)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            continue  # another fault stood in its way
        happened[fault.kind] += 1
