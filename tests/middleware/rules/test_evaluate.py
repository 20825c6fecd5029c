"""What a rule asks of a caller: scopes, alternatives, and the token of its space."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from spacekey import TokenMiddleware, requires
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.rule import any_of
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("jobs:read", space_id="space_1").reveal()


async def plain(_: Request) -> Response:
    """An endpoint."""
    return PlainTextResponse("ok")


def plain_sync(_: Request) -> Response:
    """The same, run in a thread."""
    return PlainTextResponse("ok")


def app_of(*routes: Any, **settings: Any) -> Starlette:
    """An app with the middleware."""
    settings.setdefault("verifier", VERIFIER)
    return Starlette(routes=list(routes), middleware=[Middleware(TokenMiddleware, **settings)])


async def test_stacked_rules_are_one_rule_and_name_all_that_lacks() -> None:
    app = app_of(Route("/x", requires("jobs:read")(requires("jobs:ack", "jobs:poll")(plain))))
    answer = await call(app, "GET", "/x", bearer(READER))
    assert answer.problem["missing_scopes"] == ["jobs:ack", "jobs:poll"]


async def test_a_rule_with_alternatives_names_the_smallest_set_to_add() -> None:
    app = app_of(Route("/x", requires(any_of(requires("a", "b").rule, "c"))(plain)))
    answer = await call(app, "GET", "/x", bearer(READER))
    assert answer.problem["missing_scopes"] == ["c"]


async def test_a_rule_without_scopes_wants_any_valid_token() -> None:
    app = app_of(Route("/x", requires()(plain)))
    answers = [await call(app, "GET", "/x", headers) for headers in ([], bearer("x"), bearer(READER))]
    assert [answer.status for answer in answers] == [401, 401, 200]


async def test_a_rule_without_alternatives_lets_nobody_in() -> None:
    app = app_of(Route("/x", requires(any_of())(plain)))
    answer = await call(app, "GET", "/x", bearer(READER))
    assert answer.status == 403
    assert "scope=" not in answer.headers["www-authenticate"]


# who, whose space the path names, what resolve_workspace says → status
SPACES: list[tuple[Kind, str, object, int]] = [
    (Kind.SPACE, "space_1", None, 200),
    (Kind.SPACE, "space_2", None, 403),
    (Kind.SPACE, "space_2", "ws_1", 403),
    (Kind.WORKSPACE, "space_1", None, 403),
    (Kind.WORKSPACE, "space_1", "ws_1", 200),
    (Kind.WORKSPACE, "space_9", "ws_2", 403),
    (Kind.WORKSPACE, "space_9", RuntimeError("down"), 503),
    (Kind.MEMBER, "space_1", "ws_1", 403),
]


@pytest.mark.parametrize(("kind", "space_id", "owner", "status"), SPACES)
async def test_a_rule_bound_to_a_space_wants_that_spaces_token(
    kind: Kind, space_id: str, owner: object, status: int
) -> None:
    verifier = MemoryVerifier()
    caller = Principal(
        "key_1", kind, frozenset({"jobs:read"}), "", "ws_1", "space_1" if kind is Kind.SPACE else None, "live"
    )
    secret = verifier.issue_to(caller)

    async def resolve_workspace(asked: str) -> str | None:
        assert asked == space_id
        if isinstance(owner, Exception):
            raise owner
        return str(owner)

    rule = requires("jobs:read", space_param="space_id")
    settings = {} if owner is None else {"resolve_workspace": resolve_workspace}
    for endpoint in (rule(plain), rule(plain_sync)):
        app = app_of(Mount("/s/{space_id}", routes=[Route("/x", endpoint)]), verifier=verifier, **settings)
        assert (await call(app, "GET", f"/s/{space_id}/x", bearer(secret.reveal()))).status == status
