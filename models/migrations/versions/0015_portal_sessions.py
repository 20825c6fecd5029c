"""Portal sessions of the people of a host product."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "spacekey_portal_sessions",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("workspace_id", sa.String(40), nullable=False),
        sa.Column("person_id", sa.String(200), nullable=False),
        sa.Column("person_name", sa.String(200), nullable=False),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("own_tokens", sa.Boolean(), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("service_id", sa.String(40), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(digest) = 32", name="ck_spacekey_portal_sessions_digest"),
        sa.ForeignKeyConstraint(
            ["service_id"], ["spacekey_services.id"], name="fk_spacekey_portal_sessions_service_id"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["spacekey_workspaces.id"], name="fk_spacekey_portal_sessions_workspace_id"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_spacekey_portal_sessions"),
        sa.UniqueConstraint("id", name="uq_spacekey_portal_sessions_id"),
    )
    op.create_index("ix_spacekey_portal_sessions_person", "spacekey_portal_sessions", ["workspace_id", "person_id"])
    op.create_index("ix_spacekey_portal_sessions_expires_at", "spacekey_portal_sessions", ["expires_at"])


def downgrade() -> None:
    """Drop the table, which ends the sessions."""
    op.drop_table("spacekey_portal_sessions")
