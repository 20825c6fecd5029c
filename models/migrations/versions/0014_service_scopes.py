"""Scopes of services, which could only verify tokens before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BEFORE = sa.text("'[\"tokens:introspect\"]'")
"""What every service could do until then."""


def upgrade() -> None:
    """Add the column."""
    op.add_column("spacekey_services", sa.Column("scopes", sa.JSON(), nullable=False, server_default=BEFORE))


def downgrade() -> None:
    """Drop the column, and revoke the services that could do something else: without it they would verify tokens."""
    services = sa.table("spacekey_services", sa.column("scopes", sa.Text()), sa.column("revoked_at", sa.DateTime()))
    verifies = sa.cast(services.c.scopes, sa.Text()).like('%"tokens:introspect"%')
    op.execute(
        services.update()
        .where(~verifies, services.c.revoked_at.is_(None))
        .values(revoked_at=sa.func.current_timestamp())
    )
    op.drop_column("spacekey_services", "scopes")
