"""WebSockets: the same rules, tokens from the header or a subprotocol pair, and denials a client can understand."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey.domain.secret import Secret
from spacekey.middleware import MemoryVerifier, TokenMiddleware, optional, protect, public, requires
from support.asgi_calls import bearer, call, start_up, talk

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("jobs:read").reveal()
CREATOR = VERIFIER.issue("jobs:create").reveal()


async def greet(websocket: WebSocket) -> None:
    """Says what it can see, and chooses no subprotocol."""
    await websocket.accept()
    await websocket.send_text(f"{websocket.user.identity}|{websocket.scope['subprotocols']}")
    for name, value in websocket.scope["headers"]:
        await websocket.send_text(f"{name!r}: {value!r}")


async def choose(websocket: WebSocket) -> None:
    """Chooses the first subprotocol that it is offered, as naive apps do."""
    await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))


@requires("jobs:read")
class Feed(WebSocketEndpoint):
    """A class with a rule."""


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """A raw ASGI app."""
    await receive()
    await send({"type": "websocket.accept"})


def app_of(**settings: Any) -> Starlette:
    """Every kind of WebSocket endpoint."""
    routes = [
        WebSocketRoute("/function", requires("jobs:read")(greet)),
        WebSocketRoute("/class", Feed),
        WebSocketRoute("/app", protect(raw, "jobs:read")),
        WebSocketRoute("/chooses", requires("jobs:read")(choose)),
        WebSocketRoute("/public", public(_greet_all)),
        WebSocketRoute("/optional", optional(_greet_perhaps)),
        WebSocketRoute("/table", _greet_by_table),
        WebSocketRoute("/spaces/{space_id}", requires("jobs:read", space="space_id")(greet)),
        Mount("/hidden", app=public(_hiding(WebSocketRoute("/function", requires("jobs:read")(greet))))),
        Mount("/also", app=public(_hiding(WebSocketRoute("/class", Feed)))),
        Route("/table", public(_http)),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(
                TokenMiddleware,
                verifier=settings.get("verifier", VERIFIER),
                rules={("WEBSOCKET", "/table"): requires("jobs:read")},
            )
        ],
    )


async def _greet_all(websocket: WebSocket) -> None:
    await greet(websocket)


async def _greet_perhaps(websocket: WebSocket) -> None:
    await greet(websocket)


async def _greet_by_table(websocket: WebSocket) -> None:
    await greet(websocket)


async def _http(_: object) -> None:
    raise NotImplementedError


def _hiding(route: WebSocketRoute) -> ASGIApp:
    async def hidden(scope: Scope, receive: Receive, send: Send) -> None:
        await route(scope, receive, send)

    return hidden


APP = app_of()
RULED = ["/function", "/class", "/app", "/chooses", "/table", "/hidden/function", "/also/class"]


@pytest.mark.parametrize("path", RULED)
async def test_every_kind_of_socket_obeys_its_rule(path: str) -> None:
    assert (await talk(APP, path, bearer(READER))).accepted
    assert (await talk(APP, path, subprotocols=["spacekey.bearer", READER])).accepted
    for headers, code, status in (
        ([], 4401, 401),
        (bearer("x"), 4401, 401),
        (bearer(CREATOR), 4403, 403),
        (bearer("a b"), 4400, 400),
    ):
        assert (await talk(APP, path, headers)).denied_with == code
        assert (await talk(APP, path, headers, denial_response=True)).denied_with == status


async def test_a_denial_response_carries_the_challenge_and_the_problem() -> None:
    sent = (await talk(APP, "/function", denial_response=True)).sent
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    headers = dict(sent[0]["headers"])
    assert headers[b"www-authenticate"] == b'Bearer realm="api"'
    assert headers[b"content-type"] == b"application/problem+json"
    assert b'"code": "unauthenticated"' in sent[1]["body"]


async def test_an_outage_closes_with_4503_or_answers_503() -> None:
    verifier = MemoryVerifier()
    verifier.outage = "the store is gone"
    app = app_of(verifier=verifier)
    assert (await talk(app, "/function", bearer(READER))).denied_with == 4503
    assert (await talk(app, "/function", bearer(READER), denial_response=True)).denied_with == 503


async def test_the_app_starts() -> None:
    assert await start_up(app_of()) is None


# offered → accepted with, what the app sees
PAIRS: list[tuple[list[str], str | None, list[str]]] = [
    (["spacekey.bearer", READER], "spacekey.bearer", []),
    (["graphql-transport-ws", "spacekey.bearer", READER], "spacekey.bearer", ["graphql-transport-ws"]),
    (["spacekey.bearer", READER, "a", "b"], "spacekey.bearer", ["a", "b"]),
]


@pytest.mark.parametrize(("offered", "answered", "seen"), PAIRS)
async def test_the_pair_is_answered_with_its_name_and_the_app_never_sees_the_secret(
    offered: list[str], answered: str | None, seen: list[str]
) -> None:
    result = await talk(APP, "/function", subprotocols=offered)
    assert result.subprotocol == answered
    assert result.texts[0] == f"key_1|{seen}"
    assert READER not in "".join(result.texts)


@pytest.mark.parametrize("path", ["/function", "/public", "/optional", "/chooses"])
async def test_the_secret_is_never_echoed(path: str) -> None:
    for offered in (["spacekey.bearer", READER], ["spacekey.bearer", READER, "other"]):
        result = await talk(APP, path, subprotocols=offered)
        assert READER not in str(result.sent)
        assert result.subprotocol in ("spacekey.bearer", "other")


async def test_the_apps_own_choice_of_subprotocol_stands() -> None:
    assert (await talk(APP, "/chooses", subprotocols=["other", "spacekey.bearer", READER])).subprotocol == "other"
    assert (await talk(APP, "/chooses", bearer(READER), ["other"])).subprotocol == "other"
    assert (await talk(APP, "/function", bearer(READER), ["other"])).subprotocol is None


MALFORMED: list[list[str]] = [
    ["spacekey.bearer"],
    ["other", "spacekey.bearer"],
    ["spacekey.bearer", "two words"],
    ["spacekey.bearer", ""],
    ["spacekey.bearer", "ü"],
    ["spacekey.bearer", READER, "spacekey.bearer", CREATOR],
    ["spacekey.bearer", "spacekey.bearer"],
]


@pytest.mark.parametrize("offered", MALFORMED)
async def test_a_malformed_pair_is_the_requests_fault(offered: list[str]) -> None:
    result = await talk(APP, "/function", subprotocols=offered)
    assert result.denied_with in (4400, 4401)
    assert result.denied_with == 4400 or offered == ["spacekey.bearer", "spacekey.bearer"]


async def test_two_credentials_are_one_too_many() -> None:
    assert (await talk(APP, "/function", bearer(READER), ["spacekey.bearer", READER])).denied_with == 4400


async def test_a_socket_reads_no_query_string() -> None:
    assert (await talk(APP, f"/function?access_token={READER}")).denied_with != 101
    assert (await talk(APP, "/function")).denied_with == 4401


async def test_optional_sockets_know_their_caller_or_nobody_but_refuse_bad_tokens() -> None:
    assert (await talk(APP, "/optional")).texts[0].startswith("|")
    assert (await talk(APP, "/optional", bearer(READER))).texts[0].startswith("key_1|")
    assert (await talk(APP, "/optional", bearer("x"))).denied_with == 4401
    assert (await talk(APP, "/public", bearer("x"))).texts[0].startswith("|")


async def test_a_socket_and_a_page_at_one_path_have_each_their_rule() -> None:
    assert (await talk(APP, "/table")).denied_with == 4401
    with pytest.raises(NotImplementedError):
        await call(APP, "GET", "/table")


async def test_a_space_feed_is_for_that_spaces_token() -> None:
    verifier = MemoryVerifier()
    token = verifier.issue("jobs:read", space_id="space_1").reveal()
    app = app_of(verifier=verifier)
    assert (await talk(app, "/spaces/space_1", bearer(token))).accepted
    assert (await talk(app, "/spaces/space_2", bearer(token))).denied_with == 4403


async def test_credentials_that_come_later_replace_those_before() -> None:
    from spacekey.domain.outcome import Absent, Reason, Refused, Valid
    from spacekey.middleware import auth_of

    verifier = MemoryVerifier()
    secret = verifier.issue("jobs:read")
    seen: list[object] = []

    @optional
    async def late(websocket: WebSocket) -> None:
        auth = auth_of(websocket.scope)
        seen.append(await auth.authenticate())
        seen.append(type(await auth.authenticate_with(Secret(secret.reveal()))))
        seen.append(websocket.user.identity)
        seen.append(auth.authorize_cached(requires("jobs:read")))
        verifier.refuse(secret, Reason.REVOKED)
        seen.append(await auth.authenticate_with(Secret(secret.reveal())))
        seen.append(auth.authorize_cached(requires("jobs:read")))
        seen.append(websocket.user.is_authenticated)
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/", late)], middleware=[Middleware(TokenMiddleware, verifier=verifier)])
    await talk(app, "/")
    assert seen == [Absent(), Valid, "key_1", True, Refused(Reason.REVOKED, "key_1"), False, False]


async def test_messages_of_a_denied_socket_reach_no_endpoint() -> None:
    ran: list[Message] = []

    @requires("jobs:read")
    async def endpoint(websocket: WebSocket) -> None:
        ran.append(await websocket.receive())

    app = Starlette(routes=[WebSocketRoute("/", endpoint)], middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    await talk(app, "/", bearer(CREATOR))
    assert ran == []
