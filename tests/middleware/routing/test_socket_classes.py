"""Rules on a class of sockets and on its methods: before it is accepted a denial, afterwards a close code."""

from typing import Any

import pytest
from httpx_ws import WebSocketDisconnect
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.routing import Mount, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey.middleware import MemoryVerifier, TokenMiddleware, public, requires
from spacekey.middleware.testing import undeclared_routes
from support.asgi_calls import Talk, bearer, start_up, talk
from support.running_app import running
from support.web_socket import web_socket

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("a:b").reveal()
WRITER = VERIFIER.issue("a:b", "c:d").reveal()
OTHER = VERIFIER.issue("e:f").reveal()
RAN: list[str] = []


class OnConnect(WebSocketEndpoint):
    """Declares by the method that runs first."""

    encoding = "text"

    @requires("a:b")
    async def on_connect(self, websocket: WebSocket) -> None:
        """Accepts."""
        RAN.append("connect")
        await websocket.accept()

    @requires("c:d")
    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        """Answers."""
        RAN.append(f"receive {data}")
        await websocket.send_text(f"you said {data}")


@requires("a:b")
class OnClass(WebSocketEndpoint):
    """Declares by the class, and more by a method."""

    encoding = "text"
    on_receive = OnConnect.on_receive


class Inherits(OnConnect):
    """Adds nothing."""


class OnReceiveOnly(WebSocketEndpoint):
    """Says nothing of who may connect."""

    on_receive = OnConnect.on_receive


class OwnDispatch(OnConnect):
    """Its methods do not tell what it does."""

    async def dispatch(self) -> None:
        """Accepts whoever comes."""
        await self.send({"type": "websocket.accept"})


class OwnAwait(OnConnect):
    """The same, a step further out."""

    def __await__(self) -> Any:
        return self.send({"type": "websocket.accept"}).__await__()


class Leaving(WebSocketEndpoint):
    """Has a rule on what runs when the client has gone."""

    on_connect = OnConnect.on_connect

    @requires("c:d")
    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        """Leaves a trace."""
        RAN.append(f"disconnect {close_code}")


def _hiding(route: WebSocketRoute) -> ASGIApp:
    async def hidden(scope: Scope, receive: Receive, send: Send) -> None:
        await route(scope, receive, send)

    return hidden


def app_of(endpoint: Any) -> Starlette:
    """The class, seen and unseen."""
    hidden = Mount("/hidden", app=public(_hiding(WebSocketRoute("/x", endpoint))))
    return Starlette(
        routes=[WebSocketRoute("/x", endpoint), hidden], middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)]
    )


def closed_with(heard: Talk) -> list[int]:
    """The close codes that came after the acceptance."""
    return [message["code"] for message in heard.sent[1:] if message["type"] == "websocket.close"]


@pytest.mark.parametrize("path", ["/x", "/hidden/x"])
@pytest.mark.parametrize("endpoint", [OnConnect, OnClass, Inherits])
async def test_each_method_of_a_socket_obeys_its_rule(endpoint: Any, path: str) -> None:
    app = app_of(endpoint)
    assert await start_up(app) is None
    RAN.clear()
    for denial_response, codes in ((False, (4401, 4403)), (True, (401, 403))):
        for headers, code in zip(([], bearer(OTHER)), codes, strict=True):
            assert (await talk(app, path, headers, denial_response=denial_response, says=["hi"])).denied_with == code
        lacking = await talk(app, path, bearer(READER), denial_response=denial_response, says=["hi"])
        assert lacking.accepted
        assert closed_with(lacking) == [4403]
    assert not [line for line in RAN if line.startswith("receive")]
    heard = await talk(app, path, bearer(WRITER), denial_response=True, says=["hi"])
    assert (heard.texts, closed_with(heard)) == (["you said hi"], [])


@pytest.mark.parametrize("endpoint", [OnReceiveOnly, OwnDispatch, OwnAwait])
async def test_a_class_that_does_not_say_who_may_connect_is_undeclared(endpoint: Any) -> None:
    app = Starlette(
        routes=[WebSocketRoute("/x", endpoint)], middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)]
    )
    assert undeclared_routes(app) == ["WEBSOCKET /x"]
    assert (await talk(app, "/x", bearer(WRITER))).denied_with == 4403


async def test_a_rule_on_leaving_says_nothing_to_a_client_that_has_gone() -> None:
    RAN.clear()
    app = app_of(Leaving)
    for token in (READER, WRITER):
        heard = await talk(app, "/x", bearer(token), denial_response=True)
        assert [message["type"] for message in heard.sent] == ["websocket.accept"]
    assert RAN == ["connect", "connect", "disconnect 1000"]


async def test_over_a_real_server_a_refused_message_closes_with_4403() -> None:
    with running(app_of(OnClass)) as url:
        async with web_socket(f"{url}/x", headers={"Authorization": f"Bearer {READER}"}) as socket:
            await socket.send_text("hi")
            with pytest.raises(WebSocketDisconnect) as closed:
                await socket.receive_text()
        assert closed.value.code == 4403
