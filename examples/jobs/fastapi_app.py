"""The REST API in FastAPI: rules are dependencies, and the OpenAPI document shows their scopes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Response
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from spacekey import Limiter, Principal, TokenMiddleware, public
from spacekey.domain.verifier import TIMEOUT_SECONDS, Verifier
from spacekey.middleware.fastapi import RequireScopes, declare_docs

from . import rules
from .board import Board, BoardError, Boards
from .home import board_of
from .rest import on_board_error

router = APIRouter()

Facts = dict[str, Any]


def _board(connection: HTTPConnection) -> Board:
    return board_of(connection)


OwnBoard = Annotated[Board, Depends(_board)]


class NewJob(BaseModel):
    """Body of a request to create a job."""

    queue: str = "default"
    payload: Any = None


class Poll(BaseModel):
    """Body of a request to claim a job."""

    queue: str = "default"


class Progress(BaseModel):
    """Body of a progress report."""

    percent: int = Field(ge=0, le=100, strict=True)


class Event(BaseModel):
    """Body of a checkpoint."""

    text: str = Field(default="", max_length=200)


@router.post("/jobs", status_code=201, dependencies=[RequireScopes(rules.CREATE)])
async def create_job(board: OwnBoard, new: NewJob) -> Facts:
    return board.create(new.queue, new.payload).facts()


@router.get("/jobs", dependencies=[RequireScopes(rules.READ)])
async def list_jobs(board: OwnBoard) -> list[Facts]:
    return [job.facts() for job in board.all()]


@router.get("/spaces/{space_id}/jobs", dependencies=[RequireScopes(rules.READ, space_param="space_id")])
async def list_jobs_of_space(space_id: str, board: OwnBoard) -> list[Facts]:
    return [job.facts() for job in board.all()]


@router.post("/jobs/poll", dependencies=[RequireScopes(rules.POLL)])
async def poll(board: OwnBoard, asked: Poll | None = None) -> Any:
    job = board.poll("default" if asked is None else asked.queue)
    return Response(status_code=204) if job is None else job.facts()


@router.get("/jobs/{job_id}", dependencies=[RequireScopes(rules.READ)])
async def show_job(job_id: str, board: OwnBoard) -> Facts:
    return board.job(job_id).facts()


@router.get("/jobs/{job_id}/events", dependencies=[RequireScopes(rules.READ)])
async def show_events(job_id: str, board: OwnBoard) -> list[str]:
    return list(board.job(job_id).events)


@router.post("/jobs/{job_id}/ack", dependencies=[RequireScopes(rules.ACK)])
async def ack(job_id: str, board: OwnBoard) -> Facts:
    return board.ack(job_id).facts()


@router.post("/jobs/{job_id}/progress", dependencies=[RequireScopes(rules.PROGRESS)])
async def progress(job_id: str, board: OwnBoard, update: Progress) -> Facts:
    return board.progress(job_id, update.percent).facts()


@router.post("/jobs/{job_id}/events", dependencies=[RequireScopes(rules.EVENT)])
async def event(job_id: str, board: OwnBoard, event: Event) -> Facts:
    return board.event(job_id, event.text).facts()


@router.post("/jobs/{job_id}/complete", dependencies=[RequireScopes(rules.COMPLETE)])
async def complete(job_id: str, board: OwnBoard) -> Facts:
    return board.complete(job_id).facts()


@router.post("/jobs/{job_id}/fail", dependencies=[RequireScopes(rules.FAIL)])
async def fail(job_id: str, board: OwnBoard) -> Facts:
    return board.fail(job_id).facts()


@router.post("/jobs/{job_id}/keepalive", dependencies=[RequireScopes(rules.KEEPALIVE)])
async def keepalive(job_id: str, board: OwnBoard) -> Facts:
    return board.keepalive(job_id).facts()


@router.get("/queues", dependencies=[RequireScopes(rules.QUEUES_READ)])
async def list_queues(board: OwnBoard) -> dict[str, bool]:
    return board.queues()


@router.post("/queues/{queue}/pause", dependencies=[RequireScopes(rules.QUEUES_WRITE)])
async def pause_queue(queue: str, board: OwnBoard) -> dict[str, bool]:
    board.pause(queue, paused=True)
    return board.queues()


@router.post("/queues/{queue}/resume", dependencies=[RequireScopes(rules.QUEUES_WRITE)])
async def resume_queue(queue: str, board: OwnBoard) -> dict[str, bool]:
    board.pause(queue, paused=False)
    return board.queues()


@router.get("/dlq", dependencies=[RequireScopes(rules.DLQ_READ)])
async def list_dead(board: OwnBoard) -> list[Facts]:
    return [job.facts() for job in board.dead()]


@router.delete("/dlq", dependencies=[RequireScopes(rules.DLQ_WRITE)])
async def purge_dead(board: OwnBoard) -> dict[str, int]:
    return {"purged": board.purge()}


@router.post("/dlq/{job_id}/retry", dependencies=[RequireScopes(rules.DLQ_WRITE)])
async def retry_dead(job_id: str, board: OwnBoard) -> Facts:
    return board.retry(job_id).facts()


@router.get("/whoami")
async def whoami(caller: Annotated[Principal, RequireScopes()]) -> Facts:
    return {"id": caller.id, "name": caller.name, "scopes": sorted(caller.scopes)}


@router.get("/health")
@public
async def health() -> dict[str, str]:
    return {"status": "ok"}


def make_app(
    verifier: Verifier,
    environment: str | None = None,
    timeout: float = TIMEOUT_SECONDS,
    limits: Limiter | None = None,
) -> FastAPI:
    """Return the app, with the parameters of ``starlette_app.make_app``."""

    app = FastAPI(title="Jobs")
    app.include_router(router)
    app.add_exception_handler(BoardError, on_board_error)
    app.add_middleware(
        TokenMiddleware,
        verifier=verifier,
        realm="jobs",
        environment=environment,
        timeout=timeout,
        limits=limits,
        known_scopes=rules.known_scopes(),
    )
    declare_docs(app, public)
    app.state.boards = Boards()
    return app
