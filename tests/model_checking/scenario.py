"""One interleaving: several verifying processes and two managing ones on one database, in weather drawn from a seed."""

from __future__ import annotations

import asyncio
import random as randoms
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any, cast

from spacekey.domain.authentication import Authenticated, Rejected, Unavailable, Verdict
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.product import Product
from spacekey.domain.secret import Secret, mint
from spacekey.middleware.verifiers.remote import reading_of
from spacekey.resolvers.system import System
from spacekey.server.http.oauth import described
from support.world import OPERATOR, example_products

from .system_under_test import SystemUnderTest
from .virtual_database import WORKSPACE, Database, Row, Session, Version, VirtualLookup, VirtualStore
from .virtual_machines import NOON, Machines, Process

SCOPE = "jobs:read"
DEFAULT_STALENESS = 1.0
TOKENS = ("a", "b", "c")


@cache
def _products() -> dict[str, Product]:
    return {"spooled": example_products()["spooled"]}


@cache
def secrets() -> dict[str, Secret]:
    """The secrets of the tokens, the same in every run."""
    entropy = randoms.Random(7).randbytes
    return {name: mint("sp", "live", entropy) for name in TOKENS}


@cache
def _names() -> dict[bytes, str]:
    return {secret.digest(): name for name, secret in secrets().items()}


Ask = Callable[[Secret], Coroutine[Any, Any, tuple[Verdict, float]]]
"""How a process comes by a verdict and T."""


def outage() -> Exception:
    """What a broken connection becomes."""
    return ServiceUnavailable("the connection broke")


@dataclass(slots=True)
class Read:
    """One question of a cache to its source, and what came of it."""

    token: str
    tick: int
    began: int
    ended: int | None = None
    ended_tick: int = 0
    verdict: Verdict | None = None
    max_age: float = 0.0


@dataclass(slots=True)
class Use:
    """One request with a token, from arrival to answer. ``verdict`` None: not answered."""

    token: str
    where: Verifying
    began: int
    tick: int
    cancelled: bool = False
    ended: int = 0
    ended_tick: int = 0
    verdict: Verdict | None = None
    error: BaseException | None = None

    @property
    def accepted(self) -> bool:
        """Whether the request went through."""
        return isinstance(self.verdict, Authenticated) and SCOPE in self.verdict.principal.scopes


@dataclass(frozen=True, slots=True)
class Promise:
    """A change that was answered at ``moment``: from then and ``tick`` on, what was ``committed`` holds everywhere."""

    token: str
    committed: int
    moment: int
    tick: float


