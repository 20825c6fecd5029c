"""A rule table as it is given to TokenMiddleware: a mistake in it is named at once, and not what it would lead to."""

from collections.abc import Mapping

from spacekey.domain.errors import RuleError

from .access import Access, access_from


def accesses_from(rules: object) -> dict[tuple[str, str], Access]:
    """A rule table, its methods in capitals.

    :raises RuleError: for what is no mapping of (method, path) to declarations.
    """
    if not isinstance(rules, Mapping):
        raise RuleError("rules: write a mapping, such as {('GET', '/jobs'): requires('jobs:read')}")
    table: dict[tuple[str, str], Access] = {}
    for key, declaration in rules.items():
        if not isinstance(key, tuple) or len(key) != 2 or not all(isinstance(part, str) for part in key):
            path = key if isinstance(key, str) else "/jobs"
            raise RuleError(f"rules: {key!r:.60} is no (method, path): write ('GET', {path!r}), or ('*', {path!r})")
        table[key[0].upper(), key[1]] = access_from(declaration)
    return table
