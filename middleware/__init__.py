"""API tokens for any Starlette or FastAPI app: who is calling, and may they.

    app = Starlette(
        routes=[Route("/jobs", requires("jobs:read")(list_jobs)), Route("/health", public(health))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier)],
    )

More, each in its own module so that nothing is loaded unasked: ``remote`` (needs httpx), ``fastapi``, ``graphql``
(needs strawberry), ``testing``.
"""

from spacekey.domain.rule import all_of, any_of

from .access import Declaration, Requirement
from .chain import BrandChain
from .enforce import optional, protect, public, requires
from .memory import MemoryVerifier
from .token_middleware import TokenMiddleware
from .visit import RequestAuth, auth_of

__all__ = [
    "BrandChain",
    "Declaration",
    "MemoryVerifier",
    "RequestAuth",
    "Requirement",
    "TokenMiddleware",
    "all_of",
    "any_of",
    "auth_of",
    "optional",
    "protect",
    "public",
    "requires",
]
