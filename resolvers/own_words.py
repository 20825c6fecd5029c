"""What a person's password must not be made of: their own name and address, and the names of what they use."""

from __future__ import annotations

from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.user import User

from .system import System


def words_about(system: System, *own: str | None) -> tuple[str, ...]:
    """What a person is called by, and the products this server knows."""
    known = (one for one in own if one is not None)
    return (*known, *(text for one in system.catalogs.values() for text in (one.name, one.title)))


async def words_around(system: System, user: User) -> tuple[str, ...]:
    """The same for an account, with the names of the workspaces that it is a member of."""
    async with system.store.reading() as session:
        member_of = [one.workspace_id for one in await workspace_queries.members_of_user(session, user.id)]
        workspaces = await workspace_queries.workspaces_by_ids(session, member_of)
    return (
        *words_about(system, user.email, user.sign_in_name, user.name),
        *(text for one in workspaces for text in (one.name, one.slug)),
    )
