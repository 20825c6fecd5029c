"""Declare an endpoint public or optional without changing it: wherever else it is routed, it has declared nothing.

A function comes back as a copy of itself, not inside another one, so that an open route costs no further call.
"""

from typing import cast

from starlette.types import ASGIApp

from .access import MARK, Openness, access_of, combined, set_mark, where
from .guard import Guard
from .kinds import copy_of, is_function, refuse_unfit, subclass_of


def opened(endpoint: object, openness: Openness) -> object:
    """What does the same and is declared open: a copy of a function, a subclass of a class, an app inside a guard.

    :raises RuleError: for what cannot be an endpoint, or already declares something else.
    """
    refuse_unfit(endpoint, openness.value)
    combined(access_of(endpoint), openness, where(endpoint))
    if isinstance(endpoint, type):
        return subclass_of(endpoint, {MARK: openness})
    if is_function(endpoint):
        copy: object = copy_of(endpoint)
        set_mark(copy, openness)
        return copy
    return Guard(cast("ASGIApp", endpoint), openness)
