"""Which tokens, and which of their scopes, nobody has used for a while: what can be taken away without a loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from spacekey.domain.refusal import InvalidInput
from spacekey.models.queries import usage as usage_queries
from spacekey.resolvers.tokens.list import DAYS_MAX
from spacekey.resolvers.tokens.view import TokenView

from .system import System

ROTATE_AFTER_DAYS = 90
"""The age at which a secret should be exchanged for a new one."""


class Finding(StrEnum):
    """What is wrong with a token, the worst first."""

    NEVER_USED = "never used"
    UNUSED = "not used"
    UNUSED_SCOPES = "scopes not used"


@dataclass(frozen=True, slots=True)
class Activity:
    """How much of a token is in use.

    :param finding: None for a token that is in use with all its scopes, or is younger than the time looked at.
    :param unused_scopes: effective scopes that no request of that time needed, sorted.
    """

    view: TokenView
    finding: Finding | None
    unused_scopes: tuple[str, ...]
    age_days: int

    @property
    def due_for_rotation(self) -> bool:
        """Whether the secret is older than secrets should be."""
        return self.age_days >= ROTATE_AFTER_DAYS


def checked_span(days: int) -> timedelta:
    """How far to look back.

    :raises InvalidInput: unless 0 to 3,660 days.
    """
    if not 0 <= days <= DAYS_MAX:
        raise InvalidInput("days", f"Give 0 to {DAYS_MAX} days.")
    return timedelta(days=days)


async def activity_of(system: System, views: Sequence[TokenView], span: timedelta) -> list[Activity]:
    """How much of each token was in use in that time, in one statement. The caller was let to see them."""
    now = system.clock()
    since = now - span
    async with system.store.reading() as session:
        used = await usage_queries.scopes_used(session, [view.token.id for view in views], since)
    found = []
    for view in views:
        token = view.token
        old_enough = token.created_at < since
        unused = sorted(view.scopes - used.get(token.id, frozenset())) if old_enough else ()
        finding = Finding.UNUSED_SCOPES if unused else None
        if (token.last_used_at or token.created_at) < since:
            finding = Finding.NEVER_USED if token.last_used_at is None else Finding.UNUSED
        found.append(Activity(view, finding, tuple(unused), (now - token.created_at).days))
    return found
