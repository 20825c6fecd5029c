"""Whether what a verifier or fallback of the app's own calls a principal is one, before anybody relies on it."""

from datetime import datetime

from spacekey.domain.principal import Kind, Limit, Principal


def flaw_in(principal: object) -> str | None:
    """What is wrong with it, with what to write instead; None for a principal that can be relied on.

    A flaw would pass unseen where it counts: a string of scopes is a set of letters, and a kind that only looks like
    one is held to none of the rules of its kind.
    """
    if not isinstance(principal, Principal):
        return f"{type(principal).__name__} is no Principal"
    return (
        _flaw_in_scopes(principal.scopes)
        or _flaw_in_kind(principal.kind)
        or _flaw_in_texts(
            (principal.id, principal.name, principal.limit_key),
            (principal.workspace_id, principal.space_id, principal.environment),
        )
        or _flaw_in_bounds(principal.limit, principal.expires_at)
    )


def _flaw_in_scopes(scopes: object) -> str | None:
    if not isinstance(scopes, frozenset):
        return f"scopes is a {type(scopes).__name__}: write frozenset({{'jobs:read'}})"
    for scope in scopes:
        if not isinstance(scope, str):
            return f"scopes holds a {type(scope).__name__}: write strings"
    return None


def _flaw_in_kind(kind: object) -> str | None:
    if not isinstance(kind, Kind):
        return f"kind is a {type(kind).__name__}: write Kind.SPACE, Kind.WORKSPACE or Kind.MEMBER"
    return None


def _flaw_in_texts(always: tuple[object, ...], perhaps: tuple[object, ...]) -> str | None:
    for text in always:
        if not isinstance(text, str):
            return "id, name and limit_key: write strings"
    for text in perhaps:
        if text is not None and not isinstance(text, str):
            return "workspace_id, space_id and environment: write strings or None"
    return None


def _flaw_in_bounds(limit: object, expires_at: object) -> str | None:
    if limit is not None and not isinstance(limit, Limit):
        return f"limit is a {type(limit).__name__}: write Limit(…) or None"
    if expires_at is not None and (not isinstance(expires_at, datetime) or expires_at.utcoffset() is None):
        return "expires_at: write a datetime with a time zone, or None"
    return None
