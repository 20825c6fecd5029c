"""Scopes on the fields of any Strawberry schema, decided once per operation."""

from .directive import RequiresScopes, requires_scopes

__all__ = ["RequiresScopes", "requires_scopes"]
