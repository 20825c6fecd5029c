"""Services and their secrets, which were entries of a setting before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "spacekey_services",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("product", sa.String(100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_spacekey_services"),
    )
    live = sa.text("revoked_at IS NULL")
    op.create_index(
        "ix_spacekey_services_name",
        "spacekey_services",
        ["name"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_table(
        "spacekey_service_secrets",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("service_id", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(digest) = 32", name="ck_spacekey_service_secrets_digest"),
        sa.ForeignKeyConstraint(
            ["service_id"], ["spacekey_services.id"], name="fk_spacekey_service_secrets_service_id"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_spacekey_service_secrets"),
    )
    op.create_index("ix_spacekey_service_secrets_service_id", "spacekey_service_secrets", ["service_id"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("spacekey_service_secrets")
    op.drop_table("spacekey_services")
