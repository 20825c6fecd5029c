"""People whose identity comes from outside, and memberships that a claim made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the columns that tell by which issuer a session and a membership came about."""
    op.create_table(
        "spacekey_outside_identities",
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["spacekey_users.id"],
            name="fk_spacekey_outside_identities_user_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_spacekey_outside_identities"),
    )
    op.create_index("ix_spacekey_outside_identities_user_id", "spacekey_outside_identities", ["user_id"])
    op.add_column("spacekey_user_sessions", sa.Column("issuer", sa.String(255), nullable=True))
    op.add_column("spacekey_members", sa.Column("issuer", sa.String(255), nullable=True))
    op.add_column("spacekey_members", sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop what was created. Memberships that a claim made stay."""
    op.drop_column("spacekey_members", "ends_at")
    op.drop_column("spacekey_members", "issuer")
    op.drop_column("spacekey_user_sessions", "issuer")
    op.drop_table("spacekey_outside_identities")
