"""Several processes on one listening socket: started, watched, replaced one after another, and stopped together.

The parent opens the socket and starts the workers, each a Python of its own that inherits the socket. So a connection
that waits to be accepted belongs to all of them: if one worker ends, another one accepts it. The parent serves no
requests, and keeps no connection to the database.

- A worker that ends by itself is replaced: at once if it has served for half a minute, else after a pause that doubles
  up to half a minute while workers keep ending early.
- SIGHUP replaces all workers one after another: a new one is ready before the old one is told to stop. They load the
  code and the product files as they are on disk then; the settings stay those of the parent.
- SIGTERM and SIGINT stop all workers as a single process is stopped.
- If no worker can start, the parent stops with the reason. A worker whose parent has ended stops by itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable, SpacekeyError
from spacekey.models.engine.store import SQLITE, database_url
from spacekey.server.build import build_system, prepare_store
from spacekey.server.metrics import forget_gauges
from spacekey.server.settings import Settings
from spacekey.server.shared_memory import SharedMemory

START_SECONDS_MAX = 300.0
"""How long a worker that replaces another one may take to be ready, before it is given up and the other one stays."""
STOP_SECONDS_MAX = 85.0
"""How long workers may take to stop before they are killed: longer than a single process ever takes."""
STEADY_SECONDS = 30.0
"""How long a worker must have served for its replacement to start without a pause."""
PAUSE_SECONDS = 0.5
PAUSE_SECONDS_MAX = 30.0
FAILED_STARTS_MAX = 10
"""How many workers in a row may fail to start, while none serves, before the parent gives up."""
READY = b"ready\n"
"""Message of a worker that accepts requests."""
_LINE_BYTES_MAX = 65_536

log = logging.getLogger("spacekey.workers")


def supervise(settings: Settings, listening: socket.socket, on_start: Callable[[], None] | None) -> None:
    """Run ``settings.workers`` processes on the socket until SIGINT or SIGTERM.

    :param on_start: called once the first worker accepts requests.
    :raises ConfigurationError: on SQLite or Windows, which have one process; or if no worker can start; says why.
    :raises ServiceUnavailable: the database does not answer.
    :raises KeyboardInterrupt: after SIGINT, when all workers have ended.
    """
    _check_workers(settings)
    with tempfile.TemporaryDirectory(prefix="spacekey-metrics-") as folder, asyncio.Runner() as runner:
        runner.run(_ready_to_serve(settings))
        supervisor = Supervisor(settings, listening, Path(folder), on_start)
        runner.run(supervisor.run())
    if supervisor.interrupted:
        raise KeyboardInterrupt


def _check_workers(settings: Settings) -> None:
    if database_url(settings.database_url).get_backend_name() == SQLITE:
        raise ConfigurationError(
            f"SPACEKEY_WORKERS: SQLite is written by one process at a time, so {settings.workers} workers would wait "
            "for each other; write 1, or keep the data in PostgreSQL (SPACEKEY_DATABASE_URL)"
        )
    if sys.platform == "win32":
        raise ConfigurationError("SPACEKEY_WORKERS: several workers share a socket, which Windows can't; write 1")


async def _ready_to_serve(settings: Settings) -> None:
    """Check once, before any worker starts, what would keep each from serving."""
    system = build_system(settings)
    try:
        await prepare_store(system.store)
    finally:
        await system.store.aclose()


class Supervisor:
    """Parent of the workers."""

    def __init__(
        self, settings: Settings, listening: socket.socket, metrics: Path, on_start: Callable[[], None] | None
    ) -> None:
        self.interrupted = False
        """Whether it was stopped by SIGINT."""
        self._settings = settings
        self._listening = listening
        self._metrics = metrics
        self._on_start = on_start
        self._memory = SharedMemory.create()
        self._alive: set[Worker] = set()
        self._numbers: set[int] = set()
        """Numbers of the workers that run or are about to start; each writes files of its own number."""
        self._serving: dict[int, Worker] = {}
        """Worker at each place, running or starting."""
        self._changing = [asyncio.Lock() for _ in range(settings.workers)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._announced = False
        self._failed_starts = 0
        self._failure: SpacekeyError | None = None
        self._restarting: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Start the workers and keep them running; see :func:`supervise`."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, self._restart)
        try:
            for place in range(self._settings.workers):
                self._begin(self._keep(place))
            await self._stop.wait()
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._end_all()
        if self._failure is not None:
            raise self._failure

    def _interrupt(self) -> None:
        self.interrupted = True
        self._stop.set()

    def _restart(self) -> None:
        if self._restarting is not None and not self._restarting.done():
            log.warning("SIGHUP: the workers are being replaced already")
            return
        log.info("SIGHUP: the workers are replaced one after another")
        self._restarting = self._begin(self._replace_all())

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("the workers are no longer watched", exc_info=task.exception())
            self._failure = ConfigurationError("the workers can't be watched; the log says why")
            self._stop.set()

    async def _keep(self, place: int) -> None:
        """Keep a worker running at a place: start one, and another one each time it ends without being replaced."""
        early_ends = 0
        warns = place == 0
        while True:
            async with self._changing[place]:
                worker = self._serving.get(place)
                if worker is None or worker.ended.is_set():
                    worker = self._serving[place] = await self._start(warns=warns)
                    warns = False
            await worker.ended.wait()
            if self._serving[place] is not worker:
                early_ends = 0  # it was replaced
                continue
            early_ends = 0 if worker.served_seconds >= STEADY_SECONDS else early_ends + 1
            if not worker.was_ready and self._gives_up(worker):
                return
            pause = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2 ** (early_ends - 1)) if early_ends else 0.0
            log.error("worker %d %s; another one is started in %g s", worker.pid, worker.end, pause)
            await asyncio.sleep(pause)

    def _gives_up(self, worker: Worker) -> bool:
        """Note a failed start, and stop if no worker serves or can start."""
        self._failed_starts += 1
        if any(one.was_ready for one in self._alive):
            return False
        if self._announced and self._failed_starts < FAILED_STARTS_MAX:
            return False
        log.error("worker %d %s; no worker can start", worker.pid, worker.end)
        if self._failure is None:
            self._failure = worker.failure or ConfigurationError(
                f"no worker can start: worker {worker.pid} {worker.end}"
            )
        self._stop.set()
        return True

    async def _replace_all(self) -> None:
        for place in range(self._settings.workers):
            async with self._changing[place]:
                old = self._serving.get(place)
                if old is None:
                    continue  # it is about to be started
                new = await self._start(warns=place == 0)
                if not await new.is_ready(START_SECONDS_MAX):
                    why = "it takes too long" if new.failure is None else str(new.failure)
                    log.error("worker %d can't replace worker %d, which stays: %s", new.pid, old.pid, why)
                    new.kill()
                    return
                self._serving[place] = new
                old.terminate()
            await old.ended.wait()
        log.info("all workers are replaced")

    async def _start(self, *, warns: bool) -> Worker:
        number = min(set(range(2 * self._settings.workers + 1)) - self._numbers)
        self._numbers.add(number)
        descriptors = {"listening": self._listening.fileno(), "memory": self._memory.descriptor}
        told = {
            "settings": _told(self._settings),
            "number": number,
            "metrics": str(self._metrics),
            "warns": warns,
            "descriptors": descriptors,
        }
        try:
            worker = await Worker.start(number, told, descriptors.values())
        except BaseException:
            self._numbers.discard(number)
            raise
        self._alive.add(worker)
        self._begin_watching(worker)
        return worker

    def _begin_watching(self, worker: Worker) -> None:
        async def watch() -> None:
            try:
                await worker.watch(self._worker_ready)
            finally:
                self._alive.discard(worker)
                forget_gauges(self._metrics, worker.number)
                self._numbers.discard(worker.number)

        worker.watching = asyncio.create_task(watch())

    def _worker_ready(self, worker: Worker) -> None:
        self._failed_starts = 0
        log.info("worker %d takes requests", worker.pid)
        if not self._announced:
            self._announced = True
            if self._on_start is not None:
                self._on_start()

    async def _end_all(self) -> None:
        ending = tuple(self._alive)
        for worker in ending:
            worker.terminate()
        watching = [worker.watching for worker in ending if worker.watching is not None]
        if watching:
            _, late = await asyncio.wait(watching, timeout=STOP_SECONDS_MAX)
            if late:
                log.error("%d workers have not stopped within %g s and are killed", len(late), STOP_SECONDS_MAX)
                for worker in ending:
                    worker.kill()
                await asyncio.wait(late)


def _told(settings: Settings) -> dict[str, object]:
    """Return the settings for a worker, by name, since it may run a newer version than its parent.

    The owner's password, which no server needs, is left out.
    """
    defaults = Settings()
    names = (one.name for one in fields(settings) if one.name != "owner_password")
    return {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(defaults, name)}


class Worker:
    """Worker process, seen from its parent."""

    def __init__(
        self,
        number: int,
        process: asyncio.subprocess.Process,
        heard: asyncio.StreamReader,
        telling: asyncio.StreamWriter,
    ) -> None:
        self.number = number
        """Number that no other running worker has; it may be reused after this one has ended."""
        self.ended = asyncio.Event()
        self.was_ready = False
        self.failure: SpacekeyError | None = None
        """Reason why it could not start, if it sent one."""
        self.watching: asyncio.Task[None] | None = None
        self._process = process
        self._heard = heard
        self._telling = telling
        self._ready_or_ended = asyncio.Event()
        self._ready_at = 0.0
        self._ended_at = 0.0

    @classmethod
    async def start(cls, number: int, told: Mapping[str, object], descriptors: Iterable[int]) -> Worker:
        """Start a process that inherits the descriptors, and send it the rest over a socket of its own."""
        ours, theirs = socket.socketpair()
        warnings = (f"-W{one}" for one in sys.warnoptions)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", *warnings, "-m", "spacekey.server.serving.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(), *descriptors),
            )
        heard, telling = await asyncio.open_connection(sock=ours, limit=_LINE_BYTES_MAX)
        message = pickle.dumps(told)
        with suppress(ConnectionError):  # it has already ended, which is noticed later
            telling.write(len(message).to_bytes(4, "big") + message)
            await telling.drain()
        return cls(number, process, heard, telling)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def served_seconds(self) -> float:
        """Return how long it accepted requests, once it has ended."""
        return self._ended_at - self._ready_at if self.was_ready else 0.0

    @property
    def end(self) -> str:
        """Return how it ended, for the log."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with code {code}" + (f" ({self.failure})" if self.failure is not None else "")

    async def is_ready(self, seconds: float) -> bool:
        """Return whether it accepts requests within this time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ready_or_ended.wait()
        return self.was_ready and not self.ended.is_set()

    async def watch(self, on_ready: Callable[[Worker], None]) -> None:
        """Read its messages, and wait for its end."""
        loop = asyncio.get_running_loop()
        try:
            with suppress(ConnectionError, ValueError):
                while line := await self._heard.readline():
                    if line == READY:
                        self.was_ready, self._ready_at = True, loop.time()
                        self._ready_or_ended.set()
                        on_ready(self)
                    else:
                        self.failure = _failure(line)
            await self._process.wait()
        finally:
            self._ended_at = loop.time()
            self._telling.close()
            self.ended.set()
            self._ready_or_ended.set()

    def terminate(self) -> None:
        """Tell it to finish its requests and end."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """Kill it."""
        with suppress(ProcessLookupError):
            self._process.kill()


def _failure(line: bytes) -> SpacekeyError:
    told = json.loads(line)
    return (ServiceUnavailable if told["unavailable"] else ConfigurationError)(str(told["why"]))
