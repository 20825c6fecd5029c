"""Scope names, the management scopes that protect Spacekey's own API, and the scopes of services."""

import re
from collections.abc import Iterable
from types import MappingProxyType

SCOPE_LENGTH_MAX = 100
SCOPE_FORM = "write visible ASCII without spaces, quotes and backslashes, at most 100 characters, like 'jobs:read'"
"""Form of the name of a scope or shorthand, for error messages."""

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_NAME = re.compile(r"[a-z][a-z0-9_]*(?::[a-z0-9_]+)*", re.ASCII)

INTROSPECT = "tokens:introspect"
"""Scope that remote verifiers need."""

MANAGEMENT_SCOPES = MappingProxyType(
    {
        "tokens:read": "See tokens: names, grants, status and use, never secrets",
        "tokens:create": "Create tokens; with tokens:revoke, rotate them",
        "tokens:update": "Edit a token's name, description, grants and expiry",
        "tokens:disable": "Disable and enable tokens",
        "tokens:revoke": "Revoke tokens for good",
        "tokens:delete": "Delete tokens",
        INTROSPECT: "Ask whether a secret is valid, for remote verifiers",
        "spaces:read": "See spaces",
        "spaces:write": "Create, edit and delete spaces",
        "members:read": "See members and their roles",
        "members:write": "Add and remove members, change their roles",
        "workspace:read": "See the workspace, its plan, policy and roles",
        "workspace:write": "Edit the workspace, its policy and roles",
        "audit:read": "Read the audit log",
        "usage:read": "Read usage",
    }
)
"""Description of each management scope. Products may grant these, but never define them."""

OPERATOR_NAMESPACE = "operator:"
"""Beginning of the scopes that only a service can have. No product may define or grant a name that begins with it."""

CREATE_WORKSPACES = "operator:workspaces:create"
UPDATE_WORKSPACES = "operator:workspaces:update"
DELETE_WORKSPACES = "operator:workspaces:delete"
PORTAL_SESSIONS = "operator:portal_sessions"

OPERATOR_SCOPES = MappingProxyType(
    {
        CREATE_WORKSPACES: "Create workspaces of the product",
        UPDATE_WORKSPACES: "With workspace:write, set any plan and rate limit of a workspace, suspend and resume it",
        DELETE_WORKSPACES: "With workspace:write, delete workspaces",
        PORTAL_SESSIONS: "Open and end portal sessions",
    }
)
"""Description of each scope that only services can have."""

SERVICE_SCOPES = MappingProxyType(
    {name: text for name, text in MANAGEMENT_SCOPES.items() if not name.startswith("members:")} | OPERATOR_SCOPES
)
"""Description of each scope that a service can have: all management scopes but those of members, and its own."""

TOKEN_SCOPES = tuple(name for name in MANAGEMENT_SCOPES if name.startswith("tokens:") and name != INTROSPECT)
"""Management scopes of people who manage tokens, and the ones that a portal session has unless others are named."""

PORTAL_SCOPES = frozenset((*TOKEN_SCOPES, "spaces:read", "workspace:read", "usage:read"))
"""Management scopes that a portal session can have at most."""


def is_scope_name(name: object) -> bool:
    """Return whether ``name`` may be the name of a scope or shorthand.

    It is a ``scope-token`` of RFC 6749 §3.3, visible ASCII without quotes and backslashes, of at most 100 characters.
    """
    return isinstance(name, str) and len(name) <= SCOPE_LENGTH_MAX and _SCOPE.fullmatch(name) is not None


def is_plain_name(name: object) -> bool:
    """Return whether ``name`` is made of lower-case words joined by colons, as names of roles, presets and plans are.

    It is also the style of scopes that Spacekey recommends.
    """
    return isinstance(name, str) and len(name) <= SCOPE_LENGTH_MAX and _NAME.fullmatch(name) is not None


def advice_on(names: Iterable[str]) -> list[str]:
    """Return what is unusual about names of scopes and shorthands, one sentence for each that may mislead."""
    found: list[str] = []
    by_case: dict[str, str] = {}
    for name in names:
        other = by_case.setdefault(name.casefold(), name)
        if other != name:
            found.append(f"'{name}' and '{other}' differ in case alone, and are two.")
        if "*" in name:
            found.append(f"'{name}' stands for itself alone: no scope includes another.")
        elif "," in name:
            found.append(f"'{name}' is written with '\\,' on the command line, which separates names by commas.")
        elif not is_plain_name(name):
            found.append(f"'{name}' is not of lower-case words joined by colons, like 'jobs:read'.")
    return found
