"""Indexes for what an owner asks: tokens by prefix, usage of a workspace, and audit events by outcome and time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

LISTED = sa.text("deleted_at IS NULL")
DELETED = sa.text("deleted_at IS NOT NULL")


def upgrade() -> None:
    """Create the indexes. Rows are not changed."""
    for name, columns, where in (
        ("ix_spacekey_tokens_prefix", ["prefix", "workspace_id"], LISTED),
        ("ix_spacekey_tokens_workspace_deleted", ["workspace_id"], DELETED),
    ):
        op.create_index(name, "spacekey_tokens", columns, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_spacekey_audit_events_outcome", "spacekey_audit_events", ["chain", "outcome", "sequence"])
    op.create_index("ix_spacekey_audit_events_at", "spacekey_audit_events", ["chain", "at"])


def downgrade() -> None:
    """Drop them."""
    for name in ("ix_spacekey_audit_events_at", "ix_spacekey_audit_events_outcome"):
        op.drop_index(name, "spacekey_audit_events")
    for name in ("ix_spacekey_tokens_workspace_deleted", "ix_spacekey_tokens_prefix"):
        op.drop_index(name, "spacekey_tokens")
