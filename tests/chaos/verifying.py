"""A verifying process: an app behind ``TokenMiddleware`` whose users use every token at hand, again and again.

SIGURG, which is ignored until it is handled, makes many users with unknown tokens come at once.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from spacekey import TokenMiddleware, requires
from spacekey.domain.actor import Actor
from spacekey.domain.authentication import Rejected
from spacekey.domain.clock import boot_clock, utc_now
from spacekey.domain.secret import Secret, mint
from spacekey.domain.verifier import Verifier
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.server.build import build_system, build_verifier
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import Settings, packaged_products
from support.asgi_calls import bearer, call

from .environment import Environment, read_environment
from .shared_counters import Managed, SharedCounters, Used

PAUSE_SECONDS = 0.02
LINGER_SECONDS = 0.4
"""How long tokens are still used after the answer, and how often at least."""
USES_AFTER_MIN = 2
CROWD = 60


@requires("jobs:read")
async def jobs(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("jobs")


@requires("documents:read")
async def documents(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("documents")


@requires("sessions:read")
async def sessions(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("sessions")


ROUTES = [Route("/jobs", jobs), Route("/documents", documents), Route("/sessions", sessions)]


def make_verifier(environment: Environment, *, quiet: bool) -> Verifier:
    """The product's verifier; with a stretch, one that keeps answers for longer than T, which no setting allows.

    :param quiet: it does not tell owners of refused tokens. One process telling them is enough: each token's row in
        the audit log costs as much as all its verifications, and nothing here is about it.
    """
    if environment.stretch != 1.0:
        return _forgetful(environment)
    if environment.server_url is not None:
        return RemoteVerifier(environment.server_url, environment.app_token)
    verifier = DatabaseVerifier(environment.database_url, packaged_products())
    if quiet:
        setattr(verifier, "_refusals", _Deaf())  # noqa: B010 - it is not for others to set
    return verifier


class _Deaf(RefusalLog):
    def __init__(self) -> None:
        pass

    def note(self, refused: Rejected, request: RequestFacts, *, reported_by: Actor | None = None) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def flush(self) -> None:
        pass


def _forgetful(environment: Environment) -> CachedVerifier:
    system = build_system(Settings(database_url=environment.database_url))
    asking = build_verifier(Store(environment.database_url), system.products, utc_now, environment.staleness_seconds)

    async def read(secret: Secret) -> Reading:
        reading = await asking.use(secret)
        return Reading(reading.verdict, reading.max_age_seconds * environment.stretch)

    return CachedVerifier(read)


class Users:
    """Simulated users, so many at a time, each with the next token in turn.

    A machine that is busy with other things slows them down; it does not make them pile up.
    """

    def __init__(self, environment: Environment, managed: SharedCounters, used: SharedCounters, *, quiet: bool) -> None:
        self._environment = environment
        self._managed = managed
        self._used = used
        middleware = [Middleware(TokenMiddleware, verifier=make_verifier(environment, quiet=quiet))]
        self._app = Starlette(routes=ROUTES, middleware=middleware)
        self._at_hand: dict[int, None] = {}
        self._next = 0
        self._after: Counter[int] = Counter()
        self._turn = self._turns()
        self._crowd: set[asyncio.Task[int]] = set()

    async def run(self) -> None:
        """Use tokens until the process is ended, or a use raises an unexpected error."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._environment.users):
                group.create_task(self._user())

    def crowd(self) -> None:
        """Verify many unknown tokens at once: more reads than there are connections."""
        for _ in range(CROWD):
            secret = mint("sp", "live", secrets.token_bytes).reveal()
            task = asyncio.create_task(self._ask("/jobs", secret))
            self._crowd.add(task)
            task.add_done_callback(self._crowd.discard)

    async def _user(self) -> None:
        while True:
            try:
                number, token = next(self._turn)
            except StopIteration:
                self._turn = self._turns()
            else:
                await self._use(number, token)
            await asyncio.sleep(PAUSE_SECONDS)

    def _turns(self) -> Iterator[tuple[int, int]]:
        self._look()
        for number in list(self._at_hand):
            for token in self._environment.takeaways[number].tokens:
                yield number, token

    def _look(self) -> None:
        """Which takeaways are at hand: those that come next, those under way, those answered a moment ago."""
        now, managed = boot_clock(), self._managed
        for number in list(self._at_hand):
            ended = self._ended_at(number)
            if ended and now > ended + LINGER_SECONDS and self._after[number] >= USES_AFTER_MIN:
                del self._at_hand[number]
        waiting = sum(1 for number in self._at_hand if not managed.get(number, Managed.BEGAN))
        while self._next < managed.rows and waiting < max(4, self._environment.lanes // 4):
            ended = self._ended_at(self._next)
            if not ended or now <= ended + LINGER_SECONDS:  # a restarted process skips those that ended
                self._at_hand[self._next] = None
                waiting += not managed.get(self._next, Managed.BEGAN)
            self._next += 1

    def _ended_at(self, number: int) -> float:
        return self._managed.get(number, Managed.ANSWERED)

    async def _use(self, number: int, token: int) -> None:
        victim, used = self._environment.victims[token], self._used
        answered = self._ended_at(number)
        began = boot_clock()
        status = await self._ask(victim.path, victim.secret)
        used.add(token, Used.TRIED)
        if answered:
            used.add(token, Used.TRIED_AFTER)
            self._after[number] += 1
        if status == 200:
            used.add(token, Used.ACCEPTED)
            used.put(token, Used.LAST_ACCEPTED, max(began, used.get(token, Used.LAST_ACCEPTED)))
        elif status == 503:
            used.add(token, Used.CANNOT_TELL)
        elif status in (401, 403):
            used.add(token, Used.REFUSED)
        else:
            raise RuntimeError(f"status {status}")

    async def _ask(self, path: str, secret: str) -> int:
        return (await call(self._app, "GET", path, bearer(secret))).status


async def _main(folder: Path, number: int) -> None:
    environment = read_environment(folder)
    with environment.managed(folder) as managed, environment.used(folder, number) as used:
        users = Users(environment, managed, used, quiet=number > 0)
        asyncio.get_running_loop().add_signal_handler(signal.SIGURG, users.crowd)
        await users.run()


def main() -> None:
    """Use tokens until the process is ended. Its arguments are the environment's folder and this verifier's number."""
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
