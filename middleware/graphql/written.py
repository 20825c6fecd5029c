"""A list of directives as a developer wrote it, in which nothing but directives may stand.

Strawberry takes anything and prints what it knows. A rule in the wrong words would leave its field open in silence.
"""

from __future__ import annotations

import reprlib
from collections.abc import Collection

from strawberry.schema.compat import is_schema_directive

from spacekey.domain.errors import RuleError

CURE = (
    "which is no schema directive: nothing would enforce it. "
    "For a rule write directives=[requires_scopes('jobs:read')], with requires_scopes of spacekey.middleware.graphql"
)


def written_directives(where: str, directives: object) -> tuple[object, ...]:
    """The directives in the list on ``where``, none for None.

    :raises RuleError: when anything else stands in the list, or when it can be read only once.
    """
    if directives is None:
        return ()
    if not isinstance(directives, Collection):
        # Strawberry has read it before, and an iterator has nothing left.
        raise RuleError(f"{where}: directives is a {type(directives).__name__}; write a list")
    for one in directives:
        if not is_schema_directive(type(one)):
            raise RuleError(f"{where}: directives holds {_shown(one)}, {CURE}")
    return tuple(directives)


def _shown(one: object) -> str:
    if isinstance(one, type):
        return f"the class {one.__name__}"
    name = getattr(one, "__qualname__", None)
    return f"the function {name}" if isinstance(name, str) else f"the {type(one).__name__} {reprlib.repr(one)}"
