"""The query of a request: known parameters, each once."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request

from .body import BadBody
from .fields import NAMED_LENGTH_MAX, only_known


def query_of(request: Request, known: Iterable[str] = ()) -> dict[str, str]:
    """The parameters of the address.

    :raises InvalidInput: one that nobody reads, with near matches.
    :raises BadBody: one that is given twice: which of the two is meant is anybody's guess.
    """
    given = request.query_params.multi_items()
    found = dict(given)
    only_known(found, known)
    if len(found) < len(given):
        names = [name for name, _ in given]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadBody(400, "repeated_parameter", f"Give '{twice[:NAMED_LENGTH_MAX]}' once.")
    return found
