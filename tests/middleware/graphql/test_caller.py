"""Who asks: only a principal that the middleware left on the connection is one."""

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.authentication import SimpleUser
from starlette.requests import Request
from starlette.websockets import WebSocket

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import caller_of

PRINCIPAL = Principal(id="key_1", kind=Kind.SPACE, scopes=frozenset({"a"}))


async def _nothing(*_: Any) -> Any:
    return {}


def request(user: object) -> Request:
    return Request({"type": "http", "user": user})


def socket(user: object) -> WebSocket:
    return WebSocket({"type": "websocket", "user": user}, _nothing, _nothing)


@pytest.mark.parametrize("connection", [request(PRINCIPAL), socket(PRINCIPAL)])
def test_the_principal_is_found_in_mappings_and_objects(connection: object) -> None:
    assert caller_of({"request": connection}) is PRINCIPAL
    assert caller_of(SimpleNamespace(request=connection)) is PRINCIPAL


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"request": None},
        {"request": Request({"type": "http"})},
        {"request": request(None)},
        {"request": request(SimpleUser("root"))},
        {"request": request({"id": "key_1", "scopes": ["a"]})},
        {"request": SimpleNamespace(scope=PRINCIPAL)},
        {"user": PRINCIPAL},
        SimpleNamespace(),
        SimpleNamespace(user=PRINCIPAL),
        "request",
        7,
    ],
)
def test_anything_else_is_anonymous(context: object) -> None:
    assert caller_of(context) is None
