"""Every query about workspaces, their spaces and their members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from spacekey.domain.page import Page, PageRequest

from .keyset import Ordering, fetch_page, the_row
from .many_pages import fetch_pages
from .search import contains
from .upsert import insert
from .user import User
from .workspace import Member, ReleasedSlug, Space, Workspace


async def workspace_by_id(session: AsyncSession, workspace_id: str) -> Workspace | None:
    """The workspace, a deleted one included, or None."""
    return await session.get(Workspace, workspace_id)


async def workspaces_by_ids(session: AsyncSession, ids: Iterable[str]) -> list[Workspace]:
    """Those of them that exist, deleted ones included, in no order."""
    return list((await session.exec(select(Workspace).where(col(Workspace.id).in_(set(ids))))).all())


async def workspace_by_slug(session: AsyncSession, slug: str) -> Workspace | None:
    """The workspace with this slug that is not deleted, or None."""
    statement = select(Workspace).where(Workspace.slug == slug, col(Workspace.deleted_at).is_(None))
    return (await session.exec(statement)).one_or_none()


async def released_slug(session: AsyncSession, slug: str) -> ReleasedSlug | None:
    """Who gave this slug up last, and when; None when it was never given up, or has been taken since."""
    return await session.get(ReleasedSlug, slug)


async def release_slug(session: AsyncSession, slug: str, workspace_id: str, now: datetime) -> None:
    """Write down that the workspace gave the slug up now, instead of any time before."""
    connection = await session.connection()
    facts = {"workspace_id": workspace_id, "released_at": now}
    new = insert(connection, ReleasedSlug).values(slug=slug, **facts)
    await connection.execute(new.on_conflict_do_update(index_elements=["slug"], set_=facts))


async def forget_released_slug(session: AsyncSession, slug: str) -> None:
    """The slug is in use again."""
    await session.exec(delete(ReleasedSlug).where(col(ReleasedSlug.slug) == slug))


async def owners_of(session: AsyncSession, workspace_id: str, role: str, limit: int) -> list[User]:
    """The first members who hold the role, by when they came; at most ``limit``."""
    statement = (
        select(User)
        .join(Member, col(Member.user_id) == User.id)
        .where(Member.workspace_id == workspace_id, Member.role == role)
        .order_by(col(Member.created_at), col(User.id))
    )
    return list((await session.exec(statement.limit(limit))).all())


async def lock_workspace(session: AsyncSession, workspace_id: str) -> Workspace | None:
    """The workspace as it is now, a deleted one included, and nobody else changes it until this transaction ends.

    SQLite leaves ``FOR UPDATE`` out: there a changing session is the only writer already.
    """
    statement = select(Workspace).where(Workspace.id == workspace_id).with_for_update()
    found = await session.exec(statement.execution_options(populate_existing=True))
    return found.one_or_none()


async def all_workspaces(session: AsyncSession) -> list[Workspace]:
    """Every workspace that is not deleted, by name: for the operator's commands."""
    statement = select(Workspace).where(col(Workspace.deleted_at).is_(None))
    return list((await session.exec(statement.order_by(func.lower(Workspace.name), Workspace.id))).all())


async def workspace_page(session: AsyncSession, request: PageRequest) -> Page[Workspace]:
    """One page of all workspaces that are not deleted, by name: for the operator's lists.

    :raises InvalidInput: for a cursor of another list.
    """
    statement = select(Workspace).where(col(Workspace.deleted_at).is_(None))
    return await fetch_page(session, statement, _workspaces_by_name(), request, the_row)


async def catalogs_in_use(session: AsyncSession) -> dict[str, int]:
    """How many workspaces that are not deleted belong to each catalog, by its name."""
    statement = select(col(Workspace.catalog), func.count()).where(col(Workspace.deleted_at).is_(None))
    rows = await session.exec(statement.group_by(col(Workspace.catalog)).order_by(col(Workspace.catalog)))
    return dict(rows.all())


async def workspaces_of_user_page(session: AsyncSession, user_id: str, request: PageRequest) -> Page[Workspace]:
    """The workspaces a user is a member of, by name.

    :raises InvalidInput: for a cursor of another list.
    """
    statement = (
        select(Workspace).join(Member, col(Member.workspace_id) == Workspace.id).where(Member.user_id == user_id)
    )
    return await fetch_page(session, statement, _workspaces_by_name(), request, the_row)


async def space_by_id(session: AsyncSession, space_id: str) -> Space | None:
    """The space, a deleted one included, or None."""
    return await session.get(Space, space_id)


async def spaces_by_ids(session: AsyncSession, ids: Iterable[str]) -> list[Space]:
    """Those of them that exist, deleted ones included, in no order."""
    return list((await session.exec(select(Space).where(col(Space.id).in_(set(ids))))).all())


async def space_by_slug(session: AsyncSession, workspace_id: str, slug: str) -> Space | None:
    """The workspace's space with this slug that is not deleted, or None."""
    statement = select(Space).where(
        Space.workspace_id == workspace_id, Space.slug == slug, col(Space.deleted_at).is_(None)
    )
    return (await session.exec(statement)).one_or_none()


