"""What one credential was let in by, the next one on the same connection is not."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spacekey import TokenMiddleware, auth_of, requires
from spacekey.domain.secret import Secret
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("jobs:read")
OTHER_READER = VERIFIER.issue("jobs:read")
CREATOR = VERIFIER.issue("jobs:create")
REVOKED = VERIFIER.issue("jobs:read")
VERIFIER.refuse(REVOKED)
RULE = requires("jobs:read")


@pytest.mark.parametrize(("later", "status"), [(OTHER_READER, 200), (CREATOR, 403), (REVOKED, 401)])
async def test_a_rule_that_was_passed_is_asked_again_of_whoever_comes_later(later: Secret, status: int) -> None:
    async def change(request: Request) -> Response:
        auth = auth_of(request.scope)
        assert auth.authorize_cached(RULE)
        await auth.authenticate_with(later)
        assert auth.authorize_cached(RULE) == (status == 200)
        refusal = await auth.authorize(RULE)
        return PlainTextResponse(request.user.identity) if refusal is None else refusal

    app = Starlette(routes=[Route("/", RULE(change))], middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    answer = await call(app, "GET", "/", bearer(READER.reveal()))
    assert answer.status == status
    assert answer.body == b"key_2" or status != 200
