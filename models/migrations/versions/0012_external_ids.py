"""External ids of workspaces, spaces and tokens, metadata and imported keys; and room for a host's ids of actors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LINKED = sa.text("deleted_at IS NULL AND external_id IS NOT NULL")
IMPORTED = sa.text("deleted_at IS NULL AND imported_from IS NOT NULL")

ACTOR_IDS = (
    ("spacekey_tokens", "created_by_id"),
    ("spacekey_audit_events", "actor_id"),
    ("spacekey_audit_events", "target_id"),
    ("spacekey_invitations", "inviter_id"),
    ("spacekey_idempotency_keys", "caller_id"),
)
"""Columns of ids that people of a host application may have."""

BEFORE, AFTER = 40, 200
"""Maximum lengths of these ids."""


def upgrade() -> None:
    """Add the columns and indexes, and widen the ids of actors. Rows are not changed."""
    for table in ("spacekey_workspaces", "spacekey_spaces", "spacekey_tokens"):
        op.add_column(table, sa.Column("external_id", sa.String(200), nullable=True))
    op.add_column("spacekey_tokens", sa.Column("metadata", sa.JSON(), nullable=True))
    op.add_column("spacekey_tokens", sa.Column("imported_from", sa.String(100), nullable=True))
    for name, table, column in (
        ("uq_spacekey_workspaces_product_external_id", "spacekey_workspaces", "product"),
        ("uq_spacekey_spaces_workspace_external_id", "spacekey_spaces", "workspace_id"),
    ):
        op.create_index(name, table, [column, "external_id"], unique=True, sqlite_where=LINKED, postgresql_where=LINKED)
    for name, columns, where in (
        ("ix_spacekey_tokens_workspace_external_id", ["workspace_id", "external_id", "created_at", "id"], LINKED),
        ("ix_spacekey_tokens_workspace_imported", ["workspace_id", "created_at", "id"], IMPORTED),
    ):
        op.create_index(name, "spacekey_tokens", columns, sqlite_where=where, postgresql_where=where)
    _resize(BEFORE, AFTER)


def downgrade() -> None:
    """Drop them. PostgreSQL refuses it if an actor's id is too long for the older version."""
    _resize(AFTER, BEFORE)
    for name, table in (
        ("ix_spacekey_tokens_workspace_imported", "spacekey_tokens"),
        ("ix_spacekey_tokens_workspace_external_id", "spacekey_tokens"),
        ("uq_spacekey_spaces_workspace_external_id", "spacekey_spaces"),
        ("uq_spacekey_workspaces_product_external_id", "spacekey_workspaces"),
    ):
        op.drop_index(name, table)
    op.drop_column("spacekey_tokens", "imported_from")
    op.drop_column("spacekey_tokens", "metadata")
    for table in ("spacekey_tokens", "spacekey_spaces", "spacekey_workspaces"):
        op.drop_column(table, "external_id")


def _resize(before: int, after: int) -> None:
    """Change the maximum length of actors' ids, which rewrites no table.

    SQLite ignores such lengths (https://www.sqlite.org/datatype3.html §3.1), so that there is nothing to do.
    """
    if op.get_bind().dialect.name == "sqlite":
        return
    for table, column in ACTOR_IDS:
        op.alter_column(table, column, existing_type=sa.String(before), type_=sa.String(after))
