"""The REST endpoints in Starlette, each with its rule as a decorator."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from spacekey import Principal, public, requires

from . import rules
from .board import BoardError, NoSuchJob
from .home import board_of


@requires(rules.CREATE)
async def create_job(request: Request) -> JSONResponse:
    body = await _body(request)
    job = board_of(request).create(str(body.get("queue", "default")), body.get("payload"))
    return JSONResponse(job.facts(), 201)


@requires(rules.READ)
async def list_jobs(request: Request) -> JSONResponse:
    return JSONResponse([job.facts() for job in board_of(request).all()])


@requires(rules.READ, space_param="space_id")
async def list_jobs_of_space(request: Request) -> JSONResponse:
    """List jobs by a path that names the space. Another space's token is refused with 403 before this runs."""
    return JSONResponse([job.facts() for job in board_of(request).all()])


@requires(rules.READ)
async def show_job(request: Request) -> JSONResponse:
    return JSONResponse(board_of(request).job(_id(request)).facts())


@requires(rules.READ)
async def show_events(request: Request) -> JSONResponse:
    return JSONResponse(list(board_of(request).job(_id(request)).events))


@requires(rules.POLL)
async def poll(request: Request) -> Response:
    body = await _body(request)
    job = board_of(request).poll(str(body.get("queue", "default")))
    return Response(status_code=204) if job is None else JSONResponse(job.facts())


@requires(rules.ACK)
async def ack(request: Request) -> JSONResponse:
    return JSONResponse(board_of(request).ack(_id(request)).facts())


@requires(rules.PROGRESS)
async def progress(request: Request) -> JSONResponse:
    percent = (await _body(request)).get("percent")
    if type(percent) is not int or not 0 <= percent <= 100:
        raise BoardError("percent is a whole number from 0 to 100")
    return JSONResponse(board_of(request).progress(_id(request), percent).facts())


@requires(rules.EVENT)
async def event(request: Request) -> JSONResponse:
    text = str((await _body(request)).get("text", ""))
    return JSONResponse(board_of(request).event(_id(request), text[:200]).facts())


@requires(rules.COMPLETE)
async def complete(request: Request) -> JSONResponse:
    return JSONResponse(board_of(request).complete(_id(request)).facts())


@requires(rules.FAIL)
async def fail(request: Request) -> JSONResponse:
    return JSONResponse(board_of(request).fail(_id(request)).facts())


@requires(rules.KEEPALIVE)
async def keepalive(request: Request) -> JSONResponse:
    return JSONResponse(board_of(request).keepalive(_id(request)).facts())


@requires(rules.QUEUES_READ)
async def list_queues(request: Request) -> JSONResponse:
    return JSONResponse(board_of(request).queues())


@requires(rules.QUEUES_WRITE)
async def pause_queue(request: Request) -> JSONResponse:
    board_of(request).pause(request.path_params["queue"], paused=True)
    return JSONResponse(board_of(request).queues())


@requires(rules.QUEUES_WRITE)
async def resume_queue(request: Request) -> JSONResponse:
    board_of(request).pause(request.path_params["queue"], paused=False)
    return JSONResponse(board_of(request).queues())


@requires(rules.DLQ_READ)
async def list_dead(request: Request) -> JSONResponse:
    return JSONResponse([job.facts() for job in board_of(request).dead()])


@requires(rules.DLQ_WRITE)
async def retry_dead(request: Request) -> JSONResponse:
    return JSONResponse(board_of(request).retry(_id(request)).facts())


@requires(rules.DLQ_WRITE)
async def purge_dead(request: Request) -> JSONResponse:
    return JSONResponse({"purged": board_of(request).purge()})


@requires()
async def whoami(request: Request) -> JSONResponse:
    """Return the caller's token; any valid token may call this."""
    principal: Principal = request.user
    return JSONResponse({"id": principal.id, "name": principal.name, "scopes": sorted(principal.scopes)})


@public
async def health(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


def rest_routes() -> list[BaseRoute]:
    """Return the routes of the REST API."""
    return [
        Route("/jobs", create_job, methods=["POST"]),
        Route("/jobs", list_jobs, methods=["GET"]),
        Route("/spaces/{space_id}/jobs", list_jobs_of_space, methods=["GET"]),
        Route("/jobs/poll", poll, methods=["POST"]),
        Route("/jobs/{job_id}", show_job, methods=["GET"]),
        Route("/jobs/{job_id}/events", show_events, methods=["GET"]),
        Route("/jobs/{job_id}/ack", ack, methods=["POST"]),
        Route("/jobs/{job_id}/progress", progress, methods=["POST"]),
        Route("/jobs/{job_id}/events", event, methods=["POST"]),
        Route("/jobs/{job_id}/complete", complete, methods=["POST"]),
        Route("/jobs/{job_id}/fail", fail, methods=["POST"]),
        Route("/jobs/{job_id}/keepalive", keepalive, methods=["POST"]),
        Route("/queues", list_queues, methods=["GET"]),
        Route("/queues/{queue}/pause", pause_queue, methods=["POST"]),
        Route("/queues/{queue}/resume", resume_queue, methods=["POST"]),
        Route("/dlq", list_dead, methods=["GET"]),
        Route("/dlq", purge_dead, methods=["DELETE"]),
        Route("/dlq/{job_id}/retry", retry_dead, methods=["POST"]),
        Route("/whoami", whoami, methods=["GET"]),
        Route("/health", health, methods=["GET"]),
    ]


async def on_board_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer an error of the board as JSON."""
    return JSONResponse({"detail": str(error)}, 404 if isinstance(error, NoSuchJob) else 409)


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        raise BoardError("the body is no JSON") from None
    if not isinstance(body, dict):
        raise BoardError("the body is no JSON object")
    return body


def _id(request: Request) -> str:
    return str(request.path_params["job_id"])
