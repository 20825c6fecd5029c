"""FastAPI's ``app.dependency_overrides``, meant for tests: what it takes away, and that TokenMiddleware still asks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from spacekey import TokenMiddleware, public
from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.fastapi import RequireScopes, declare_docs
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, start_up

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("jobs:read").reveal()
CREATOR = VERIFIER.issue("jobs:create").reveal()
RULE = RequireScopes("jobs:read")
OF_RULE: Any = RULE.dependency


async def somebody() -> Principal:
    """What a test puts in the rule's place."""
    return Principal("key_0", Kind.SPACE, frozenset({"jobs:read"}))


async def current(caller: Annotated[Principal, RULE]) -> Principal:
    """A dependency with the rule below it."""
    return caller


def routes(app: FastAPI) -> FastAPI:
    """The rule in each place."""

    @app.get("/listed", dependencies=[RULE])
    async def listed() -> str:
        return "SECRET"

    @app.get("/argument")
    async def argument(caller: Annotated[Principal, RULE]) -> str:
        return f"SECRET of {caller.id}"

    @app.get("/below")
    async def below(caller: Annotated[Principal, Depends(current)]) -> str:
        return f"SECRET of {caller.id}"

    return app


PATHS = ("/listed", "/argument", "/below")


def guarded() -> FastAPI:
    app = FastAPI(middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    declare_docs(app, public)
    return routes(app)


async def test_an_override_does_not_take_the_rule_off_a_route_that_the_middleware_sees() -> None:
    for overridden in (OF_RULE, current):
        for early in (True, False):
            app = guarded()
            if not early:
                assert (await call(app, "GET", "/listed", bearer(READER))).status == 200
            app.dependency_overrides[overridden] = somebody
            assert await start_up(app) is None
            for path in PATHS:
                statuses = [(await call(app, "GET", path, headers)).status for headers in ([], bearer(CREATOR))]
                assert statuses == [401, 403], (path, early)
                assert (await call(app, "GET", path, bearer(READER))).status == 200


async def test_an_override_cannot_declare_a_route_either() -> None:
    app = FastAPI(middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    declare_docs(app, public)

    async def nothing() -> None:
        """Says nothing about who may come in."""

    app.get("/x", dependencies=[Depends(nothing)])(nothing)
    app.dependency_overrides[nothing] = OF_RULE
    assert "GET /x" in str(await start_up(app))
    assert (await call(app, "GET", "/x", bearer(READER))).status == 403


async def test_an_override_with_another_rule_adds_to_the_routes_own() -> None:
    app = guarded()
    another: Any = RequireScopes("jobs:create").dependency
    app.dependency_overrides[OF_RULE] = another
    both = VERIFIER.issue("jobs:read", "jobs:create").reveal()
    for path in PATHS:
        statuses = [(await call(app, "GET", path, bearer(token))).status for token in (READER, CREATOR, both)]
        assert statuses == [403, 403, 200], path


async def test_without_the_middleware_a_rule_lets_nobody_in_and_an_override_is_its_writers_own_act() -> None:
    app = routes(FastAPI())
    for path in PATHS:
        assert await _failed(app, path)
    app.dependency_overrides[OF_RULE] = somebody
    assert (await call(app, "GET", "/argument")).body == b'"SECRET of key_0"'


async def test_where_the_middleware_sees_no_route_only_the_dependency_asks_so_an_override_opens_it() -> None:
    """The whole app was declared public: what is left is the dependency, and that is what was exchanged."""
    inner = routes(FastAPI())

    async def hiding(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)

    app = TokenMiddleware(public(hiding), VERIFIER)
    assert [(await call(app, "GET", path)).status for path in PATHS] == [401, 401, 401]
    inner.dependency_overrides[OF_RULE] = somebody
    assert [(await call(app, "GET", path)).status for path in PATHS] == [200, 200, 200]


async def _failed(app: Any, path: str) -> bool:
    try:
        answer = await call(app, "GET", path, bearer(READER))
    except Exception as error:  # noqa: BLE001 - whatever it was, nothing was answered
        return "TokenMiddleware" in str(error)
    return answer.status == 500
