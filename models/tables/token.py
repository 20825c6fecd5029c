"""Token tables: the record of a token, never its secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    column,
    event,
    func,
    text,
)
from sqlmodel import Field

from spacekey.domain.actor import ACTOR_ID_LENGTH_MAX, Actor, actor_from
from spacekey.domain.external import EXTERNAL_ID_LENGTH_MAX

from .base import Row, moment, words
from .expressions import FarFuture, FarPast
from .search import fields_of

_LISTED = text("deleted_at IS NULL")
_DELETED = text("deleted_at IS NOT NULL")
_OWNED = text("deleted_at IS NULL AND external_id IS NOT NULL")
_IMPORTED = text("deleted_at IS NULL AND imported_from IS NOT NULL")


class Token(Row, table=True):
    """Token with its grants, its creator and its end.

    The secret is stored as its SHA-256 (``digest``) and its first 12 characters (``prefix``). The creator's fields are
    a snapshot: a token outlives the member who created it. ``retires_at`` ends a rotated token's grace. ``chain_id`` on
    a successor is the id of the first token of its chain of rotations, which has none itself. ``first_use_retires`` on
    a successor means that its first use ends its predecessor earlier.

    ``external_id`` is the id that the host application has for the token's owner, and ``metadata_`` a JSON object of
    its own (:mod:`spacekey.domain.external`); neither is looked into. ``imported_from`` names the key format of the
    product with which the key was imported; then ``digest`` is as :mod:`spacekey.domain.key_format` says.
    """

    __tablename__ = "spacekey_tokens"
    __table_args__ = (
        CheckConstraint("kind IN ('space', 'workspace')", name="ck_spacekey_tokens_kind"),
        CheckConstraint("(kind = 'space') = (space_id IS NOT NULL)", name="ck_spacekey_tokens_kind_space"),
        CheckConstraint("environment IN ('live', 'test')", name="ck_spacekey_tokens_environment"),
        CheckConstraint("length(digest) = 32", name="ck_spacekey_tokens_digest"),
        CheckConstraint("(rotated_to_id IS NULL) = (retires_at IS NULL)", name="ck_spacekey_tokens_rotation_whole"),
        ForeignKeyConstraint(
            ["space_id", "workspace_id"],
            ["spacekey_spaces.id", "spacekey_spaces.workspace_id"],
            name="fk_spacekey_tokens_space_of_workspace",
        ),
        Index(
            "ix_spacekey_tokens_workspace_created",
            "workspace_id",
            "created_at",
            "id",
            sqlite_where=_LISTED,
            postgresql_where=_LISTED,
        ),
        Index(
            "ix_spacekey_tokens_workspace_name",
            "workspace_id",
            func.lower(column("name", String)),
            "id",
            sqlite_where=_LISTED,
            postgresql_where=_LISTED,
        ),
        Index(
            "ix_spacekey_tokens_workspace_expires",
            "workspace_id",
            func.coalesce(column("expires_at"), FarFuture()),
            "id",
            sqlite_where=_LISTED,
            postgresql_where=_LISTED,
        ),
        Index(
            "ix_spacekey_tokens_workspace_used",
            "workspace_id",
            func.coalesce(column("last_used_at"), FarPast()),
            "id",
            sqlite_where=_LISTED,
            postgresql_where=_LISTED,
        ),
        Index(
            "ix_spacekey_tokens_workspace_creator",
            "workspace_id",
            "created_by_id",
            "created_at",
            "id",
            sqlite_where=_LISTED,
            postgresql_where=_LISTED,
        ),
        Index(
            "ix_spacekey_tokens_workspace_external_id",
            "workspace_id",
            "external_id",
            "created_at",
            "id",
            sqlite_where=_OWNED,
            postgresql_where=_OWNED,
        ),
        Index(
            "ix_spacekey_tokens_workspace_imported",
            "workspace_id",
            "created_at",
            "id",
            sqlite_where=_IMPORTED,
            postgresql_where=_IMPORTED,
        ),
        Index(
            "ix_spacekey_tokens_prefix",
            "prefix",
            "workspace_id",
            sqlite_where=_LISTED,
            postgresql_where=_LISTED,
        ),
        Index(
            "ix_spacekey_tokens_workspace_deleted",
            "workspace_id",
            sqlite_where=_DELETED,
            postgresql_where=_DELETED,
        ),
        Index(
            "ix_spacekey_tokens_space_created",
            "space_id",
            "created_at",
            "id",
            sqlite_where=_LISTED,
            postgresql_where=_LISTED,
        ),
    )

    id: str = Field(sa_column=Column(String(40), primary_key=True))
    digest: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False, unique=True))
    prefix: str = Field(sa_column=words(12))
    name: str = Field(sa_column=words(200))
    description: str = Field(default="", sa_column=words(2_000))
    kind: str = Field(sa_column=words(16))
    environment: str = Field(sa_column=words(16))
    workspace_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_workspaces.id"), nullable=False))
    space_id: str | None = Field(default=None, sa_column=Column(String(40)))
    grants: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_column=moment(nullable=False))
    created_by_id: str = Field(sa_column=words(ACTOR_ID_LENGTH_MAX))
    created_by_name: str = Field(sa_column=words(254))
    expires_at: datetime | None = Field(default=None, sa_column=moment())
    disabled_at: datetime | None = Field(default=None, sa_column=moment())
    revoked_at: datetime | None = Field(default=None, sa_column=moment())
    revoked_reason: str | None = Field(default=None, sa_column=words(500, nullable=True))
    deleted_at: datetime | None = Field(default=None, sa_column=moment())
    rotated_from_id: str | None = Field(
        default=None, sa_column=Column(String(40), ForeignKey("spacekey_tokens.id"), unique=True)
    )
    rotated_to_id: str | None = Field(
        default=None, sa_column=Column(String(40), ForeignKey("spacekey_tokens.id"), unique=True)
    )
    chain_id: str | None = Field(default=None, sa_column=words(40, nullable=True))
    retires_at: datetime | None = Field(default=None, sa_column=moment())
    first_use_retires: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    last_used_at: datetime | None = Field(default=None, sa_column=moment())
    search_text: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    last_used_ip: str | None = Field(default=None, sa_column=words(64, nullable=True))
    created_by_kind: str | None = Field(default=None, sa_column=words(16, nullable=True))
    external_id: str | None = Field(default=None, sa_column=words(EXTERNAL_ID_LENGTH_MAX, nullable=True))
    metadata_: dict[str, Any] | None = Field(
        default=None, sa_column=Column("metadata", JSON(none_as_null=True), key="metadata_")
    )
    imported_from: str | None = Field(default=None, sa_column=words(100, nullable=True))

    @property
    def created_by(self) -> Actor:
        """The creator, with the name at creation."""
        return actor_from(self.created_by_kind, self.created_by_id, self.created_by_name)


SEARCHED = ("name", "description", "prefix")


@event.listens_for(Token, "before_insert")
@event.listens_for(Token, "before_update")
def _keep_search_text(_mapper: object, _connection: object, token: Token) -> None:
    """Update the searchable text with the fields it is made from, however the row is changed."""
    token.search_text = fields_of(token, SEARCHED)


class TokenFirstUse(Row, table=True):
    """First use of a successor that retires its predecessor, written once. Verification writes nothing else."""

    __tablename__ = "spacekey_token_first_uses"

    token_id: str = Field(sa_column=Column(String(40), ForeignKey("spacekey_tokens.id"), primary_key=True))
    at: datetime = Field(sa_column=moment(nullable=False))
