"""Queries about workspaces, their spaces and their members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache, partial

from sqlalchemy import bindparam, delete, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from spacekey.domain.page import Page, PageRequest
from spacekey.models.engine.reading import Reader, Values
from spacekey.models.engine.statements import contains, insert, row_by_id
from spacekey.models.tables.base import SQLITE
from spacekey.models.tables.records import MemberRecord, SpaceRecord, UserRecord, WorkspaceRecord, columns, decoder
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Member, ReleasedSlug, Space, Workspace

from .pagination import Ordering, fetch_page, fetch_pages, listing_of, listing_of_pairs

_MEMBERSHIPS = "spacekey_members m JOIN spacekey_workspaces w ON w.id = m.workspace_id"
_MEMBERS = "spacekey_members m JOIN spacekey_users u ON u.id = m.user_id"
_WORKSPACES_BY_NAME = Ordering("workspaces.name", "lower(w.name)", str, "w.id")
_SPACES_BY_NAME = Ordering("spaces.name", "lower(s.name)", str, "s.id")
_MEMBERS_BY_NAME = Ordering("members.name", "lower(coalesce(nullif(u.name, ''), u.email, u.id))", str, "u.id")


async def workspace_by_id(session: AsyncSession, workspace_id: str) -> Workspace | None:
    """Return the workspace, a deleted one included, or None."""
    return await row_by_id(session, Workspace, workspace_id)


async def workspaces_by_ids(session: AsyncSession, ids: Iterable[str]) -> list[Workspace]:
    """Return those of the workspaces that exist, deleted ones included, without order."""
    return list((await session.exec(select(Workspace).where(col(Workspace.id).in_(set(ids))))).all())


async def workspace_by_slug(session: AsyncSession, slug: str) -> Workspace | None:
    """Return the workspace with this slug that is not deleted, or None."""
    statement = select(Workspace).where(Workspace.slug == slug, col(Workspace.deleted_at).is_(None))
    return (await session.exec(statement)).one_or_none()


async def workspace_by_external_id(session: AsyncSession, product: str, external_id: str) -> Workspace | None:
    """Return the product's workspace with this external id that is not deleted, or None."""
    statement = select(Workspace).where(
        Workspace.product == product, Workspace.external_id == external_id, col(Workspace.deleted_at).is_(None)
    )
    return (await session.exec(statement)).one_or_none()


async def released_slug(session: AsyncSession, slug: str) -> ReleasedSlug | None:
    """Return the record of the last workspace that gave this slug up, or None. A slug in use has none."""
    return await session.get(ReleasedSlug, slug)


async def release_slug(session: AsyncSession, slug: str, workspace_id: str, now: datetime) -> None:
    """Record that the workspace gave the slug up now, replacing any earlier record."""
    connection = await session.connection()
    facts = {"workspace_id": workspace_id, "released_at": now}
    new = insert(connection, ReleasedSlug).values(slug=slug, **facts)
    await connection.execute(new.on_conflict_do_update(index_elements=["slug"], set_=facts))


async def forget_released_slug(session: AsyncSession, slug: str) -> None:
    """Delete the record of a slug that is in use again."""
    await session.exec(delete(ReleasedSlug).where(col(ReleasedSlug.slug) == slug))


async def owners_of(session: AsyncSession, workspace_id: str, role: str, limit: int) -> list[User]:
    """Return at most ``limit`` members with the role, in the order in which they joined."""
    statement = (
        select(User)
        .join(Member, col(Member.user_id) == User.id)
        .where(Member.workspace_id == workspace_id, Member.role == role)
        .order_by(col(Member.created_at), col(User.id))
    )
    return list((await session.exec(statement.limit(limit))).all())


async def lock_workspace(session: AsyncSession, workspace_id: str) -> Workspace | None:
    """Return the workspace, a deleted one included, or None, and lock it until this transaction ends.

    SQLite leaves ``FOR UPDATE`` out: a session that changes is the only writer there.
    """
    return (await session.exec(_lock_workspace(), params={"id": workspace_id})).one_or_none()


@cache
def _lock_workspace() -> SelectOfScalar[Workspace]:
    statement = select(Workspace).where(Workspace.id == bindparam("id")).with_for_update()
    return statement.execution_options(populate_existing=True)


