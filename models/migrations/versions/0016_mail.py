"""Mail that waits to be sent, the links in it, and the second code of an invitation that stands in its mail alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables and the column."""
    op.create_table(
        "spacekey_waiting_mails",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("about", sa.String(254), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("next_try_at", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('password', 'proof', 'invitation')", name="ck_spacekey_waiting_mails_kind"),
        sa.PrimaryKeyConstraint("kind", "about", name="pk_spacekey_waiting_mails"),
    )
    op.create_index("ix_spacekey_waiting_mails_next_try", "spacekey_waiting_mails", ["next_try_at"])
    op.create_table(
        "spacekey_mailed_links",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("length(digest) = 32", name="ck_spacekey_mailed_links_digest"),
        sa.CheckConstraint("kind IN ('password', 'proof')", name="ck_spacekey_mailed_links_kind"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["spacekey_users.id"], name="fk_spacekey_mailed_links_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_spacekey_mailed_links"),
        sa.UniqueConstraint("user_id", "kind", name="uq_spacekey_mailed_links_user_id_kind"),
    )
    op.add_column("spacekey_invitations", sa.Column("mail_digest", sa.LargeBinary(32), nullable=True))
    op.create_index("ix_spacekey_invitations_mail_digest", "spacekey_invitations", ["mail_digest"], unique=True)


def downgrade() -> None:
    """Drop the tables and the column."""
    op.drop_index("ix_spacekey_invitations_mail_digest", "spacekey_invitations")
    op.drop_column("spacekey_invitations", "mail_digest")
    op.drop_table("spacekey_mailed_links")
    op.drop_table("spacekey_waiting_mails")
