"""Jobs in memory, with one board for each space or workspace. This module does not depend on tokens."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JOBS_MAX = 1_000
BOARDS_MAX = 1_000
EVENTS_MAX = 100
WATCHERS_MAX = 100
BEHIND_MAX = 100


class BoardError(Exception):
    """Error of the board; ``str()`` says why. Its subclass :class:`NoSuchJob` is for a missing job."""


class NoSuchJob(BoardError):
    """Error for a job that was not found."""


class Status(StrEnum):
    """Status of a job."""

    PENDING = "pending"
    CLAIMED = "claimed"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(slots=True)
class Job:
    """Job of a queue."""

    id: str
    queue: str
    payload: Any
    status: Status = Status.PENDING
    progress: int = 0
    extensions: int = 0
    events: deque[str] = field(default_factory=lambda: deque(maxlen=EVENTS_MAX))

    def facts(self) -> dict[str, Any]:
        """Return the job as JSON shows it."""
        return {
            "id": self.id,
            "queue": self.queue,
            "payload": self.payload,
            "status": self.status.value,
            "progress": self.progress,
        }


Change = tuple[str, str]
"""A job's id, and what happened to it."""

ENDED = (Status.COMPLETED, Status.FAILED)


class Board:
    """Jobs of one space or workspace, and the streams that watch them."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._paused: set[str] = set()
        self._watchers: set[asyncio.Queue[Change]] = set()

    def create(self, queue: str, payload: Any) -> Job:
        """Create a pending job."""
        if len(self._jobs) >= JOBS_MAX:
            raise BoardError(f"there are {JOBS_MAX} jobs already")
        job = Job(secrets.token_hex(8), queue, payload)
        self._jobs[job.id] = job
        self._tell(job, "created")
        return job

    def all(self) -> list[Job]:
        """Return all jobs, oldest first."""
        return list(self._jobs.values())

    def job(self, job_id: str) -> Job:
        """Return one job."""
        if job_id not in self._jobs:
            raise NoSuchJob("there is no such job")
        return self._jobs[job_id]

    def poll(self, queue: str) -> Job | None:
        """Claim the oldest pending job; return None if there is none or the queue is paused."""
        for job in self._jobs.values():
            if job.queue == queue and job.status is Status.PENDING and queue not in self._paused:
                return self._move(job, Status.CLAIMED, "claimed")
        return None

    def ack(self, job_id: str) -> Job:
        """Confirm that a worker received the job it claimed."""
        job = self.job(job_id)
        if job.status is not Status.CLAIMED:
            raise BoardError(f"the job is {job.status.value}, not claimed")
        return self._move(job, Status.RUNNING, "acknowledged")

    def progress(self, job_id: str, percent: int) -> Job:
        """Record the progress of a job."""
        job = self._open(job_id)
        job.progress = percent
        self._tell(job, f"progress {percent}")
        return job

    def event(self, job_id: str, text: str) -> Job:
        """Add a checkpoint."""
        job = self._open(job_id)
        self._tell(job, f"event {text}")
        return job

    def keepalive(self, job_id: str) -> Job:
        """Extend the time of a job."""
        job = self._open(job_id)
        job.extensions += 1
        return job

    def complete(self, job_id: str) -> Job:
        """Complete a job."""
        return self._move(self._open(job_id), Status.COMPLETED, "completed")

    def fail(self, job_id: str) -> Job:
        """Fail a job, which moves it to the dead-letter queue."""
        return self._move(self._open(job_id), Status.FAILED, "failed")

    def dead(self) -> list[Job]:
        """Return the dead-letter queue."""
        return [job for job in self._jobs.values() if job.status is Status.FAILED]

    def retry(self, job_id: str) -> Job:
        """Return a failed job to its queue."""
        job = self.job(job_id)
        if job.status is not Status.FAILED:
            raise BoardError(f"the job is {job.status.value}, not failed")
        return self._move(job, Status.PENDING, "retried")

    def purge(self) -> int:
        """Delete the dead-letter queue and return the number of its jobs."""
        dead = self.dead()
        for job in dead:
            del self._jobs[job.id]
        return len(dead)

    def queues(self) -> dict[str, bool]:
        """Return all queues with whether they are paused."""
        names = {job.queue for job in self._jobs.values()} | self._paused
        return {name: name in self._paused for name in sorted(names)}

    def pause(self, queue: str, paused: bool) -> None:
        """Stop or resume handing out a queue's jobs."""
        if paused and len(self._paused) < JOBS_MAX:
            self._paused.add(queue)
        else:
            self._paused.discard(queue)

    @contextmanager
    def watching(self) -> Iterator[asyncio.Queue[Change]]:
        """Watch changes until the block ends. A slow watcher misses the newest changes."""
        if len(self._watchers) >= WATCHERS_MAX:
            raise BoardError(f"{WATCHERS_MAX} are watching already")
        changes: asyncio.Queue[Change] = asyncio.Queue(BEHIND_MAX)
        self._watchers.add(changes)
        try:
            yield changes
        finally:
            self._watchers.discard(changes)

    async def changes(self, job_id: str | None = None) -> AsyncIterator[Change]:
        """Yield the changes of one job, or of all."""
        with self.watching() as changes:
            while True:
                change = await changes.get()
                if job_id in (None, change[0]):
                    yield change

    def _open(self, job_id: str) -> Job:
        job = self.job(job_id)
        if job.status in ENDED:
            raise BoardError(f"the job has {job.status.value} already")
        return job

    def _move(self, job: Job, status: Status, what: str) -> Job:
        job.status = status
        self._tell(job, what)
        return job

    def _tell(self, job: Job, what: str) -> None:
        job.events.append(what)
        for watcher in self._watchers:
            if not watcher.full():
                watcher.put_nowait((job.id, what))


class Boards:
    """Boards of all spaces and workspaces, each created when it is first used."""

    def __init__(self) -> None:
        self._boards: dict[str, Board] = {}

    def of(self, home: str) -> Board:
        """Return the board of a space's or workspace's id."""
        if home not in self._boards and len(self._boards) >= BOARDS_MAX:
            raise BoardError(f"there are {BOARDS_MAX} boards already")
        return self._boards.setdefault(home, Board())