async def all_workspaces(session: AsyncSession) -> list[Workspace]:
    """Return all workspaces that are not deleted, by name, for the operator's commands."""
    statement = select(Workspace).where(col(Workspace.deleted_at).is_(None))
    return list((await session.exec(statement.order_by(func.lower(Workspace.name), Workspace.id))).all())


async def workspace_page(reader: Reader, request: PageRequest, product: str | None = None) -> Page[WorkspaceRecord]:
    """Return a page of all workspaces that are not deleted, by name, for the operator's lists.

    :param product: only those of this product.
    :raises InvalidInput: for a cursor of another list.
    """
    listing = listing_of(WorkspaceRecord, "spacekey_workspaces w", "w", reader.dialect)

    def where(values: Values) -> list[str]:
        found = [] if product is None else [f"w.product = {values.bind(product)}"]
        return [*found, "w.deleted_at IS NULL"]

    return await fetch_page(reader, listing, where, _WORKSPACES_BY_NAME, request)


async def products_in_use(session: AsyncSession) -> dict[str, int]:
    """Return how many workspaces that are not deleted belong to each product, by its name."""
    statement = select(col(Workspace.product), func.count()).where(col(Workspace.deleted_at).is_(None))
    rows = await session.exec(statement.group_by(col(Workspace.product)).order_by(col(Workspace.product)))
    return dict(rows.all())


async def workspaces_of_user_page(
    reader: Reader, user_id: str, request: PageRequest, now: datetime
) -> Page[tuple[WorkspaceRecord, MemberRecord]]:
    """Return a page of the workspaces that a user is a member of now, with the memberships, by name.

    :raises InvalidInput: for a cursor of another list.
    """
    listing = listing_of_pairs((WorkspaceRecord, "w"), (MemberRecord, "m"), _MEMBERSHIPS, reader.dialect)
    return await fetch_page(
        reader, listing, lambda values: _current(values, user_id, now), _WORKSPACES_BY_NAME, request
    )


async def workspace_records(reader: Reader, ids: Iterable[str]) -> list[WorkspaceRecord]:
    """Return those of the workspaces that exist and are not deleted, without order."""
    values = reader.values()
    return await reader.records(
        WorkspaceRecord,
        f"SELECT {columns(WorkspaceRecord, 'w')} FROM spacekey_workspaces w "
        f"WHERE {values.among('w.id', ids)} AND w.deleted_at IS NULL",
        values,
    )


async def hold_workspace(reader: Reader, workspace_id: str) -> None:
    """Keep the workspace as it is, and from being changed by others, until this transaction ends."""
    if reader.dialect != SQLITE:  # there, a change is the only one
        values = reader.values()
        await reader.rows(
            f"SELECT 1 FROM spacekey_workspaces WHERE id = {values.bind(workspace_id)} FOR UPDATE", values
        )


async def workspace_of_space(reader: Reader, space_id: str) -> str | None:
    """Return the id of the space's workspace, or None if there is no such space. A deleted one has its workspace."""
    values = reader.values()
    rows = await reader.rows(f"SELECT workspace_id FROM spacekey_spaces WHERE id = {values.bind(space_id)}", values)
    return str(rows[0][0]) if rows else None


async def memberships(
    reader: Reader, user_id: str, now: datetime, ids: Iterable[str] | None = None
) -> list[tuple[WorkspaceRecord, str]]:
    """Return the workspaces that the user is a member of now, with the role, without deleted ones or order.

    :param ids: only those of these workspaces; None for all.
    """
    values = reader.values()
    take = decoder(WorkspaceRecord, reader.dialect)
    rows = await reader.rows(
        f"SELECT {columns(WorkspaceRecord, 'w')}, m.role FROM {_MEMBERSHIPS} "
        f"WHERE {' AND '.join(_current(values, user_id, now))} "
        f"AND {'TRUE' if ids is None else values.among('w.id', ids)} AND w.deleted_at IS NULL",
        values,
    )
    return [(take(row), row[-1]) for row in rows]