async def space_page(
    session: AsyncSession, workspace_id: str, request: PageRequest, text: str | None = None
) -> Page[Space]:
    """The workspace's spaces that are not deleted, by name.

    :param text: part of the name or the slug, in either case.
    :raises InvalidInput: for a cursor of another list, or with field ``text``, for what no space can be called.
    """
    return await fetch_page(session, _spaces(workspace_id, text), _spaces_by_name(), request, the_row)


async def space_pages(
    session: AsyncSession, workspace_ids: Sequence[str], request: PageRequest, text: str | None = None
) -> list[Page[Space]]:
    """:func:`space_page` of each workspace, in one statement."""
    statements = [_spaces(one, text) for one in workspace_ids]
    return await fetch_pages(session, Space, statements, _spaces_by_name(), request, the_row)


def _spaces(workspace_id: str, text: str | None) -> SelectOfScalar[Space]:
    statement = select(Space).where(Space.workspace_id == workspace_id, col(Space.deleted_at).is_(None))
    return statement.where(contains("text", text, col(Space.search_text))) if text else statement


async def member(session: AsyncSession, workspace_id: str, user_id: str) -> Member | None:
    """The user's membership of the workspace, or None."""
    return await session.get(Member, (workspace_id, user_id))


async def member_by_proven_email(session: AsyncSession, workspace_id: str, email: str) -> Member | None:
    """The membership of the account that has proven this address, or None."""
    statement = select(Member).join(User, col(User.id) == Member.user_id)
    proven = statement.where(User.email == email, col(User.email_proven_at).is_not(None))
    return (await session.exec(proven.where(Member.workspace_id == workspace_id))).one_or_none()


async def members_of_user(session: AsyncSession, user_id: str) -> list[Member]:
    """All memberships of one user."""
    return list((await session.exec(select(Member).where(Member.user_id == user_id))).all())


async def count_members(session: AsyncSession, workspace_id: str) -> int:
    """Return how many members the workspace has."""
    return (await session.exec(select(func.count()).where(Member.workspace_id == workspace_id))).one()


async def count_spaces(session: AsyncSession, workspace_id: str) -> int:
    """Return how many spaces the workspace has that are not deleted."""
    statement = select(func.count()).where(Space.workspace_id == workspace_id, col(Space.deleted_at).is_(None))
    return (await session.exec(statement)).one()


async def count_owned_workspaces(session: AsyncSession, user_id: str, role: str) -> int:
    """Return in how many workspaces that are not deleted the user has this role."""
    statement = (
        select(func.count())
        .select_from(Member)
        .join(Workspace, col(Workspace.id) == Member.workspace_id)
        .where(Member.user_id == user_id, Member.role == role, col(Workspace.deleted_at).is_(None))
    )
    return (await session.exec(statement)).one()


async def member_page(session: AsyncSession, workspace_id: str, request: PageRequest) -> Page[tuple[Member, User]]:
    """The workspace's members with who they are, by name, or by e-mail address or id for those without one.

    :raises InvalidInput: for a cursor of another list.
    """
    statement = (
        select(Member, User).join(User, col(User.id) == Member.user_id).where(Member.workspace_id == workspace_id)
    )
    return await fetch_page(session, statement, _members_by_name(), request, lambda row: (row[0], row[1]))


async def member_pages(
    session: AsyncSession, workspace_ids: Sequence[str], request: PageRequest
) -> list[Page[tuple[Member, User]]]:
    """:func:`member_page` of each workspace, in one statement."""
    statements = [
        select(Member).join(User, col(User.id) == Member.user_id).where(Member.workspace_id == one)
        for one in workspace_ids
    ]
    return await fetch_pages(
        session,
        Member,
        statements,
        _members_by_name(),
        request,
        lambda row: (row[0], row[1]),
        also=(User, "user_id"),
    )


async def delete_members_of_workspace(session: AsyncSession, workspace_id: str) -> int:
    """End all memberships of a workspace; how many those were."""
    return (await session.exec(delete(Member).where(col(Member.workspace_id) == workspace_id))).rowcount


async def count_members_with_role(session: AsyncSession, workspace_id: str, role: str) -> int:
    """How many members of the workspace hold the role."""
    statement = select(func.count()).where(Member.workspace_id == workspace_id, Member.role == role)
    return (await session.exec(statement)).one()


def _workspaces_by_name() -> Ordering:
    return Ordering("workspaces.name", func.lower(Workspace.name), str, col(Workspace.id))


def _spaces_by_name() -> Ordering:
    return Ordering("spaces.name", func.lower(Space.name), str, col(Space.id))


def _members_by_name() -> Ordering:
    shown = func.lower(func.coalesce(func.nullif(User.name, ""), User.email, User.id))
    return Ordering("members.name", shown, str, col(User.id))
