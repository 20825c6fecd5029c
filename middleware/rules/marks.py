"""The mark on an endpoint that carries its declaration."""

from __future__ import annotations

import functools
import types

from spacekey.domain.errors import RuleError

from .requirement import Access, Openness, Requirement, combined

MARK = "__spacekey_access__"


def access_of(endpoint: object) -> Access | None:
    """Return the declaration that an endpoint is marked with, or None.

    A class inherits a rule from its bases, but never openness: a subclass may do more than its public base.
    """
    while isinstance(endpoint, functools.partial) and MARK not in vars(endpoint):
        endpoint = endpoint.func
    found = getattr(endpoint, MARK, None)
    if isinstance(endpoint, type) and isinstance(found, Openness) and MARK not in vars(endpoint):
        return None
    return found if isinstance(found, Requirement | Openness) else None


def set_mark(endpoint: object, access: Access) -> None:
    """Mark ``endpoint``, which must not be shared, with what it already declares and ``access`` combined.

    :raises RuleError: if the two contradict each other, or the object cannot carry a mark.
    """
    both = combined(access_of(endpoint), access, name_of(endpoint))
    target = endpoint.__func__ if isinstance(endpoint, types.MethodType) else endpoint  # the copy's own function
    try:
        setattr(target, MARK, both)
    except (AttributeError, TypeError):
        raise RuleError(f"{name_of(endpoint)} cannot be marked; wrap it: protect(app, …)") from None


def name_of(endpoint: object) -> str:
    """Return the name of an endpoint for messages."""
    return str(getattr(endpoint, "__qualname__", None) or type(endpoint).__qualname__)
