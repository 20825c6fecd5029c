"""An app with sse-starlette: server-sent events beside a page."""

from collections.abc import AsyncIterator

import httpx
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spacekey import TokenMiddleware  # new
from spacekey.verifiers import MemoryVerifier  # new


async def home(_request: Request) -> Response:
    return PlainTextResponse("home")


async def events(_request: Request) -> Response:
    async def numbers() -> AsyncIterator[dict[str, str]]:
        for number in range(3):
            yield {"event": "number", "data": str(number)}

    return EventSourceResponse(numbers())


app = Starlette(routes=[Route("/", home), Route("/events", events), Route("/jobs/events", events)])
verifier = MemoryVerifier()  # new
rules = {("GET", "/jobs/events"): "jobs:read"}  # new
app.add_middleware(TokenMiddleware, verifier=verifier, rules=rules, undeclared="ignore")  # new


async def own_tests(client: httpx.AsyncClient) -> None:
    assert (await client.get("/", headers={"Authorization": "Bearer the app's own"})).text == "home"
    answer = await client.get("/events", headers={"Authorization": "Basic YTpi"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [line for line in answer.text.splitlines() if line.startswith("data")] == ["data: 0", "data: 1", "data: 2"]


PROTECTED = ("GET", "/jobs/events", "jobs:read")
