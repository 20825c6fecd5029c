"""Idempotency keys of requests that create or rotate a token."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "spacekey_idempotency_keys",
        sa.Column("caller_id", sa.String(40), nullable=False),
        sa.Column("operation", sa.String(20), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("token_id", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(key_digest) = 32", name="ck_spacekey_idempotency_keys_key"),
        sa.CheckConstraint("length(request_digest) = 32", name="ck_spacekey_idempotency_keys_request"),
        sa.ForeignKeyConstraint(["token_id"], ["spacekey_tokens.id"], name="fk_spacekey_idempotency_keys_token_id"),
        sa.PrimaryKeyConstraint("caller_id", "operation", "key_digest", name="pk_spacekey_idempotency_keys"),
    )
    op.create_index("ix_spacekey_idempotency_keys_created_at", "spacekey_idempotency_keys", ["created_at"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("spacekey_idempotency_keys")
