"""The column of a workspace that names its product: ``product``, before ``catalog``."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename the column. Rows are not changed."""
    op.execute("ALTER TABLE spacekey_workspaces RENAME COLUMN catalog TO product")


def downgrade() -> None:
    """Rename it back."""
    op.execute("ALTER TABLE spacekey_workspaces RENAME COLUMN product TO catalog")
