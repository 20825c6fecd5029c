"""Settings of enforcement, and the caller: only a principal that the middleware left on the connection is one."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.authentication import SimpleUser
from starlette.requests import Request
from starlette.websockets import WebSocket

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import (
    ScopeEnforcement,
    caller_of,
)

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


@pytest.mark.parametrize(
    "settings",
    [{"on_denied": "nul"}, {"on_denied": ""}, {"selections_max": 0}, {"public": "Query.open"}, {"known_scopes": "a"}],
)
def test_wrong_settings_are_refused_when_they_are_made(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        ScopeEnforcement(**settings)


def test_a_mistyped_choice_is_told_the_near_one() -> None:
    nearly: Any = "nul"
    with pytest.raises(ConfigurationError, match="Did you mean 'null'"):
        ScopeEnforcement(on_denied=nearly)