def _current(values: Values, user_id: str, now: datetime) -> list[str]:
    """Return the conditions for memberships of the user that have not ended."""
    return [f"m.user_id = {values.bind(user_id)}", f"(m.ends_at IS NULL OR m.ends_at > {values.bind(now)})"]


async def workspace_id_by_slug(reader: Reader, slug: str) -> str | None:
    """Return the id of the workspace with this slug that is not deleted, or None."""
    values = reader.values()
    rows = await reader.rows(
        f"SELECT w.id FROM spacekey_workspaces w WHERE w.slug = {values.bind(slug)} AND w.deleted_at IS NULL", values
    )
    return str(rows[0][0]) if rows else None


async def workspace_ids_by_external_id(reader: Reader, external_id: str, products: Iterable[str]) -> list[str]:
    """Return the ids of these products' workspaces with this external id that are not deleted, one a product."""
    values = reader.values()
    rows = await reader.rows(
        f"SELECT w.id FROM spacekey_workspaces w WHERE {values.among('w.product', products)} "
        f"AND w.external_id = {values.bind(external_id)} AND w.deleted_at IS NULL",
        values,
    )
    return [str(row[0]) for row in rows]


async def space_by_id(session: AsyncSession, space_id: str) -> Space | None:
    """Return the space, a deleted one included, or None."""
    return await row_by_id(session, Space, space_id)


async def space_by_slug(session: AsyncSession, workspace_id: str, slug: str) -> Space | None:
    """Return the workspace's space with this slug that is not deleted, or None."""
    statement = select(Space).where(
        Space.workspace_id == workspace_id, Space.slug == slug, col(Space.deleted_at).is_(None)
    )
    return (await session.exec(statement)).one_or_none()


async def space_by_external_id(session: AsyncSession, workspace_id: str, external_id: str) -> Space | None:
    """Return the workspace's space with this external id that is not deleted, or None."""
    statement = select(Space).where(
        Space.workspace_id == workspace_id, Space.external_id == external_id, col(Space.deleted_at).is_(None)
    )
    return (await session.exec(statement)).one_or_none()


async def space_record_by_external_id(reader: Reader, workspace_id: str, external_id: str) -> SpaceRecord | None:
    """Return the same as a record."""
    values = reader.values()
    found = await reader.records(
        SpaceRecord,
        f"SELECT {columns(SpaceRecord, 's')} FROM spacekey_spaces s WHERE s.workspace_id = {values.bind(workspace_id)} "
        f"AND s.external_id = {values.bind(external_id)} AND s.deleted_at IS NULL",
        values,
    )
    return found[0] if found else None


async def space_records(reader: Reader, ids: Iterable[str]) -> list[SpaceRecord]:
    """Return those of the spaces that exist, deleted ones included, without order."""
    values = reader.values()
    statement = f"SELECT {columns(SpaceRecord, 's')} FROM spacekey_spaces s WHERE {values.among('s.id', ids)}"
    return await reader.records(SpaceRecord, statement, values)


async def space_page(
    reader: Reader, workspace_id: str, request: PageRequest, text: str | None = None
) -> Page[SpaceRecord]:
    """Return a page of the workspace's spaces that are not deleted, by name.

    :param text: part of the name or the slug, in either case.
    :raises InvalidInput: for a cursor of another list, or with field ``text``, for text that no space can contain.
    """
    return (await space_pages(reader, [workspace_id], request, text))[0]


async def space_pages(
    reader: Reader, workspace_ids: Sequence[str], request: PageRequest, text: str | None = None
) -> list[Page[SpaceRecord]]:
    """Return :func:`space_page` of each workspace, in one statement."""
    listing = listing_of(SpaceRecord, "spacekey_spaces s", "s", reader.dialect)
    asked = [partial(_spaces, workspace_id=one, text=text) for one in workspace_ids]
    return await fetch_pages(reader, listing, asked, _SPACES_BY_NAME, request)


def _spaces(values: Values, *, workspace_id: str, text: str | None) -> list[str]:
    found = [f"s.workspace_id = {values.bind(workspace_id)}", "s.deleted_at IS NULL"]
    return [*found, contains(values, "text", text, "s.search_text")] if text else found


