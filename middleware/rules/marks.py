"""The mark on an endpoint that carries its declaration."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from contextlib import suppress
from typing import Any, cast
from weakref import WeakSet

from spacekey.domain.errors import RuleError

from .requirement import Access, Openness, Requirement, combined

MARK = "__spacekey_access__"


_RULED: WeakSet[object] = WeakSet()
"""Functions around which a rule has been put, for as long as they are in use."""


def note_rule(function: object) -> None:
    """Note that a rule has been put around a function, which stays as it is."""
    with suppress(TypeError):  # what cannot be referred to weakly, such as an object with slots
        _RULED.add(function)


def has_lost_rule(endpoint: object) -> bool:
    """Return whether a rule stands above a route's decorator, so that the route has the function without it.

    A function of a module then has the name that the function with the rule took. One inside of another function has
    no name to look at, so it counts wherever a rule has been put around it.
    """
    try:
        is_ruled = endpoint in _RULED and access_of(endpoint) is None
    except TypeError:
        return False
    if not is_ruled or not isinstance(endpoint, types.FunctionType):
        return False
    if "<locals>" in endpoint.__qualname__:
        return True
    named: object = sys.modules.get(endpoint.__module__)
    for name in endpoint.__qualname__.split("."):
        named = getattr(named, name, None)
    return isinstance(access_of(named), Requirement) and inspect.unwrap(cast("Any", named)) is endpoint


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
