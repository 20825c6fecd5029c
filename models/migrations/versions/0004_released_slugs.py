"""Slugs that workspaces have given up, so that they rest before another workspace takes them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, with the slugs of deleted workspaces that no other one has taken since."""
    op.create_table(
        "spacekey_released_slugs",
        sa.Column("slug", sa.String(63), nullable=False),
        sa.Column("workspace_id", sa.String(40), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("slug", name="pk_spacekey_released_slugs"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["spacekey_workspaces.id"], name="fk_spacekey_released_slugs_workspace_id"
        ),
    )
    op.execute(
        "INSERT INTO spacekey_released_slugs (slug, workspace_id, released_at) "
        "SELECT slug, id, deleted_at FROM spacekey_workspaces AS gone WHERE deleted_at IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM spacekey_workspaces AS other WHERE other.slug = gone.slug "
        "AND (other.deleted_at IS NULL OR other.deleted_at > gone.deleted_at "
        "OR (other.deleted_at = gone.deleted_at AND other.id > gone.id)))"
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("spacekey_released_slugs")
