"""Tables of workspaces, their spaces and their members."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    column,
    event,
    func,
    text,
)
from sqlmodel import Field

from spacekey.domain.external import EXTERNAL_ID_LENGTH_MAX

from .base import Row, moment, words
from .search import fields_of

_KEPT = text("deleted_at IS NULL")
_LINKED = text("deleted_at IS NULL AND external_id IS NOT NULL")


class Workspace(Row, table=True):
    """Workspace of one product.

    ``roles`` is the workspace's own role configuration: name → {title, description, grants}, or null for a role that it
    removed. ``per_minute`` and ``burst`` are its own limit, in place of the plan's. Rows of deleted workspaces stay, so
    that their tokens and audit logs can still be explained; their slugs cannot be reused for a while. ``external_id``
    is the id that the host application has for its tenant.
    """

    __tablename__ = "spacekey_workspaces"
    __table_args__ = (
        CheckConstraint("(per_minute IS NULL) = (burst IS NULL)", name="ck_spacekey_workspaces_limit_whole"),
        CheckConstraint("per_minute > 0 AND burst > 0", name="ck_spacekey_workspaces_limit_positive"),
        CheckConstraint("lifetime_seconds_max > 0", name="ck_spacekey_workspaces_lifetime_max"),
        CheckConstraint("lifetime_seconds_default > 0", name="ck_spacekey_workspaces_lifetime_default"),
        CheckConstraint(
            "lifetime_seconds_default <= lifetime_seconds_max", name="ck_spacekey_workspaces_lifetime_order"
        ),
        Index("uq_spacekey_workspaces_slug", "slug", unique=True, sqlite_where=_KEPT, postgresql_where=_KEPT),
        Index(
            "uq_spacekey_workspaces_product_external_id",
            "product",
            "external_id",
            unique=True,
            sqlite_where=_LINKED,
            postgresql_where=_LINKED,
        ),
    )

    id: str = Field(sa_column=Column(String(40), primary_key=True))
    name: str = Field(sa_column=words(200))
    slug: str = Field(sa_column=words(63))
    product: str = Field(sa_column=words(100))
    plan: str = Field(sa_column=words(100))
    roles: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    lifetime_seconds_max: int | None = Field(default=None, sa_column=Column(Integer))
    lifetime_seconds_default: int | None = Field(default=None, sa_column=Column(Integer))
    expiry_required: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    scopes_allowed: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    per_minute: int | None = Field(default=None, sa_column=Column(Integer))
    burst: int | None = Field(default=None, sa_column=Column(Integer))
    created_at: datetime = Field(sa_column=moment(nullable=False))
    suspended_at: datetime | None = Field(default=None, sa_column=moment())
    deleted_at: datetime | None = Field(default=None, sa_column=moment())
    external_id: str | None = Field(default=None, sa_column=words(EXTERNAL_ID_LENGTH_MAX, nullable=True))


class ReleasedSlug(Row, table=True):
    """Slug that a workspace gave up, for another one or by deletion. Other workspaces cannot have it for a while."""

    __tablename__ = "spacekey_released_slugs"

    slug: str = Field(sa_column=Column(String(63), primary_key=True))
    workspace_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_workspaces.id"), nullable=False))
    released_at: datetime = Field(sa_column=moment(nullable=False))


class Space(Row, table=True):
    """Space in a workspace. Rows of deleted spaces stay, so that their tokens can still be explained."""

    __tablename__ = "spacekey_spaces"
    __table_args__ = (
        UniqueConstraint("id", "workspace_id", name="uq_spacekey_spaces_id_workspace"),
        Index(
            "uq_spacekey_spaces_workspace_slug",
            "workspace_id",
            "slug",
            unique=True,
            sqlite_where=_KEPT,
            postgresql_where=_KEPT,
        ),
        Index(
            "uq_spacekey_spaces_workspace_external_id",
            "workspace_id",
            "external_id",
            unique=True,
            sqlite_where=_LINKED,
            postgresql_where=_LINKED,
        ),
        Index("ix_spacekey_spaces_workspace_name", "workspace_id", func.lower(column("name", String)), "id"),
    )

    id: str = Field(sa_column=Column(String(40), primary_key=True))
    workspace_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_workspaces.id"), nullable=False))
    name: str = Field(sa_column=words(200))
    slug: str = Field(sa_column=words(63))
    search_text: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    created_at: datetime = Field(sa_column=moment(nullable=False))
    deleted_at: datetime | None = Field(default=None, sa_column=moment())
    external_id: str | None = Field(default=None, sa_column=words(EXTERNAL_ID_LENGTH_MAX, nullable=True))


SEARCHED = ("name", "slug")


@event.listens_for(Space, "before_insert")
@event.listens_for(Space, "before_update")
def _keep_search_text(_mapper: object, _connection: object, space: Space) -> None:
    """Update the searchable text with the fields it is made from, however the row is changed."""
    space.search_text = fields_of(space, SEARCHED)


class Member(Row, table=True):
    """Membership of a person in a workspace, with a role.

    A membership from outside was made by a claim of ``issuer`` and counts until ``ends_at``, unless the claim is seen
    again before. Both are None for a membership that was made here.
    """

    __tablename__ = "spacekey_members"

    workspace_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_workspaces.id"), primary_key=True))
    user_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_users.id"), primary_key=True, index=True))
    role: str = Field(sa_column=words(100))
    created_at: datetime = Field(sa_column=moment(nullable=False))
    issuer: str | None = Field(default=None, sa_column=words(255, nullable=True))
    ends_at: datetime | None = Field(default=None, sa_column=moment())
