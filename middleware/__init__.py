"""API tokens for any Starlette or FastAPI app: who is calling, and what they may do.

    app = Starlette(
        routes=[Route("/jobs", requires("jobs:read")(list_jobs)), Route("/health", public(health))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier)],
    )

Each of these has a module of its own, so that it is loaded only if it is used: ``remote`` (needs httpx), ``fastapi``,
``graphql`` (needs strawberry), ``testing``.
"""

from spacekey.domain.rule import all_of, any_of
from spacekey.middleware.routing.endpoints import optional, protect, public, requires
from spacekey.middleware.rules.requirement import Declaration, Requirement
from spacekey.middleware.verifiers.memory import MemoryVerifier
from spacekey.middleware.verifiers.verifier_chain import VerifierChain

from .request_auth import RequestAuth, auth_of
from .token_middleware import TokenMiddleware

__all__ = [
    "Declaration",
    "MemoryVerifier",
    "RequestAuth",
    "Requirement",
    "TokenMiddleware",
    "VerifierChain",
    "all_of",
    "any_of",
    "auth_of",
    "optional",
    "protect",
    "public",
    "requires",
]
