"""What a person's password must not be made of: their own name and address, and the names of what they use."""

from __future__ import annotations

from collections.abc import Sequence

from spacekey.models import workspace_queries

from .system import System


def words_about(system: System, email: str, name: str) -> tuple[str, ...]:
    """A person's address and name, and the products this server knows."""
    return (email, name, *(text for one in system.catalogs.values() for text in (one.name, one.title)))


async def words_around(
    system: System, user_id: str, email: str, name: str, *, invited_to: Sequence[str] = ()
) -> tuple[str, ...]:
    """The same, with the names of the workspaces that the person is a member of or invited to."""
    async with system.store.reading() as session:
        member_of = [one.workspace_id for one in await workspace_queries.members_of_user(session, user_id)]
        workspaces = await workspace_queries.workspaces_by_ids(session, [*invited_to, *member_of])
    return (*words_about(system, email, name), *(text for one in workspaces for text in (one.name, one.slug)))