async def member(session: AsyncSession, workspace_id: str, user_id: str) -> Member | None:
    """Return the user's membership of the workspace, or None."""
    return await session.get(Member, (workspace_id, user_id))


async def member_by_proven_email(session: AsyncSession, workspace_id: str, email: str) -> Member | None:
    """Return the membership of the account that has proven this address, or None."""
    statement = select(Member).join(User, col(User.id) == Member.user_id)
    proven = statement.where(User.email == email, col(User.email_proven_at).is_not(None))
    return (await session.exec(proven.where(Member.workspace_id == workspace_id))).one_or_none()


async def members_of_user(session: AsyncSession, user_id: str) -> list[Member]:
    """Return all memberships of one user."""
    return list((await session.exec(select(Member).where(Member.user_id == user_id))).all())


async def count_members(session: AsyncSession, workspace_id: str) -> int:
    """Return how many members the workspace has."""
    return (await session.exec(select(func.count()).where(Member.workspace_id == workspace_id))).one()


async def member_counts(session: AsyncSession, workspace_id: str) -> list[tuple[str, int]]:
    """Return the roles that the workspace's members have, each with how many have it."""
    statement = select(Member.role, func.count()).where(Member.workspace_id == workspace_id)
    return list((await session.exec(statement.group_by(col(Member.role)))).all())


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


async def member_page(reader: Reader, workspace_id: str, request: PageRequest) -> Page[tuple[MemberRecord, UserRecord]]:
    """Return a page of the workspace's members with their accounts, by name, or by address or id for those without one.

    :raises InvalidInput: for a cursor of another list.
    """
    return (await member_pages(reader, [workspace_id], request))[0]


async def member_pages(
    reader: Reader, workspace_ids: Sequence[str], request: PageRequest
) -> list[Page[tuple[MemberRecord, UserRecord]]]:
    """Return :func:`member_page` of each workspace, in one statement."""
    listing = listing_of_pairs((MemberRecord, "m"), (UserRecord, "u"), _MEMBERS, reader.dialect)
    asked = [partial(_members, workspace_id=one) for one in workspace_ids]
    return await fetch_pages(reader, listing, asked, _MEMBERS_BY_NAME, request)


async def member_record(reader: Reader, workspace_id: str, user_id: str) -> tuple[MemberRecord, UserRecord] | None:
    """Return the user's membership of the workspace with the account, or None."""
    values = reader.values()
    listing = listing_of_pairs((MemberRecord, "m"), (UserRecord, "u"), _MEMBERS, reader.dialect)
    rows = await reader.rows(
        f"SELECT {listing.columns} FROM {listing.tables} "
        f"WHERE m.workspace_id = {values.bind(workspace_id)} AND m.user_id = {values.bind(user_id)}",
        values,
    )
    return listing.take(rows[0]) if rows else None


async def member_records(reader: Reader, ids: Sequence[tuple[str, str]]) -> list[tuple[MemberRecord, UserRecord]]:
    """Return those of the memberships that exist, with their accounts, without order.

    :param ids: workspace and user ids.
    """
    if not ids:
        return []
    values = reader.values()
    listing = listing_of_pairs((MemberRecord, "m"), (UserRecord, "u"), _MEMBERS, reader.dialect)
    pairs = ", ".join(f"({values.bind(workspace_id)}, {values.bind(user_id)})" for workspace_id, user_id in ids)
    rows = await reader.rows(
        f"SELECT {listing.columns} FROM {listing.tables} WHERE (m.workspace_id, m.user_id) IN (VALUES {pairs})", values
    )
    return [listing.take(row) for row in rows]


def _members(values: Values, *, workspace_id: str) -> list[str]:
    return [f"m.workspace_id = {values.bind(workspace_id)}"]


async def delete_members_of_workspace(session: AsyncSession, workspace_id: str) -> int:
    """End all memberships of a workspace, and return how many there were."""
    return (await session.exec(delete(Member).where(col(Member.workspace_id) == workspace_id))).rowcount


async def count_members_with_role(session: AsyncSession, workspace_id: str, role: str) -> int:
    """Return how many members of the workspace have the role."""
    statement = select(func.count()).where(Member.workspace_id == workspace_id, Member.role == role)
    return (await session.exec(statement)).one()
