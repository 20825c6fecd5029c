"""API tokens for Starlette and FastAPI apps: who is calling, and what they may do.

    from spacekey import TokenMiddleware, public, requires
    from spacekey.verifiers import DatabaseVerifier

    app = Starlette(
        routes=[Route("/jobs", requires("jobs:read")(list_jobs)), Route("/health", public(health))],
        middleware=[Middleware(TokenMiddleware, verifier=DatabaseVerifier(url, ["product.toml"]))],
    )

``Keys`` issues and manages tokens inside an app that has users of its own, and needs ``spacekey[server]``; what it
returns is in :mod:`spacekey.keys`.

Each name is loaded when it is first used. Verifiers are in :mod:`spacekey.verifiers`; what needs further packages is in
modules of its own: ``spacekey.middleware.fastapi``, ``spacekey.middleware.graphql`` (Strawberry),
``spacekey.middleware.limits.redis`` and ``spacekey.middleware.observability.opentelemetry``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacekey.domain.authentication import (
        Anonymous,
        Authenticated,
        AuthenticationResult,
        Reason,
        Rejected,
        Unavailable,
        Verdict,
    )
    from spacekey.domain.errors import ConfigurationError, ProductError, RuleError, ServiceUnavailable, SpacekeyError
    from spacekey.domain.principal import Kind, Limit, Principal
    from spacekey.domain.refusal import (
        Conflict,
        Forbidden,
        InvalidInput,
        NotFound,
        PlanLimit,
        ScopeNotAllowed,
        UserError,
    )
    from spacekey.domain.rule import Rule, all_of, any_of
    from spacekey.domain.secret import Secret
    from spacekey.middleware.limits.flood import RefusalFlood
    from spacekey.middleware.limits.limiter import Limiter, ObservedLimiter
    from spacekey.middleware.limits.memory import MemoryLimiter
    from spacekey.middleware.limits.rate_limiting import RateLimiting
    from spacekey.middleware.request_auth import RequestAuth, auth_of, principal, principal_or_none
    from spacekey.middleware.responses import EXPOSED_HEADERS
    from spacekey.middleware.routing.endpoints import optional, protect, public, requires
    from spacekey.middleware.token_middleware import TokenMiddleware
    from spacekey.middleware.usage.collector import UsageCollector
    from spacekey.server.keys.keys import Keys
    from spacekey.server.keys.records import ALL, Actor

    __version__: str

__all__ = [
    "ALL",
    "EXPOSED_HEADERS",
    "Actor",
    "Anonymous",
    "Authenticated",
    "AuthenticationResult",
    "ConfigurationError",
    "Conflict",
    "Forbidden",
    "InvalidInput",
    "Keys",
    "Kind",
    "Limit",
    "Limiter",
    "MemoryLimiter",
    "NotFound",
    "ObservedLimiter",
    "PlanLimit",
    "Principal",
    "ProductError",
    "RateLimiting",
    "Reason",
    "RefusalFlood",
    "Rejected",
    "RequestAuth",
    "Rule",
    "RuleError",
    "ScopeNotAllowed",
    "Secret",
    "ServiceUnavailable",
    "SpacekeyError",
    "TokenMiddleware",
    "Unavailable",
    "UsageCollector",
    "UserError",
    "Verdict",
    "all_of",
    "any_of",
    "auth_of",
    "optional",
    "principal",
    "principal_or_none",
    "protect",
    "public",
    "requires",
]

_MODULES = {
    "domain.authentication": (
        "Anonymous",
        "Authenticated",
        "AuthenticationResult",
        "Reason",
        "Rejected",
        "Unavailable",
        "Verdict",
    ),
    "domain.errors": ("ConfigurationError", "ProductError", "RuleError", "ServiceUnavailable", "SpacekeyError"),
    "domain.principal": ("Kind", "Limit", "Principal"),
    "domain.refusal": (
        "Conflict",
        "Forbidden",
        "InvalidInput",
        "NotFound",
        "PlanLimit",
        "UserError",
        "ScopeNotAllowed",
    ),
    "domain.rule": ("Rule", "all_of", "any_of"),
    "domain.secret": ("Secret",),
    "middleware.limits.flood": ("RefusalFlood",),
    "middleware.limits.limiter": ("Limiter", "ObservedLimiter"),
    "middleware.limits.memory": ("MemoryLimiter",),
    "middleware.limits.rate_limiting": ("RateLimiting",),
    "middleware.request_auth": ("RequestAuth", "auth_of", "principal", "principal_or_none"),
    "middleware.responses": ("EXPOSED_HEADERS",),
    "middleware.routing.endpoints": ("optional", "protect", "public", "requires"),
    "middleware.token_middleware": ("TokenMiddleware",),
    "middleware.usage.collector": ("UsageCollector",),
    "server.keys.keys": ("Keys",),
    "server.keys.records": ("ALL", "Actor"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name at its first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        found: object = version("spacekey")
    elif (module := _MODULE_OF.get(name)) is not None:
        found = getattr(import_module(f"spacekey.{module}"), name)
    else:
        raise AttributeError(f"module 'spacekey' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
