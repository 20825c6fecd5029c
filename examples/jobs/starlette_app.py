"""The app in Starlette: REST, WebSockets and GraphQL behind one TokenMiddleware."""

from starlette.applications import Starlette
from starlette.middleware import Middleware

from spacekey import Limiter, TokenMiddleware
from spacekey.domain.verifier import TIMEOUT_SECONDS, Verifier

from .board import BoardError, Boards
from .graphql_api import graphql_routes
from .rest import on_board_error, rest_routes
from .rules import known_scopes
from .streams import stream_routes


def make_app(
    verifier: Verifier,
    environment: str | None = None,
    timeout: float = TIMEOUT_SECONDS,
    limits: Limiter | None = None,
) -> Starlette:
    """Return the app. It does not start if a route has no rule.

    :param verifier: the verifier: over a store, a remote Spacekey, or memory in tests. Closed with the app.
    :param environment: accept tokens of this environment only, ``live`` or ``test``.
    :param timeout: for one verification; then the answer is 503.
    :param limits: the limiter of tokens; None for no limits. Closed with the app.
    """

    app = Starlette(
        routes=[*rest_routes(), *stream_routes(), *graphql_routes()],
        middleware=[
            Middleware(
                TokenMiddleware,
                verifier=verifier,
                realm="jobs",
                environment=environment,
                timeout=timeout,
                limits=limits,
                known_scopes=known_scopes(),
            )
        ],
        exception_handlers={BoardError: on_board_error},
    )
    app.state.boards = Boards()
    return app
