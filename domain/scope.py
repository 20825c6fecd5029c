"""Scope names, and the management scopes that protect Spacekey's own API."""

import re
from types import MappingProxyType

SCOPE_LENGTH_MAX = 100

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


def is_scope_name(name: object) -> bool:
    """Return whether ``name`` may be the name of a scope, shorthand or role.

    It is made of lower-case words joined by colons, which RFC 6749 §3.3 allows.
    """
    return isinstance(name, str) and len(name) <= SCOPE_LENGTH_MAX and _NAME.fullmatch(name) is not None