@dataclass
class Scenario:
    """Scenario of one seed, with all that happened, for the invariants to check."""

    seed: int
    under_test: SystemUnderTest
    machines: Machines = field(init=False)
    database: Database = field(init=False)
    verifying: list[Verifying] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    managing: list[asyncio.Task[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machines = Machines(Random(self.seed))
        self.database = Database(self.machines)

    def random(self) -> Random:
        """Return the scenario's only source of randomness."""
        return self.machines.random


def reader(scenario: Scenario, process: Process) -> Ask:
    """The real verifier of a process that reaches the database."""
    around = scenario.under_test.surroundings
    lookup = VirtualLookup(process, scenario.database, _names(), outage)
    lookup.lag, lookup.two_statements = around.replica_lag, not around.one_statement

    async def first_use(_token_id: str) -> None:
        """No token here is a successor."""

    verifier = scenario.under_test.verify.LookupVerifier(
        lookup, _products(), process.wall, first_use, DEFAULT_STALENESS
    )

    async def ask(secret: Secret) -> tuple[Verdict, float]:
        reading = await verifier.use(secret)
        return reading.verdict, reading.max_age_seconds

    return ask


class Introspecting:
    """A server that remote verifiers ask. It answers from the database, never from a cache."""

    def __init__(self, scenario: Scenario) -> None:
        self.process = Process(scenario.machines, "introspecting")
        read = reader(scenario, self.process)
        around = scenario.under_test.surroundings
        self.answer = _cached_read(scenario, self.process, read) if around.introspection_is_cached else read


class Verifying:
    """A process that checks tokens: the real cache over the real verifier, or over a remote Spacekey."""

    def __init__(self, scenario: Scenario, number: int, server: Introspecting | None) -> None:
        self.scenario = scenario
        around = scenario.under_test.surroundings
        self.process = Process(scenario.machines, f"verifying-{number}")
        self.reads: list[Read] = []
        self._ask = (
            reader(scenario, self.process) if server is None else _remotely(self.process, server.process, server.answer)
        )
        random = scenario.machines.random
        self.entries_max = random.choice((1, 2, 8))
        self.unknown_max = random.choice((0, 1, 8))
        clock = self.process.monotonic if around.clock_stops_in_sleep else self.process.boot_clock
        self.cache = scenario.under_test.cached.CachedVerifier(
            self._read,
            clock=clock,
            now=self.process.wall,
            entries_max=self.entries_max,
            unknown_entries_max=self.unknown_max,
        )

    def use(self, token: str) -> None:
        """A request arrives."""
        scenario = self.scenario
        use = Use(token, self, scenario.machines.moment(), scenario.machines.now)
        scenario.uses.append(use)
        # A request is served from its arrival on only if the process runs; until then it waits at the socket.
        task = self.process.start(self._serve(use))
        if scenario.machines.random.random() < 0.05:
            scenario.machines.after(int(scenario.machines.random.random() * 4), lambda: self._cancel(use, task))

    async def _serve(self, use: Use) -> None:
        machines = self.scenario.machines
        secret = secrets()[use.token]
        try:
            verdict = self.cache.peek(secret.bearer()) if machines.random.random() < 0.75 else None
            use.verdict = verdict or await self.cache.verify(secret)
        except BaseException as error:
            use.error = error
            if not isinstance(error, asyncio.CancelledError | Exception):
                raise
        use.ended, use.ended_tick = machines.moment(), machines.now

    def _cancel(self, use: Use, task: asyncio.Task[None]) -> None:
        if not task.done():
            use.cancelled = True
            self.process.loop.call_soon(task.cancel)

    async def _read(self, secret: Secret) -> Any:
        machines = self.scenario.machines
        read = Read(_names()[secret.digest()], machines.now, machines.moment())
        self.reads.append(read)
        try:
            read.verdict, read.max_age = await self._ask(secret)
        except ServiceUnavailable:
            read.verdict = Unavailable("broken")
            raise
        finally:
            read.ended, read.ended_tick = machines.moment(), machines.now
        return self.scenario.under_test.cached.Reading(read.verdict, read.max_age)


def _remotely(client: Process, server: Process, answer: Ask) -> Ask:
    """Ask ``server`` over the network: what introspection says, as the remote verifier reads it."""

    async def introspect(secret: Secret) -> object:
        verdict, max_age = await answer(secret)
        if isinstance(verdict, Unavailable):
            return ServiceUnavailable(verdict.why)
        if isinstance(verdict, Rejected):
            return {"active": False}
        return described(verdict.principal) | {"active": True, "max_age": max_age}

    async def ask(secret: Secret) -> tuple[Verdict, float]:
        reading = reading_of(await client.ask(lambda: server.start(introspect(secret)), broken=outage))
        return reading.verdict, reading.max_age_seconds

    return ask


def _cached_read(scenario: Scenario, server: Process, read: Ask) -> Ask:
    """What introspection must not do: answer from a cache of its own."""

    async def reading(secret: Secret) -> Any:
        return scenario.under_test.cached.Reading(*await read(secret))

    kept = scenario.under_test.cached.CachedVerifier(reading, clock=server.boot_clock, now=server.wall)

    async def from_cache(secret: Secret) -> tuple[Verdict, float]:
        return await kept.verify(secret), scenario.database.settings.get("max_staleness_seconds", DEFAULT_STALENESS)

    return from_cache


class Managing:
    """A process that changes tokens and T, by the real rule."""

    def __init__(self, scenario: Scenario, number: int) -> None:
        self.scenario = scenario
        self.process = Process(scenario.machines, f"managing-{number}")
        self.system = System(
            store=cast("Any", VirtualStore(self.process, scenario.database)),
            products=_products(),
            clock=self.process.wall,
            entropy=scenario.machines.random.randbytes,
            passwords=cast("Any", None),
            attempts=cast("Any", None),
            sleep=asyncio.sleep,
            default_staleness_seconds=DEFAULT_STALENESS,
        )

    def change(self, tokens: list[str], change: Callable[[Row], Row], *, takes: bool, wait: bool = True) -> None:
        """Begin a change; one that takes access away keeps the promise's order."""
        work = self._take(tokens, change, wait) if takes else self._give(tokens, change)
        self.scenario.managing.append(self.process.start(work))

    def set_staleness(self, seconds: float) -> None:
        """Begin to change T."""
        self.scenario.managing.append(self.process.start(self._set_staleness(seconds)))

    async def _give(self, tokens: list[str], change: Callable[[Row], Row]) -> None:
        async with self.system.store.changing() as session:
            await cast("Session", session).change(tokens, change, lock=_lock_of(tokens))

    async def _take(self, tokens: list[str], change: Callable[[Row], Row], wait: bool) -> None:
        scenario, rule = self.scenario, self.scenario.under_test.settle
        async with self.system.store.changing() as session:
            await cast("Session", session).change(tokens, change, lock=_lock_of(tokens))
            staleness = await rule.staleness_seconds(session, self.system)
        effective_at = await rule.settle(self.system, staleness, wait=wait)
        committed = cast("Session", session).committed_at
        moment = scenario.machines.moment()
        # Who waited was promised that it holds now; who did not, from when it will.
        tick = 0.0 if wait else (effective_at - NOON) / timedelta(seconds=1)
        scenario.promises += [Promise(token, committed, moment, tick) for token in tokens]
        if wait and scenario.machines.random.random() < 0.7:
            # The worst moment for the promise: right after the answer, everywhere.
            for verifying in scenario.verifying:
                verifying.use(tokens[0])

    async def _set_staleness(self, seconds: float) -> None:
        await self.scenario.under_test.staleness.set_staleness(self.system, OPERATOR, seconds)


def _lock_of(tokens: list[str]) -> str:
    return tokens[0] if len(tokens) == 1 else WORKSPACE


def open_history(scenario: Scenario, *, unknown: bool) -> None:
    """The tokens as they are at first: some with an expiry date, and the last one may be yet to be made."""
    random = scenario.random()
    for name in TOKENS:
        ends_at = random.choice((3, 6, 10, 16)) if random.random() < 0.2 else None
        row = Row(exists=not (unknown and name == TOKENS[-1]), ends_at=ends_at)
        scenario.database.history[name] = [Version(scenario.machines.moment(), 0, row)]


def ending(scenario: Scenario, ticks: int) -> Callable[[Row], Row]:
    """A rotation with this grace, or an expiry that is brought forward."""
    at = scenario.machines.now + ticks
    return lambda row: replace(row, ends_at=at if row.ends_at is None else min(at, row.ends_at))
