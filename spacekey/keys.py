"""What ``Keys`` returns and takes besides plain values, for annotations. Each name is loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacekey.domain.actor import ActorKind
    from spacekey.domain.page import TokenOrder
    from spacekey.domain.refusal import ConflictCode, Fault, InputCode
    from spacekey.domain.token_state import Status
    from spacekey.resolvers.tokens.imports import ImportedRow, ImportOutcome
    from spacekey.server.keys.portal_sessions import PortalSessions
    from spacekey.server.keys.records import (
        AuditEvent,
        ChangedToken,
        ChangedWorkspace,
        IssuedToken,
        OpenedPortalSession,
        Policy,
        RevokedTokens,
        Space,
        Token,
        TokenQuota,
        TokenUsage,
        UsageDay,
        Workspace,
    )
    from spacekey.server.keys.reports import Audit, Usage
    from spacekey.server.keys.tokens import Tokens
    from spacekey.server.keys.workspaces import Spaces, Workspaces

__all__ = [
    "ActorKind",
    "Audit",
    "AuditEvent",
    "ChangedToken",
    "ChangedWorkspace",
    "ConflictCode",
    "Fault",
    "ImportOutcome",
    "ImportedRow",
    "InputCode",
    "IssuedToken",
    "OpenedPortalSession",
    "Policy",
    "PortalSessions",
    "RevokedTokens",
    "Space",
    "Spaces",
    "Status",
    "Token",
    "TokenOrder",
    "TokenQuota",
    "TokenUsage",
    "Tokens",
    "Usage",
    "UsageDay",
    "Workspace",
    "Workspaces",
]

_MODULES = {
    "domain.actor": ("ActorKind",),
    "domain.page": ("TokenOrder",),
    "domain.refusal": ("ConflictCode", "Fault", "InputCode"),
    "domain.token_state": ("Status",),
    "resolvers.tokens.imports": ("ImportOutcome", "ImportedRow"),
    "server.keys.records": (
        "AuditEvent",
        "ChangedToken",
        "ChangedWorkspace",
        "IssuedToken",
        "OpenedPortalSession",
        "Policy",
        "RevokedTokens",
        "Space",
        "Token",
        "TokenQuota",
        "TokenUsage",
        "UsageDay",
        "Workspace",
    ),
    "server.keys.portal_sessions": ("PortalSessions",),
    "server.keys.reports": ("Audit", "Usage"),
    "server.keys.tokens": ("Tokens",),
    "server.keys.workspaces": ("Spaces", "Workspaces"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name at its first use (PEP 562)."""
    if (module := _MODULE_OF.get(name)) is None:
        raise AttributeError(f"module 'spacekey.keys' has no attribute {name!r}")
    found: object = getattr(import_module(f"spacekey.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
