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

from spacekey.domain.actor import Actor
from spacekey.domain.clock import boot_clock, utc_now
from spacekey.domain.outcome import Refused
from spacekey.domain.secret import Secret, mint
from spacekey.domain.verifier import Verifier
from spacekey.middleware import TokenMiddleware, requires
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.server.build import build_system, build_verifier
from spacekey.server.embed import store_verifier
from spacekey.server.settings import Settings, packaged_catalogs
from support.asgi_calls import bearer, call

from .environment import Scene, read_scene
from .shared_counters import Board, Managed, Used

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


def make_verifier(scene: Scene, *, quiet: bool) -> Verifier:
    """The product's verifier; with a stretch, one that keeps answers for longer than T, which no setting allows.

    :param quiet: it does not tell owners of refused tokens. One process telling them is enough: each token's row in
        the audit log costs as much as all its verifications, and nothing here is about it.
    """
    if scene.stretch != 1.0:
        return _forgetful(scene)
    if scene.server_url is not None:
        return RemoteVerifier(scene.server_url, scene.app_token)
    verifier = store_verifier(scene.database_url, packaged_catalogs())
    if quiet:
        setattr(verifier, "_refusals", _Deaf())  # noqa: B010 - it is not for others to set
    return verifier


class _Deaf(RefusalLog):
    def __init__(self) -> None:
        pass

    def note(self, refused: Refused, request: RequestFacts, *, reported_by: Actor | None = None) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def flush(self) -> None:
        pass


def _forgetful(scene: Scene) -> CachedVerifier:
    system = build_system(Settings(database_url=scene.database_url))
    asking = build_verifier(Store(scene.database_url), system.catalogs, utc_now, scene.staleness_seconds)

    async def read(secret: Secret) -> Reading:
        reading = await asking.use(secret)
        return Reading(reading.verdict, reading.max_age_seconds * scene.stretch)

    return CachedVerifier(read)


class Users:
    """Everybody who uses tokens here: so many at a time, each with the next token that is at hand.

    A machine that is busy with other things slows them down; it does not make them pile up.
    """

    def __init__(self, scene: Scene, managed: Board, used: Board, *, quiet: bool) -> None:
        self._scene = scene
        self._managed = managed
        self._used = used
        middleware = [Middleware(TokenMiddleware, verifier=make_verifier(scene, quiet=quiet))]
        self._app = Starlette(routes=ROUTES, middleware=middleware)
        self._at_hand: dict[int, None] = {}
        self._next = 0
        self._after: Counter[int] = Counter()
        self._turn = self._turns()
        self._crowd: set[asyncio.Task[int]] = set()

    async def run(self) -> None:
        """Use tokens until somebody ends the process, or a use raises what no request may."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._scene.users):
                group.create_task(self._user())

    def crowd(self) -> None:
        """Many at once with tokens nobody knows: more reads than there are connections."""
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
            for token in self._scene.takeaways[number].tokens:
                yield number, token

    def _look(self) -> None:
        """Which takeaways are at hand: those that come next, those under way, those answered a moment ago."""
        now, managed = boot_clock(), self._managed
        for number in list(self._at_hand):
            ended = self._ended_at(number)
            if ended and now > ended + LINGER_SECONDS and self._after[number] >= USES_AFTER_MIN:
                del self._at_hand[number]
        waiting = sum(1 for number in self._at_hand if not managed.get(number, Managed.BEGAN))
        while self._next < managed.rows and waiting < max(4, self._scene.lanes // 4):
            ended = self._ended_at(self._next)
            if not ended or now <= ended + LINGER_SECONDS:  # a process that comes anew leaves the past alone
                self._at_hand[self._next] = None
                waiting += not managed.get(self._next, Managed.BEGAN)
            self._next += 1

    def _ended_at(self, number: int) -> float:
        return self._managed.get(number, Managed.ANSWERED)

    async def _use(self, number: int, token: int) -> None:
        victim, used = self._scene.victims[token], self._used
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
    scene = read_scene(folder)
    with scene.managed(folder) as managed, scene.used(folder, number) as used:
        users = Users(scene, managed, used, quiet=number > 0)
        asyncio.get_running_loop().add_signal_handler(signal.SIGURG, users.crowd)
        await users.run()


def main() -> None:
    """Use tokens until somebody ends the process. The arguments are the scene's folder and this verifier's number."""
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
