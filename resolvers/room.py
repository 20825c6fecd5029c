"""How much there may be of what people make: everything that is listed, counted or read as a whole has a bound."""

from __future__ import annotations

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import Conflict
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries

MEMBERS_MAX = 5_000
"""Members of a workspace."""

MEMBERSHIPS_MAX = 500
"""Workspaces of one person: what a person may do anywhere is read at once, when they are authenticated."""

SPACES_MAX = 5_000
"""Spaces of a workspace that are not deleted."""

SESSIONS_MAX = 100
"""Sessions of one person; signing in once more ends the one that was seen longest ago."""


async def check_room_for_member(session: AsyncSession, workspace_id: str, user_id: str) -> None:
    """Refuse one more member where the workspace or the person has as many as they may have.

    Inside a transaction that has locked the workspace.

    :raises Conflict: saying which of the two is full.
    """
    if await workspace_queries.count_members(session, workspace_id) >= MEMBERS_MAX:
        raise Conflict(f"This workspace has {MEMBERS_MAX} members, which is as many as it may have; remove one first.")
    if len(await workspace_queries.members_of_user(session, user_id)) >= MEMBERSHIPS_MAX:
        raise Conflict(
            f"This account belongs to {MEMBERSHIPS_MAX} workspaces, which is as many as it may; leave one first."
        )


async def check_room_for_space(session: AsyncSession, workspace_id: str) -> None:
    """Refuse one more space where the workspace has as many as it may have.

    Inside a transaction that has locked the workspace.

    :raises Conflict: it is full.
    """
    if await workspace_queries.count_spaces(session, workspace_id) >= SPACES_MAX:
        raise Conflict(f"This workspace has {SPACES_MAX} spaces, which is as many as it may have; delete one first.")


async def make_room_for_session(session: AsyncSession, user_id: str) -> None:
    """End a person's sessions that were seen longest ago, so that one more is within :data:`SESSIONS_MAX`."""
    await user_queries.delete_sessions_beyond(session, user_id, keep=SESSIONS_MAX - 1)
