"""Scopes on the fields of any Strawberry schema, checked once per operation."""

from spacekey.domain.extras import extra

with extra("spacekey[graphql]"):
    from .analysis import Denial
    from .asgi import ScopedGraphQL
    from .decision import INSUFFICIENT_SCOPE, UNAUTHENTICATED, DenialError
    from .directives import RequiresScopes, requires_scopes
    from .execution import RATE_LIMITED, RateLimitedError
    from .reports import required_scopes, scope_report
    from .rules import Rulebook, compile_rules
    from .schema import ScopedFederationSchema, ScopedSchema
    from .settings import OnDenied, ScopeEnforcement, caller_of, log_denials

__all__ = [
    "INSUFFICIENT_SCOPE",
    "RATE_LIMITED",
    "UNAUTHENTICATED",
    "Denial",
    "DenialError",
    "OnDenied",
    "RateLimitedError",
    "RequiresScopes",
    "Rulebook",
    "ScopeEnforcement",
    "ScopedFederationSchema",
    "ScopedGraphQL",
    "ScopedSchema",
    "caller_of",
    "compile_rules",
    "log_denials",
    "required_scopes",
    "requires_scopes",
    "scope_report",
]
