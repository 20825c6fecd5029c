"""Who reports usage, and how far it has been counted: a batch that is sent twice counts once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "spacekey_usage_reporters",
        sa.Column("id", sa.String(120), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spacekey_usage_reporters"),
    )
    op.create_index("ix_spacekey_usage_reporters_seen_at", "spacekey_usage_reporters", ["seen_at"])


def downgrade() -> None:
    """Take it away."""
    op.drop_table("spacekey_usage_reporters")
